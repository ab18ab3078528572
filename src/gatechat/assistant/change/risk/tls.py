"""Certificates, or how the gateway trusts a backend."""

from __future__ import annotations

from collections.abc import Iterator

from gatechat.assistant.change.model import JSON, Level, Reason
from gatechat.assistant.change.risk.case import Case, few, name


def rule(case: Case) -> Iterator[Reason]:
    if case.impact.tls:
        started = all("TLS starts" in words for words in case.impact.tls)
        yield Reason("tls", Level.MEDIUM if started else Level.HIGH, few(case.impact.tls))
    for edit in case.edits:
        old, new = (_verifies(side) for side in (edit.before, edit.after))
        if old and not new and edit.after is not None:
            yield Reason(
                "tls", Level.HIGH, f"{name(edit)} does not verify the backend's certificate any more"
            )


def _verifies(value: dict[str, JSON] | None) -> bool:
    upstream = (value or {}).get("upstream", value or {})
    tls = upstream.get("tls") if isinstance(upstream, dict) else None
    return isinstance(tls, dict) and tls.get("verify") is True
