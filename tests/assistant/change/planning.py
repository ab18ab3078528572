"""What the tests of planning share: configurations written short, and plans made of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gatechat.assistant.change.impact import impact
from gatechat.assistant.change.model import Action, Edit, Reason, Target
from gatechat.assistant.change.redact import Redactor
from gatechat.assistant.change.resolve import Operation, Resolved, after, resolve
from gatechat.assistant.change.risk import Case, assess
from gatechat.assistant.view.configuration import Configuration, Item

Kinds = Mapping[str, Mapping[str, Mapping[str, Any]]]


def configuration(kinds: Kinds, *, absent: frozenset[str] = frozenset()) -> Configuration:
    """kind -> id -> value; the first that is written was created first."""
    number = 0
    items: dict[str, dict[str, Item]] = {}
    for kind, rows in kinds.items():
        for id, value in rows.items():
            number += 1
            items.setdefault(kind, {})[id] = Item(value, number, number)
    return Configuration(items, absent, embedded=True)


def operation(action: str, kind: str, id: str | None = None, value: Any = None, **more: Any) -> Operation:
    return Operation(Action(action), kind, id, value, **more)


def resolved(kinds: Kinds, *operations: Operation) -> Resolved:
    return resolve(operations, configuration(kinds), Redactor())


def case(kinds: Kinds, *operations: Operation) -> Case:
    """What the operations, which must make edits, do to a configuration."""
    before = configuration(kinds)
    found = resolve(operations, before, Redactor())
    assert not found.problems, found.problems
    changed = after(before, found.edits)
    return Case(found.edits, before, changed, impact(before, changed, found.edits))


def reasons(kinds: Kinds, *operations: Operation) -> list[Reason]:
    return assess(case(kinds, *operations))


def edit(kind: str, id: str, before: Any, after: Any) -> Edit:
    action = Action.CREATE if before is None else Action.DELETE if after is None else Action.REPLACE
    return Edit(action, Target(kind, id), before, after, None)
