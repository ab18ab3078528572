"""What would point to nothing once a plan is applied."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gatechat.assistant.change.model import Edit, Problem, Target
from gatechat.assistant.change.words import instead, listed
from gatechat.assistant.view.configuration import Configuration
from gatechat.assistant.view.references import found_at, links, values_at


def references(edits: Sequence[Edit], after: Configuration) -> list[Problem]:
    """What would point to nothing: from what is written, and to what is deleted."""
    found: list[Problem] = []
    deleted = {edit.target for edit in edits if edit.after is None}
    written = {edit.target for edit in edits if edit.after is not None}
    for edit in edits:
        found += (
            _dangling(edit, after) if edit.after is not None else _still_used(edit.target, after, written)
        )
    for edit in edits:
        if edit.target.kind == "credentials" and edit.after is not None:
            consumer = edit.target.id.partition("/")[0]
            if after.get("consumers", consumer) is None and Target("consumers", consumer) not in deleted:
                fix = instead(consumer, after.all("consumers"))
                text = f"there is no consumer {consumer}"
                found.append(Problem(edit.target, name_of(edit.target), text, consumer, fix))
    return found


def _dangling(edit: Edit, after: Configuration) -> Iterator[Problem]:
    for to, of, field in links():
        for path, id in found_at(edit.after, field) if of == edit.target.kind else ():
            if type(id) in (str, int) and after.get(to, str(id)) is None:
                fix = instead(str(id), after.all(to))
                text = f"there is no {to}/{id} after this plan"
                yield Problem(edit.target, f"{name_of(edit.target)}.{path}", text, id, fix)


def _still_used(target: Target, after: Configuration, written: set[Target]) -> Iterator[Problem]:
    users: list[str] = []
    for to, of, field in links():
        for id, item in after.all(of).items() if to == target.kind else ():
            if Target(of, id) in written:
                continue  # told where it is written
            if any(str(found) == target.id for found in values_at(item.value, field)):
                users.append(f"{of}/{id}")
    if users:
        text = f"{name_of(target)} cannot be deleted: {listed(sorted(set(users)))} would still use it"
        yield Problem(target, name_of(target), text, fix="change or delete those in the same plan")


def name_of(target: Target) -> str:
    """ "routes/1" """
    return f"{target.kind}/{target.id}"
