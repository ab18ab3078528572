"""Something that answers stops answering, or other routes answer in its place."""

from __future__ import annotations

from collections.abc import Iterator

from gatechat.assistant.change.model import Level, Reason
from gatechat.assistant.change.risk.case import Case, few


def rule(case: Case) -> Iterator[Reason]:
    if case.impact.stopped:
        yield Reason("stops", Level.HIGH, f"{few(case.impact.stopped)} stops answering")
    fallen = [words for words in case.impact.moved if " falls to " in words]
    if fallen:
        yield Reason("stops", Level.MEDIUM, few(fallen))
