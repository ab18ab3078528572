"""Writes a plan's edits, each only if its resource is still what the plan was made from, all or none.

What is referred to is written before what refers to it, and deleted after. When a step cannot be done, the
done ones are taken back. When the Admin API is away, it is waited for, for ``patience`` seconds: every step
can be asked for twice. What could not be taken back either is said, and left to recover.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from gatechat.apisix.kinds import KINDS, WRITE_ORDER
from gatechat.assistant.change.model import Edit, Proof, State, Step
from gatechat.assistant.change.resources import Refused, Resources, as_written, same_resource
from gatechat.assistant.ledger import Held
from gatechat.assistant.problem import Problem
from gatechat.assistant.view.live import Revision

PATIENCE: Final = 5.0
"""Seconds that an Admin API may be away in the middle of a plan, and that its caches may take to agree."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5
OTHERS: Final = "others changed it in the meantime"
NO_KEY: Final = "no Admin API shows the private key that was there before: enter it again"
NO_ID: Final = "nobody knows which id the gateway gave it, or whether it did"
FOR_GOOD: Final = (OTHERS, NO_KEY, NO_ID)
"""Why a step cannot be taken back by trying again."""
_AT_ONCE: Final = 8


Progress: TypeAlias = Callable[[], None]
"""Called after each resource that was written."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """A resource that is not what the plan was made from."""

    edit: Edit
    found: Held | None


@dataclass(slots=True)
class Done:
    """One edit and what became of it. ``edit.target`` is where it was really written."""

    edit: Edit
    outcome: str = "not done"
    detail: str = ""
    left: Held | None = None
    """What the gateway holds after the step, where it was done."""
    revision: Revision | None = None
    """The gateway's, as it answered the write."""

    @property
    def step(self) -> Step:
        return Step(self.edit.target, self.outcome, self.detail)


@dataclass(slots=True)
class Execution:
    """``failure``: why it did not go through, in words; "" when it did."""

    steps: list[Done] = field(default_factory=list)
    failure: str = ""

    @property
    def state(self) -> State:
        if not self.failure:
            return State.APPLIED
        return State.BROKEN if any(it.outcome == "not compensated" for it in self.steps) else State.FAILED


def in_order(edits: Sequence[Edit]) -> list[Edit]:
    """Writes first, what is referred to before what refers to it; then deletions, the other way round."""
    place = {kind: number for number, kind in enumerate(WRITE_ORDER)}
    writes = [edit for edit in edits if edit.after is not None]
    deletions = [edit for edit in edits if edit.after is None]
    return [
        *sorted(writes, key=lambda edit: place[edit.target.kind]),
        *sorted(deletions, key=lambda edit: -place[edit.target.kind]),
    ]


def in_words(state: State, execution: Execution, proofs: Sequence[Proof]) -> str:
    """How it ended, for people and models, in a sentence or two."""
    done = sum(it.outcome == "done" for it in execution.steps)
    match state:
        case State.APPLIED:
            same = sum(it.outcome == "unchanged" for it in execution.steps)
            also = f" ({same} {'was' if same == 1 else 'were'} so already)" if same else ""
            bad = [f"{it.what}: {it.detail}" for it in proofs if not it.passed]
            doubt = f" But: {'; '.join(bad)}." if bad else ""
            return f"Applied: {done} of {len(execution.steps)} resources written{also}.{doubt}"
        case State.UNDONE:
            return f"Applied, and taken back because {execution.failure}."
        case State.FAILED:
            return f"Nothing was changed: {execution.failure}. What was written before that was taken back."
        case _:
            left = [
                f"{it.edit.target.kind}/{it.edit.target.id} ({it.detail})"
                for it in execution.steps
                if it.outcome == "not compensated"
            ]
            return f"It failed: {execution.failure}. Not taken back, and so still there: {', '.join(left)}."


