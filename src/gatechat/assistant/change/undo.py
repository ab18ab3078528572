"""The way back from a change: the edits that restore what was there, or what stands in their way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gatechat.apisix.kinds import KINDS
from gatechat.assistant.change.execute import hides
from gatechat.assistant.change.model import Action, Change, Edit, Problem, State, Target
from gatechat.assistant.change.redact import ENTER, GENERATE, REDACTED, marked
from gatechat.assistant.change.resources import Resources, same_resource
from gatechat.assistant.ledger import Held, Left, Records


@dataclass(frozen=True, slots=True)
class Reverse:
    """``problems``: what stands in the way. ``secrets``: fields that nobody but a person can put back."""

    edits: tuple[Edit, ...]
    problems: tuple[Problem, ...]
    secrets: tuple[str, ...] = ()


async def reverse(change: Change, left: Left, records: Records, resources: Resources) -> Reverse:
    """``left``: how the change left its resources. Raises Problem when there is no Admin API to ask."""
    if change.state is not State.APPLIED:
        words = f"change {change.id} is {change.state.value}: there is nothing of it to take back"
        return Reverse((), (Problem(None, "", words, fix="`history` shows what can be undone"),))
    edits: list[Edit] = []
    problems: list[Problem] = []
    secrets: list[str] = []
    targets = {step.target for step in change.steps if step.outcome == "done"}
    for edit in placed(change):
        target = edit.target
        if target not in targets:
            continue
        found = await resources.get(target)
        if not _still(found, left.get(target)):
            problems.append(_obstacle(change, target, found, records))
            continue
        before = edit.before
        if before is not None and hides(edit):
            kept = _hidden(change, target, before, records)
            before = before | kept
            secrets += [f"{target.kind}/{target.id}.key"] if not kept else []
        back = Edit(_action(found, edit), target, None if found is None else found.value, before, None)
        edits.append(_with_version(back, found))
    return Reverse(tuple(edits), tuple(problems), tuple(secrets))


def _hidden(change: Change, target: Target, before: Mapping[str, Any], records: Records) -> dict[str, Any]:
    """The private key that was there before, if it was written through gatechat: no Admin API shows it."""
    names = KINDS[target.kind].hidden
    for entry in records.earlier(target, than=change.id):
        plan = records.plan(entry.subject)
        for edit in plan.edits if plan else ():
            after = edit.after or {}
            kept = {name: after[name] for name in names if name in after}
            its = all(after.get(name) == before.get(name) for name in ("cert", "certs"))
            whole = not any(marked(kept, (ENTER, GENERATE, REDACTED)))
            if edit.target == target and kept and whole and its:
                return kept
    return {}


def placed(change: Change) -> Sequence[Edit]:
    """The change's edits in the order of the plan, each with the target where it was really written."""
    chosen = {step.target for step in change.steps} - {edit.target for edit in change.plan.edits}
    edits = []
    for edit in change.plan.edits:
        target = edit.target
        if target.id == "":
            target = next((it for it in sorted(chosen) if it.kind == target.kind), target)
            chosen.discard(target)
        edits.append(Edit(edit.action, target, edit.before, edit.after, edit.version, edit.notes))
    return edits


def _still(found: Held | None, left: Held | None) -> bool:
    if found is None or left is None:
        return found is left
    return same_resource(found.value, left.value)


def _obstacle(change: Change, target: Target, found: Held | None, records: Records) -> Problem:
    name = f"{target.kind}/{target.id}"
    later = [entry for entry in records.later(target, than=change.id) if entry.state == State.APPLIED.value]
    if later:
        ids = ", ".join(dict.fromkeys(entry.subject for entry in later))
        words = f"{name} was changed again by {ids}, which built on this"
        return Problem(
            target, name, words, fix=f"undo {later[0].subject} first, or plan the difference by hand"
        )
    state = "deleted" if found is None else "changed"
    return Problem(
        target,
        name,
        f"{name} was {state} by others since, outside of gatechat",
        fix="plan the difference by hand: `get` shows what is there now, `history` what was there before",
    )


def _action(found: Held | None, edit: Edit) -> Action:
    if edit.before is None:
        return Action.DELETE
    return Action.CREATE if found is None else Action.REPLACE


def _with_version(edit: Edit, found: Held | None) -> Edit:
    version = None if found is None else found.version
    return Edit(edit.action, edit.target, edit.before, edit.after, version, edit.notes)
