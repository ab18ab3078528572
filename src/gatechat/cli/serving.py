"""Our HTTP servers beside each other on one event loop, from start to a clean end."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import uvicorn

if TYPE_CHECKING:
    from starlette.types import ASGIApp

log = logging.getLogger("gatechat.cli")

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class _Uvicorn(uvicorn.Server):
    """Uvicorn that says when it listens and leaves signals to us."""

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


class HttpServer:
    """One app on one bound socket.

    ``start`` returns when it answers; ``stop`` finishes the requests under way, for at most three seconds.
    """

    def __init__(self, app: ASGIApp, bound: socket.socket) -> None:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=3,
            ws="none",
        )
        self._server = _Uvicorn(config)
        self._socket = bound
        self.url = url_of(bound)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._server.serve([self._socket]))
        listening = asyncio.create_task(self._server.listening.wait())
        await asyncio.wait({self._task, listening}, return_when=asyncio.FIRST_COMPLETED)
        listening.cancel()
        if self._task.done():
            self._task.result()
            raise RuntimeError("the server ended before it listened; its log says why")

    async def stop(self) -> None:
        if self._task is None:
            return
        self._server.should_exit = True
        await asyncio.wait({self._task})


def url_of(bound: socket.socket) -> str:
    """Where this machine reaches a bound socket, also one that is bound to every address."""
    host, port = bound.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def until_signal(work: Coroutine[Any, Any, None]) -> None:
    """Runs ``work`` until it ends, or until Ctrl-C or SIGTERM cancel it, and returns when it has cleaned up.

    Signals count from the first moment, also while ``work`` starts. A second one ends the process at once.
    """
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    stopped = asyncio.Event()

    def stop() -> None:
        stopped.set()
        task.cancel()
        ignore_signals()

    def ignore_signals() -> None:
        for number in SIGNALS:
            loop.remove_signal_handler(number)

    for number in SIGNALS:
        loop.add_signal_handler(number, stop)
    log.debug("starting; Ctrl-C stops it")
    try:
        await task
    except asyncio.CancelledError:
        if not stopped.is_set():
            raise
    finally:
        ignore_signals()


async def forever() -> None:
    """Waits to be cancelled."""
    await asyncio.get_running_loop().create_future()
