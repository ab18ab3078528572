"""JSON values as protobuf wants them."""

from __future__ import annotations

import json

from envoy.config.core.v3 import config_source_pb2
from google.protobuf.duration_pb2 import Duration

from gatechat.gateway.model import JSON

_NANOS = 1_000_000_000


def duration(seconds: float) -> Duration:
    whole, nanos = divmod(round(seconds * _NANOS), _NANOS)
    return Duration(seconds=whole, nanos=nanos)


def key_of(value: JSON) -> str:
    """A text that equal values share, whatever the order of their fields."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def over_ads() -> config_source_pb2.ConfigSource:
    return config_source_pb2.ConfigSource(
        ads=config_source_pb2.AggregatedConfigSource(), resource_api_version=config_source_pb2.V3
    )
