"""Something is deleted: it can be put back by undo, but until then it is gone."""

from __future__ import annotations

from collections.abc import Iterator

from gatechat.assistant.change.model import Level, Reason
from gatechat.assistant.change.risk.case import Case, few, name

_MANY = 10


def rule(case: Case) -> Iterator[Reason]:
    gone = [name(edit) for edit in case.edits if edit.after is None]
    if gone:
        level = Level.HIGH if len(gone) >= _MANY else Level.MEDIUM
        yield Reason("deletes", level, f"deletes {few(gone)}")
