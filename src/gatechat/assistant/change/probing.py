"""Requests through the gateway, to see with our own eyes what it serves."""

from __future__ import annotations

from typing import Final

from gatechat.assistant.change.model import Probe
from gatechat.assistant.view.exchange import Reply, exchange

_SECONDS: Final = 10.0
_LARGEST: Final = 256 * 1024
"""Bytes of a body that are looked at."""
NO_ROUTE: Final = b"404 Route Not Found"
"""What APISIX answers when no route takes a request."""


async def send(gateway: str, probe: Probe) -> Reply:
    """To the gateway's URL and nowhere else. Raises Problem when it does not answer."""
    return await exchange(gateway, probe.method, probe.path, probe.headers, seconds=_SECONDS, most=_LARGEST)


def mismatch(probe: Probe, seen: Reply) -> str:
    """What is not as the probe expects, in words, or "". Without expectations: some route answers."""
    wrong: list[str] = []
    unrouted = seen.status == 404 and NO_ROUTE in seen.body
    if probe.status is not None and seen.status != probe.status:
        wrong.append(f"status {seen.status} instead of {probe.status}")
    if probe.header is not None:
        name, value = probe.header
        found = [text for other, text in seen.headers if other.lower() == name.lower()]
        if not any(value in text for text in found):
            wrong.append(f"header {name} is {'another' if found else 'not there'}")
    if probe.contains is not None and probe.contains.encode() not in seen.body:
        wrong.append("the body does not contain what it should")
    if unrouted and probe.status != 404:
        wrong.append("no route takes it")
    elif probe.status is None and seen.status >= 500:
        wrong.append(f"status {seen.status}")
    return ", ".join(wrong)
