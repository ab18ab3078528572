"""A rate limit is gone."""

from __future__ import annotations

from collections.abc import Iterator

from gatechat.assistant.change.model import Level, Reason
from gatechat.assistant.change.risk.case import Case, few


def rule(case: Case) -> Iterator[Reason]:
    if case.impact.unlimited:
        yield Reason("unlimited", Level.MEDIUM, f"{few(case.impact.unlimited)} is not rate limited any more")
