"""Secrets that a person typed for a plan, put where they belong at the moment of writing and not before."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gatechat.assistant.change.model import Edit


def fill_in(edits: Sequence[Edit], entered: Mapping[str, str]) -> tuple[Edit, ...]:
    """``entered``: path ("consumers/jack.plugins.key-auth.key") -> secret."""
    return tuple(_fill_in(edit, entered) for edit in edits)


def _fill_in(edit: Edit, entered: Mapping[str, str]) -> Edit:
    prefix = f"{edit.target.kind}/{edit.target.id}."
    mine = {path.removeprefix(prefix): value for path, value in entered.items() if path.startswith(prefix)}
    if not mine or edit.after is None:
        return edit
    after = copy.deepcopy(edit.after)
    for path, value in mine.items():
        _put(after, path.split("."), value)
    return replace(edit, after=after)


def _put(place: Any, names: Sequence[str], value: str) -> None:
    """A name of the resource may hold dots itself (a plugin's, a header's): the longest that is there
    counts.
    """
    for name, rest in _heads(names):
        if isinstance(place, list) and name.isdigit() and int(name) < len(place):
            if rest:
                return _put(place[int(name)], rest, value)
            place[int(name)] = value
            return None
        if isinstance(place, dict) and rest and name in place:
            return _put(place[name], rest, value)
    if isinstance(place, dict):
        place[".".join(names)] = value
    return None


def _heads(names: Sequence[str]) -> Iterable[tuple[str, Sequence[str]]]:
    return ((".".join(names[:length]), names[length:]) for length in range(len(names), 0, -1))
