"""The shapes and headers of the Admin API's answers (v3)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from starlette.responses import Response

from gatechat.apisix.kinds import KINDS
from gatechat.gateway.model import JSON, Refused, Resource

WARNING = "X-Gatechat-Warning"
UNACKNOWLEDGED = "stored, but Envoy did not acknowledge it in time; it will be served as soon as it does"


class KeyNotFound(Refused):
    """404 ``{"message":"Key not found"}``, which is etcd's shape and not ``error_msg``."""

    def __init__(self) -> None:
        super().__init__("Key not found", 404)


def answer(value: JSON, status: int = 200, **headers: str) -> Response:
    """JSON as APISIX sends it: compact, with a newline at the end. A header's ``_`` stands for ``-``."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n"
    sent = {name.replace("_", "-"): text for name, text in headers.items()}
    return Response(body.encode(), status, sent, media_type="application/json")


def refusal(error: Refused, **more: JSON) -> Response:
    """``more`` goes into the answer beside ``error_msg``."""
    if isinstance(error, KeyNotFound):
        return answer({"message": error.message}, error.status, X_API_VERSION="v3")
    return answer({"error_msg": error.message, **more}, error.status)


def shown(resource: Resource) -> dict[str, JSON]:
    """The value of a resource without what is never shown (private keys)."""
    hidden = KINDS[resource.kind].hidden
    return {name: value for name, value in resource.value.items() if name not in hidden}


def written(resource: Resource, *, created: bool, acknowledged: bool) -> Response:
    """The answer to PUT, POST and PATCH: key and value, as etcd's write tells no indexes."""
    value = {"key": KINDS[resource.kind].key(resource.id), "value": shown(resource)}
    return answer(value, 201 if created else 200, **_headers(acknowledged))


def deleted(key: str, *, acknowledged: bool) -> Response:
    return answer({"deleted": "1", "key": key}, 200, **_headers(acknowledged))


def one(resource: Resource) -> dict[str, JSON]:
    return {
        "key": KINDS[resource.kind].key(resource.id),
        "value": shown(resource),
        "createdIndex": resource.created_index,
        "modifiedIndex": resource.modified_index,
    }


def many(resources: Iterable[Resource], total: int) -> dict[str, Any]:
    return {"list": [one(resource) for resource in resources], "total": total}


def _headers(acknowledged: bool) -> dict[str, str]:
    headers = {"X_API_VERSION": "v3"}
    if not acknowledged:
        headers[WARNING.replace("-", "_")] = UNACKNOWLEDGED
    return headers
