"""Which resources an operation means when it names none: all that pass every filter, and no others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from gatechat.apisix.kinds import KINDS
from gatechat.assistant.change.model import JSON, Target
from gatechat.assistant.change.policy import plugins_in
from gatechat.assistant.change.words import instead
from gatechat.assistant.view.configuration import Configuration, Item


class Unclear(ValueError):
    """A filter cannot be understood; the text says what would be right. Nothing is selected then."""


@dataclass(frozen=True, slots=True)
class Selection:
    """``words`` with the count: "24 routes with label tier=gold"."""

    targets: tuple[Target, ...]
    words: str


Where = Mapping[str, JSON]
_Texts = Callable[[Configuration, Target, Item], Iterable[str]]


def _of(*fields: str) -> _Texts:
    def texts(_: Configuration, target: Target, item: Item) -> Iterator[str]:
        for field in fields:
            part = item.value.get(field)
            yield from map(str, part if isinstance(part, list) else () if part is None else (part,))

    return texts


def _ids(_: Configuration, target: Target, item: Item) -> Iterator[str]:
    yield target.id


def _names(_: Configuration, target: Target, item: Item) -> Iterator[str]:
    if item.name:
        yield item.name


def _labels(_: Configuration, target: Target, item: Item) -> Iterator[str]:
    labels = item.value.get("labels")
    for name, text in labels.items() if isinstance(labels, dict) else ():
        yield from (name, f"{name}={text}")


def _hosts(configuration: Configuration, target: Target, item: Item) -> Iterator[str]:
    """A route without hosts of its own answers on those of its service."""
    own = list(_of("host", "hosts", "sni", "snis")(configuration, target, item))
    service = configuration.get("services", str(item.value.get("service_id")))
    hosts = own or (_of("hosts")(configuration, target, service) if service else ())
    yield from (host.lower() for host in hosts)


def _plugins(_: Configuration, target: Target, item: Item) -> Iterator[str]:
    yield from (path.rpartition(".")[2] for path, _conf in plugins_in(target, item.value))


def _nodes(configuration: Configuration, target: Target, item: Item) -> Iterator[str]:
    """Addresses, with and without the port, of the upstream in the resource or of the one it refers to."""
    value = item.value if target.kind == "upstreams" else item.value.get("upstream") or {}
    referred = configuration.get("upstreams", str(item.value.get("upstream_id")))
    for nodes in (value.get("nodes"), referred.value.get("nodes") if referred else None):
        if isinstance(nodes, dict):
            for node in map(str, nodes):
                yield from (node, node.rpartition(":")[0] or node)
        for node in nodes if isinstance(nodes, list) else ():
            yield from (str(node.get("host")), f"{node.get('host')}:{node.get('port')}")


def _reference(kind: str, *fields: str) -> _Texts:
    """The id of what is referred to, and its name."""

    def texts(configuration: Configuration, target: Target, item: Item) -> Iterator[str]:
        for id in _of(*fields)(configuration, target, item):
            yield id
            referred = configuration.get(kind, id)
            if referred is not None and referred.name:
                yield referred.name

    return texts


FILTERS: Final[Mapping[str, _Texts]] = {
    "id": _ids,
    "name": _names,
    "label": _labels,
    "host": _hosts,
    "path": _of("uri", "uris"),
    "method": _of("methods"),
    "plugin": _plugins,
    "node": _nodes,
    "status": _of("status"),
    "upstream": _reference("upstreams", "upstream_id"),
    "service": _reference("services", "service_id"),
    "plugin_config": _reference("plugin_configs", "plugin_config_id"),
    "consumer_group": _reference("consumer_groups", "group_id"),
}
"""What can be asked for; a value may hold ``*``, and a list means any of its values. "label" is "tier=gold",
or "tier" for any value. "host" and "path" are compared with what is configured, not with requests."""


def select(kind: str, where: Where, configuration: Configuration) -> Selection:
    """The resources of ``kind`` that pass every filter; ``{"all": true}`` is all of them. Raises Unclear."""
    if kind not in KINDS:
        raise Unclear(f'kind "{kind}": there is no such kind; {instead(kind, KINDS)}')
    if not where:
        raise Unclear('an empty "where" would mean every resource: say {"all": true} if that is meant')
    for name in where:
        if name not in FILTERS and name != "all":
            raise Unclear(f'where "{name}": there is no such filter; {instead(name, (*FILTERS, "all"))}')
    if "all" in where and (where["all"] is not True or len(where) > 1):
        raise Unclear('where "all": must be true and stand alone')
    wanted = {name: _wanted(name, value) for name, value in where.items() if name != "all"}
    found = tuple(
        Target(kind, id)
        for id, item in sorted(configuration.all(kind).items())
        if all(
            _fits(FILTERS[name](configuration, Target(kind, id), item), values)
            for name, values in wanted.items()
        )
    )
    conditions = " and ".join(f"{name} {' or '.join(values)}" for name, values in wanted.items())
    title = KINDS[kind].title if len(found) == 1 else kind.replace("_", " ")
    return Selection(
        found, f"{len(found)} {title} with {conditions}" if conditions else f"all {len(found)} {title}"
    )


def _wanted(name: str, value: JSON) -> list[str]:
    values = value if isinstance(value, list) else [value]
    if name == "label" and isinstance(value, dict):
        values = [f"{key}={text}" for key, text in value.items()]
        if len(values) != 1:
            raise Unclear('where "label": give one label, like "tier=gold"')
    if not values or not all(
        isinstance(it, str | int) and not isinstance(it, bool) and it != "" for it in values
    ):
        raise Unclear(f'where "{name}": must be a text, or a list of texts of which any may fit')
    return [str(it).lower() if name == "host" else str(it) for it in values]


def _fits(texts: Iterable[str], wanted: Iterable[str]) -> bool:
    mine = list(texts)
    return any(text == one or fnmatchcase(text, _glob(one)) for one in wanted for text in mine)


def _glob(text: str) -> str:
    """Only ``*`` is special: "[" is a letter like others."""
    return text.replace("[", "[[]").replace("?", "[?]")
