"""Who refers to whom: what keeps a resource from being deleted, what nobody uses, what leads nowhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
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
        for to, of, path in links():
            for id, item in configuration.all(of).items():
                for found in values_at(item.value, path):
                    if configuration.get(to, str(found)) is not None:
                        used.setdefault((to, str(found)), set()).add(f"{of}/{id}")
                    else:
                        broken.setdefault((of, id), set()).add(f"{to}/{found}")
        self.used = {key: sorted(names) for key, names in used.items()}
        self.broken = {key: sorted(names) for key, names in broken.items()}


@cache
def links() -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """(kind that is referred to, kind that refers, path of the field)"""
    found = {(to, user.kind, user.field) for to, kind in KINDS.items() for user in kind.users}
    found |= {(it.to, kind.plural, it.field) for kind in KINDS.values() for it in kind.references}
    return tuple((to, of, tuple(path.split("."))) for to, of, path in sorted(found))


def found_at(value: JSON, path: Sequence[str], walked: str = "") -> Iterator[tuple[str, JSON]]:
    """Every value at a path, where "*" is each item of a list, and where it is: ("nodes.0.id", "1")."""
    if not path:
        yield walked, value
    elif path[0] == "*":
        for number, part in enumerate(value if isinstance(value, list) else ()):
            yield from found_at(part, path[1:], f"{walked}.{number}" if walked else str(number))
    elif isinstance(value, dict) and path[0] in value:
        yield from found_at(value[path[0]], path[1:], f"{walked}.{path[0]}" if walked else path[0])


def values_at(value: JSON, path: Sequence[str]) -> Iterator[JSON]:
    """The same without where."""
    return (found for _, found in found_at(value, path))


_made: WeakKeyDictionary[Configuration, References] = WeakKeyDictionary()


def references(configuration: Configuration) -> References:
    """Made once for each configuration."""
    found = _made.get(configuration)
    if found is None:
        found = _made[configuration] = References(configuration)
    return found
