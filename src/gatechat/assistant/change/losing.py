"""Consumers that a plan shuts out: what they sign in with, and what turns them away once they have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from gatechat.assistant.change.model import JSON
from gatechat.assistant.view.configuration import Configuration
from gatechat.assistant.view.effective import AUTHENTICATION
from gatechat.assistant.view.text import listed

MOST_LISTED: Final = 5
"""Of what a plan reaches, in one line."""


def credentials_lost(who: str, before: Mapping[str, JSON], after: Mapping[str, JSON]) -> Iterator[str]:
    """What a consumer, or a credential of it, cannot sign in with any more. ``who``: "consumer jack"."""
    old, new = (side.get("plugins") or {} for side in (before, after))
    for name in sorted(old):
        if name not in AUTHENTICATION:
            continue
        if name not in new:
            yield f"{who} loses access by {name}"
        elif old[name] != new[name]:
            yield f"{who}: what it signs in with by {name} until now stops working"


def locked_out(
    where: str, old: Mapping[str, JSON], new: Mapping[str, JSON], after: Configuration
) -> Iterator[str]:
    """Consumers who sign in by what a place does not take any more, or whom it turns away now. ``old`` and
    ``new``: the plugins that run there.
    """
    ways_old, ways_new = _asking(old), _asking(new)
    if ways_new and ways_old - ways_new:
        lost = [
            name
            for name in after.all("consumers")
            if (mine := _ways(after, name)) & ways_old and not mine & ways_new
        ]
        if lost:
            ways = ", ".join(sorted(ways_old - ways_new))
            yield f"consumers {listed(lost, MOST_LISTED)} lose access to {where}: they sign in by {ways}"
    refused = _turned_away(new, after) - _turned_away(old, after)
    if refused:
        who = listed(sorted(refused), MOST_LISTED)
        yield f"consumers {who} lose access to {where} (consumer-restriction)"


def _asking(plugins: Mapping[str, JSON]) -> set[str]:
    """The ways to sign in that are taken, those inside multi-auth too."""
    multi = plugins.get("multi-auth")
    several = multi.get("auth_plugins") if isinstance(multi, Mapping) else None
    inner = [name for one in several or () if isinstance(one, Mapping) for name in one]
    return (plugins.keys() | set(inner)) & (AUTHENTICATION - {"multi-auth"})


def _ways(configuration: Configuration, consumer: str) -> set[str]:
    item = configuration.get("consumers", consumer)
    found = set((item.value.get("plugins") or {}) if item else ()) & AUTHENTICATION
    for id, credential in configuration.all("credentials").items():
        if id.startswith(f"{consumer}/"):
            found |= set(credential.value.get("plugins") or ())
    return found


def _turned_away(plugins: Mapping[str, JSON], configuration: Configuration) -> set[str]:
    """By their names, or by their groups."""
    conf = plugins.get("consumer-restriction")
    if not isinstance(conf, Mapping):
        return set()
    field = _NAMES.get(str(conf.get("type", "consumer_name")))
    if field is None:
        return set()
    everyone = {id: str(it.value.get(field, "")) for id, it in configuration.all("consumers").items()}
    refused, wanted = (conf.get(name) or () for name in ("blacklist", "whitelist"))
    return {id for id, name in everyone.items() if name in refused or (wanted and name not in wanted)}


_NAMES: Final[Mapping[str, str]] = {"consumer_name": "username", "consumer_group_id": "group_id"}
"""What consumer-restriction looks at, and the field of a consumer that has it."""
