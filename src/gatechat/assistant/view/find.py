"""Questions about many resources: filters, also by what holds after inheritance, and answers of bounded
length."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import translate
from re import compile as compile_regex
from typing import Final, TypeAlias

from gatechat.apisix.kinds import KINDS
from gatechat.assistant.problem import Problem
from gatechat.assistant.view import text
from gatechat.assistant.view.configuration import JSON, Configuration
from gatechat.assistant.view.effective import effective
from gatechat.assistant.view.match import apisix_pattern, embedded_pattern
from gatechat.assistant.view.rows import Row, rows

Test: TypeAlias = Callable[[Row], bool]
LARGEST_TEXT: Final = 3_600
"""Characters of an answer about any number of resources, so that it stays under 4,000 with what is around
it."""
PAGE: Final = 20
"""Rows that are shown one by one; of more there is a summary, unless a page is asked for."""


@dataclass(frozen=True, slots=True)
class Filter:
    """``make`` takes one wanted value; ``as_written`` takes the place of it where nothing more may be meant
    than was said. ``kinds``: where it makes sense, empty for everywhere.
    """

    words: str
    make: Callable[[str, Configuration], Test]
    kinds: tuple[str, ...] = ()
    as_written: Callable[[str, Configuration], Test] | None = None


def select(
    configuration: Configuration, kind: str, where: Mapping[str, JSON], *, as_written: bool = False
) -> list[Row]:
    """The resources of a kind that pass every filter, sorted by id; of a list of values any may fit.

    ``as_written``: a host or path counts for itself, not for all that it takes; for what is to be changed.
    Raises Problem (400) for a kind, a filter or a value that is not understood, with all that is.
    """
    if kind not in KINDS:
        raise Problem(400, f"kind {kind!r}: there is none; {_nearest(kind, KINDS)}")
    tests = [_test(name, value, kind, configuration, as_written) for name, value in where.items()]
    return [row for row in rows(configuration, kind).values() if all(test(row) for test in tests)]


def wanted(value: JSON) -> list[str]:
    """The values of which any may fit; of {"tier": "gold"}, for a label, "tier=gold". Raises ValueError."""
    if isinstance(value, Mapping):
        value = [f"{name}={text}" for name, text in value.items()]
    values = value if isinstance(value, list) else [value]
    if not values or not all(type(one) in (str, int) and one != "" for one in values):
        raise ValueError
    return [str(one) for one in values]


def _test(name: str, value: JSON, kind: str, configuration: Configuration, as_written: bool) -> Test:
    known = FILTERS.get(name)
    if known is None:
        raise Problem(400, f"where.{name}: there is no such filter; {_nearest(name, FILTERS)}")
    if known.kinds and kind not in known.kinds:
        raise Problem(400, f"where.{name}: works for {', '.join(known.kinds)}, not for {kind}")
    try:
        if isinstance(value, Mapping) and (name != "label" or len(value) != 1):
            raise ValueError
        values = wanted(value)
    except ValueError:
        text = f"where.{name}: takes a text, or a list of which any may fit: {known.words}"
        raise Problem(400, text) from None
    for state in values if name == "holds" else ():
        only = HOLDS[state.lower().strip()][0] if state.lower().strip() in HOLDS else ""
        if only and kind != only:
            raise Problem(400, f"where.holds {state!r}: is said of {only}, not of {kind}")
    make = known.as_written if as_written and known.as_written else known.make
    tests = [make(one, configuration) for one in values]
    if name in _ALL_OF:
        return lambda row: all(test(row) for test in tests)
    return tests[0] if len(tests) == 1 else lambda row: any(test(row) for test in tests)


def _nearest(word: str, known: Iterable[str]) -> str:
    names = list(known)
    near = get_close_matches(word.lower(), names, n=1, cutoff=0.7)
    return (f"did you mean {near[0]}? " if near else "") + f"There are {', '.join(names)}"


def _glob(wanted: str, *, any_case: bool = True) -> Callable[[str], bool]:
    """ "*" is anything, the rest means itself."""
    plain = wanted.lower() if any_case else wanted
    if "*" not in plain:
        return lambda found: found == plain or (any_case and found.lower() == plain)
    fits = compile_regex(translate(plain.replace("[", "[[]").replace("?", "[?]"))).match
    return lambda found: fits(found.lower() if any_case else found) is not None


def _any(
    of: Callable[[Row], Iterable[str]], *, any_case: bool = True
) -> Callable[[str, Configuration], Test]:
    def make(wanted: str, configuration: Configuration) -> Test:
        fits = _glob(wanted, any_case=any_case)
        return lambda row: any(fits(found) for found in of(row))

    return make


def _text(wanted: str, configuration: Configuration) -> Test:
    parts = wanted.lower().split()
    return lambda row: all(part in row.words for part in parts)


def _label(wanted: str, configuration: Configuration) -> Test:
    name, equals, value = wanted.partition("=")
    fits = _glob(value, any_case=False)
    return lambda row: name in row.labels and (not equals or fits(str(row.labels[name])))


def _host(wanted: str, configuration: Configuration) -> Test:
    """Written so, or taking it: *.a.com takes x.a.com. A route without hosts takes any, and is no answer."""
    fits, host = _glob(wanted), wanted.lower()
    return lambda row: any(
        fits(found) or (found.startswith("*") and host.endswith(found[1:])) for found in row.hosts
    )


def _path(wanted: str, configuration: Configuration) -> Test:
    """Written so, or taking it: /a/* takes /a/b."""
    fits = _glob(wanted)
    read = embedded_pattern if configuration.embedded else apisix_pattern
    return lambda row: any(fits(uri) or read(uri).takes(wanted) for uri in row.paths)


def _plugin(wanted: str, configuration: Configuration) -> Test:
    fits = _glob(wanted)
    return lambda row: any(map(fits, row.plugins)) or any(map(fits, row.globals_))


def _without_plugin(wanted: str, configuration: Configuration) -> Test:
    has = _plugin(wanted, configuration)
    return lambda row: not has(row)


def _upstream(wanted: str, configuration: Configuration) -> Test:
    """By id, by name, by address with or without port."""
    fits = _glob(wanted)
    names = {f"upstreams/{id}": item.name for id, item in configuration.all("upstreams").items()}

    def test(row: Row) -> bool:
        source = row.backend.source
        referred = source.startswith("upstreams/") and (fits(source[10:]) or fits(names.get(source) or "\0"))
        return referred or any(fits(node) or fits(node.rpartition(":")[0]) for node in row.backend.nodes)

    return test


def _method(wanted: str, configuration: Configuration) -> Test:
    return lambda row: not row.methods or wanted.upper() in row.methods


def _status(wanted: str, configuration: Configuration) -> Test:
    if wanted.lower() not in ("0", "1", "on", "off"):
        raise Problem(400, f"where.status: takes on or off, not {wanted!r}")
    on = wanted.lower() in ("1", "on")
    return lambda row: row.on is on


def _reference(field: str, kind: str) -> Callable[[str, Configuration], Test]:
    """By the id of what is referred to, or its name."""

    def make(wanted: str, configuration: Configuration) -> Test:
        fits = _glob(wanted, any_case=False)
        named = {id for id, item in configuration.all(kind).items() if fits(item.name)}

        def test(row: Row) -> bool:
            id = str(row.item.value.get(field, ""))
            return id in named or (id != "" and fits(id))

        return test

    return make


HOLDS: Final[Mapping[str, tuple[str, Test]]] = {
    "reachable without authentication": (
        "routes",
        lambda row: row.route is not None and bool(row.route.open),
    ),
    "needs authentication": (
        "routes",
        lambda row: row.route is not None and row.on and not row.route.open,
    ),
    "no rate limit": ("routes", lambda row: row.route is not None and row.on and not row.route.limits),
    "rate limited": ("routes", lambda row: row.route is not None and row.on and bool(row.route.limits)),
    "no backend": ("routes", lambda row: not row.backend.nodes),
    "broken reference": ("", lambda row: bool(row.broken)),
    "unused": ("", lambda row: row.unused),
}
"""What can be asked of the state after inheritance, and the only kind it is said of."""


def _holds(wanted: str, configuration: Configuration) -> Test:
    word = wanted.lower().strip()
    for begin, make in (("uses plugin ", _plugin), ("does not use plugin ", _without_plugin)):
        if word.startswith(begin):
            return make(word.removeprefix(begin), configuration)
    if word not in HOLDS:
        known = _nearest(word, (*HOLDS, "uses plugin NAME"))
        raise Problem(400, f"where.holds {wanted!r}: is not understood; {known}")
    return HOLDS[word][1]


_ALL_OF: Final = ("holds", "text", "without_plugin")
"""Filters of which every value must fit."""

FILTERS: Final[Mapping[str, Filter]] = {
    "text": Filter("words that all occur somewhere: id, name, desc, host, path, label, plugin, node", _text),
    "id": Filter("an id", _any(lambda row: (row.id,), any_case=False)),
    "name": Filter("a name", _any(lambda row: (row.item.name,))),
    "label": Filter("tier=gold, or tier for any value", _label),
    "host": Filter(
        "a host name as written, or one that a wildcard takes",
        _host,
        as_written=_any(lambda row: row.hosts),
    ),
    "path": Filter(
        "a path as written, or one that a pattern takes",
        _path,
        ("routes",),
        _any(lambda row: row.paths, any_case=False),
    ),
    "method": Filter("GET, …; a route without methods takes all", _method, ("routes",)),
    "plugin": Filter("a plugin in effect", _plugin),
    "without_plugin": Filter("a plugin that is not in effect", _without_plugin),
    "upstream": Filter("an upstream's id or name, or a node's address", _upstream),
    "status": Filter("on or off", _status),
    "service": Filter(
        "a service's id or name", _reference("service_id", "services"), ("routes", "stream_routes")
    ),
    "plugin_config": Filter(
        "a plugin config's id or name", _reference("plugin_config_id", "plugin_configs"), ("routes",)
    ),
    "consumer_group": Filter(
        "a consumer group's id or name", _reference("group_id", "consumer_groups"), ("consumers",)
    ),
    "holds": Filter("; ".join((*HOLDS, "uses plugin NAME")), _holds),
}
"""What can be asked for. "*" in a value is anything."""


# Answers ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Group:
    """Resources that are alike in ``words``."""

    words: str
    rows: tuple[Row, ...]


def lines(found: Sequence[Row]) -> list[str]:
    """A row each, as many as fit."""
    return _fitting([row.line for row in found])


def _fitting(every: list[str], most: int = LARGEST_TEXT) -> list[str]:
    size, fitting = 0, []
    for line in every:
        size += len(line) + 1
        if size > most:
            break
        fitting.append(line)
    return fitting


def grouped(found: Sequence[Row]) -> list[Group]:
    """By the plugins in effect and the backend, if that makes few groups, else by plugins; the largest
    first."""
    keys: tuple[Callable[[Row], str], ...] = (
        lambda row: (row.plugin_words or "no plugins") + (f" -> {row.target}" if row.target else ""),
        lambda row: row.plugin_words or "no plugins",
        lambda row: ", ".join(row.plugins) or "no plugins",
    )
    groups: list[Group] = []
    for key in keys:
        by: dict[str, list[Row]] = {}
        for row in found:
            by.setdefault(("OFF, " if not row.on else "") + text.line(key(row), 160), []).append(row)
        groups = [Group(words, tuple(members)) for words, members in by.items()]
        if len(groups) <= max(8, len(found) // 20):
            break
    return sorted(groups, key=lambda group: (-len(group.rows), group.words))


def summary(found: Sequence[Row]) -> list[str]:
    """All of them in bounded length: a line for each group, with every id if they fit, else where they
    are."""
    groups = grouped(found)
    heads = [f"{len(group.rows)} x {group.words}: " for group in groups]
    ids = [text.ranges(row.handle for row in group.rows[:_MOST_IDS]) for group in groups]
    sizes = [
        len(head) + len(them) if len(group.rows) <= _MOST_IDS else LARGEST_TEXT
        for head, them, group in zip(heads, ids, groups, strict=True)
    ]
    share = _share(sizes, LARGEST_TEXT - len(groups))
    shown: list[str] = []
    left = LARGEST_TEXT - 60
    for number, group in enumerate(groups):
        line = heads[number] + ids[number]
        if sizes[number] > share:
            line = _cut(group, heads[number], ids[number], max(share, _SHORTEST))
        if len(line) >= left:
            rest = groups[number:]
            shown.append(f"and {sum(len(one.rows) for one in rest)} more in {len(rest)} groups")
            break
        shown.append(line)
        left -= len(line) + 1
    return shown


_MOST_IDS: Final = 1_000
"""Ids of one group that are looked at: more never fit."""
_SHORTEST: Final = 140


def _share(sizes: Sequence[int], total: int) -> int:
    """The length up to which each line is shown, so that together they fill ``total``."""
    left = total
    for number, size in enumerate(sorted(sizes)):
        share = left // (len(sizes) - number)
        if size > share:
            return share
        left -= size
    return max(sizes, default=0)


def _cut(group: Group, head: str, ids: str, most: int) -> str:
    places = _places(group.rows)
    words = f"{places}; " if places else ""
    room = max(30, most - len(head) - len(words) - 3)
    return f"{head}{words}{ids[:room].rpartition(', ')[0]}, …".replace("; , …", "")


def _places(found: Sequence[Row]) -> str:
    """Where most of them are: hosts, or the beginnings of paths."""
    counts: dict[str, int] = {}
    for row in found:
        place = row.hosts[0] if row.hosts else "/".join(row.paths[0].split("/")[:3]) if row.paths else ""
        counts[place] = counts.get(place, 0) + 1
    counts.pop("", None)
    most = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    if not most or most[0][1] == 1:
        return ""
    return text.listed((f"{count} on {place}" for place, count in most), 4)


def everywhere(configuration: Configuration) -> str:
    """The plugins of global rules, which run on every route and are left out of the rows."""
    names = dict.fromkeys(one.name for one in effective(configuration).globals_)
    return f"Global rules add to every route: {', '.join(names)}." if names else ""
