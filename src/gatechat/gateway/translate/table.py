"""The route table of all hosts: where each route's candidates are, and the bytes of every part that did not
change.
"""

from __future__ import annotations

import re
from bisect import insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from gatechat.gateway.model import JSON
from gatechat.gateway.plugins import Candidate as Choice
from gatechat.gateway.plugins import Program, all_of, build_dispatcher, ip_in, matches, one_of
from gatechat.gateway.translate import matching, names, routes
from gatechat.gateway.translate.matching import Candidate, OnMatch

ANY_HOST = ""
"""The host level of routes without hosts, which comes last."""
_NOT_FOUND_KEY = "?"
"""No id of a route."""
_PATH_VARIABLE = "http_" + names.PATH.replace("-", "_")


@dataclass(slots=True)
class _Host:
    """The leaves of one host: path -> candidates in their order, and the map entry of each leaf."""

    exact: dict[str, list[Candidate]] = field(default_factory=dict)
    prefix: dict[str, list[Candidate]] = field(default_factory=dict)
    exact_entries: dict[str, bytes] = field(default_factory=dict)
    prefix_entries: dict[str, bytes] = field(default_factory=dict)
    dispatching: set[tuple[bool, str]] = field(default_factory=set)
    """(exact, path) of the leaves whose candidates have conditions for Lua."""
    built: OnMatch | None = None

    def leaves(self, exact: bool) -> dict[str, list[Candidate]]:
        return self.exact if exact else self.prefix

    def entries(self, exact: bool) -> dict[str, bytes]:
        return self.exact_entries if exact else self.prefix_entries


@dataclass(frozen=True, slots=True)
class _Dispatcher:
    """``found`` is what it chooses from; holding it keeps the ids of the candidates taken."""

    entry: bytes
    found: tuple[tuple[str, Candidate], ...]