class Executor:
    """Runs one plan at a time; whoever calls sees to that."""

    def __init__(self, resources: Resources, patience: float = PATIENCE) -> None:
        self._resources = resources
        self._patience = patience

    async def conflicts(self, edits: Sequence[Edit]) -> list[Conflict]:
        """The resources that are no longer what the plan was made from. Raises Problem."""
        turns = asyncio.Semaphore(_AT_ONCE)

        async def look(edit: Edit) -> Conflict | None:
            if edit.target.id == "":
                return None  # the gateway will choose the id
            async with turns:
                found = await self._resources.get(edit.target)
            return None if unchanged(edit, found) else Conflict(edit, found)

        return [it for it in await asyncio.gather(*map(look, edits)) if it is not None]

    async def apply(self, edits: Sequence[Edit], progress: Progress = lambda: None) -> Execution:
        """Writes all of the edits or, as far as the gateway lets us, none. Call it right after conflicts."""
        ordered = in_order(edits)
        execution = Execution([Done(edit) for edit in ordered])
        try:
            for number, done in enumerate(execution.steps):
                await self._do(done, first=number == 0)
                progress()
        except _Failed as failed:
            execution.failure = str(failed)
            await self.compensate(execution.steps)
        return execution

    async def _do(self, done: Done, *, first: bool) -> None:
        """``first``: its resource was read just now, and nothing was written yet that caches must hear of."""
        edit, here = done.edit, done.edit.target
        words = f"{here.kind}/{here.id}"
        fresh = first
        async for last in _until(self._patience):
            try:
                there = _before(edit) if fresh or not here.id else await self._resources.get(here)
                fresh = False
                if not unchanged(edit, there):
                    if done.outcome == "unknown" and as_written(here, edit.after, there):
                        break  # the try whose answer was lost had done it
                    raise _Failed(f"{words} was changed by others in the meantime")
                done.outcome = "unknown"
                await self._write(done, there)
                break
            except Refused as refused:
                done.outcome = "not done"
                if last or first or not refused.in_use or edit.after is not None:
                    done.detail = str(refused)
                    raise _Failed(f"{words} was refused: {refused}") from refused
            except Problem as problem:
                if last or not here.id:
                    done.detail = problem.message
                    raise _Failed(f"{words}: {problem.message}") from problem
        done.outcome = "unchanged" if same_resource(edit.before, edit.after) else "done"

    async def _write(self, done: Done, there: Held | None) -> None:
        edit = done.edit
        if edit.after is None:
            done.revision = await self._resources.delete(edit.target)
        elif edit.target.id == "":
            target, done.revision = await self._resources.create(edit.target.kind, edit.after)
            done.edit = Edit(edit.action, target, None, edit.after, None, edit.notes)
        elif not same_resource(edit.before, edit.after):
            done.revision = await self._resources.put(edit.target, edit.after, there)

    async def compensate(self, steps: Sequence[Done]) -> None:
        """Takes the done steps back, the last first. What cannot be taken back says why in its step."""
        for done in reversed(steps):
            if done.outcome == "unchanged":
                done.outcome = "not done"
            if done.outcome not in ("done", "unknown", "not compensated"):
                continue
            try:
                await self._take_back(done)
            except (Refused, Problem) as error:
                done.outcome = "not compensated"
                done.detail = error.message if isinstance(error, Problem) else str(error)

    async def _take_back(self, done: Done) -> None:
        edit = done.edit
        if edit.target.id == "":
            done.outcome = "not compensated"
            done.detail = NO_ID
            return
        async for last in _until(self._patience):
            try:
                there = await self._resources.get(edit.target)
                if same_resource(edit.before, None if there is None else there.value) and not hides(edit):
                    done.outcome = "not done" if done.outcome == "unknown" else "compensated"
                    return
                if not as_written(edit.target, edit.after, there):
                    done.outcome, done.detail = "not compensated", OTHERS
                    return
                if edit.before is None:
                    await self._resources.delete(edit.target)
                elif hides(edit):
                    done.outcome, done.detail = "not compensated", NO_KEY
                    return
                else:
                    await self._resources.put(edit.target, edit.before, there)
                done.outcome, done.detail = "compensated", ""
                return
            except Refused as refused:
                if last or not refused.in_use:
                    raise
            except Problem:
                if last:
                    raise


class _Failed(Exception):
    """A step cannot be done; why, in words."""


def unchanged(edit: Edit, found: Held | None) -> bool:
    """Whether a resource is what the plan was made from: the version that was read, or the same to the
    letter.
    """
    if edit.before is None or found is None:
        return edit.before is None and found is None
    if edit.version is not None and found.version is not None:
        return edit.version == found.version
    return same_resource(edit.before, found.value)


def hides(edit: Edit) -> bool:
    """Whether the edit replaces what no Admin API shows, so that nobody can put it back."""
    hidden = KINDS[edit.target.kind].hidden
    before, after = edit.before, edit.after
    if before is None or any(name in before for name in hidden):
        return False
    return bool(hidden) and (after is None or any(name in after for name in hidden))


def _before(edit: Edit) -> Held | None:
    return None if edit.before is None else Held(edit.before, edit.version)


async def _until(patience: float) -> AsyncIterator[bool]:
    """Turns at trying, with growing pauses between; True with the last one."""
    end = time.monotonic() + patience
    pause = _FIRST_PAUSE
    while True:
        last = time.monotonic() + pause >= end
        yield last
        if last:
            return
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)
