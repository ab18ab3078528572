"""What others changed since we last looked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from gatechat.assistant.change.model import Action, Edit, Target
from gatechat.assistant.change.resources import same_resource

Key: TypeAlias = tuple[str, str]
Seen: TypeAlias = Mapping[Key, tuple[int | None, Any] | None]
"""(kind, id) -> version and value."""
EVERYTHING: Final[Key] = ("", "everything")
"""Is among what was seen once all that the gateway held was."""

_ACTIONS: Final = {"created": Action.CREATE, "changed": Action.REPLACE, "deleted": Action.DELETE}


@dataclass(frozen=True, slots=True)
class Drift:
    """A resource that others created (``before`` None), changed or deleted (``after`` None)."""

    target: Target
    before: dict[str, Any] | None
    after: dict[str, Any] | None

    @property
    def what(self) -> str:
        if self.before is None:
            return "created"
        return "deleted" if self.after is None else "changed"


def edits(found: Iterable[Drift]) -> list[Edit]:
    """The same as if they had been planned, to be shown as plans are."""
    return [Edit(_ACTIONS[it.what], it.target, it.before, it.after, None) for it in found]


def compare(seen: Seen, now: Seen) -> list[Drift]:
    """What is different. A resource that was only written again, with the same content, is not.

    Before everything was looked at once, what was never seen is no news.
    """
    keys = {*seen, *now} if EVERYTHING in seen else {*seen}
    return [drift for key in sorted(keys - {EVERYTHING}) for drift in _one(key, seen.get(key), now.get(key))]


def of(plan: Sequence[Edit], seen: Seen) -> list[Drift]:
    """What others did, since we last looked, to resources that are to be changed now."""
    now = {
        (it.target.kind, it.target.id): None if it.before is None else (it.version, it.before) for it in plan
    }
    return [drift for key in sorted(now) if key in seen for drift in _one(key, seen[key], now[key])]


def _one(key: Key, old: tuple[int | None, Any] | None, new: tuple[int | None, Any] | None) -> Iterable[Drift]:
    if old is not None and new is not None and old[0] is not None and old[0] == new[0]:
        return
    before, after = old and old[1], new and new[1]
    if not same_resource(before, after):
        yield Drift(Target(*key), before, after)
