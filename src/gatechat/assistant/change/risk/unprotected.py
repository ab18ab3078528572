"""A plugin that turned requests away is gone."""

from __future__ import annotations

from collections.abc import Iterator

from gatechat.assistant.change.model import Level, Reason
from gatechat.assistant.change.risk.case import Case, few


def rule(case: Case) -> Iterator[Reason]:
    if case.impact.unprotected:
        yield Reason("unprotected", Level.MEDIUM, few(case.impact.unprotected))
