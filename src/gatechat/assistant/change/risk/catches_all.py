"""A route for every path of every host answers whatever no other route does."""

from __future__ import annotations

from collections.abc import Iterator

from gatechat.assistant.change.model import Edit, Level, Reason
from gatechat.assistant.change.risk.case import Case, name


def rule(case: Case) -> Iterator[Reason]:
    for edit in case.edits:
        route = edit.after or {}
        if edit.target.kind != "routes" or edit.before == edit.after:
            continue
        uris = route.get("uris") or [route.get("uri")]
        hosts = route.get("hosts") or [route.get("host")]
        whole = {"/*", "*"} & set(map(str, uris)) and {"None", "*"} & set(map(str, hosts))
        if whole and not route.get("service_id") and not _same_place(edit):
            yield Reason("catches_all", Level.MEDIUM, f"{name(edit)} takes every path on every host")


def _same_place(edit: Edit) -> bool:
    fields = ("uri", "uris", "host", "hosts")
    return all((edit.before or {}).get(field) == (edit.after or {}).get(field) for field in fields)
