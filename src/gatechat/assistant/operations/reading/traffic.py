"""traffic: rate, errors and latency by route and consumer, over a window."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from gatechat.assistant.operations.arguments import Words
from gatechat.assistant.operations.reading.needs import COUNT, Needs
from gatechat.assistant.operations.tool import Outcome
from gatechat.assistant.principal import Principal
from gatechat.assistant.problem import Problem
from gatechat.assistant.view import text
from gatechat.assistant.view import traffic as measured
from gatechat.assistant.view.exchange import exchange
from gatechat.assistant.view.window import Window, at_once, between_refreshes

CALLED: Final = Words(
    also={"limit": "top", "window": "seconds"},
    instead={"minutes": "it watches for up to 30 seconds; seconds: 0 is all since the gateway started"},
)
LONGEST: Final = 30
"""Seconds to watch: ChatGPT gives up after 45."""
_LARGEST_PAGE: Final = 32 * 1024 * 1024
INPUT: Final = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "seconds": {
            "type": "integer",
            "minimum": 0,
            "maximum": LONGEST,
            "default": 10,
            "description": "how long to watch; 0: all since the gateway started",
        },
        "route": {"type": "string", "description": "id or name"},
        "top": {"type": "integer", "minimum": 1, "maximum": 100, "default": 10},
    },
}
OUTPUT: Final = {
    "type": "object",
    "properties": {"requests": COUNT, "seconds": {"type": "number"}, "routes": {"type": "object"}},
}
_HOW: Final = (
    "Only routes with the prometheus plugin are counted: plan a global rule with plugins {prometheus: {}} to "
    "count them all"
)


async def traffic(core: Needs, arguments: Mapping[str, Any], who: Principal) -> Outcome:
    """Reads the metrics page twice. Raises Problem when there is none, or it holds no APISIX metrics."""
    seconds, top = arguments.get("seconds", 10), arguments.get("top", 10)
    configuration = await core.live.configuration()
    window = await _window(core, seconds, configuration.embedded)
    before, after = _reading(window.first), _reading(window.last)
    watched = window.seconds
    wanted = None
    if "route" in arguments:
        wanted = configuration.resolve("routes", arguments["route"])
        item = configuration.get("routes", wanted)
        is_wanted = _is_of({wanted, item.name if item else wanted})
        before = {key: value for key, value in before.items() if is_wanted(key)}
        after = {key: value for key, value in after.items() if is_wanted(key)}
    routes = measured.flows(before, after, "route")
    consumers = measured.flows(before, after, "consumer")
    whole = measured.total(routes.values())
    span = f"In {watched:.1f} s" if seconds else "Since the gateway started"
    head = f"{span}: {measured.words(whole, watched)}." if whole.requests else f"{span}: no counted request."
    written = ["By route:", *measured.lines(routes, watched, top)]
    if set(consumers) - {""}:
        written += ["By consumer:", *measured.lines(consumers, watched, top)]
    data = {
        "requests": round(whole.requests),
        "seconds": round(watched, 3),
        "routes": {text.clean(name): _figures(flow) for name, flow in _busiest(routes, top)},
    }
    if not whole.requests:
        return Outcome(f"{head} {_HOW}, or watch longer." if not after else head, data)
    return Outcome(f"{head}\n{text.fence(written)}", data)


def _busiest(flows: Mapping[str, measured.Flow], most: int) -> list[tuple[str, measured.Flow]]:
    return sorted(flows.items(), key=lambda pair: (-pair[1].requests, pair[0]))[:most]


def _figures(flow: measured.Flow) -> dict[str, Any]:
    p95 = flow.percentile(0.95)
    return {
        "requests": round(flow.requests),
        "codes": {code: round(count) for code, count in sorted(flow.codes.items())},
        "p95_ms": None if p95 is None else round(p95, 2),
    }


def _is_of(names: set[str]) -> Callable[[measured.Series], bool]:
    return lambda series: any(label == "route" and value in names for label, value in series[1])


async def _window(core: Needs, seconds: int, embedded: bool) -> Window:
    """``seconds`` 0: from nothing to now."""

    async def read() -> bytes:
        return await _page(core)

    if seconds == 0:
        return Window(b"", await read(), 0.0)
    return await (at_once if embedded else between_refreshes)(read, seconds)


def _reading(page: bytes) -> measured.Reading:
    return measured.read(page.decode(errors="replace"))


async def _page(core: Needs) -> bytes:
    url = core.settings.metrics_url
    if url is None:
        raise Problem(
            400,
            "the assistant does not know the gateway's Prometheus page: start it with --metrics-url, "
            "for APISIX http://127.0.0.1:9091/apisix/prometheus/metrics",
        )
    path = urlsplit(url).path or "/"
    reply = await exchange(url, "GET", path, {}, seconds=core.settings.timeout, most=_LARGEST_PAGE)
    if reply.status != 200 or reply.cut:
        why = "it is too large" if reply.cut else f"status {reply.status}"
        raise Problem(502, f"{url} is no Prometheus page that can be read: {why}. See --metrics-url. {_HOW}")
    return reply.body
