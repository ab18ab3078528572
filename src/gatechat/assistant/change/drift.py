"""What others changed since we last looked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from gatechat.assistant.change import diff
from gatechat.assistant.change.model import Action, Edit, Plan, Target
from gatechat.assistant.change.resources import clean, same_resource
from gatechat.assistant.ledger import Records
from gatechat.assistant.principal import Principal, Role
from gatechat.assistant.view.live import MAX_AGE, Live

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


class Lookout:
    """What the gateway held when we last looked, over all processes that share a ledger."""

    def __init__(self, records: Records, live: Live) -> None:
        self._records = records
        self._live = live

    async def find(self, who: Principal) -> list[Drift]:
        """What others changed since; from now on we have looked, unless it is a viewer, who leaves nothing
        behind. Raises Problem.
        """
        now = await self._now(max_age=0)
        seen = await asyncio.to_thread(self._records.ledger.seen)
        found = compare(seen, now)
        if who.role < Role.EDITOR:
            return found
        await self._look(seen, now)
        if found:
            names = [f"{it.what} {it.target.kind}/{it.target.id}" for it in found]
            await asyncio.to_thread(lambda: self._records.noted("drift", who, changes=names))
        return found

    async def add_to(self, plan: Plan) -> Plan:
        """The plan with what others did to its resources since, as the first of its impact.

        The first plan of all looks at everything, so that there is something to compare with later.
        """
        keys = [(edit.target.kind, edit.target.id) for edit in plan.edits]
        seen = await asyncio.to_thread(self._records.ledger.seen, EVERYTHING, *keys)
        if EVERYTHING not in seen:
            known = await asyncio.to_thread(self._records.ledger.seen)
            await self._look(known, {**await self._now(), **known})
        found = of(plan.edits, seen)
        return replace(plan, impact=(*map(self._line, found), *plan.impact)) if found else plan

    def _line(self, drift: Drift) -> str:
        fields = diff.text(edits([drift]), self._records.redactor()).splitlines()[1:]
        name = f"{drift.target.kind}/{drift.target.id}"
        return f"others {drift.what} {name} since gatechat last looked: {'; '.join(map(str.strip, fields))}"

    async def _now(self, max_age: float = MAX_AGE) -> Seen:
        there = await self._live.configuration(max_age)
        return {(kind, id): (item.modified_index, clean(item.value)) for kind, id, item in there}

    async def _look(self, seen: Seen, now: Seen) -> None:
        whole = {**now, EVERYTHING: (None, True)}
        fresh = {key: whole.get(key) for key in {*seen, *whole} if seen.get(key) != whole.get(key)}
        await asyncio.to_thread(self._records.ledger.see, fresh)
