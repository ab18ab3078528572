"""Code out of the configuration runs in the gateway, even where the policy lets it."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from gatechat.assistant.change.model import Level, Reason
from gatechat.assistant.change.policy import RUNS_CODE
from gatechat.assistant.change.risk.case import Case, name


def rule(case: Case) -> Iterator[Reason]:
    for edit, plugin, _conf, _old in case.new_plugins():
        why = next((RUNS_CODE[pattern] for pattern in RUNS_CODE if fnmatchcase(plugin, pattern)), None)
        if why:
            yield Reason("runs_code", Level.HIGH, f"{plugin} in {name(edit)} {why}")
