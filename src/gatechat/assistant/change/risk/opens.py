"""Requests get through without authentication that did not before."""

from __future__ import annotations

from collections.abc import Iterator

from gatechat.assistant.change.model import Level, Reason
from gatechat.assistant.change.risk.case import Case, few


def rule(case: Case) -> Iterator[Reason]:
    if case.impact.opened:
        yield Reason(
            "opens", Level.HIGH, f"{few(case.impact.opened)} becomes reachable without authentication"
        )
    if case.impact.open_new:
        yield Reason(
            "opens",
            Level.MEDIUM,
            f"{few(case.impact.open_new)} answers without authentication from the start",
        )
