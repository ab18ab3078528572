"""JSON values as protobuf wants them."""

from __future__ import annotations

import json

from google.protobuf.duration_pb2 import Duration

from gatechat.gateway.model import JSON

_NANOS = 1_000_000_000


def duration(seconds: float) -> Duration:
    whole, nanos = divmod(round(seconds * _NANOS), _NANOS)
    return Duration(seconds=whole, nanos=nanos)


def key_of(value: JSON) -> str:
    """A text that equal values share, whatever the order of their fields."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
