"""One apply at a time, over all processes that share a data folder."""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from gatechat.assistant.problem import Problem

PATIENCE: Final = 30.0
"""Seconds that one apply waits for another."""
_PAUSE: Final = 0.02


class Turns:
    """The kernel gives the turn back when a process ends, however it ends."""

    def __init__(self, path: Path, patience: float = PATIENCE) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._mine = asyncio.Lock()
        self._patience = patience

    def close(self) -> None:
        os.close(self._file)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Raises Problem (503) when others take too long."""
        end = time.monotonic() + self._patience
        try:
            async with asyncio.timeout(self._patience):
                await self._mine.acquire()
        except TimeoutError:
            raise _busy(self._patience) from None
        try:
            while not self._take():
                if time.monotonic() >= end:
                    raise _busy(self._patience)
                await asyncio.sleep(_PAUSE)
            try:
                yield
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)
        finally:
            self._mine.release()

    def _take(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _busy(patience: float) -> Problem:
    return Problem(
        503,
        f"another change has been under way for {patience:g} s, and there is one at a time. Ask for "
        "the plan's state, "
        "then try again",
    )
