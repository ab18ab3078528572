"""The gateway answers in place of the backend."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gatechat.assistant.change.model import Level, Reason
from gatechat.assistant.change.risk.case import Case, name

_INSTEAD: Final = frozenset({"fault-injection", "mocking", "redirect", "error-page"})


def rule(case: Case) -> Iterator[Reason]:
    for edit, plugin, _conf, _old in case.new_plugins():
        if plugin in _INSTEAD:
            yield Reason(
                "answers_itself", Level.MEDIUM, f"{plugin} in {name(edit)} answers in place of the backend"
            )
