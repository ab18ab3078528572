"""The matcher tree: which route a request belongs to, as APISIX's router ``radixtree_host_uri`` decides it.

Host level (exact, then the longest wildcard, then none) -> exact path -> longest prefix -> a leaf: candidates
by falling priority. What matches nothing in its leaf goes on to the next shorter prefix, then to the next
host level: Envoy resumes there by itself, as long as conditions are predicates. Source:
radixtree_host_uri.lua, lua-resty-radixtree.

Everything here is made of serialised parts (xds.type.matcher.v3.Matcher), so that the parts that did not
change are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from envoy.config.route.v3 import route_components_pb2
from envoy.extensions.matching.input_matchers.ip.v3 import ip_pb2
from envoy.type.matcher.v3 import http_inputs_pb2
from xds.type.matcher.v3 import domain_pb2, matcher_pb2

from gatechat.gateway.model import JSON
from gatechat.gateway.plugins import Program
from gatechat.gateway.translate import names, wire
from gatechat.gateway.translate.paths import Pattern

_ROUTE = wire.type_url(route_components_pb2.Route)

OnMatch = bytes
"""A serialised Matcher.OnMatch: what to do, or where to look further."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A route at one of its paths. ``leads_to`` is what it does with a request; ``condition`` is compiled
    ``vars``, or None.
    """

    id: str
    pattern: Pattern
    order: tuple[int, int, tuple[int, str]]
    methods: tuple[str, ...]
    addresses: tuple[str, ...]
    condition: JSON | None
    scope: Mapping[str, JSON] = field(repr=False)
    leads_to: OnMatch = field(repr=False)
    program: Program | None = field(repr=False)
    websocket: bool = False

    @property
    def certain(self) -> bool:
        """Whether it takes every request that comes to its leaf."""
        return not (self.methods or self.addresses or self.pattern.regex or self.condition is not None)


def act(route: bytes) -> OnMatch:
    return wire.field(2, wire.extension("r", _ROUTE, route))


def look(matcher: bytes) -> OnMatch:
    return wire.field(1, matcher)


def entry(key: str, on_match: OnMatch) -> bytes:
    """One entry of a map; entries are joined to make the map."""
    return wire.field(1, wire.field(1, key.encode()) + wire.field(2, on_match))


def exact_map(header: str, entries: Iterable[bytes], otherwise: OnMatch | None = None) -> bytes:
    return _tree(wire.field(1, _input(header)) + wire.field(2, b"".join(entries)), otherwise)


def prefix_map(header: str, entries: Iterable[bytes], otherwise: OnMatch | None = None) -> bytes:
    return _tree(wire.field(1, _input(header)) + wire.field(3, b"".join(entries)), otherwise)


def domain_map(
    header: str, domains: Iterable[tuple[Sequence[str], OnMatch]], otherwise: OnMatch | None
) -> bytes:
    """Exact domains, then ``*.wildcards`` by falling length, then ``*``."""
    kind = domain_pb2.ServerNameMatcher
    matchers = b"".join(
        wire.field(1, b"".join(wire.field(1, name.encode()) for name in group) + wire.field(2, on_match))
        for group, on_match in domains
    )
    custom = wire.extension("d", wire.type_url(kind), matchers)
    return _tree(wire.field(1, _input(header)) + wire.field(4, custom), otherwise)


def choice(cases: Sequence[tuple[bytes, OnMatch]], otherwise: OnMatch | None = None) -> bytes:
    """The first case whose predicate holds."""
    matchers = b"".join(
        wire.field(1, wire.field(1, predicate) + wire.field(2, then)) for predicate, then in cases
    )
    return wire.field(1, matchers) + _otherwise(otherwise)


def leaf(candidates: Sequence[Candidate]) -> OnMatch:
    """Candidates by falling priority, none with a ``condition``. A miss goes on outside of the leaf."""
    cases: list[tuple[bytes, OnMatch]] = []
    for candidate in candidates:
        if candidate.certain:
            return look(choice(cases, candidate.leads_to)) if cases else candidate.leads_to
        cases.append((_predicate(candidate), candidate.leads_to))
    return look(choice(cases))


def by_method(methods: tuple[str, ...], then: OnMatch, otherwise: OnMatch) -> OnMatch:
    return look(choice([(_method_in(methods), then)], otherwise))


def header_is(header: str, **value: str) -> bytes:
    """``exact``, ``prefix``, ``suffix`` or ``regex`` (RE2, the whole value)."""
    return _header_is(header, *next(iter(value.items())))


def not_(predicate: bytes) -> bytes:
    return wire.field(4, predicate)


def both(*predicates: bytes) -> bytes:
    return wire.field(3, b"".join(wire.field(1, predicate) for predicate in predicates))


def _predicate(candidate: Candidate) -> bytes:
    parts = []
    if candidate.methods:
        parts.append(_method_in(candidate.methods))
    if candidate.addresses:
        parts.append(_address_in(candidate.addresses))
    if candidate.pattern.regex:
        parts.append(_header_is(names.PATH, "regex", candidate.pattern.regex))
    return parts[0] if len(parts) == 1 else both(*parts)


@lru_cache(maxsize=1024)
def _method_in(methods: tuple[str, ...]) -> bytes:
    each = [_header_is(":method", "exact", method) for method in methods]
    return each[0] if len(each) == 1 else wire.field(2, b"".join(wire.field(1, one) for one in each))


@lru_cache(maxsize=1024)
def _address_in(networks: tuple[str, ...]) -> bytes:
    matcher = ip_pb2.Ip(stat_prefix="remote_addr")
    for network in networks:
        address, _, length = network.partition("/")
        cidr = matcher.cidr_ranges.add(address_prefix=address)
        cidr.prefix_len.value = int(length) if length else (128 if ":" in address else 32)
    custom = wire.packed("ip", matcher)
    return wire.field(1, wire.field(1, _input(names.ADDRESS)) + wire.field(3, custom))


@lru_cache(maxsize=4096)
def _header_is(header: str, kind: str, text: str) -> bytes:
    predicate = matcher_pb2.Matcher.MatcherList.Predicate.SinglePredicate()
    value = predicate.value_match
    if kind == "regex":
        value.safe_regex.google_re2.SetInParent()
        value.safe_regex.regex = text
    else:
        setattr(value, kind, text)
    return wire.field(1, wire.field(1, _input(header)) + wire.dump(predicate))


@lru_cache(maxsize=64)
def _input(header: str) -> bytes:
    return wire.packed("h", http_inputs_pb2.HttpRequestHeaderMatchInput(header_name=header))


def _tree(tree: bytes, otherwise: OnMatch | None) -> bytes:
    return wire.field(2, tree) + _otherwise(otherwise)


def _otherwise(on_match: OnMatch | None) -> bytes:
    return b"" if on_match is None else wire.field(3, on_match)
