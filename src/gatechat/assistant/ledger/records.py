"""Plans, approvals and changes as entries of the ledger: redacted in the chain, whole beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final, TypeAlias

from pydantic import TypeAdapter

from gatechat.assistant.change.model import Approval, Change, Edit, Plan, State, Target
from gatechat.assistant.change.redact import Redactor
from gatechat.assistant.ledger.chain import Entry, Note
from gatechat.assistant.ledger.database import Ledger
from gatechat.assistant.principal import Principal

OUTCOMES: Final = ("change", "recovery")
"""The entries that say how a change ended."""


@dataclass(frozen=True, slots=True)
class Held:
    """A resource as the gateway held it: the value without times, and its modifiedIndex."""

    value: dict[str, Any]
    version: int | None


Left: TypeAlias = dict[Target, Held | None]
"""How a change left its resources; None: not there."""


class Records:
    """Writes what happened to plans, and reads it back.

    ``redactor`` gives the one of the moment: which fields are secret depends on the gateway's plugins.
    """

    def __init__(self, ledger: Ledger, redactor: Callable[[], Redactor]) -> None:
        self.ledger = ledger
        self.redactor = redactor

    def planned(self, plan: Plan, who: Principal) -> None:
        self.ledger.append(self._note_plan(plan, who), expect=(None,))

    def planned_and_begun(self, plan: Plan, who: Principal) -> None:
        """For a plan that nobody waits for: one write to disk instead of two."""
        self.ledger.append(self._note_plan(plan, who), self._begun(plan.id, who, None), expect=(None,))

    def approved(self, approval: Approval, who: Principal) -> None:
        """Raises Moved unless the plan waits."""
        note = _note("approval", approval.plan, who, _dump(_approvals(), approval), State.READY)
        self.ledger.append(note, expect=(State.WAITING.value,))

    def begun(self, id: str, who: Principal, approval: Approval | None) -> None:
        """From here on the approval is used up. Raises Moved unless the plan is ready."""
        self.ledger.append(self._begun(id, who, approval), expect=(State.READY.value,))

    def _begun(self, id: str, who: Principal, approval: Approval | None) -> Note:
        return _note("begun", id, who, {"approval": _dump(_approvals(), approval)}, State.APPLYING)

    def ended(self, change: Change, left: Left, who: Principal, what: str = "change") -> None:
        """How an apply (or its recovery) ended, with what it left, which is no drift. Raises Moved unless it
        was under way.
        """
        plan = replace(self.redacted(change.plan), edits=(), state=change.state)
        shown = _dump(_changes(), replace(change, plan=plan))
        document = {
            "change": shown,
            "left": [
                [target.kind, target.id, None if held is None else [held.value, held.version]]
                for target, held in left.items()
            ],
        }
        note = Note(
            what,
            change.id,
            who.name,
            who.role.name.lower(),
            who.face,
            shown,
            change.state.value,
            json.dumps(document, separators=(",", ":")),
            tuple((target.kind, target.id) for target in left),
        )
        seen = {
            (target.kind, target.id): None if held is None else (held.version, held.value)
            for target, held in left.items()
        }
        self.ledger.append(note, expect=(State.APPLYING.value, State.BROKEN.value), seen=seen)

    def moved(
        self, id: str, what: str, state: State, who: Principal, expect: Collection[State], **body: Any
    ) -> None:
        """A plan that comes to another state, with the words why. Raises Moved."""
        self.ledger.append(_note(what, id, who, body, state), expect=[it.value for it in expect])

    def entered(self, id: str, values: Mapping[str, str], who: Principal) -> None:
        """A person typed secrets of a plan: the entry names the fields, never the values. Raises Moved."""
        note = _note("secrets", id, who, {"fields": sorted(values)}, None)
        self.ledger.enter(id, values, note, expect=(State.WAITING.value, State.READY.value))

    def noted(self, what: str, who: Principal, **body: Any) -> None:
        """What happened to no plan: drift that was found, somebody who signed in."""
        self.ledger.append(_note(what, "", who, body, None))

    def plan(self, id: str) -> Plan | None:
        """The plan as it is now, whole: for the gateway and for people, never for a model."""
        document = self.ledger.document(id, "plan")
        if document is None:
            return None
        plan = _plans().validate_json(document)
        return replace(plan, state=State(self.ledger.state(id) or plan.state))

    def approval(self, id: str) -> Approval | None:
        """The newest approval of a plan."""
        entries = self.ledger.entries(id, ("approval",), limit=1)
        return _approvals().validate_python(entries[0].body) if entries else None

    def change(self, id: str) -> Change | None:
        """How the plan's apply ended, with its whole plan; None when it has not."""
        document = self.ledger.document(id, *OUTCOMES)
        plan = self.plan(id)
        if document is None or plan is None:
            return None
        change = _changes().validate_python(json.loads(document)["change"])
        return replace(change, plan=plan)

    def left(self, id: str) -> Left:
        """What the change left of each resource, by Target."""
        document = self.ledger.document(id, *OUTCOMES)
        rows: Sequence[Any] = json.loads(document)["left"] if document else ()
        return {Target(kind, id): None if held is None else Held(*held) for kind, id, held in rows}

    def under_way(self) -> list[str]:
        """The plans whose apply was begun and has not ended well or been taken back."""
        return self.ledger.subjects(State.APPLYING.value, State.BROKEN.value)

    def later(self, target: Target, than: str) -> list[Entry]:
        """The ends of later changes to a resource, the newest first."""
        own = self.ledger.entries(than, OUTCOMES, limit=1)
        since = own[0].seq if own else 0
        entries = self.ledger.entries(what=OUTCOMES, touching=(target.kind, target.id))
        return [entry for entry in entries if entry.seq > since]

    def earlier(self, target: Target, than: str) -> list[Entry]:
        """The ends of earlier changes to a resource, the newest first."""
        own = self.ledger.entries(than, OUTCOMES, limit=1)
        before = own[0].seq if own else None
        return self.ledger.entries(what=OUTCOMES, touching=(target.kind, target.id), before=before)

    def redacted(self, plan: Plan) -> Plan:
        """The plan as a model or the chain may see it."""
        redact = self.redactor().redact
        edits = tuple(
            replace(
                edit,
                before=edit.before and redact(edit.target.kind, edit.before, edit.target.id),
                after=edit.after and redact(edit.target.kind, edit.after, edit.target.id),
            )
            for edit in plan.edits
        )
        probes = tuple(
            replace(probe, headers=redact("probes", {"headers": probe.headers})["headers"])
            for probe in plan.probes
        )
        return replace(plan, edits=edits, probes=probes)

    def scrubbed(self, change: Change, edits: Sequence[Edit]) -> Change:
        """What happened, without the secrets that the gateway's words may quote from what it was sent."""
        redactor = self.redactor()
        secrets = [
            secret
            for edit in edits
            for side in (edit.before, edit.after)
            if side is not None
            for secret in redactor.secrets(edit.target.kind, side, edit.target.id)
        ]
        return replace(
            change,
            text=redactor.scrub(change.text, secrets),
            steps=tuple(replace(it, detail=redactor.scrub(it.detail, secrets)) for it in change.steps),
            proofs=tuple(replace(it, detail=redactor.scrub(it.detail, secrets)) for it in change.proofs),
        )

    def _note_plan(self, plan: Plan, who: Principal) -> Note:
        return Note(
            "plan",
            plan.id,
            who.name,
            who.role.name.lower(),
            who.face,
            _dump(_plans(), self.redacted(plan)),
            plan.state.value,
            _plans().dump_json(plan).decode(),
        )


def _note(what: str, id: str, who: Principal, body: Mapping[str, Any], state: State | None) -> Note:
    return Note(what, id, who.name, who.role.name.lower(), who.face, body, state.value if state else None)


def _dump(adapter: TypeAdapter[Any], value: Any) -> Any:
    return None if value is None else adapter.dump_python(value, mode="json")


@cache
def _plans() -> TypeAdapter[Plan]:
    return TypeAdapter(Plan)


@cache
def _approvals() -> TypeAdapter[Approval]:
    return TypeAdapter(Approval)


@cache
def _changes() -> TypeAdapter[Change]:
    return TypeAdapter(Change)
