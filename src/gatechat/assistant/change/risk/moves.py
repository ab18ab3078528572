"""Traffic goes to another backend."""

from __future__ import annotations

from collections.abc import Iterator

from gatechat.assistant.change.model import Level, Reason
from gatechat.assistant.change.risk.case import Case, few


def rule(case: Case) -> Iterator[Reason]:
    moved = [words for words in case.impact.moved if " instead of " in words]
    if moved:
        yield Reason("moves", Level.MEDIUM, few(moved))
