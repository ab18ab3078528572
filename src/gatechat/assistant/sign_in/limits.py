"""How often somebody may: token buckets by name, in memory."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

MOST_NAMES: Final = 10_000
"""Buckets that are kept. The one asked for the longest ago goes first: it is the likeliest to be full."""


class Limiter:
    """``per_minute`` at once, then one each time that a part of the minute has passed."""

    def __init__(self, per_minute: int, now: Callable[[], float] = time.monotonic) -> None:
        self._size = float(per_minute)
        self._rate = per_minute / 60
        self._now = now
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Name -> (what is left, when that was)."""

    def wait(self, name: str) -> float:
        """Seconds until the next may be taken; 0.0: now."""
        return max(0.0, (1 - self._left(name)) / self._rate)

    def take(self, name: str) -> float:
        """Takes one if there is one, and returns 0.0; else the seconds until there is."""
        wait = self.wait(name)
        if wait == 0.0:
            self._buckets[name] = (self._left(name) - 1, self._now())
            if len(self._buckets) > MOST_NAMES:
                self._buckets.popitem(last=False)
        return wait

    def _left(self, name: str) -> float:
        if name not in self._buckets:
            return self._size
        self._buckets.move_to_end(name)
        left, since = self._buckets[name]
        return min(self._size, left + (self._now() - since) * self._rate)
