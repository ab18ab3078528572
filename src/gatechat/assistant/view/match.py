"""Which route answers a request, worked out from the configuration alone, and why the others do not.

Source: APISIX's default router (radixtree_host_uri.lua) over lua-resty-radixtree: the exact host, then
wildcards, the longest first, then routes of any host; in each the exact path, then prefixes, the longest
first; at one path by falling priority, then the longer pattern, then the first created. A condition that
fails goes on to the next.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final
from urllib.parse import quote
from weakref import WeakKeyDictionary

from gatechat.assistant.view import conditions, text
from gatechat.assistant.view.conditions import TRUE, Verdict
from gatechat.assistant.view.configuration import JSON, Configuration
from gatechat.assistant.view.effective import Route, effective
from gatechat.assistant.view.request import Request

ANY_HOST: Final = ""
"""The level of routes without hosts, which comes last."""
MOST_NEAR_MISSES: Final = 5
_SHORTEST_WORD: Final = 4
_KEPT: Final = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"<>')


@dataclass(frozen=True, slots=True)
class Pattern:
    """``key`` is the whole path if ``exact``, else the prefix; ``regex`` must take the whole path besides."""

    text: str
    key: str
    exact: bool
    regex: str | None

    def takes(self, path: str) -> bool:
        if self.exact:
            return path == self.key
        if not path.startswith(self.key):
            return False
        return self.regex is None or conditions.matches(self.regex, path) is True


@lru_cache(maxsize=65536)
def apisix_pattern(uri: str) -> Pattern:
    """As radixtree_host_uri reads it: "*" is the rest, ":name" means itself.

    With a "*" at the beginning of a segment the pattern is a regular expression, and so are its dots.
    """
    star = uri.find("*")
    if star < 0:
        return Pattern(uri, uri, True, None)
    whole = _regex(uri.split("/"), escaped=False) if star < len(uri) - 1 else None
    return Pattern(uri, uri[:star], False, whole)


@lru_cache(maxsize=65536)
def embedded_pattern(uri: str) -> Pattern:
    """As the embedded gateway reads it: ":name" at the beginning of a segment stands for one, too."""
    path = quote(uri, safe=_KEPT)
    named = "/:" in path
    star = path.find("*")
    if not named and star < 0:
        return Pattern(uri, path, True, None)
    if not named and star == len(path) - 1:
        return Pattern(uri, path[:star] or "/", False, None)
    first = path.find("/:") + 1 if named else len(path)
    key = path[: first if star < 0 else min(first, star)]
    return Pattern(uri, key or "/", False, _regex(path.split("/"), escaped=True))


def _regex(segments: Sequence[str], *, escaped: bool) -> str | None:
    parts = []
    for segment in segments:
        if segment[:1] == ":":
            parts.append("[^/]+")
        elif segment[:1] == "*":
            parts.append(r"[\s\S]*")
        else:
            parts.append(re.escape(segment) if escaped else segment)
    checked = any(segment[:1] in (":", "*") for segment in segments)
    return f"^(?:{'/'.join(parts)})$" if checked else None


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A route at one of its paths."""

    route: Route
    pattern: Pattern
    order: tuple[int, int, tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Possible:
    """A route that answers if ``condition`` is so; ``condition`` is "" for one that surely does."""

    route: str
    condition: str
    because: str


@dataclass(frozen=True, slots=True)
class Miss:
    """Why a route that one could have expected does not answer."""

    route: str
    why: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """``possible`` in order: the first whose condition is so answers; none left means 404 Route Not Found.

    ``unsure`` says what could not be known and matters, ``assumed`` what was taken for granted.
    """

    possible: tuple[Possible, ...]
    misses: tuple[Miss, ...]
    assumed: tuple[str, ...]

    @property
    def certain(self) -> bool:
        return not any(one.condition for one in self.possible)

    @property
    def route(self) -> str | None:
        """The route that surely answers; None if there is none or it is not certain."""
        return self.possible[0].route if self.possible and self.certain else None


@dataclass(slots=True)
class _Level:
    exact: dict[str, list[Candidate]] = field(default_factory=dict)
    prefix: dict[str, list[Candidate]] = field(default_factory=dict)


class Router:
    """The routes of one configuration, or those of ``ids`` alone, laid out as the router has them."""

    def __init__(self, configuration: Configuration, ids: Iterable[str] | None = None) -> None:
        self._embedded = configuration.embedded
        merged = effective(configuration)
        self._routes = merged.routes if ids is None else {id: merged.route(id) for id in sorted(ids)}
        self._levels: dict[str, _Level] = {}
        read = embedded_pattern if self._embedded else apisix_pattern
        for route in self._routes.values():
            if route.on:
                self._add(route, [self._candidate(route, read(uri)) for uri in route.uris])
        self._wildcards = sorted(
            (host for host in self._levels if host.startswith("*")), key=lambda host: (-len(host), host)
        )
        for level in self._levels.values():
            for leaves in (level.exact, level.prefix):
                for leaf in leaves.values():
                    leaf.sort(key=lambda one: one.order)

    def _candidate(self, route: Route, pattern: Pattern) -> Candidate:
        priority = int(route.item.value.get("priority") or 0)
        length = len(pattern.text.encode())
        return Candidate(route, pattern, (-priority, -length, (route.item.created_index, route.id)))

    def _add(self, route: Route, candidates: Sequence[Candidate]) -> None:
        for host in dict.fromkeys(route.hosts) or (ANY_HOST,):
            level = self._levels.setdefault(host, _Level())
            for one in candidates:
                leaves = level.exact if one.pattern.exact else level.prefix
                leaves.setdefault(one.pattern.key, []).append(one)

    def explain(self, request: Request) -> Explanation:
        """What answers ``request``, and what nearly did."""
        path = self._path(request)
        possible: list[Possible] = []
        passed: dict[str, str] = {}
        answering: Candidate | None = None
        for host, one in self._asked(request, path):
            if answering is not None:
                if one.route.id not in passed and self._holds(one, request, path).holds is not False:
                    passed[one.route.id] = _outranked(answering, one, possible[-1].route)
                continue
            verdict = self._holds(one, request, path)
            if verdict.holds is False:
                passed.setdefault(one.route.id, verdict.why)
                continue
            possible.append(Possible(one.route.id, verdict.why, _because(one, host, path)))
            if verdict.holds:
                answering = one
        named = {one.route for one in possible}
        misses = [Miss(id, why) for id, why in passed.items() if id not in named]
        most = MOST_NEAR_MISSES - len(misses)
        misses += self._strangers(request, path, named | passed.keys(), most, nothing=not possible)
        return Explanation(tuple(possible), tuple(misses[:MOST_NEAR_MISSES]), tuple(self._assumed(request)))

    def _path(self, request: Request) -> str:
        return request.encoded_path if self._embedded else request.path

    def _hosts(self, request: Request) -> Iterator[str]:
        """The levels that a request's host is looked for in, in order."""
        host = request.plain_host
        if self._embedded and request.host.lower() != host and request.host.lower() in self._levels:
            yield request.host.lower()
        if host and host in self._levels:
            yield host
        for wildcard in self._wildcards:
            if host.endswith(wildcard[1:]) and (host or wildcard == "*"):
                yield wildcard
        if ANY_HOST in self._levels:
            yield ANY_HOST

    def _asked(self, request: Request, path: str) -> Iterator[tuple[str, Candidate]]:
        for host in self._hosts(request):
            level = self._levels[host]
            for one in level.exact.get(path, ()):
                yield host, one
            for end in range(len(path), -1, -1):
                for one in level.prefix.get(path[:end], ()):
                    yield host, one

    def _holds(self, one: Candidate, request: Request, path: str) -> Verdict:
        value = one.route.item.value
        if one.route.methods and request.method not in one.route.methods:
            return Verdict(False, f"takes {', '.join(one.route.methods)}, not {request.method}")
        if not one.pattern.takes(path):
            return Verdict(False, f"{one.pattern.text} does not fit the whole of {path}")
        verdicts = [_address(value, request)]
        if "vars" in value:
            verdicts.append(conditions.ask(value["vars"], self._with_parameters(one, request, path)))
        if "filter_func" in value:
            verdicts.append(Verdict(None, "its filter_func (Lua) lets the request through"))
        failed = [verdict for verdict in verdicts if verdict.holds is False]
        if failed:
            return failed[0]
        open_ = [verdict.why for verdict in verdicts if verdict.holds is None]
        return Verdict(None, " and ".join(open_)) if open_ else TRUE

    def _with_parameters(self, one: Candidate, request: Request, path: str) -> Request:
        """The embedded gateway knows uri_param_* while it looks for a route, APISIX does not."""
        return replace(request, parameters=_parameters(one.pattern.text, path)) if self._embedded else request

    def _strangers(
        self, request: Request, path: str, known: set[str], most: int, *, nothing: bool
    ) -> list[Miss]:
        """Routes that were not even asked: off, of another host, or of a path that is nearly this. Where
        ``nothing`` answers, also those of a path that may have been misspelt.
        """
        found: list[tuple[int, str, str]] = []
        read = embedded_pattern if self._embedded else apisix_pattern
        for route in self._routes.values() if most > 0 else ():
            if route.id in known:
                continue
            ours = self._takes_host(route, request)
            for uri in route.uris:
                taken = read(uri).takes(path)
                if taken and not (route.on and ours):
                    why = "is switched off (status 0)" if not route.on else _other_host(route, request)
                    found.append((0 if ours else 1, route.id, why))
                elif not taken and ours and route.on and (near := _near(uri, path, self._embedded)):
                    found.append((near[0], route.id, f"{uri} does not take {path}: {near[1]}"))
                elif not taken and ours and route.on and nothing and (slip := _misspelt(uri, path)):
                    found.append((5, route.id, f"{uri} does not take {path}: {slip[1]} is nearly {slip[0]}"))
                else:
                    continue
                break
        return [Miss(id, why) for _, id, why in sorted(found)[:most]]

    def _takes_host(self, route: Route, request: Request) -> bool:
        host = request.plain_host
        return not route.hosts or any(
            host == wanted or (wanted[:1] == "*" and host.endswith(wanted[1:])) for wanted in route.hosts
        )

    def _assumed(self, request: Request) -> Iterator[str]:
        if not self._embedded:
            yield "APISIX's default router, radixtree_host_uri: the Admin API does not tell which one is set"
        if not request.host and any(host != ANY_HOST for host in self._levels):
            yield "no particular host was named; routes with hosts are left out. Say host to have them in"
        if "%" in request.raw_path and request.encoded_path != request.path:
            yield "gateways differ in how they read encoded characters in a path"


def _parameters(uri: str, path: str) -> dict[str, str]:
    names = uri.split("/")
    segments = path.split("/", len(names) - 1) if "*" in names[-1] else path.split("/")
    found = zip(names, segments, strict=False)
    return {name[1:] or ":ext": segment for name, segment in found if name[:1] in (":", "*") and name}


def _address(value: Mapping[str, JSON], request: Request) -> Verdict:
    wanted = value.get("remote_addrs") or ([value["remote_addr"]] if "remote_addr" in value else None)
    if wanted is None:
        return TRUE
    said = f"clients in {text.listed(wanted, 4)}"
    if request.address is None:
        return Verdict(None, f"the client is one of the {said}")
    holds = conditions.in_networks(request.address, wanted)
    return TRUE if holds else Verdict(holds, f"takes {said} only, not {request.address}")


def _because(one: Candidate, host: str, path: str) -> str:
    """Why this route is asked where it is."""
    kind = "the exact path" if one.pattern.exact else f"paths below {one.pattern.key}"
    if one.pattern.regex is not None:
        kind = "the pattern"
    words = f"{kind} {one.pattern.text}" if kind != f"paths below {one.pattern.key}" else one.pattern.text
    where = "any host" if host == ANY_HOST else f"host {host}"
    return f"{words} takes {path} on {where}"


def _outranked(winner: Candidate, other: Candidate, route: str) -> str:
    """Why ``other``, which would take the request too, is not asked."""
    first, second = winner.pattern, other.pattern
    if winner.route.hosts != other.route.hosts and (not other.route.hosts or not winner.route.hosts):
        why = "routes with a host come before those without"
    elif winner.route.hosts != other.route.hosts:
        why = "an exact host comes before a wildcard, and a longer wildcard before a shorter"
    elif first.exact != second.exact:
        why = "an exact path comes before a prefix"
    elif first.key != second.key:
        why = f"{first.text} is the longer prefix"
    elif winner.order[0] != other.order[0]:
        why = f"its priority {-winner.order[0]} is higher than {-other.order[0]}"
    elif winner.order[1] != other.order[1]:
        why = f"{first.text} is the longer pattern"
    else:
        why = "both are alike, and it was created earlier"
    return f"would take it too, but {route} comes first: {why}"


def _other_host(route: Route, request: Request) -> str:
    hosts = text.listed(route.hosts, 4)
    if not request.host:
        return f"takes {hosts} only; no host was named"
    ported = any(":" in host for host in route.hosts)
    return f"takes {hosts} only, not {request.plain_host}" + (
        " (APISIX compares without port)" if ported else ""
    )


def _near(uri: str, path: str, embedded: bool) -> tuple[int, str] | None:
    """Whether ``uri`` looks as if it should take ``path``: how far it is from it, and what keeps it."""
    if uri.rstrip("/*") == path.rstrip("/"):
        if uri.endswith("/*"):
            return 2, f"{uri} takes what comes after {uri[:-1]}, add {path} to its uris"
        return 2, "one of them has a slash at the end" if uri.rstrip("/") == path.rstrip(
            "/"
        ) else "it is longer"
    if uri.lower() == path.lower() or ("*" in uri and path.lower().startswith(uri[: uri.find("*")].lower())):
        return 3, "letters count as they are written"
    if "/:" in uri and not embedded and embedded_pattern(uri).takes(path):
        return 3, ":name is a parameter only with the router radixtree_uri_with_parameter"
    if "*" not in uri and path.startswith(uri.rstrip("/") + "/") and uri != "/":
        return 4, f"it takes this one path only; {uri.rstrip('/')}/* takes those below it"
    return None


def _misspelt(uri: str, path: str) -> tuple[str, str] | None:
    """The one segment in which a path has a slip of the pen, as the pattern and as the path has it."""
    ours, theirs = uri.split("/"), path.split("/")
    if ours[-1] == "*":
        ours = ours[:-1]
        theirs = theirs[: len(ours)] if len(theirs) > len(ours) else []
    if len(ours) != len(theirs):
        return None
    wrong = [pair for pair in zip(ours, theirs, strict=True) if pair[0] != pair[1] and pair[0][:1] != ":"]
    return wrong[0] if len(wrong) == 1 and _slipped(*wrong[0]) else None


def _slipped(one: str, other: str) -> bool:
    """One letter is another, too many or missing, or two have changed places; in words, not in "v1"."""
    if min(len(one), len(other)) < _SHORTEST_WORD or abs(len(one) - len(other)) > 1:
        return False
    for _ in ("what both begin with", "what both end with"):
        same = next((at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), None)
        cut = min(len(one), len(other)) if same is None else same
        one, other = one[cut:][::-1], other[cut:][::-1]
    return max(len(one), len(other)) <= 1 or (len(one) == 2 and one == other[::-1])


_made: WeakKeyDictionary[Configuration, Router] = WeakKeyDictionary()


def router(configuration: Configuration) -> Router:
    """Made once for each configuration."""
    found = _made.get(configuration)
    if found is None:
        found = _made[configuration] = Router(configuration)
    return found
