"""Looks whether a change is really there: in the Admin API, and through the gateway where it can be reached.

A proof says how it was got and claims no more: a read back shows that the Admin API holds it, a probe that
the gateway serves it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

from gatechat.assistant.change.execute import Done
from gatechat.assistant.change.model import Probe, Proof
from gatechat.assistant.change.probing import mismatch, send
from gatechat.assistant.change.resources import Refused, Resources, as_written
from gatechat.assistant.problem import Problem

SETTLING = 3.0
"""Seconds within which a gateway must serve what its Admin API took; APISIX watches etcd and needs some."""
_PAUSE: Final = 0.03
_MOST_REACHED: Final = 3
_AT_ONCE: Final = 8


async def read_back(steps: Sequence[Done], resources: Resources) -> Proof:
    """Reads every resource again and keeps what it is now in its step."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def look(done: Done) -> str:
        name = f"{done.edit.target.kind}/{done.edit.target.id}"
        try:
            async with turns:
                done.left = await resources.get(done.edit.target)
        except (Problem, Refused) as error:
            return f"{name} cannot be read ({error})"
        return "" if as_written(done.edit.target, done.edit.after, done.left) else f"{name} is not as planned"

    wrong = [words for words in await asyncio.gather(*map(look, steps)) if words]
    one = len(steps) == 1
    what = f"{len(steps)} resource{'' if one else 's'} in the Admin API"
    return Proof("read back", what, not wrong, "; ".join(wrong))


async def probe_all(probes: Sequence[Probe], gateway: str) -> list[Proof]:
    """Sends every probe until it passes or the gateway had time enough. In the probes' order."""
    return list(await asyncio.gather(*(_probe(probe, gateway) for probe in probes)))


async def _probe(probe: Probe, gateway: str) -> Proof:
    what = f"{probe.method} {probe.headers.get('Host') or probe.headers.get('host') or ''}{probe.path}"
    end = time.monotonic() + SETTLING
    while True:
        try:
            seen = await send(gateway, probe)
            wrong, got = mismatch(probe, seen), f"answered {seen.status}"
        except Problem as error:
            wrong, got = error.message, ""
        if not wrong or time.monotonic() >= end:
            return Proof("probe", what, not wrong, wrong or got)
        await asyncio.sleep(_PAUSE)


def reaching(steps: Sequence[Done]) -> list[Probe]:
    """GETs that show whether changed routes answer at all: for a few, and only where a plain GET can tell."""
    return [probe for done in steps for probe in _reach(done)][:_MOST_REACHED]


def _reach(done: Done) -> Iterator[Probe]:
    route = done.edit.after
    if done.edit.target.kind != "routes" or route is None or done.outcome != "done":
        return
    if any(name in route for name in ("vars", "remote_addr", "remote_addrs", "filter_func", "script")):
        return
    if route.get("status") == 0 or "GET" not in (route.get("methods") or ["GET"]):
        return
    path = _first(route, "uri", "uris").removesuffix("*")
    host = _first(route, "host", "hosts")
    if not path.startswith("/") or any(c in path for c in ":*") or not path.isascii() or "*" in host:
        return
    if "service_id" in route and not host:
        return  # the service may have the host
    yield Probe("GET", path, {"Host": host} if host else {})


def _first(route: dict[str, Any], one: str, many: str) -> str:
    found = route.get(one) or next(iter(route.get(many) or ()), "")
    return found if isinstance(found, str) else ""
