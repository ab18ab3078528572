"""One change that reaches many routes through what they share."""

from __future__ import annotations

from collections.abc import Iterator

from gatechat.assistant.change.model import Level, Reason
from gatechat.assistant.change.risk.case import Case, few

_MANY = 10


def rule(case: Case) -> Iterator[Reason]:
    for what, users in case.impact.users.items():
        if len(users) > 1:
            level = Level.HIGH if len(users) >= _MANY else Level.MEDIUM
            yield Reason("shared", level, f"{what} is used by {few(users)}")
