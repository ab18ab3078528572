"""A plan of five steps, and a real TCP proxy before the Admin API through which it can be made to fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.conftest import GatewayUnderTest

STEPS = 5


@dataclass
class Proxy:
    """Passes requests on to the Admin API. ``fault`` is asked before each write of a resource, by its number
    (from 1), and says what happens to it: "" (nothing), "cut" (the connection ends before it is passed on),
    "lose" (it is passed on, and the connection ends instead of the answer), "slow" (the answer waits for
    ``go``), or a status that is answered instead. ``down``: every connection ends at once.
    """

    target: str
    fault: Callable[[int], str] = lambda number: ""
    down: bool = False
    writes: list[str] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while not self.down:
                head = await reader.readuntil(b"\r\n\r\n")
                answer = await self._answer(head, await self._body(head, reader))
                if answer is None:
                    break
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the other side went away, as it may
        finally:
            writer.close()

    async def _answer(self, head: bytes, body: bytes) -> bytes | None:
        method, path = head.split(b" ", 2)[:2]
        said = ""
        if method in (b"PUT", b"POST", b"PATCH", b"DELETE") and b"validate" not in path:
            self.writes.append(f"{method.decode()} {path.decode().removeprefix('/apisix/admin/')}")
            said = self.fault(len(self.writes))
        if said == "cut" or self.down:
            return None
        if said.isdigit():
            words = b'{"error_msg":"the test says so"}'
            line = (
                f"HTTP/1.1 {said} X\r\ncontent-type: application/json\r\ncontent-length: {len(words)}\r\n\r\n"
            )
            return line.encode() + words
        answer = await self._passed_on(head, body)
        if said == "slow":
            await self.go.wait()
        return None if said == "lose" or self.down else answer

    async def _passed_on(self, head: bytes, body: bytes) -> bytes:
        parts = urlsplit(self.target)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(head + body)
        await writer.drain()
        answer = await reader.readuntil(b"\r\n\r\n")
        answer += await self._body(answer, reader)
        writer.close()
        return answer

    @staticmethod
    async def _body(head: bytes, reader: asyncio.StreamReader) -> bytes:
        lengths = [
            int(line.partition(b":")[2])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length:")
        ]
        return await reader.readexactly(lengths[0]) if lengths else b""


@asynccontextmanager
async def proxied(gateway: GatewayUnderTest) -> AsyncIterator[tuple[Proxy, str]]:
    """The proxy and its URL."""
    proxy = Proxy(gateway.gateway.admin_url)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    yield proxy, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    proxy.go.set()
    server.close()


def furnished(gateway: GatewayUnderTest) -> None:
    """What is there before the plan."""
    gateway.put("upstreams/u", {"type": "roundrobin", "nodes": gateway.nodes()})
    gateway.put("routes/keep", {"uri": "/keep", "upstream_id": "u"})
    gateway.put("routes/old", {"uri": "/old", "upstream_id": "u"})


def operations() -> list[dict[str, Any]]:
    """Five steps, written in this order."""
    return [
        {"action": "merge", "kind": "upstreams", "id": "u", "value": {"retries": 3}},
        {"action": "create", "kind": "services", "id": "s", "value": {"upstream_id": "u"}},
        {"action": "create", "kind": "routes", "id": "a", "value": {"uri": "/a", "service_id": "s"}},
        {"action": "merge", "kind": "routes", "id": "keep", "value": {"desc": "kept"}},
        {"action": "delete", "kind": "routes", "id": "old"},
    ]


def held(gateway: GatewayUnderTest) -> dict[str, Any]:
    """The whole configuration, without versions and times."""
    found = {}
    for kind in ("upstreams", "services", "routes"):
        for row in gateway.admin.get(f"/apisix/admin/{kind}").json()["list"]:
            value = {k: v for k, v in row["value"].items() if k not in ("create_time", "update_time")}
            found[f"{kind}/{value['id']}"] = value
    return found


def is_done(gateway: GatewayUnderTest) -> bool:
    """Whether all of the plan is there; fails when a part of it is."""
    now = held(gateway)
    parts = (
        now["upstreams/u"].get("retries") == 3,
        "services/s" in now,
        "routes/a" in now,
        now["routes/keep"].get("desc") == "kept",
        "routes/old" not in now,
    )
    assert len(set(parts)) == 1, f"half done: {parts}"
    return parts[0]
