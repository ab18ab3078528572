"""Secrets that a person typed for a plan, put where they belong at the moment of writing and not before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from gatechat.assistant.change.model import Edit
from gatechat.assistant.change.redact import ENTER, GENERATE


def fill_in(edits: Sequence[Edit], entered: Mapping[str, str]) -> tuple[Edit, ...]:
    """``entered``: path ("consumers/jack.plugins.key-auth.key") -> secret. It goes where a marker stands at
    this very path, or is a field of the resource that no Admin API shows ("ssls/1.key"). Nowhere else: ids
    may hold dots, and "routes/a.labels" must not have its secret written into the labels of "routes/a".
    """
    return tuple(_fill_in(edit, entered) for edit in edits)


def _fill_in(edit: Edit, entered: Mapping[str, str]) -> Edit:
    prefix = f"{edit.target.kind}/{edit.target.id}."
    mine = {path.removeprefix(prefix): value for path, value in entered.items() if path.startswith(prefix)}
    if not mine or edit.after is None:
        return edit
    unshown = {name: value for name, value in mine.items() if "." not in name and name not in edit.after}
    return replace(edit, after=_filled(edit.after, mine) | unshown)


def _filled(value: Any, mine: Mapping[str, str], at: str = "") -> Any:
    """A copy; ``at`` is written as gatechat.assistant.change.redact.marked writes it."""
    if isinstance(value, dict):
        return {name: _filled(part, mine, _below(at, name)) for name, part in value.items()}
    if isinstance(value, list):
        return [_filled(part, mine, _below(at, number)) for number, part in enumerate(value)]
    return mine.get(at, value) if value in (ENTER, GENERATE) else value


def _below(at: str, name: object) -> str:
    return f"{at}.{name}" if at else str(name)
