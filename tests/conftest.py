"""A whole gateway on free ports, with an upstream to send traffic to."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import httpx2
import pytest

from gatechat.gateway.model import Delete, State

if TYPE_CHECKING:
    from gatechat.gateway.app import Gateway, GatewaySettings

ADMIN_KEY = "the-tests-key"
T = TypeVar("T")


class Echo(BaseHTTPRequestHandler):
    """Answers with what it was asked, as JSON. The request may choose the status: ``x-reply-status: 503``."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle_any(self) -> None:
        length = int(self.headers.get("content-length", 0))
        answer = {
            "method": self.command,
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": self.rfile.read(length).decode(errors="replace"),
            "port": self.server.server_address[1],
        }
        body = json.dumps(answer).encode()
        self.send_response(int(self.headers.get("x-reply-status", 200)))
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = handle_any

    def log_message(self, format: str, *args: Any) -> None:
        """Tests need no access log."""


class _EchoServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class LoopThread:
    """An event loop that runs beside the tests, so that they may block."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.submit(work).result(60)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@dataclass(frozen=True)
class GatewayUnderTest:
    """``admin`` speaks to the Admin API with its key, ``client`` sends traffic.

    ``upstream`` and ``upstream2`` are the "host:port" of two echo servers (see Echo).
    """

    gateway: Gateway
    loop: LoopThread
    admin: httpx2.Client
    client: httpx2.Client
    upstream: str
    upstream2: str

    def put(self, path: str, value: dict[str, Any]) -> httpx2.Response:
        """PUT below /apisix/admin; fails the test unless it is accepted."""
        answer = self.admin.put(f"/apisix/admin/{path}", json=value)
        assert answer.status_code in (200, 201), answer.text
        return answer

    def nodes(self) -> dict[str, int]:
        return {self.upstream: 1}

    def clear(self) -> None:
        """Deletes every resource in one write."""

        def everything(state: State) -> list[Delete]:
            return [Delete(kind, id) for kind, resources in state.kinds.items() for id in resources]

        self.loop.run(self.gateway.apply.write(everything))


@pytest.fixture(scope="session")
def echo_upstreams() -> Iterator[tuple[str, str]]:
    servers = [_EchoServer(("127.0.0.1", 0), Echo) for _ in range(2)]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield tuple(f"127.0.0.1:{server.server_address[1]}" for server in servers)  # type: ignore[misc]
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="session")
def session_gateway(
    tmp_path_factory: pytest.TempPathFactory, echo_upstreams: tuple[str, str]
) -> Iterator[GatewayUnderTest]:
    from gatechat.gateway.app import Gateway  # the tests of the other rooms must not pay for this import

    logging.getLogger("httpx2").setLevel(logging.WARNING)
    loop = LoopThread()
    gateway = Gateway(settings_on_free_ports(tmp_path_factory.mktemp("gateway")))
    loop.run(gateway.start())
    with (
        httpx2.Client(base_url=gateway.admin_url, headers={"X-API-KEY": ADMIN_KEY}, timeout=30) as admin,
        httpx2.Client(base_url=gateway.proxy_url) as client,
    ):
        yield GatewayUnderTest(gateway, loop, admin, client, *echo_upstreams)
    loop.run(gateway.stop())
    loop.close()


@pytest.fixture
def gateway(session_gateway: GatewayUnderTest) -> Iterator[GatewayUnderTest]:
    """The session's gateway; what a test puts into it is deleted after the test."""
    yield session_gateway
    session_gateway.clear()
    session_gateway.client.cookies.clear()


def settings_on_free_ports(data_dir: Path, **more: Any) -> GatewaySettings:
    """A gateway on free ports with ``ADMIN_KEY``."""
    from gatechat.gateway.app import GatewaySettings

    free: dict[str, Any] = {"proxy_port": 0, "admin_port": 0, "metrics_port": 0}
    return GatewaySettings(data_dir, **(free | {"admin_key": ADMIN_KEY, "concurrency": 1} | more))
