"""What a plan means for those who call the gateway, in words, from the configuration before and after it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Final, TypeAlias
from weakref import WeakKeyDictionary

from gatechat.assistant.change.losing import MOST_LISTED, credentials_lost, locked_out
from gatechat.assistant.change.model import JSON, Edit
from gatechat.assistant.view.configuration import Configuration
from gatechat.assistant.view.effective import Route, effective
from gatechat.assistant.view.match import Router
from gatechat.assistant.view.references import links, values_at
from gatechat.assistant.view.request import Request
from gatechat.assistant.view.text import counted, line, listed, ranges

_MOST_TRIED: Final = 200
"""Routes that are tried against a changed one for shadowing."""
_WORDS_ONLY: Final = frozenset({"name", "desc", "labels"})
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
_ANYTHING: Final = "x"
"""What a wildcard is tried with."""
_NAMED_HOST: Final = "any-host.invalid"
"""Tried for routes without a host: no route names it."""


@dataclass(frozen=True, slots=True)
class Impact:
    """``lines`` are for people and models; the rest is what the risk rules look at.

    Places are like "api.example.com/pay/*", or "/pay/*" on any host. ``opened``: what had asked who calls and
    does not any more; ``open_new``: what starts to answer without asking; ``closed``: the opposite of opened.
    """

    started: tuple[str, ...] = ()
    stopped: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()
    opened: tuple[str, ...] = ()
    open_new: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    unlimited: tuple[str, ...] = ()
    unprotected: tuple[str, ...] = ()
    shadows: tuple[str, ...] = ()
    users: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Of what is shared: "upstreams/u" -> "routes/1", …"""
    losing: tuple[str, ...] = ()
    everywhere: tuple[str, ...] = ()
    tls: tuple[str, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(self._lines())

    def _lines(self) -> Iterator[str]:
        yield from self.everywhere
        for words, places in (
            ("become reachable without authentication", self.opened),
            ("stop answering", self.stopped),
            ("start to answer", self.started),
            ("answer without authentication from the start", self.open_new),
            ("ask who calls from now on", self.closed),
            ("are not rate limited any more", self.unlimited),
        ):
            if places:
                yield f"{words}: {listed(places, MOST_LISTED)}"
        for lines in (self.moved, self.changed, self.unprotected, self.shadows, self.losing, self.tls):
            yield from lines[:MOST_LISTED]
            if len(lines) > MOST_LISTED:
                yield f"… and {len(lines) - MOST_LISTED} more like the last"
        for shared, users in self.users.items():
            count = (
                counted(len(users), users[0].partition("/")[0])
                if len(_kinds(users)) == 1
                else f"{len(users)} resources"
            )
            verb = "uses" if len(users) == 1 else "use"
            yield f"{count} {verb} {shared}: {_named(users)}"


def impact(before: Configuration, after: Configuration, edits: Sequence[Edit]) -> Impact:
    """What the edits that lead from one to the other do to requests."""
    return _Comparison(before, after, edits).impact()


PROTECTIONS: Final = frozenset(
    {
        "acl",
        "api-breaker",
        "chaitin-waf",
        "client-control",
        "consumer-restriction",
        "csrf",
        "data-mask",
        "ip-restriction",
        "oas-validator",
        "referer-restriction",
        "request-validation",
        "ua-restriction",
        "uri-blocker",
    }
)
"""Plugins that turn requests away which others let through."""


def _kinds(names: Iterable[str]) -> set[str]:
    return {name.partition("/")[0] for name in names}


def _named(names: Sequence[str]) -> str:
    """ "routes 1, 2; services s" """
    parts = []
    for kind in sorted(_kinds(names)):
        ids = [name.partition("/")[2] for name in names if name.startswith(f"{kind}/")]
        parts.append(line(f"{kind.replace('_', ' ')} {ranges(ids)}", 160))
    return "; ".join(parts)


class _Paths:
    """Ids of routes by the beginning of their paths."""

    def __init__(self, routes: Iterable[tuple[str, Mapping[str, JSON]]]) -> None:
        self._ids: dict[str, list[str]] = {}
        for id, value in routes:
            for uri in value.get("uris") or (value.get("uri", ""),):
                self._ids.setdefault(_literal(uri), []).append(id)
        self._sorted = sorted(self._ids)

    def above(self, path: str) -> set[str]:
        """The routes that could take this path."""
        return {id for end in range(len(path) + 1) for id in self._ids.get(path[:end], ())}

    def below(self, beginning: str) -> set[str]:
        """The routes with a path that begins so; not all of them where there are very many."""
        ids: set[str] = set()
        for at in range(bisect_left(self._sorted, beginning), len(self._sorted)):
            if not self._sorted[at].startswith(beginning) or len(ids) >= _MOST_TRIED:
                break
            ids.update(self._ids[self._sorted[at]])
        return ids


_made: WeakKeyDictionary[Configuration, _Paths] = WeakKeyDictionary()


def _paths(configuration: Configuration) -> _Paths:
    """Made once for each configuration."""
    found = _made.get(configuration)
    if found is None:
        routes = ((id, item.value) for id, item in configuration.all("routes").items())
        found = _made[configuration] = _Paths(routes)
    return found


class _Comparison:
    def __init__(self, before: Configuration, after: Configuration, edits: Sequence[Edit]) -> None:
        self._edits = [edit for edit in edits if not _only_words(edit)]
        self._whole = (before, after)
        self._routers: dict[tuple[bool, str], Router] = {}
        old, new = effective(before), effective(after, like=before)
        ids = sorted(self._affected(before) | self._affected(after))
        self._before = {id: old.route(id) for id in ids if id in before.all("routes")}
        self._after = {id: new.route(id) for id in ids if id in after.all("routes")}

    @cached_property
    def _written(self) -> _Paths:
        """The routes as they will be, where they are written."""
        return _Paths(
            (it.target.id, it.after) for it in self._edits if it.target.kind == "routes" and it.after
        )

    def _answering(self, configuration: Configuration, place: tuple[str, str], method: str) -> list[str]:
        """The routes that answer there, or might, in their order."""
        request = _sample(place, method)
        key = (configuration is self._whole[1], request.path)
        if key not in self._routers:
            ids = _paths(self._whole[0]).above(request.path) | self._written.above(request.path)
            routes = configuration.all("routes")  # those that cannot take the path are left out
            self._routers[key] = Router(configuration, (id for id in ids if id in routes))
        return [it.route for it in self._routers[key].explain(request).possible]

    def _affected(self, configuration: Configuration) -> set[str]:
        """The routes that an edit reaches, directly or through what they refer to."""
        kinds: dict[str, set[str]] = {}
        for edit in self._edits:
            kinds.setdefault(edit.target.kind, set()).add(edit.target.id)
        routes = configuration.all("routes")
        if "global_rules" in kinds:
            return set(routes)
        upstreams, services = kinds.get("upstreams", set()), set(kinds.get("services", set()))
        services |= {
            id
            for id, it in configuration.all("services").items()
            if str(it.value.get("upstream_id")) in upstreams
        }
        links = (
            ("service_id", services),
            ("upstream_id", upstreams),
            ("plugin_config_id", kinds.get("plugin_configs", set())),
        )
        found = set(kinds.get("routes", set()))
        if any(wanted for _, wanted in links):
            for id, item in routes.items():
                if any(wanted and str(item.value.get(name)) in wanted for name, wanted in links):
                    found.add(id)
        return found

    def impact(self) -> Impact:
        pairs = [(self._before.get(id), self._after.get(id)) for id in {**self._before, **self._after}]
        laid = [(one, other) for one, other in pairs if _laid_otherwise(one, other)]
        old, new = (_places(filter(None, side)) for side in zip(*laid, strict=True)) if laid else ({}, {})
        fresh = sorted(new.keys() - old.keys())
        fell, gone = self._falls(sorted(old.keys() - new.keys()), old)
        both = [(one, other) for one, other in pairs if one and other and one.on and other.on]
        run = [(one, other) for one, other in both if _runs_otherwise(one, other)]
        takes, shadow_lines, opened_by_shadow = self._shadows([other for _, other in laid if other])
        started, left = self._starts(fresh, new, takes)
        opened = (
            *(_where(other) for one, other in run if not one.open and other.open),
            *opened_by_shadow,
            *self._opened_by_others(laid),
        )
        return Impact(
            started=tuple(_place(it) for it in started),
            stopped=tuple(gone),
            changed=tuple(_said(both, _changes)),
            moved=(*fell, *left, *_said(both, _moves)),
            opened=tuple(dict.fromkeys(opened)),
            open_new=tuple(
                _place(it)
                for it in fresh
                if any(route.open for route in new[it]) and _place(it) not in opened
            ),
            closed=tuple(_where(other) for one, other in run if one.open and not other.open),
            unlimited=tuple(_where(other) for one, other in run if one.limits and not other.limits),
            unprotected=tuple(_said(run, _unprotected)),
            shadows=(*takes, *shadow_lines),
            users=MappingProxyType(dict(self._users())),
            losing=tuple(dict.fromkeys((*self._losing(), *self._locked_out(run)))),
            everywhere=tuple(self._everywhere()),
            tls=tuple(self._tls()),
        )

    def _falls(
        self, stopped: Sequence[tuple[str, str]], old: Mapping[tuple[str, str], list[Route]]
    ) -> tuple[list[str], list[str]]:
        """Places that no route names any more: those that another takes over, and those that are gone."""
        fell, gone = [], []
        for place in stopped:
            heirs = self._answering(self._whole[1], place, _method(old[place][0]))
            if heirs and heirs[0] not in {it.id for it in old[place]}:
                fell.append(f"{_place(place)} falls to routes/{heirs[0]}")
            else:
                gone.append(_place(place))
        return fell, gone

    def _starts(
        self,
        fresh: Sequence[tuple[str, str]],
        new: Mapping[tuple[str, str], list[Route]],
        takes: Sequence[str],
    ) -> tuple[list[tuple[str, str]], list[str]]:
        """Places that nobody answered before, and those that another did, but for what ``takes`` tells."""
        started, left = [], []
        for place in fresh:
            method = _method(new[place][0])
            was, now = (self._answering(it, place, method)[:1] for it in self._whole)
            if not was:
                started.append(place)
            elif (
                was != now and f"routes/{now[0]} now shadows routes/{was[0]} at {_place(place)}" not in takes
            ):
                methods = f"{', '.join(new[place][0].methods)} " if new[place][0].methods else ""
                left.append(f"{methods}{_place(place)} leaves routes/{was[0]} for routes/{now[0]}")
        return started, left

    def _opened_by_others(self, laid: Sequence[tuple[Route | None, Route | None]]) -> Iterator[str]:
        """Places where a route that asks who calls answered, and another that does not may answer now."""
        routes = [route for pair in laid for route in pair if route and route.on]
        changed = {route.id for route in routes}
        for place, there in _places(routes).items():
            methods = _METHODS if any(route.methods for route in there) else ("GET",)
            opened = [method for method in methods if self._opens(place, method, changed)]
            if opened:
                some = f"{', '.join(opened)} " if len(opened) < len(methods) else ""
                yield f"{some}{_place(place)}"

    def _opens(self, place: tuple[str, str], method: str, changed: set[str]) -> bool:
        before, after = self._whole
        was, now = (self._answering(it, place, method) for it in self._whole)
        for asks in (id for id in was if not effective(before).route(id).open):
            for other in (id for id in now if id != asks and effective(after).route(id).open):
                first = other in was and was.index(other) < was.index(asks) and other not in changed
                last = asks in now and now.index(asks) < now.index(other) and asks not in changed
                if not first and not last:
                    return True
        return False

    def _shadows(self, changed: Sequence[Route]) -> tuple[list[str], list[str], list[str]]:
        """Changed routes that take requests from others, those that get none, and what that opens."""
        takes: dict[str, None] = {}
        covered: dict[str, None] = {}
        opened: dict[str, None] = {}
        before, after = self._whole
        for route in changed:
            for place in dict.fromkeys(_of(route)) if route.on else ():
                answering = self._answering(after, place, _method(route))
                if answering and route.id not in answering:
                    covered[f"routes/{route.id} is shadowed at {_place(place)} by routes/{answering[0]}"] = (
                        None
                    )
                for other, theirs in self._within(route, place):
                    was, now = (self._answering(it, theirs, _method(other))[:1] for it in (before, after))
                    if was == [other.id] and now == [route.id]:
                        takes[f"routes/{route.id} now shadows routes/{other.id} at {_place(theirs)}"] = None
                        if route.open and not other.open:
                            opened[_place(theirs)] = None
        return list(takes), list(covered), list(opened)

    def _within(self, route: Route, place: tuple[str, str]) -> Iterator[tuple[Route, tuple[str, str]]]:
        """Other routes' places that this one could take: on a more particular host, or at the same path."""
        host, uri = place
        after = self._whole[1]
        ids = _paths(self._whole[0]).below(_literal(uri)) | self._written.below(_literal(uri))
        for other in (effective(after).route(id) for id in sorted(ids) if id in after.all("routes")):
            for their_host, their_uri in _of(other) if other.on and other.id != route.id else ():
                same = host == their_host and _literal(their_uri) == _literal(uri)
                if same or _narrower(host, their_host):
                    yield other, (host, their_uri)

    def _users(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        after = self._whole[1]
        for kind, id in ((it.target.kind, it.target.id) for it in self._edits if it.before is not None):
            found = {
                f"{of}/{user}"
                for to, of, path in links()
                if to == kind
                for user, item in after.all(of).items()
                if any(str(it) == id for it in values_at(item.value, path))
            }
            found |= set(self._through_services(kind, id))
            if found:
                yield f"{kind}/{id}", tuple(sorted(found))

    def _through_services(self, kind: str, id: str) -> Iterator[str]:
        """Routes that get an upstream from their service."""
        if kind != "upstreams":
            return
        for route in self._after.values():
            if route.backend.source == f"upstreams/{id}":
                yield f"routes/{route.id}"

    def _losing(self) -> Iterator[str]:
        for edit in self._edits:
            kind, id = edit.target.kind, edit.target.id
            if kind == "consumers" and edit.before is not None:
                if edit.after is None:
                    yield f"consumer {id} loses access"
                else:
                    yield from credentials_lost(f"consumer {id}", edit.before, edit.after)
            elif kind == "credentials" and edit.before is not None:
                consumer, _, name = id.partition("/credentials/")
                if edit.after is None:
                    kinds = ", ".join(edit.before.get("plugins") or ())
                    yield f"consumer {consumer} loses its credential {name} ({kinds})"
                else:
                    yield from credentials_lost(f"consumer {consumer}", edit.before, edit.after)

    def _locked_out(self, run: Sequence[tuple[Route, Route]]) -> Iterator[str]:
        for one, other in run:
            old, new = ({it.name: it.conf for it in route.running} for route in (one, other))
            yield from locked_out(_where(other), old, new, self._whole[1])

    def _everywhere(self) -> Iterator[str]:
        for edit in self._edits:
            kind, id = edit.target.kind, edit.target.id
            if kind == "global_rules":
                names = sorted(
                    {*((edit.before or {}).get("plugins") or ()), *((edit.after or {}).get("plugins") or ())}
                )
                what = "stops running" if edit.after is None else "runs" if edit.before is None else "changes"
                yield f"{', '.join(names)} {what} for every request of the gateway (global_rules/{id})"
            elif kind == "plugin_metadata":
                users = sorted(
                    {f"{it[0]}/{it[1]}" for it in self._whole[1] if id in (it[2].value.get("plugins") or {})}
                )
                yield f"settings of {id} change everywhere it runs" + (
                    f": {_named(users)}" if users else "; nothing uses it now"
                )
            elif kind == "secrets":
                text = f"secret://{id}/"
                users = sorted(
                    f"{it[0]}/{it[1]}" for it in self._whole[1] if text in str(it[2].value).lower()
                )
                yield f"the secret manager {id} changes" + (
                    f"; it is referred to by {_named(users)}" if users else ""
                )
            elif kind == "stream_routes":
                port = (edit.after or edit.before or {}).get("server_port", "any")
                what = "starts" if edit.before is None else "stops" if edit.after is None else "changes"
                yield f"stream route {id} on port {port} {what}"
            elif kind == "consumer_groups" and edit.before is not None:
                members = [
                    it
                    for it, item in self._whole[1].all("consumers").items()
                    if str(item.value.get("group_id")) == id
                ]
                if members:
                    yield f"consumers {listed(members, MOST_LISTED)} get others (consumer_groups/{id})"

    def _tls(self) -> Iterator[str]:
        for edit in self._edits:
            if edit.target.kind != "ssls":
                continue
            old, new = _sni(edit.before), _sni(edit.after)
            if old - new:
                yield f"{listed(sorted(old - new), MOST_LISTED)}: TLS stops, unless another covers it"
            if new - old:
                yield f"{listed(sorted(new - old), MOST_LISTED)}: TLS starts"
            if old & new:
                yield f"{listed(sorted(old & new), MOST_LISTED)}: the certificate or its settings change"


def _only_words(edit: Edit) -> bool:
    if edit.before is None or edit.after is None:
        return False
    names = {*edit.before, *edit.after}
    return all(name in _WORDS_ONLY or edit.before.get(name) == edit.after.get(name) for name in names)


def _narrower(host: str, other: str) -> bool:
    """Whether ``host`` is asked before ``other``, which takes it too."""
    if host == other or host == "":
        return False
    return other == "" or (other.startswith("*") and host.endswith(other[1:]))


@lru_cache(maxsize=65536)
def _literal(uri: str) -> str:
    """The beginning of a path pattern that is no pattern."""
    cut = [at for at in (uri.find("*"), uri.find("/:") + 1 or -1) if at >= 0]
    return uri[: min(cut)] if cut else uri


def _of(route: Route) -> Iterator[tuple[str, str]]:
    for host in route.hosts or ("",):
        for uri in route.uris:
            yield host, uri


def _places(routes: Iterable[Route]) -> dict[tuple[str, str], list[Route]]:
    found: dict[tuple[str, str], list[Route]] = {}
    for route in routes:
        for place in _of(route) if route.on else ():
            found.setdefault(place, []).append(route)
    return found


def _place(place: tuple[str, str]) -> str:
    return f"{place[0]}{place[1]}"


def _sample(place: tuple[str, str], method: str) -> Request:
    """Any request that belongs to a place."""
    host, uri = place
    path = "/".join(
        _ANYTHING if part.startswith(":") else part for part in uri.replace("*", _ANYTHING).split("/")
    )
    return Request(method, path, host.replace("*", _ANYTHING) or _NAMED_HOST, any=True)


def _method(route: Route) -> str:
    return route.methods[0] if route.methods else "GET"


def _laid_otherwise(one: Route | None, other: Route | None) -> bool:
    """Whether the router has another place for a route, or takes other requests to it."""
    if one is None or other is None:
        return True
    return (one.item is not other.item or one.hosts != other.hosts) and _matching(one) != _matching(other)


def _matching(route: Route) -> tuple[JSON, ...]:
    value = route.item.value
    fields = ("methods", "vars", "priority", "remote_addr", "remote_addrs", "filter_func")
    return (route.hosts, route.uris, route.on, *(value.get(name) for name in fields))


def _runs_otherwise(one: Route, other: Route) -> bool:
    return one.plugins is not other.plugins or one.globals_ is not other.globals_


def _where(route: Route) -> str:
    return listed(dict.fromkeys(map(_place, _of(route))), 3)


_Verb: TypeAlias = tuple[str, str]
"""Of one place and of several: ("goes", "go")."""
_Words: TypeAlias = Callable[[Route, Route], Iterator[tuple[_Verb, str]]]


def _said(pairs: Iterable[tuple[Route, Route]], words: _Words) -> Iterator[str]:
    """What happens to routes, those to which the same happens together."""
    groups: dict[tuple[_Verb, str], list[Route]] = {}
    for one, other in pairs:
        for what in words(one, other):
            groups.setdefault(what, []).append(other)
    for (verb, rest), routes in groups.items():
        places = listed((_where(route) for route in routes[:MOST_LISTED]), MOST_LISTED)
        more = f" and {len(routes) - MOST_LISTED} more" if len(routes) > MOST_LISTED else ""
        yield f"{places}{more} {verb[len(routes) > 1]} {rest}"


def _moves(one: Route, other: Route) -> Iterator[tuple[_Verb, str]]:
    if one.backend is other.backend:
        return
    before, after = one.backend.nodes, other.backend.nodes
    if before != after and sorted(before) != sorted(after):
        old, new = (line(", ".join(nodes) or "no backend") for nodes in (before, after))
        yield ("goes", "go"), f"to {new} instead of {old}"


def _changes(one: Route, other: Route) -> Iterator[tuple[_Verb, str]]:
    if _runs_otherwise(one, other):
        old = {it.name: it.conf for it in one.running}
        new = {it.name: it.conf for it in other.running}
        parts = [f"+{name}" for name in sorted(new.keys() - old.keys())]
        parts += [f"-{name}" for name in sorted(old.keys() - new.keys())]
        parts += [f"~{name}" for name in sorted(old.keys() & new.keys()) if old[name] != new[name]]
        if parts:
            yield ("runs", "run"), f"other plugins: {', '.join(parts)}"
    if one.item is other.item:
        return
    if one.methods != other.methods:
        old_methods, new_methods = (", ".join(it.methods) or "every method" for it in (one, other))
        yield ("takes", "take"), f"{new_methods} instead of {old_methods}"
    for name in ("vars", "remote_addr", "remote_addrs", "filter_func", "priority"):
        if one.item.value.get(name) != other.item.value.get(name):
            yield ("is", "are"), f"chosen by another {name}"


def _unprotected(one: Route, other: Route) -> Iterator[tuple[_Verb, str]]:
    gone = sorted({it.name for it in one.running} & PROTECTIONS - {it.name for it in other.running})
    if gone:
        yield ("is", "are"), f"not guarded by {', '.join(gone)} any more"


def _sni(value: Mapping[str, JSON] | None) -> set[str]:
    return {str(it) for it in ((value or {}).get("snis") or [(value or {}).get("sni")]) if it}
