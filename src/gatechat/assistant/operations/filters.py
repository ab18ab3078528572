"""Filters as people write them: what can only mean one thing is understood, and said."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

OTHERWISE: Final[Mapping[str, tuple[str, ...]]] = {
    "labels": ("label",),
    "tag": ("label",),
    "hosts": ("host",),
    "domain": ("host",),
    "uri": ("path",),
    "uris": ("path",),
    "paths": ("path",),
    "url": ("path",),
    "plugins": ("plugin",),
    "methods": ("method",),
    "ids": ("id",),
    "names": ("name",),
    "username": ("id",),
    "upstream_id": ("upstream",),
    "node": ("upstream",),
    "nodes": ("node", "upstream"),
    "backend": ("node", "upstream"),
    "address": ("node", "upstream"),
    "service_id": ("service",),
    "plugin_config_id": ("plugin_config",),
    "group": ("consumer_group",),
    "group_id": ("consumer_group",),
    "search": ("text",),
    "query": ("text",),
}
"""Another name -> the filters that it may mean; the first that there is counts."""

_SAME: Final[Mapping[str, Mapping[str, str]]] = {
    "holds": {
        **dict.fromkeys(
            ("no authentication", "no auth", "unauthenticated", "without authentication", "open", "public"),
            "reachable without authentication",
        ),
        **dict.fromkeys(("authenticated", "protected", "has authentication"), "needs authentication"),
        **dict.fromkeys(("no limit", "unlimited", "without rate limit", "no rate limiting"), "no rate limit"),
        **dict.fromkeys(("limited", "has rate limit"), "rate limited"),
    },
    "status": {"enabled": "on", "active": "on", "disabled": "off", "inactive": "off"},
}


def understood(where: Mapping[str, Any], known: Collection[str]) -> tuple[dict[str, Any], list[str]]:
    """The filters by the names in ``known``, and what was read otherwise than it was written. What is not
    understood stays as it is, for an error.
    """
    read: dict[str, Any] = {}
    notes: list[str] = []
    for name, value in where.items():
        meant = _name(name, known)
        if meant in read or (meant != name and meant in where):
            meant = name
        if meant != name:
            notes.append(f"{name} as {meant}")
        plain = [_value(meant, part) for part in value] if isinstance(value, list) else _value(meant, value)
        if plain != value:
            notes.append(f"{meant} {value} as {plain}")
        read[meant] = plain
    return read, notes


def _name(name: str, known: Collection[str]) -> str:
    if name in known:
        return name
    meant = OTHERWISE.get(name.lower(), (name.lower(),))
    return next((one for one in meant if one in known), name)


def _value(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if name == "label" and "=" not in value:
        key, colon, text = value.partition(":")
        return f"{key.strip()}={text.strip()}" if colon else value
    if name == "host" and "://" in value:
        return urlsplit(value).hostname or value
    return _SAME.get(name, {}).get(value.strip().lower(), value)
