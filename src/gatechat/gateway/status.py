"""Facts that come back from Envoy: which publication it took, which it refused and in what words."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Envoy took every changed resource of the publication and its new clusters are ready to serve."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """Envoy refused a resource of the type ``type_url``; ``detail`` is its own text.

    Where Envoy did not refuse but die of the publication, ``type_url`` is "".
    """

    type_url: str
    detail: str


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Envoy said neither yes nor no in time; the publication may still take effect later."""


DEATHS = 2
"""An Envoy that dies once with a publication unanswered may have been killed by somebody."""

Outcome: TypeAlias = Acknowledged | Rejected | Unanswered


class Status:
    """The outcome of publications, by version (the store's revision, which only grows).

    Envoy is always given the newest publication, so an answer to one version is also the answer to those
    before it that never got their own.
    """

    def __init__(self) -> None:
        self._published = -1
        self._deaths = 0
        self._version = -1
        self._outcome: Outcome = Unanswered()
        self._changed = asyncio.Condition()

    @property
    def latest(self) -> tuple[int, Outcome]:
        """The newest version Envoy has answered (-1: none yet), and its answer."""
        return self._version, self._outcome

    def published(self, version: int) -> None:
        """``version`` is what Envoy is given from now on."""
        self._published, self._deaths = version, 0

    async def envoy_died(self) -> None:
        """Envoy ended by itself. When that was the publication's doing, the next Envoy will die of it too."""
        if self._version < self._published:
            self._deaths += 1
            if self._deaths == DEATHS:
                await self.report(self._published, Rejected("", f"it died of it, {DEATHS} times"))

    async def report(self, version: int, outcome: Acknowledged | Rejected) -> None:
        """An answer to a version before the newest answered one is no news."""
        if version < self._version:
            return
        async with self._changed:
            self._version, self._outcome = version, outcome
            self._changed.notify_all()

    async def outcome(self, version: int, timeout: float | None) -> Outcome:  # noqa: ASYNC109
        """Envoy's answer to ``version``, or to a newer one that took its place. ``timeout`` in seconds."""
        try:
            async with asyncio.timeout(timeout), self._changed:
                await self._changed.wait_for(lambda: self._version >= version)
                return self._outcome
        except TimeoutError:
            return Unanswered()
