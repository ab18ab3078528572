"""An Admin API in memory, as those of several APISIX releases behave."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gatechat.ports import Port, bind
from gatechat.serving import serving

KEY = "right"

EVERYTHING: dict[str, dict[str, Any]] = {
    "secrets": {"vault/1": {"uri": "http://127.0.0.1:8200", "prefix": "kv", "token": "t"}},
    "ssls": {"1": {"cert": "PEM", "key": "PRIVATE", "snis": ["a.test"]}},
    "protos": {"1": {"content": "syntax = 'proto3';"}},
    "upstreams": {"1": {"nodes": {"127.0.0.1:1": 1}, "type": "roundrobin"}},
    "services": {"1": {"upstream_id": "1"}},
    "plugin_configs": {"1": {"plugins": {"cors": {}}}},
    "consumer_groups": {"g": {"plugins": {}}},
    "consumers": {"jack": {"username": "jack", "group_id": "g"}},
    "credentials": {"jack/credentials/laptop": {"plugins": {"key-auth": {"key": "k"}}}},
    "plugin_metadata": {"http-logger": {"log_format": {"host": "$host"}}},
    "global_rules": {"1": {"plugins": {"prometheus": {}}}},
    "routes": {"1": {"uri": "/a", "service_id": "1"}, "a.b-c_d": {"uri": "/b/*"}},
    "stream_routes": {"1": {"server_port": 9100, "upstream_id": "1"}},
}


PLUGINS = ("cors", "key-auth", "http-logger", "prometheus")


@dataclass
class AdminApi:
    """An APISIX in memory. It refuses resources with a field "wrong", hides private keys, and tells of no
    schema.
    """

    held: dict[str, dict[str, Any]] = field(default_factory=dict)
    without_kinds: tuple[str, ...] = ()
    without_checks: tuple[str, ...] = ()
    refuses_writes_of: tuple[str, ...] = ()
    writes: list[str] = field(default_factory=list)
    wrote: Callable[[], None] = lambda: None

    async def answer(self, request: Request) -> Response:
        path = request.path_params["path"]
        if request.headers.get("x-api-key") != KEY:
            return JSONResponse({"description": "wrong apikey", "error_msg": "failed to check token"}, 401)
        if path == "plugins":
            return JSONResponse({} if request.query_params.get("subsystem") else {it: {} for it in PLUGINS})
        if path.startswith("schema/") and request.method == "GET":
            return JSONResponse({"error_msg": "not found"}, 404)
        if request.method == "POST":
            return self._check(path, await request.body())
        kind, id = _split(path)
        if kind in self.without_kinds:
            return JSONResponse({"error_msg": f"Unsupported resource type: {kind}"}, 404)
        if request.method == "PUT":
            return self._put(kind, id, path, await request.json())
        if id and id not in self.held.get(kind, {}):
            return JSONResponse({"message": "Key not found"}, 404)
        if request.method == "DELETE":
            del self.held[kind][id]
            return JSONResponse({"deleted": "1"})
        if id:
            return JSONResponse(self._row(kind, id))
        under = path.removeprefix("consumers/")
        rows = [
            self._row(kind, id)
            for id in self.held.get(kind, {})
            if kind != "credentials" or id.startswith(under)
        ]
        return JSONResponse({"list": rows or {}, "total": len(rows)})

    def _row(self, kind: str, id: str) -> dict[str, Any]:
        value = {k: v for k, v in self.held[kind][id].items() if kind != "ssls" or k != "key"}
        key = f"/apisix/consumers/{id}" if kind == "credentials" else f"/apisix/{kind}/{id}"
        times = {"id": id.rpartition("/")[2], "create_time": 1, "update_time": 2}
        return {"key": key, "value": value | times, "createdIndex": 7, "modifiedIndex": 8}

    def _put(self, kind: str, id: str, path: str, value: dict[str, Any]) -> Response:
        if path in self.refuses_writes_of or "wrong" in value:
            return JSONResponse({"error_msg": "invalid configuration"}, 400)
        created = id not in self.held.get(kind, {})
        self.held.setdefault(kind, {})[id] = value
        self.writes.append(path)
        self.wrote()
        return JSONResponse(self._row(kind, id), 201 if created else 200)

    def _check(self, path: str, body: bytes) -> Response:
        if path in self.without_checks:
            return JSONResponse({"error_msg": "not found"}, 404)
        document = json.loads(body)
        if path == "configs/validate":
            errors = [
                {
                    "resource_type": kind,
                    "resource_id": row.get("id", ""),
                    "index": index,
                    "error": "wrong is wrong",
                }
                for kind, rows in document.items()
                for index, row in enumerate(rows)
                if "wrong" in row
            ]
            return (
                JSONResponse({"error_msg": "failed", "errors": errors}, 400) if errors else JSONResponse({})
            )
        return JSONResponse({"error_msg": "wrong is wrong"}, 400) if "wrong" in document else JSONResponse({})


def _split(path: str) -> tuple[str, str]:
    kind, _, id = path.partition("/")
    if kind == "consumers" and "/credentials" in id:
        return "credentials", id if not id.endswith("/credentials") else ""
    return kind, id


@asynccontextmanager
async def served(api: AdminApi) -> AsyncIterator[str]:
    """Its URL."""
    methods = ["GET", "PUT", "POST", "DELETE"]
    app = Starlette(
        routes=[
            Route("/apisix/admin", lambda request: Response()),
            Route("/apisix/admin/{path:path}", api.answer, methods=methods),
        ]
    )
    with bind(Port("Admin API", "127.0.0.1", 0, "--admin-port")) as bound:
        async with serving(app, bound) as url:
            yield url
