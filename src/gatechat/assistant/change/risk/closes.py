"""Callers without credentials are turned away from where they got in."""

from __future__ import annotations

from collections.abc import Iterator

from gatechat.assistant.change.model import Level, Reason
from gatechat.assistant.change.risk.case import Case, few


def rule(case: Case) -> Iterator[Reason]:
    if case.impact.closed:
        yield Reason(
            "closes", Level.MEDIUM, f"who calls {few(case.impact.closed)} without credentials is turned away"
        )
