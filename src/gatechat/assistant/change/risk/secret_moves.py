"""A secret that is kept is sent to another address than before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gatechat.assistant.change.addresses import places
from gatechat.assistant.change.model import Edit, Level, Reason
from gatechat.assistant.change.redact import Redactor
from gatechat.assistant.change.risk.case import Case, few, name
from gatechat.assistant.view.effective import effective


def rule(case: Case) -> Iterator[Reason]:
    for edit in case.edits:
        kind, id = edit.target.kind, edit.target.id
        if edit.before is None or edit.after is None:
            continue
        if kind in ("upstreams", "routes", "services") and not _plugins_moved(edit):
            continue
        old = {(it.host, it.port) for it in places(kind, edit.before, id)}
        new = [it.host for it in places(kind, edit.after, id) if (it.host, it.port) not in old]
        kept = {str(it.value) for it in _REDACTOR.secrets(kind, edit.before, id)}
        kept &= {str(it.value) for it in _REDACTOR.secrets(kind, edit.after, id)}
        if new and kept:
            yield Reason(
                "secret_moves", Level.HIGH, f"{name(edit)} sends a secret that it keeps to {few(new)}"
            )

    if case.impact.moved:
        yield from _with_the_request(case)


def _with_the_request(case: Case) -> Iterator[Reason]:
    """Headers that a route adds to what it sends to its backend, which is another now."""
    before, after = effective(case.before).routes, effective(case.after).routes
    for id, route in after.items():
        old = before.get(id)
        if old is None or route.backend is old.backend or set(route.backend.nodes) <= set(old.backend.nodes):
            continue
        rewrite = {one.name: dict(one.conf) for one in route.running if one.name == "proxy-rewrite"}
        if rewrite and _REDACTOR.secrets("routes", {"plugins": rewrite}):
            text = f"routes/{id} adds a secret to requests, which now go to {few(route.backend.nodes)}"
            yield Reason("secret_moves", Level.HIGH, text)


def _plugins_moved(edit: Edit) -> bool:
    return (edit.before or {}).get("plugins") != (edit.after or {}).get("plugins")


_REDACTOR: Final = Redactor()
