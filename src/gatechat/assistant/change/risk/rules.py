"""All rules, and what they say of a plan together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from gatechat.assistant.change.model import Level, Reason
from gatechat.assistant.change.risk import (
    access,
    answers_itself,
    catches_all,
    closes,
    deletes,
    everywhere,
    exposes,
    moves,
    opens,
    runs_code,
    secret_moves,
    sends_away,
    shadows,
    shared,
    size,
    stops,
    tls,
    unlimited,
    unprotected,
)
from gatechat.assistant.change.risk.case import Case

RULES: Final[Mapping[str, Callable[[Case], Iterator[Reason]]]] = {
    module.__name__.rpartition(".")[2]: module.rule
    for module in (
        access,
        answers_itself,
        catches_all,
        closes,
        deletes,
        everywhere,
        exposes,
        moves,
        opens,
        runs_code,
        secret_moves,
        sends_away,
        shadows,
        shared,
        size,
        stops,
        tls,
        unlimited,
        unprotected,
    )
}
"""By the name of the file."""

_ORDER: Final = (Level.HIGH, Level.MEDIUM, Level.LOW)


def assess(case: Case) -> list[Reason]:
    """The reasons of all rules, the gravest first. No reason means a low risk."""
    found = [reason for rule in RULES.values() for reason in rule(case)]
    return sorted(found, key=lambda reason: _ORDER.index(reason.level))
