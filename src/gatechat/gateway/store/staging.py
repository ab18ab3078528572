"""Pure: what a list of edits makes of a State. Revisions and indexes count as etcd counts them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gatechat.gateway.model import Edit, Put, Resource, State


@dataclass(frozen=True, slots=True)
class Change:
    """One write: the State after it and, for each resource it touched, what is there now (None: deleted).

    ``at`` is the time in Unix seconds. ``reverts`` is the revision that this write takes back, if it does.
    """

    before: State
    after: State
    touched: Mapping[tuple[str, str], Resource | None]
    at: float
    reverts: int | None = None

    def reverted(self, at: float) -> Change:
        """The write that puts every touched resource back as it was, indexes and expiry included.

        The revision still goes up: it tells of writes, and there were two.
        """
        touched = {key: self.before.get(*key) for key in self.touched}
        revision = self.after.revision
        return Change(self.after, _with(self.after, touched, revision + 1), touched, at, reverts=revision)


def stage(state: State, edits: Sequence[Edit], now: float) -> Change:
    """``state`` after ``edits``, all in one revision. ``now`` in Unix seconds.

    A resource that is put again keeps its created_index. Deleting what is not there changes nothing.
    """
    revision = state.revision + 1
    touched: dict[tuple[str, str], Resource | None] = {}
    for edit in edits:
        key = (edit.kind, edit.id)
        old = touched[key] if key in touched else state.get(*key)
        if isinstance(edit, Put):
            touched[key] = Resource(
                kind=edit.kind,
                id=edit.id,
                value=edit.value,
                created_index=old.created_index if old else revision,
                modified_index=revision,
                expires_at=None if edit.ttl is None else now + edit.ttl,
            )
        elif old is not None:
            touched[key] = None
    return Change(state, _with(state, touched, revision), touched, now)


def _with(state: State, touched: Mapping[tuple[str, str], Resource | None], revision: int) -> State:
    kinds = dict(state.kinds)
    for kind in {kind for kind, _ in touched}:
        resources = dict(state.all(kind))
        for (touched_kind, id), resource in touched.items():
            if touched_kind != kind:
                continue
            if resource is None:
                resources.pop(id, None)
            else:
                resources[id] = resource
        kinds[kind] = resources
    return State(revision, kinds)
