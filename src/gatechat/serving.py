"""An HTTP server of ours, from its first answer to a clean end; several may share one event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import uvicorn

from gatechat import ports

if TYPE_CHECKING:
    from starlette.types import ASGIApp

GRACE = 3
"""Seconds that requests under way have to finish when the server ends."""


class _Uvicorn(uvicorn.Server):
    """Uvicorn that says when it listens and leaves signals to the command line."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit as exit:  # uvicorn's answer to an app whose own start fails
            raise RuntimeError("the application could not start; its log says why") from exit
        self.listening.set()


@asynccontextmanager
async def serving(app: ASGIApp, bound: socket.socket) -> AsyncIterator[str]:
    """Serves ``app`` on a bound socket. Its URL is given when it answers."""
    config = uvicorn.Config(
        app,
        http="h11",  # the other parser hands on whole URLs as if they were paths
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # who connects is who asks, whatever a header says
        timeout_graceful_shutdown=GRACE,
    )
    server = _Uvicorn(config)
    task = asyncio.create_task(server.serve([bound]))
    listening = asyncio.create_task(server.listening.wait())
    try:
        await asyncio.wait({task, listening}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
            raise RuntimeError("the server ended before it listened; its log says why")
        yield ports.url(*bound.getsockname()[:2])
    finally:
        listening.cancel()
        server.should_exit = True
        await task
