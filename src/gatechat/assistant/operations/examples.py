"""Bodies that work as they are, for a backend given as "host:port": the demo's Conference API by default."""

from __future__ import annotations

from typing import Any, Final

EXAMPLE_ID: Final = "conference"
EXAMPLE_USERNAME: Final = "alice"
EXAMPLE_CREDENTIAL: Final = "alice-key"

_TEN_A_MINUTE: Final = {"count": 10, "time_window": 60, "key": "remote_addr", "rejected_code": 429}


def _conference(backend: str) -> dict[str, Any]:
    return {"type": "roundrobin", "nodes": {backend: 1}}


def new_route(backend: str) -> dict[str, Any]:
    return {
        "name": "conference-speakers",
        "desc": "Sessions and topics of the Conference API's speakers",
        "uri": "/speaker/*",
        "methods": ["GET"],
        "upstream": _conference(backend),
    }


def whole_route(backend: str) -> dict[str, Any]:
    return {
        "name": "conference",
        "desc": "The Conference API's speakers and sessions, at most 10 requests a minute for each client",
        "uris": ["/speaker/*", "/speakers", "/session/*", "/sessions"],
        "plugins": {"limit-count": _TEN_A_MINUTE},
        "upstream": _conference(backend),
    }


def route_change(backend: str) -> dict[str, Any]:
    return {"desc": "Asks for an API key", "plugins": {"key-auth": {}}}


def plan(backend: str) -> dict[str, Any]:
    return {
        "reason": "Publish the Conference API's speakers, 10 requests a minute for each client",
        "operations": [
            {
                "action": "create",
                "kind": "routes",
                "value": {**new_route(backend), "plugins": {"limit-count": _TEN_A_MINUTE}},
            }
        ],
        "probes": [{"path": "/speaker/1/sessions", "status": 200, "required": True}],
    }


def explain(backend: str) -> dict[str, Any]:
    return {"url": "/speaker/1/sessions"}


def upstream(backend: str) -> dict[str, Any]:
    return {"name": "conference", "desc": "The servers of the Conference API", **_conference(backend)}


def upstream_change(backend: str) -> dict[str, Any]:
    return {"retries": 1, "timeout": {"connect": 3, "send": 10, "read": 10}}


def service(backend: str) -> dict[str, Any]:
    return {
        "name": "conference",
        "desc": "What all routes of the Conference API share",
        "plugins": {"limit-count": _TEN_A_MINUTE},
        "upstream": _conference(backend),
    }


def service_change(backend: str) -> dict[str, Any]:
    return {"plugins": {"limit-count": {**_TEN_A_MINUTE, "count": 100}}}


def consumer(backend: str) -> dict[str, Any]:
    return {"username": EXAMPLE_USERNAME, "desc": "The mobile app's team"}


def credential(backend: str) -> dict[str, Any]:
    return {
        "desc": "Key of the mobile app",
        "plugins": {"key-auth": {"key": "put-a-long-random-key-of-your-own-here"}},
    }
