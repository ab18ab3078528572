"""Requests, or what is known of them, go to a place where they did not go."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from gatechat.assistant.change.addresses import places
from gatechat.assistant.change.model import JSON, Level, Reason
from gatechat.assistant.change.risk.case import Case, few, name

_DATA: Final = re.compile(
    r"(?:-logger|-logging|^loggly|^syslog|^datadog|^zipkin|^skywalking|^opentelemetry|^lago)"
)
_ASKS: Final = frozenset(
    {"proxy-mirror", "forward-auth", "opa", "aws-lambda", "azure-functions", "openfunction", "openwhisk"}
)


def rule(case: Case) -> Iterator[Reason]:
    for edit, plugin, conf, old in case.new_plugins():
        if plugin not in _ASKS and not _DATA.search(plugin):
            continue
        new, before = (_hosts(plugin, it) for it in (conf, old))
        if new - before:
            yield Reason(
                "sends_away", Level.MEDIUM, f"{plugin} in {name(edit)} sends to {few(sorted(new - before))}"
            )


def _hosts(plugin: str, conf: JSON) -> set[str]:
    return {it.host for it in places("routes", {"plugins": {plugin: conf}})} if conf is not None else set()
