"""Looks whether a change is really there: in the Admin API, in the data plane, through the gateway.

A proof says how it was got and claims no more: a read back shows that the Admin API holds it, the Control API
that a data plane has heard of it, a probe that the gateway serves it.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import quote

from gatechat.assistant.change.execute import Done
from gatechat.assistant.change.model import Probe, Proof, Target
from gatechat.assistant.change.resources import Refused, Resources, as_written
from gatechat.assistant.ledger import Held
from gatechat.assistant.problem import Problem
from gatechat.assistant.view.exchange import Reply, exchange

SETTLING = 3.0
"""Seconds within which a gateway must serve what its Admin API took; APISIX watches etcd and needs some."""
_PAUSE: Final = 0.03
_SECONDS: Final = 10.0
"""How long one request may take."""
_LARGEST: Final = 256 * 1024
"""Bytes of a body that are looked at."""
_MOST_REACHED: Final = 3
_AT_ONCE: Final = 8
_NO_ROUTE: Final = b"404 Route Not Found"
"""What APISIX answers when no route takes a request."""
_TOLD: Final = {"routes": "route", "services": "service", "upstreams": "upstream"}
"""What the Control API tells of a resource with its version, and where.

Source: "Control API" of the APISIX documentation.
"""


async def read_back(steps: Sequence[Done], resources: Resources) -> Proof:
    """Reads every resource again and keeps what it is now in its step; where it cannot, what was written."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def look(done: Done) -> str:
        try:
            async with turns:
                done.left = await resources.get(done.edit.target)
        except (Problem, Refused) as error:
            done.left = None if done.edit.after is None else Held(done.edit.after, None)
            return f"{_name(done.edit.target)} cannot be read ({error})"
        there = as_written(done.edit.target, done.edit.after, done.left)
        return "" if there else f"{_name(done.edit.target)} is not as planned"

    wrong = [words for words in await asyncio.gather(*map(look, steps)) if words]
    return Proof("read back", f"{_count(len(steps))} in the Admin API", not wrong, "; ".join(wrong))


async def served(steps: Sequence[Done], control_url: str) -> Proof | None:
    """Asks the Control API until the data plane has what was written; None where it tells of none of it.

    To be called after read_back, which learns the versions.
    """
    told = [done for done in steps if done.edit.target.kind in _TOLD and done.outcome == "done"]
    if not told:
        return None
    end = time.monotonic() + SETTLING
    turns = asyncio.Semaphore(_AT_ONCE)

    async def look(done: Done) -> str:
        async with turns:
            while words := await _not_arrived(done, control_url):
                if time.monotonic() >= end:
                    return words
                await asyncio.sleep(_PAUSE)
        return ""

    wrong = [words for words in await asyncio.gather(*map(look, told)) if words]
    return Proof("control api", f"{_count(len(told))} in the data plane", not wrong, "; ".join(wrong))


async def _not_arrived(done: Done, control_url: str) -> str:
    """What is not there yet, in words, or ""."""
    target = done.edit.target
    path = f"/v1/{_TOLD[target.kind]}/{quote(target.id, safe='')}"
    try:
        seen = await exchange(control_url, "GET", path, {}, seconds=_SECONDS, most=_LARGEST)
    except Problem as problem:
        return problem.message
    if seen.status == 404:
        return "" if done.left is None else f"{_name(target)} is not there yet"
    if done.left is None:
        return f"{_name(target)} is still there"
    version = _version(seen)
    if version is None or done.left.version is None:
        return f"of {_name(target)} it tells no version ({seen.status})"
    return "" if version >= done.left.version else f"{_name(target)} is still an older one"


def _version(seen: Reply) -> int | None:
    """The modifiedIndex that etcd gave it; where an upstream inside it gave it another, the original."""
    try:
        body = json.loads(seen.body)
    except ValueError:
        return None
    found = body.get("orig_modifiedIndex") or body.get("modifiedIndex") if isinstance(body, dict) else None
    return found if isinstance(found, int) else None


async def probe_all(probes: Sequence[Probe], gateway: str) -> list[Proof]:
    """Sends every probe until it passes or the gateway had time enough. In the probes' order."""
    return list(await asyncio.gather(*(_probe(probe, gateway) for probe in probes)))


def unreachable(probe: Probe) -> Proof:
    """For a gateway that the assistant has no way through."""
    words = "no URL leads through the gateway: say where it takes traffic (--gateway-url or --traffic-url)"
    return Proof("probe", _request(probe), False, words)


async def _probe(probe: Probe, gateway: str) -> Proof:
    end = time.monotonic() + SETTLING
    while True:
        try:
            seen = await exchange(
                gateway, probe.method, probe.path, probe.headers, seconds=_SECONDS, most=_LARGEST
            )
            wrong, got = mismatch(probe, seen), f"answered {seen.status}"
        except Problem as error:
            wrong, got = error.message, ""
        if not wrong or time.monotonic() >= end:
            return Proof("probe", _request(probe), not wrong, wrong or got)
        await asyncio.sleep(_PAUSE)


def mismatch(probe: Probe, seen: Reply) -> str:
    """What is not as the probe expects, in words, or "". Without expectations: some route answers."""
    wrong: list[str] = []
    unrouted = seen.status == 404 and _NO_ROUTE in seen.body
    if probe.status is not None and seen.status != probe.status:
        wrong.append(f"status {seen.status} instead of {probe.status}")
    if probe.header is not None:
        name, value = probe.header
        found = [text for other, text in seen.headers if other.lower() == name.lower()]
        if not any(value in text for text in found):
            wrong.append(f"header {name} is {'another' if found else 'not there'}")
    if probe.contains is not None and probe.contains.encode("utf-8", "surrogatepass") not in seen.body:
        wrong.append("the body does not contain what it should")
    if unrouted and probe.status != 404:
        wrong.append("no route takes it")
    elif probe.status is None and seen.status >= 500:
        wrong.append(f"status {seen.status}")
    return ", ".join(wrong)


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
    if not path.startswith("/") or any(c in path for c in ":*") or "*" in host:
        return
    if "service_id" in route and not host:
        return  # the service may have the host
    yield Probe("GET", path, {"Host": host} if host else {})


def _first(route: dict[str, Any], one: str, many: str) -> str:
    found = route.get(one) or next(iter(route.get(many) or ()), "")
    return found if isinstance(found, str) else ""


def _request(probe: Probe) -> str:
    host = next((value for name, value in probe.headers.items() if name.lower() == "host"), "")
    return f"{probe.method} {host}{probe.path}"


def _name(target: Target) -> str:
    return f"{target.kind}/{target.id}"


def _count(number: int) -> str:
    return f"{number} resource{'' if number == 1 else 's'}"
