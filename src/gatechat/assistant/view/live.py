"""The configuration as it is now, read again when it is too old."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from gatechat.assistant.admin_client import AdminClient
from gatechat.assistant.view.configuration import Configuration, Item, Memory, load

CREDENTIALS_AGE: Final = 30.0
"""Seconds for which credentials answer questions: each consumer's take a request of their own."""
MAX_AGE: Final = 2.0
"""Seconds for which a reading answers questions. What is about to be written to is read anew
(``max_age=0``)."""


class Live:
    """One reader for all who ask: those who ask at the same time share one reading."""

    def __init__(self, admin: AdminClient) -> None:
        self._admin = admin
        self._memory = Memory()
        self._lock = asyncio.Lock()
        self._last: Configuration | None = None
        self._begun = float("-inf")
        """When the last reading began, by the monotonic clock: what was written before is in it."""
        self._writes = 0

    async def configuration(self, max_age: float = MAX_AGE) -> Configuration:
        """At most ``max_age`` seconds old. Raises Problem when the Admin API cannot be read."""
        wanted = time.monotonic() - max_age
        async with self._lock:
            if self._last is None or self._begun < wanted:
                begun, writes = time.monotonic(), self._writes
                self._last = await self._load(CREDENTIALS_AGE if max_age > 0 else 0)
                self._begun = begun if writes == self._writes else float("-inf")
            return self._last

    def invalidate(self) -> None:
        """To be called after a write: what was read, or is being read, before it answers nobody who asks
        later."""
        self._writes += 1
        self._memory.credentials_at = float("-inf")
        self._begun = float("-inf")

    def wrote(self, written: Mapping[tuple[str, str], Item | None]) -> None:
        """Instead of invalidate, after a write of ours when we know what is there now; None: nothing is."""
        self._writes += 1
        if self._last is None:
            return
        kinds = {kind: dict(items) for kind, items in self._last.kinds.items()}
        for (kind, id), item in written.items():
            if item is None:
                kinds.get(kind, {}).pop(id, None)
            else:
                kinds.setdefault(kind, {})[id] = item
        self._last = replace(self._last, kinds=kinds)

    async def _load(self, credentials_age: float) -> Configuration:
        try:
            return await load(self._admin, self._memory, credentials_age)
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
