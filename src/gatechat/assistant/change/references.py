"""What would point to nothing once a plan is applied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from gatechat.apisix.kinds import KINDS
from gatechat.assistant.change.model import JSON, Edit, Problem, Target
from gatechat.assistant.change.words import instead, listed
from gatechat.assistant.view.configuration import Configuration


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
    value = edit.after or {}
    links = [(reference.field, reference.to) for reference in KINDS[edit.target.kind].references]
    for kind in KINDS.values():
        links += [(user.field, kind.plural) for user in kind.users if user.kind == edit.target.kind]
    for field, to in dict.fromkeys(links):
        for path, id in _at(value, field.split(".")):
            if after.get(to, str(id)) is None:
                fix = instead(str(id), after.all(to))
                yield Problem(
                    edit.target,
                    f"{name_of(edit.target)}.{path}",
                    f"there is no {to}/{id} after this plan",
                    id,
                    fix,
                )


def _still_used(target: Target, after: Configuration, written: set[Target]) -> Iterator[Problem]:
    users: list[str] = []
    for user in KINDS[target.kind].users:
        for id, item in after.all(user.kind).items():
            if Target(user.kind, id) in written:
                continue  # told where it is written
            if any(str(found) == target.id for _, found in _at(item.value, user.field.split("."))):
                users.append(f"{user.kind}/{id}")
    if users:
        text = f"{name_of(target)} cannot be deleted: {listed(sorted(set(users)))} would still use it"
        yield Problem(target, name_of(target), text, fix="change or delete those in the same plan")


def _at(value: JSON, path: Sequence[str], walked: str = "") -> Iterator[tuple[str, JSON]]:
    if not path:
        if isinstance(value, str | int) and not isinstance(value, bool):
            yield walked, value
        return
    head, rest = path[0], path[1:]
    if head == "*" and isinstance(value, list):
        for number, part in enumerate(value):
            yield from _at(part, rest, f"{walked}.{number}" if walked else str(number))
    elif isinstance(value, Mapping) and head in value:
        yield from _at(value[head], rest, f"{walked}.{head}" if walked else head)


def name_of(target: Target) -> str:
    """ "routes/1" """
    return f"{target.kind}/{target.id}"
