"""The gateway tells about itself, or lets pages of any origin read with the user's cookies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gatechat.assistant.change.model import JSON, Level, Reason
from gatechat.assistant.change.risk.case import Case, name

_TELLS: Final = {
    "public-api": "makes an endpoint of the gateway itself public",
    "node-status": "tells the gateway's state to callers",
    "server-info": "tells about the gateway's machine",
    "batch-requests": "lets one request stand for many, which limits by address do not count",
    "inspect": "looks into the running gateway",
}


def rule(case: Case) -> Iterator[Reason]:
    for edit, plugin, conf, _old in case.new_plugins():
        if plugin in _TELLS:
            yield Reason("exposes", Level.MEDIUM, f"{plugin} in {name(edit)} {_TELLS[plugin]}")
        if plugin == "cors" and isinstance(conf, dict) and _with_credentials(conf):
            text = f"cors in {name(edit)} lets pages of any origin call with the user's credentials"
            yield Reason("exposes", Level.HIGH, text)


def _with_credentials(conf: dict[str, JSON]) -> bool:
    everyone = "**" in str(conf.get("allow_origins", "")) or ".*" in (
        conf.get("allow_origins_by_regex") or ()
    )
    return everyone and conf.get("allow_credential") is True
