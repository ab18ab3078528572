"""What makes a gateway hold what files say: the edits for it, or none when it holds all of it already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gatechat.apisix.kinds import KINDS
from gatechat.assistant.change.by_schema import filled_in
from gatechat.assistant.change.catalogue import Catalogue, Plugin, Schema
from gatechat.assistant.change.model import Action, Edit, Problem, Target
from gatechat.assistant.change.redact import Redactor, Unrestorable, is_redacted
from gatechat.assistant.change.resources import same_resource
from gatechat.assistant.declarative import Declared
from gatechat.assistant.view.configuration import Configuration, Item

_FIX: Final = (
    "write it, write a reference ($env://NAME), or [enter] to have a person enter it on the plan's page"
)


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """``same``: how many resources are so already. ``extra``: what only the gateway has, of the kinds that
    the files speak of, and ``others`` of the kinds that they do not; without ``delete`` all of it stays.
    """

    edits: tuple[Edit, ...]
    problems: tuple[Problem, ...]
    same: int
    extra: tuple[str, ...]
    others: int


def reconcile(
    declared: Declared, there: Configuration, redactor: Redactor, catalogue: Catalogue, *, delete: bool
) -> Reconciliation:
    """``delete``: what only the gateway has is deleted, of the kinds that the files speak of.

    A redacted value means the secret that is there; a private key, which no Admin API shows, is written with
    its certificate when that is another. Defaults that a gateway fills in are no difference.
    """
    edits: list[Edit] = []
    problems: list[Problem] = []
    same = 0
    for kind, id, value in declared.configuration:
        item = there.get(kind, id)
        target = Target(kind, id)
        try:
            wanted = _restored(redactor, target, value, item)
        except Unrestorable as error:
            problems.append(Problem(target, f"{kind}/{id}.{error.path}", error.message, fix=_FIX))
            continue
        if item is None:
            edits.append(Edit(Action.CREATE, target, None, wanted, None))
        elif _same(kind, id, dict(item.value), wanted, catalogue):
            same += 1
        else:
            edits.append(Edit(Action.REPLACE, target, dict(item.value), wanted, item.modified_index))
    only_there = {
        (kind, id): item for kind, id, item in there if id not in declared.configuration.kinds.get(kind, {})
    }
    extra = {key: item for key, item in only_there.items() if key[0] in declared.covered}
    if delete:
        edits += [
            Edit(Action.DELETE, Target(*key), dict(item.value), None, item.modified_index)
            for key, item in extra.items()
        ]
    names = tuple(f"{kind}/{id}" for kind, id in extra)
    return Reconciliation(tuple(edits), tuple(problems), same, names, len(only_there) - len(extra))


def _restored(redactor: Redactor, target: Target, value: dict[str, Any], item: Item | None) -> dict[str, Any]:
    """Raises Unrestorable."""
    hidden = KINDS[target.kind].hidden
    shown = {
        name: part for name, part in value.items() if item is None or name not in hidden or not _marked(part)
    }
    before = None if item is None else dict(item.value)
    restored: dict[str, Any] = redactor.restore(target.kind, shown, before, target.id)
    return restored


def _marked(value: Any) -> bool:
    return any(map(_marked, value)) if isinstance(value, list) else is_redacted(value)


def _same(kind: str, id: str, before: dict[str, Any], wanted: dict[str, Any], catalogue: Catalogue) -> bool:
    hidden = KINDS[kind].hidden
    shown = {name: part for name, part in wanted.items() if name not in hidden}
    return same_resource(before, shown) or same_resource(
        with_defaults(kind, id, before, catalogue), with_defaults(kind, id, shown, catalogue)
    )


def with_defaults(kind: str, id: str, value: Mapping[str, Any], catalogue: Catalogue) -> dict[str, Any]:
    """The value as a gateway that fills in its schemas' defaults would store it."""
    plugins = catalogue.of(kind)
    if kind == "plugin_metadata":
        known = plugins.get(id)
        return dict(filled_in((known and known.metadata) or {}, dict(value)))
    whole: dict[str, Any] = filled_in(catalogue.kinds.get(kind, {}), dict(value))
    if isinstance(whole.get("plugins"), dict):
        whole["plugins"] = {
            name: filled_in(_schema(kind, plugins.get(name)), conf) for name, conf in whole["plugins"].items()
        }
    return whole


def _schema(kind: str, plugin: Plugin | None) -> Schema:
    if plugin is None:
        return {}
    return (plugin.consumer if KINDS[kind].plugins == "consumer" else None) or plugin.schema
