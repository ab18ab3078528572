"""Routes take requests from others, or get none."""

from __future__ import annotations

from collections.abc import Iterator

from gatechat.assistant.change.model import Level, Reason
from gatechat.assistant.change.risk.case import Case, few


def rule(case: Case) -> Iterator[Reason]:
    if case.impact.shadows:
        yield Reason("shadows", Level.MEDIUM, few(case.impact.shadows))
