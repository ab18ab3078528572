"""Who refers to whom: what keeps a resource from being deleted, what nobody uses, what leads nowhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from weakref import WeakKeyDictionary

from gatechat.apisix.kinds import KINDS
from gatechat.assistant.view.configuration import JSON, Configuration


class References:
    """``used``: (kind, id) -> who refers to it; ``broken``: (kind, id) -> what it refers to and is not there.

    Both name resources as "routes/1", sorted.
    """

    def __init__(self, configuration: Configuration) -> None:
        used: dict[tuple[str, str], set[str]] = {}
        broken: dict[tuple[str, str], set[str]] = {}
        for to, of, path in _fields():
            for id, item in configuration.all(of).items():
                for found in values_at(item.value, path):
                    if configuration.get(to, str(found)) is not None:
                        used.setdefault((to, str(found)), set()).add(f"{of}/{id}")
                    else:
                        broken.setdefault((of, id), set()).add(f"{to}/{found}")
        self.used = {key: sorted(names) for key, names in used.items()}
        self.broken = {key: sorted(names) for key, names in broken.items()}


def _fields() -> Iterator[tuple[str, str, list[str]]]:
    """(kind that is referred to, kind that refers, path of the field)"""
    for to, kind in KINDS.items():
        fields = {(user.kind, user.field) for user in kind.users}
        fields |= {
            (other.plural, reference.field)
            for other in KINDS.values()
            for reference in other.references
            if reference.to == to
        }
        yield from ((to, of, path.split(".")) for of, path in fields)


def values_at(value: JSON, path: list[str]) -> Iterator[JSON]:
    """Every value at a dotted path, where "*" is each item of a list."""
    if not path:
        yield value
    elif path[0] == "*":
        for part in value if isinstance(value, list) else ():
            yield from values_at(part, path[1:])
    elif isinstance(value, Mapping) and path[0] in value:
        yield from values_at(value[path[0]], path[1:])


_made: WeakKeyDictionary[Configuration, References] = WeakKeyDictionary()


def references(configuration: Configuration) -> References:
    """Made once for each configuration."""
    found = _made.get(configuration)
    if found is None:
        found = _made[configuration] = References(configuration)
    return found
