"""Resources as short, stable rows: what find shows and what its filters look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final
from weakref import WeakKeyDictionary

from gatechat.assistant.view import text
from gatechat.assistant.view.configuration import JSON, Configuration, Item
from gatechat.assistant.view.effective import AUTHENTICATION, Backend, Route, effective
from gatechat.assistant.view.references import references

_OPAQUE: Final = 15
"""Digits from which on an id was made up by the gateway and a name says more."""
_MOST: Final = 6
"""Hosts, paths, nodes and users in one row."""


@dataclass(frozen=True, eq=False)
class Row:
    """One resource. ``plugins`` are those in effect by name, with the kind they came from if not its own;
    ``globals_`` are those that global rules add to every route.
    """

    kind: str
    id: str
    item: Item = field(repr=False)
    hosts: tuple[str, ...]
    paths: tuple[str, ...]
    methods: tuple[str, ...]
    plugins: Mapping[str, str]
    globals_: tuple[str, ...]
    backend: Backend
    used_by: tuple[str, ...]
    broken: tuple[str, ...]
    on: bool
    handle: str
    """The shortest text that means it: its id, or its name where the id is a long number."""
    route: Route | None = field(default=None, repr=False)
    signs_in: bool = True
    """Of a consumer: whether it has anything to show who it is."""

    @property
    def labels(self) -> Mapping[str, str]:
        labels = self.item.value.get("labels")
        return labels if isinstance(labels, Mapping) else {}

    @property
    def unused(self) -> bool:
        if self.kind == "consumers":
            return not self.signs_in
        return self.kind in _CAN_BE_UNUSED and not self.used_by

    @cached_property
    def words(self) -> str:
        """All that a text may be looked for in, in lower case."""
        value = self.item.value
        parts = [self.id, self.item.name, str(value.get("desc", "")), *self.hosts, *self.paths]
        parts += [f"{name}={label}" for name, label in self.labels.items()]
        parts += [*self.plugins, *self.backend.nodes]
        return "\n".join(parts).lower()

    @cached_property
    def line(self) -> str:
        """id "name" | hosts | paths | plugins | backend | what is remarkable."""
        name = self.item.name
        parts = [f'{self.id} "{text.line(name, 60)}"' if name and name != self.id else self.id]
        if self.hosts:
            parts.append(text.listed(self.hosts, _MOST))
        if self.paths:
            methods = f"{'|'.join(self.methods)} " if self.methods else ""
            parts.append(methods + text.listed(self.paths, _MOST))
        if self.plugins:
            parts.append(self.plugin_words)
        if self.target:
            parts.append(f"-> {self.target}")
        parts += self.remarks
        return text.line(" | ".join(parts), 400)

    @cached_property
    def plugin_words(self) -> str:
        return ", ".join(f"{name}({source})" if source else name for name, source in self.plugins.items())

    @cached_property
    def target(self) -> str:
        """The backend in short: "upstreams/u (10.0.0.1:80)"."""
        nodes = text.listed(self.backend.nodes, 3)
        if self.kind == "upstreams" or self.backend.source == f"{self.kind}/{self.id}":
            return nodes
        return f"{self.backend.source} ({nodes})" if nodes else self.backend.source

    @property
    def remarks(self) -> list[str]:
        found = [] if self.on else ["OFF"]
        found += [f"BROKEN: {name} is not there" for name in self.broken]
        if self.unused:
            found.append("has no credential" if self.kind == "consumers" else "not used")
        elif self.used_by:
            found.append(f"used by {text.listed(self.used_by, 3)}")
        return found

    def as_json(self) -> dict[str, JSON]:
        """For programs: only what is there."""
        found = {
            "id": self.id,
            "name": self.item.name,
            "hosts": list(self.hosts),
            "paths": list(self.paths),
            "plugins": list(self.plugins),
            "backend": self.target,
            "off": not self.on,
        }
        shown: dict[str, JSON] = text.cleaned({name: part for name, part in found.items() if part})
        return shown


_CAN_BE_UNUSED: Final = frozenset({"upstreams", "services", "plugin_configs", "consumer_groups", "protos"})
_NO_BACKEND: Final = Backend("", None)


def rows(configuration: Configuration, kind: str) -> Mapping[str, Row]:
    """Every resource of a kind, by id in their order; made once for each configuration."""
    made = _made.setdefault(configuration, {})
    if kind not in made:
        build = _routes(configuration) if kind == "routes" else _others(configuration, kind)
        made[kind] = {row.id: row for row in sorted(build, key=lambda row: row.id)}
    return made[kind]


_made: WeakKeyDictionary[Configuration, dict[str, dict[str, Row]]] = WeakKeyDictionary()


def _routes(configuration: Configuration) -> Iterator[Row]:
    merged = effective(configuration)
    globals_ = tuple(dict.fromkeys(one.name for one in merged.globals_))
    handles = _handles(configuration.all("routes"))
    for id, route in merged.routes.items():
        own = f"routes/{id}"
        plugins = {
            name: "" if one.source == own else one.source.partition("/")[0].removesuffix("s")
            for name, one in sorted(route.plugins.items())
            if not one.off
        }
        yield Row(
            "routes",
            id,
            route.item,
            route.hosts,
            route.uris,
            route.methods,
            plugins,
            globals_,
            route.backend,
            (),
            route.missing,
            route.on,
            handles[id],
            route,
        )


def _others(configuration: Configuration, kind: str) -> Iterator[Row]:
    known = references(configuration)
    items = configuration.all(kind)
    handles = _handles(items)
    consumers = {id.partition("/")[0] for id in configuration.all("credentials")}
    for id, item in items.items():
        value = item.value
        plugins = value.get("plugins") or {}
        yield Row(
            kind,
            id,
            item,
            tuple(_texts(value, "host", "hosts", "sni", "snis")),
            tuple(_texts(value, "uri", "uris")),
            (),
            dict.fromkeys(sorted(plugins), ""),
            (),
            _backend(configuration, kind, id, value),
            tuple(known.used.get((kind, id), ())),
            tuple(known.broken.get((kind, id), ())),
            value.get("status", 1) != 0,
            handles[id],
            signs_in=id in consumers or any(name in AUTHENTICATION for name in plugins),
        )


def _backend(configuration: Configuration, kind: str, id: str, value: Mapping[str, JSON]) -> Backend:
    if kind == "upstreams":
        return Backend(f"upstreams/{id}", value)
    if "upstream_id" in value:
        upstream = configuration.get("upstreams", str(value["upstream_id"]))
        return Backend(f"upstreams/{value['upstream_id']}", upstream.value if upstream else None)
    return Backend(f"{kind}/{id}", value["upstream"]) if "upstream" in value else _NO_BACKEND


def _texts(value: Mapping[str, JSON], *names: str) -> Iterator[str]:
    for name in names:
        part = value.get(name)
        if isinstance(part, str):
            yield part
        elif isinstance(part, list):
            yield from map(str, part)


def _handles(items: Mapping[str, Item]) -> dict[str, str]:
    names: dict[str, int] = {}
    for item in items.values():
        names[item.name] = names.get(item.name, 0) + 1
    return {
        id: item.name
        if id.isdigit()
        and len(id) >= _OPAQUE
        and item.name
        and names[item.name] == 1
        and item.name not in items
        else id
        for id, item in items.items()
    }