class Table:
    """Mutable: routes are added and removed, ``build`` makes the matcher. What did not change is not made
    again.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._hosts: dict[str, _Host] = {}
        self._wildcards: list[str] = []
        """Hosts with a wildcard, the longest first."""
        self._dispatchers: dict[tuple[object, ...], _Dispatcher] = {}
        self._chosen: dict[str, tuple[Candidate, bytes]] = {}
        """The entries by route id for what dispatchers choose."""

    def add(self, hosts: Sequence[str] | None, candidates: Sequence[Candidate]) -> None:
        for host in hosts or (ANY_HOST,):
            level = self._hosts.setdefault(host, _Host())
            for candidate in candidates:
                leaf = level.leaves(candidate.pattern.exact).setdefault(candidate.pattern.key, [])
                insort(leaf, candidate, key=_order)
                self._touch(level, candidate)

    def remove(self, hosts: Sequence[str] | None, candidates: Sequence[Candidate]) -> None:
        for host in hosts or (ANY_HOST,):
            level = self._hosts[host]
            for candidate in candidates:
                leaves = level.leaves(candidate.pattern.exact)
                leaf = leaves[candidate.pattern.key]
                leaf[:] = [other for other in leaf if other is not candidate]
                if not leaf:
                    del leaves[candidate.pattern.key]
                self._touch(level, candidate)
            if not level.exact and not level.prefix:
                del self._hosts[host]

    def build(self, not_found: Program | None) -> bytes:
        """The matcher. ``not_found`` is what runs for a request that no route wants."""
        last = matching.act(routes.not_found(not_found))
        self._wildcards = sorted((host for host in self._hosts if host[:1] == "*"), key=_longest)
        chosen: dict[str, Candidate] = {}
        dispatchers: dict[tuple[object, ...], _Dispatcher] = {}
        for host, level in self._hosts.items():
            self._settle(level)
            entries = {True: level.exact_entries, False: level.prefix_entries}
            for exact, path in level.dispatching:
                found = tuple(self._flattened(host, exact, path))
                key = (path, not_found and not_found.key, *((where, id(one)) for where, one in found))
                made = self._dispatchers.get(key)
                if made is None:
                    websocket = any(one.websocket for _, one in found)
                    stand_in = routes.dispatching(_dispatcher(found, not_found), websocket=websocket)
                    made = _Dispatcher(matching.entry(path, matching.act(stand_in)), found)
                dispatchers[key] = made
                if entries[exact][path] is not made.entry:
                    entries[exact][path] = made.entry
                    level.built = None
                chosen.update((one.id, one) for _, one in found)
        self._dispatchers = dispatchers
        tree = self._hosts_matcher(last)
        if not chosen:
            return tree
        kept = self._chosen
        self._chosen = {
            id: old
            if (old := kept.get(id)) is not None and old[0] is one
            else (one, matching.entry(id, one.leads_to))
            for id, one in chosen.items()
        }
        by_name = [self._chosen[id][1] for id in sorted(chosen)]
        by_name.append(matching.entry(_NOT_FOUND_KEY, last))
        return matching.exact_map(names.CHOSEN_ROUTE, by_name, matching.look(tree))

    def _touch(self, level: _Host, candidate: Candidate) -> None:
        exact, path = candidate.pattern.exact, candidate.pattern.key
        level.entries(exact).pop(path, None)
        level.dispatching.discard((exact, path))
        level.built = None

    def _settle(self, level: _Host) -> None:
        """Makes the entries that are missing, and finds the leaves that need a dispatcher."""
        for exact in (True, False):
            leaves, entries = level.leaves(exact), level.entries(exact)
            if len(leaves) == len(entries):
                continue
            for path in leaves.keys() - entries.keys():
                reached = list(_reached(leaves[path]))
                if any(one.condition is not None for one in reached):
                    level.dispatching.add((exact, path))
                    entries[path] = b""
                else:
                    entries[path] = matching.entry(path, matching.leaf(reached))

    def _hosts_matcher(self, last: OnMatch) -> bytes:
        anywhere = self._hosts.get(ANY_HOST)
        hostless = _paths_matcher(anywhere, last) if anywhere else None
        named = {host: level for host, level in self._hosts.items() if host != ANY_HOST}
        if not named:
            return hostless or matching.prefix_map(names.PATH, [matching.entry("/", last)], last)
        otherwise = matching.look(hostless) if hostless else last
        built = {host: _host_matcher(level) for host, level in sorted(named.items())}
        if any(host.startswith("*") and not _is_label_wildcard(host) for host in built):
            wildcards = {host: to for host, to in built.items() if host[0] == "*"}
            built = {host: to for host, to in built.items() if host[0] != "*"}
            otherwise = matching.look(self._suffixes(wildcards, otherwise))
        # Before a wildcard takes a Host, it must be a plain one: its exact host may be another's.
        built = {host: self._once_plain(to) if host[0] == "*" else to for host, to in built.items()}
        plain = self._once_plain(otherwise)
        domains = [(self._with_port(host, built), to) for host, to in built.items()]
        return (
            matching.domain_map(":authority", domains, plain)
            if domains
            else matching.prefix_map(names.PATH, [matching.entry("/", plain)], plain)
        )

    def _once_plain(self, then: OnMatch) -> OnMatch:
        """``then`` for a Host in lower case and without a foreign port; another is made so, then matched."""
        plain = rf"([^A-Z:]*|\[[^A-Z]*\])(:{self._port})?"
        unplain = matching.not_(matching.header_is(":authority", regex=plain))
        return matching.look(matching.choice([(unplain, matching.act(routes.finding_host()))], then))

    def _with_port(self, host: str, all_hosts: dict[str, OnMatch]) -> list[str]:
        ported = f"{host}:{self._port}"
        return [host] if host == "*" or ":" in host or ported in all_hosts else [host, ported]

    def _suffixes(self, wildcards: dict[str, OnMatch], otherwise: OnMatch) -> bytes:
        """Wildcards such as ``*foo.com``, which also means ``barfoo.com``: the longest first."""
        cases = []
        for host in sorted(wildcards, key=_longest):
            pattern = ".*" + re.escape(host[1:]) + f"(:{self._port})?"
            cases.append((matching.header_is(":authority", regex=pattern), wildcards[host]))
        return matching.choice(cases, otherwise)

    def _flattened(self, host: str, exact: bool, path: str) -> Iterator[tuple[str, Candidate]]:
        """Every candidate that a request at this leaf may come to, in order, up to one that takes them all.

        With each goes what must still be asked of the path: nothing, ``=/whole`` or ``^/prefix``.
        """
        for where, leaf in self._leaves_after(host, exact, path):
            for candidate in leaf:
                yield where, candidate
                if candidate.certain and not where:
                    return

    def _leaves_after(self, host: str, exact: bool, path: str) -> Iterator[tuple[str, list[Candidate]]]:
        level = self._hosts[host]
        yield "", level.leaves(exact)[path]
        for key in _longest_first(level.prefix, path):
            if exact or key != path:
                yield "", level.prefix[key]
        for other in self._levels_after(host):
            level = self._hosts[other]
            if exact:
                if path in level.exact:
                    yield "", level.exact[path]
            else:
                for key in sorted(level.exact):
                    if key.startswith(path):
                        yield f"={key}", level.exact[key]
                deeper = [key for key in level.prefix if key.startswith(path) and key != path]
                for key in sorted(deeper, key=_longest):
                    yield f"^{key}", level.prefix[key]
            for key in _longest_first(level.prefix, path):
                yield "", level.prefix[key]

    def _levels_after(self, host: str) -> Iterator[str]:
        if host == ANY_HOST:
            return
        for other in self._wildcards:
            if other != host and host.endswith(other[1:]):
                yield other
        if ANY_HOST in self._hosts:
            yield ANY_HOST


def _order(candidate: Candidate) -> tuple[int, int, tuple[int, str]]:
    return candidate.order


def _reached(candidates: Sequence[Candidate]) -> Iterator[Candidate]:
    for candidate in candidates:
        yield candidate
        if candidate.certain:
            return


def _longest_first(prefixes: dict[str, list[Candidate]], path: str) -> Iterator[str]:
    return (path[:end] for end in range(len(path), 0, -1) if path[:end] in prefixes)


def _host_matcher(level: _Host) -> OnMatch:
    if level.built is None:
        level.built = matching.look(_paths_matcher(level, None))
    return level.built


def _paths_matcher(level: _Host, last: OnMatch | None) -> bytes:
    exact = [level.exact_entries[path] for path in sorted(level.exact)]
    prefix = [level.prefix_entries[path] for path in sorted(level.prefix)]
    if not exact:
        return matching.prefix_map(names.PATH, prefix, last)
    otherwise = matching.look(matching.prefix_map(names.PATH, prefix, last)) if prefix else last
    return matching.exact_map(names.PATH, exact, otherwise)


def _is_label_wildcard(host: str) -> bool:
    return host == "*" or (host.startswith("*.") and len(host) > 2)


def _longest(host: str) -> tuple[int, str]:
    return -len(host), host


def _dispatcher(candidates: Sequence[tuple[str, Candidate]], not_found: Program | None) -> Program:
    choices = [
        Choice(one.id, _condition(where, one), one.program, one.scope, one.websocket)
        for where, one in candidates
    ]
    if not candidates or candidates[-1][0] or not candidates[-1][1].certain:
        upgraded = any(one.websocket for _, one in candidates)
        choices.append(Choice(_NOT_FOUND_KEY, None, not_found, websocket=upgraded))
    return build_dispatcher(choices)


def _condition(where: str, candidate: Candidate) -> JSON:
    parts = []
    if where.startswith("="):
        parts.append(one_of(_PATH_VARIABLE, [where[1:]]))
    elif where:
        parts.append(matches(_PATH_VARIABLE, "^" + re.escape(where[1:])))
    if candidate.methods:
        parts.append(one_of("request_method", candidate.methods))
    if candidate.addresses:
        parts.append(ip_in("remote_addr", candidate.addresses))
    if candidate.pattern.regex:
        parts.append(matches(_PATH_VARIABLE, f"^{candidate.pattern.regex}$"))
    if candidate.condition is not None:
        parts.append(candidate.condition)
    return all_of(parts) if parts else None
