"""What is not about single routes: global rules, plugin metadata, secret managers, consumer groups."""

from __future__ import annotations

from collections.abc import Iterator

from gatechat.assistant.change.model import Level, Reason
from gatechat.assistant.change.risk.case import Case


def rule(case: Case) -> Iterator[Reason]:
    for words in case.impact.everywhere:
        level = Level.HIGH if "every request" in words else Level.MEDIUM
        yield Reason("everywhere", level, words)
