"""Ctrl-C and SIGTERM: what runs is cancelled, cleans up, and then it ends."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Coroutine
from typing import Any

log = logging.getLogger("gatechat.cli")

SIGNALS = (signal.SIGINT, signal.SIGTERM)


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
