"""Rates, errors and latencies out of two readings of a gateway's Prometheus page (APISIX's names and
labels)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

_LINE: Final = re.compile(r"^(apisix_http_(?:status|latency_bucket))\{(.*)\} (\S+)", re.MULTILINE)
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ESCAPED: Final = re.compile(r"\\(.)")

Series = tuple[str, frozenset[tuple[str, str]]]
Reading = Mapping[Series, float]
"""(metric, labels) -> value since the gateway started."""


def read(page: str) -> Reading:
    """The counters of requests and latencies. Series that are written twice are added up."""
    found: dict[Series, float] = {}
    for line in _LINE.finditer(page):
        labels = frozenset(
            (name, _ESCAPED.sub(lambda each: "\n" if each[1] == "n" else each[1], value))
            for name, value in _LABEL.findall(line[2])
        )
        key = (line[1], labels)
        found[key] = found.get(key, 0.0) + float(line[3])
    return found


@dataclass(slots=True)
class Flow:
    """The requests of one route or consumer. ``buckets``: upper bound in milliseconds -> requests up to
    it."""

    codes: dict[str, float] = field(default_factory=dict)
    buckets: dict[float, float] = field(default_factory=dict)

    @property
    def requests(self) -> float:
        return sum(self.codes.values())

    def share(self, first: str) -> float:
        """Of answers whose status begins with this digit, 0 to 1."""
        of = sum(count for code, count in self.codes.items() if code.startswith(first))
        return of / self.requests if self.requests else 0.0

    def percentile(self, part: float) -> float | None:
        """Milliseconds, by straight lines between the bounds; None if nothing was measured."""
        bounds = sorted(self.buckets.items())
        total = bounds[-1][1] if bounds else 0.0
        if total <= 0:
            return None
        below, under = 0.0, 0.0
        for bound, count in bounds:
            if count >= part * total:
                if bound == float("inf"):
                    return below
                within = (part * total - under) / (count - under) if count > under else 1.0
                return below + (bound - below) * within
            below, under = bound, count
        return below


def flows(before: Reading, after: Reading, by: str) -> dict[str, Flow]:
    """What came between two readings, by the value of a label ("route", "consumer", …), "" where it has none.

    A counter that has become smaller began anew with the gateway: all of it counts.
    """
    found: dict[str, Flow] = {}
    for (metric, labels), value in after.items():
        more = value - before.get((metric, labels), 0.0)
        more = value if more < 0 else more
        named = dict(labels)
        if more == 0 or (metric.endswith("bucket") and named.get("type") != "request"):
            continue
        flow = found.setdefault(named.get(by, ""), Flow())
        if metric.endswith("bucket"):
            bound = float(named["le"])
            flow.buckets[bound] = flow.buckets.get(bound, 0.0) + more
        else:
            code = named.get("code", "")
            flow.codes[code] = flow.codes.get(code, 0.0) + more
    return found


def total(parts: Iterable[Flow]) -> Flow:
    """All of them together."""
    whole = Flow()
    for part in parts:
        for code, count in part.codes.items():
            whole.codes[code] = whole.codes.get(code, 0.0) + count
        for bound, count in part.buckets.items():
            whole.buckets[bound] = whole.buckets.get(bound, 0.0) + count
    return whole


def lines(found: Mapping[str, Flow], seconds: float, most: int) -> Iterator[str]:
    """A line for each, the busiest first. ``seconds``: 0 for counts since the gateway started."""
    busiest = sorted(found.items(), key=lambda pair: (-pair[1].requests, pair[0]))
    for name, flow in busiest[:most]:
        yield f"{name or '(none)'}: {words(flow, seconds)}"
    if len(busiest) > most:
        rest = total(flow for _, flow in busiest[most:])
        yield f"{len(busiest) - most} others: {words(rest, seconds)}"


def words(flow: Flow, seconds: float) -> str:
    """ "2.5/s (25), 4xx 8%, 5xx 0%, p50 3 ms, p95 12 ms"."""
    parts = [f"{flow.requests / seconds:.3g}/s ({flow.requests:.0f})" if seconds else f"{flow.requests:.0f}"]
    parts += [f"{digit}xx {flow.share(digit):.0%}" for digit in "45" if flow.share(digit)]
    for part in (50, 95):
        milliseconds = flow.percentile(part / 100)
        if milliseconds is not None:
            parts.append(f"p{part} {milliseconds:.3g} ms")
    return ", ".join(parts)
