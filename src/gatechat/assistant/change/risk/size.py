"""A plan that nobody reads to its end."""

from __future__ import annotations

from collections.abc import Iterator

from gatechat.assistant.change.model import Level, Reason
from gatechat.assistant.change.risk.case import Case

_SOME = 10
_MANY = 50


def rule(case: Case) -> Iterator[Reason]:
    count = len(case.edits)
    if count >= _SOME:
        yield Reason(
            "size", Level.HIGH if count >= _MANY else Level.MEDIUM, f"changes {count} resources at once"
        )
