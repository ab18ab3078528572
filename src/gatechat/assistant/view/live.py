"""The configuration as it is now, read again when it is too old.

The embedded gateway tells in the header X-Gatechat-Revision how many writes it has seen: what was read at the
same revision is not read again. Of Apache APISIX, which has no such number, everything is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from gatechat.apisix.kinds import PREFIX
from gatechat.assistant.admin_client import AdminClient, Answer
from gatechat.assistant.view.configuration import Configuration, Item, Memory, load
from gatechat.assistant.view.effective import effective

CREDENTIALS_AGE: Final = 30.0
"""Seconds for which credentials answer questions: each consumer's take a request of their own."""
MAX_AGE: Final = 2.0
"""Seconds for which a reading answers questions. What is about to be written to is read anew
(``max_age=0``)."""


@dataclass(frozen=True, slots=True)
class Revision:
    """How many writes a gateway has seen, and since which start of it."""

    start: str
    number: int

    def follows(self, other: Revision, writes: int) -> bool:
        """Whether there were ``writes`` writes between the two, and no more."""
        return self == replace(other, number=other.number + writes)


def revision(answer: Answer) -> Revision | None:
    """When the gateway answered this, at the earliest; None from a gateway that does not count."""
    start, dot, number = answer.headers.get("x-gatechat-revision", "").rpartition(".")
    return Revision(start, int(number)) if dot else None


class Live:
    """One reader for all who ask: those who ask at the same time share one reading."""

    def __init__(self, admin: AdminClient) -> None:
        self._admin = admin
        self._memory = Memory()
        self._lock = asyncio.Lock()
        self._last: Configuration | None = None
        self._revision: Revision | None = None
        """The one of ``_last``, if it is known to be of one."""
        self._begun = float("-inf")
        """When the last reading began, by the monotonic clock: what was written before is in it."""
        self._writes = 0

    async def configuration(self, max_age: float = MAX_AGE) -> Configuration:
        """At most ``max_age`` seconds old. Raises Problem when the Admin API cannot be read."""
        wanted = time.monotonic() - max_age
        async with self._lock:
            if self._last is None or self._begun < wanted:
                begun, writes = time.monotonic(), self._writes
                found = await self._read(CREDENTIALS_AGE if max_age > 0 else 0)
                self._begun = begun if writes == self._writes else float("-inf")
                return found
            return self._last

    async def _read(self, credentials_age: float) -> Configuration:
        counts = self._last is None or self._last.embedded
        before = await self._ask_revision() if counts else None
        if self._last is not None and before is not None and before == self._revision:
            return self._last
        try:
            found = await load(self._admin, self._memory, credentials_age if before is None else 0)
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        after = await self._ask_revision() if before is not None else None
        effective(found, like=self._last)
        self._last, self._revision = found, before if before == after else None
        return found

    async def _ask_revision(self) -> Revision | None:
        return revision(await self._admin.send("HEAD", PREFIX.encode(), {}))

    def invalidate(self) -> None:
        """To be called after a write: what was read, or is being read, before it answers nobody who asks
        later.
        """
        self._writes += 1
        self._memory.credentials_at = float("-inf")
        self._begun = float("-inf")

    def wrote(
        self, written: Mapping[tuple[str, str], Item | None], revisions: Sequence[Revision | None] = ()
    ) -> None:
        """Instead of invalidate, after writes of ours when we know what is there now; None: nothing is.
        Of the items, value and modified_index count.

        ``revisions`` are what the writes were answered with, in their order.
        """
        self._writes += 1
        if self._last is None:
            return
        last, self._revision = self._revision, None
        if last and all(it and it.follows(last, number) for number, it in enumerate(revisions, 1)):
            self._revision = revisions[-1] if revisions else last
        kinds = dict(self._last.kinds)
        for kind in {kind for kind, _ in written}:
            items = dict(self._last.all(kind))
            for id, item in ((id, item) for (of, id), item in written.items() if of == kind):
                if item is None:
                    items.pop(id, None)
                else:
                    created = items[id].created_index if id in items else item.modified_index
                    items[id] = replace(item, created_index=created)
            known = items.keys() <= self._last.all(kind).keys()
            kinds[kind] = MappingProxyType(items if known else dict(sorted(items.items())))
        now = replace(self._last, kinds=MappingProxyType(kinds))
        effective(now, like=self._last)
        self._last = now
