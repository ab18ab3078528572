"""The assistant on a real uvicorn, in front of a stand-in for an Admin API that remembers what it was
asked."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from gatechat.assistant.app import create_app
from gatechat.assistant.settings import AssistantSettings
from gatechat.serving import serving as serve

KEY = "the-admin-key-of-the-tests"
TOKEN = "the-token-of-the-tests"


@dataclass(frozen=True)
class Asked:
    """One request as the Admin API got it."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


@dataclass
class AdminStandIn:
    """ASGI app. Answers ``status``, ``headers`` and ``body`` to everything, once ``go`` is set; but what it
    is asked about plugins and schemas it answers at once, and does not count: it has none.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    body: bytes = b'{"list":[],"total":0}'
    about_itself: bytes = b"{}"
    asked: list[Asked] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.go.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        path, query = scope["raw_path"].decode(), scope["query_string"].decode()
        about_itself = path == "/apisix/admin/plugins" or path.startswith("/apisix/admin/schema/")
        if scope["method"] == "GET" and about_itself:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": self.about_itself})
            return
        self.asked.append(Asked(scope["method"], path, query, headers, body))
        await self.go.wait()
        raw = [(name.encode(), value.encode()) for name, value in self.headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": raw})
        await send({"type": "http.response.body", "body": self.body})


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


async def raw(port: int, request: bytes) -> Answer:
    """Sends exactly these bytes and reads one answer. Line ends may be written as plain newlines."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request.replace(b"\n", b"\r\n"))
    await writer.drain()
    head, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    writer.close()
    return Answer(int(head.split(" ")[1]), headers, body)


@asynccontextmanager
async def serving(app: ASGIApp, bound: socket.socket | None = None) -> AsyncIterator[int]:
    """The port on which ``app`` is served, as `gatechat` itself serves it."""
    bound = bound or _bound()
    async with serve(app, bound):
        yield int(bound.getsockname()[1])


@asynccontextmanager
async def assistant(admin: int | str, **settings: Any) -> AsyncIterator[int]:
    """The port of an assistant in front of the Admin API on this port or URL."""
    url = admin if isinstance(admin, str) else f"http://127.0.0.1:{admin}"
    bound = _bound()
    told = AssistantSettings(
        **{"admin_url": url, "admin_key": KEY, "port": bound.getsockname()[1], **settings}
    )
    async with serving(create_app(told), bound) as port:
        yield port


def _bound() -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # for NODELAY
    bound.bind(("127.0.0.1", 0))
    return bound


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
