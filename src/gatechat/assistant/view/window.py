"""Two readings of a metrics page and the time between them, also where the page is made only now and then.

APISIX makes its Prometheus page every 15 s (plugin_attr.prometheus.refresh_interval) and answers with the
last one. What lies between two such pages happened in the time between the moments at which they appeared.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from gatechat.assistant.problem import Problem

_EVERY: Final = 1.0
"""Seconds between looks at a page that is made now and then."""
PATIENCE: Final = 36.0
"""Seconds within which two of them must appear: two of APISIX's intervals and a little."""


@dataclass(frozen=True, slots=True)
class Window:
    """The page at the beginning and at the end, ``seconds`` apart."""

    first: bytes
    last: bytes
    seconds: float


async def at_once(
    read: Callable[[], Awaitable[bytes]],
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Window:
    """Of a page that is made when it is asked for."""
    begun = clock()
    first = await read()
    await sleep(seconds)
    return Window(first, await read(), clock() - begun)


async def between_refreshes(
    read: Callable[[], Awaitable[bytes]],
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Window:
    """Of a page that is made now and then: looks for ``seconds``, or longer until it has seen two new ones.

    Raises Problem (504) when there are none to be seen.
    """
    begun = clock()
    page = await read()
    seen: list[tuple[float, bytes]] = []
    while True:
        await sleep(_EVERY)
        found, now = await read(), clock()
        if found != page:
            page = found
            seen = [*seen[:1], (now, found)]
        if len(seen) == 2 and now - begun >= seconds:
            (start, first), (end, last) = seen
            return Window(first, last, end - start)
        if now - begun >= PATIENCE:
            raise Problem(
                504,
                f"the gateway made its Prometheus page anew {'once' if seen else 'not once'} "
                f"in {PATIENCE:g} s: ask with seconds 0 for all since it started, or have its owner shorten "
                "plugin_attr.prometheus.refresh_interval",
            )
