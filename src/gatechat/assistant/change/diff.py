"""What a plan changes, readable: for each resource fields, unified text and two columns. Without secrets."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from gatechat.assistant.change.model import JSON, Edit, Target
from gatechat.assistant.change.redact import Redactor
from gatechat.assistant.view.text import cleaned, ranges

_MISSING: Final = object()
_LONGEST: Final = 160
"""Characters of a value in the short form."""


@dataclass(frozen=True, slots=True)
class Field:
    """``op`` is "add", "remove" or "change"; ``before`` or ``after`` is None where there is none."""

    path: str
    op: str
    before: JSON
    after: JSON


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the two columns. ``mark`` is " ", "-", "+" or "~" (both sides, and they differ)."""

    mark: str
    left: str
    right: str


@dataclass(frozen=True, slots=True)
class Difference:
    """One resource. ``text`` is a unified diff of its JSON with sorted keys."""

    target: Target
    action: str
    fields: tuple[Field, ...]
    text: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, JSON]:
        """For answers: kind, id, action, fields, notes."""
        fields = [
            {"path": it.path, "op": it.op}
            | ({"before": it.before} if it.op != "add" else {})
            | ({"after": it.after} if it.op != "remove" else {})
            for it in self.fields
        ]
        whole = {"kind": self.target.kind, "id": self.target.id, "action": self.action, "fields": fields}
        return whole | ({"notes": list(self.notes)} if self.notes else {})


def difference(edit: Edit, redactor: Redactor) -> Difference:
    """``edit`` as a model may see it: redacted, without invisible characters."""
    kind, id = edit.target.kind, edit.target.id
    before, after = (cleaned(side) for side in redactor.compared(kind, edit.before, edit.after, id))
    left, right = _lines(before), _lines(after)
    name = f"{kind}/{id}"
    unified = difflib.unified_diff(
        left,
        right,
        name if before is not None else "(not there)",
        name if after is not None else "(deleted)",
        lineterm="",
        n=2,
    )
    return Difference(
        edit.target,
        edit.action.value,
        tuple(_fields(before, after)),
        "\n".join(unified),
        tuple(_rows(left, right)),
        edit.notes,
    )


def text(edits: Sequence[Edit], redactor: Redactor) -> str:
    """The plan in short: resources that change alike are told once ("merge routes/api-{1..24}: …")."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for edit in edits:
        one = difference(edit, redactor)
        body = "\n".join(_field_lines(one))
        groups.setdefault((one.action, edit.target.kind, body), []).append(edit.target.id)
    blocks = []
    for (action, kind, body), ids in groups.items():
        count = f" ({len(ids)} {kind.replace('_', ' ')})" if len(ids) > 1 else ""
        blocks.append(f"{action} {kind}/{ranges(ids)}{count}" + (f"\n{body}" if body else ""))
    return "\n".join(blocks)


def _field_lines(one: Difference) -> Iterator[str]:
    if one.action != "delete":
        for it in one.fields:
            if it.op == "change":
                yield f"  ~ {it.path}: {_short(it.before)} -> {_short(it.after)}"
            else:
                sign, value = ("+", it.after) if it.op == "add" else ("-", it.before)
                yield f"  {sign} {it.path}: {_short(value)}"
    yield from (f"  ({note})" for note in one.notes)


def _short(value: JSON) -> str:
    whole = json.dumps(value, ensure_ascii=False)
    return whole if len(whole) <= _LONGEST else f"{whole[:_LONGEST]}…"


def _lines(value: JSON) -> list[str]:
    if value is None:
        return []
    return json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True).splitlines()


def _fields(before: JSON, after: JSON, at: str = "") -> Iterator[Field]:
    """A map inside both sides is compared by its fields, everything else as a whole."""
    old, new = (side if isinstance(side, dict) else {} for side in (before, after))
    for name in sorted({*old, *new}):
        path = f"{at}.{name}" if at else name
        one, other = old.get(name, _MISSING), new.get(name, _MISSING)
        if one is _MISSING:
            yield Field(path, "add", None, other)
        elif other is _MISSING:
            yield Field(path, "remove", one, None)
        elif isinstance(one, dict) and isinstance(other, dict):
            yield from _fields(one, other, path)
        elif one != other or type(one) is not type(other):
            yield Field(path, "change", one, other)


def _rows(left: Sequence[str], right: Sequence[str]) -> Iterator[Row]:
    matcher = difflib.SequenceMatcher(None, left, right, autojunk=False)
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            yield from (Row(" ", line, line) for line in left[a:b])
            continue
        for number in range(max(b - a, d - c)):
            one = left[a + number] if a + number < b else None
            other = right[c + number] if c + number < d else None
            mark = "~" if one is not None and other is not None else "-" if other is None else "+"
            yield Row(mark, one or "", other or "")
