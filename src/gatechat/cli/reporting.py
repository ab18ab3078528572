"""What happened and what is planned, for people at a terminal and for programs. Never with a secret."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from gatechat.apisix.kinds import KINDS
from gatechat.assistant.change.diff import difference
from gatechat.assistant.change.drift import edits
from gatechat.assistant.change.model import Action, Change, Edit, Plan, State, Target
from gatechat.assistant.change.setup import LEDGER
from gatechat.assistant.change.telling import (
    change_text,
    history_line,
    history_row,
    how_to_go_on,
    problem_line,
)
from gatechat.assistant.core import Core
from gatechat.assistant.ledger import Entry, Ledger, LedgerError
from gatechat.assistant.view import text
from gatechat.cli.errors import CliError

_PAGE: Final = 200
"""Entries of the ledger that are read at a time."""
_UNITS: Final = {"m": 60, "h": 3600, "d": 86400}
_VERBS: Final = {
    Action.CREATE: "create",
    Action.REPLACE: "replace",
    Action.MERGE: "merge",
    Action.DELETE: "delete",
}


def plan_text(core: Core, plan: Plan) -> str:
    """A plan as a person must see it before saying yes: nothing of it is left out."""
    return "\n".join(_plan_lines(core, plan))


def _plan_lines(core: Core, plan: Plan) -> Iterator[str]:
    undoes = f", undoes {plan.undoes}" if plan.undoes else ""
    yield f"Plan {plan.id} ({plan.state.value}{undoes}) by {plan.by}/{plan.face}:"
    yield text.line(plan.reason, 1_000)
    if plan.selected:
        yield f"Selected: {text.line(plan.selected, 1_000)}"
    if plan.edits:
        yield ""
        yield edits_text(core, plan.edits)
        yield ""
        yield f"{counts(plan.edits)}."
    for probe in plan.probes:
        required = " (required)" if probe.required else ""
        yield f"Probe{required}: {text.line(f'{probe.method} {probe.path}', 500)}"
    if plan.problems:
        yield "It cannot be applied:"
        yield from (f"- {problem_line(it)}" for it in plan.problems)
    if plan.impact:
        yield "Impact:"
        yield from (f"- {text.line(it, 1_000)}" for it in plan.impact)
    reasons = "; ".join(text.line(it.text, 1_000) for it in plan.risks)
    yield f"Risk: {plan.risk.value}{f' ({reasons})' if reasons else ''}"
    page = core.changes.page(plan.id)
    if plan.secrets and plan.state in (State.WAITING, State.READY):
        yield f"A person must enter {', '.join(plan.secrets)} on {page}"
    match plan.state:
        case State.WAITING:
            why = "; ".join(text.line(it, 1_000) for it in plan.decision.reasons)
            yield f"It waits for a person ({why}): `gatechat approve {plan.id}`, or {page}"
        case State.READY:
            yield f"Nothing is written yet: `gatechat apply {plan.id}` does it."
        case _:
            yield how_to_go_on(plan, page)


def edits_text(core: Core, edits: Sequence[Edit]) -> str:
    """A unified diff of every resource, whole."""
    return "\n".join(_edit_lines(core, edits))


def _edit_lines(core: Core, edits: Sequence[Edit]) -> Iterator[str]:
    for edit in edits:
        one = difference(edit, core.drafts.redactor)
        yield f"{edit.action.value} {text.line(f'{edit.target.kind}/{edit.target.id}', 500)}"
        yield from (f"  {line}" for line in one.text.splitlines()[2:])
        yield from (f"  ({text.line(note, 1_000)})" for note in one.notes)


def counts(edits: Sequence[Edit]) -> str:
    """ "2 to create, 1 to delete"."""
    number = Counter(edit.action for edit in edits)
    return ", ".join(f"{number[action]} to {verb}" for action, verb in _VERBS.items() if number[action])


def document(core: Core, found: Plan | Change) -> dict[str, Any]:
    """The same for programs."""
    plan = found.plan if isinstance(found, Change) else found
    shown: dict[str, Any] = {
        "id": plan.id,
        "state": found.state.value,
        "digest": plan.digest,
        "by": plan.by,
        "role": plan.role,
        "face": plan.face,
        "reason": plan.reason,
        "created": plan.created,
        "expires": plan.expires,
        "undoes": plan.undoes,
        "page": core.changes.page(plan.id),
        "decision": asdict(plan.decision),
        "risk": plan.risk.value,
        "risks": [asdict(it) for it in plan.risks],
        "impact": list(plan.impact),
        "problems": [{"path": it.path, "message": it.message, "fix": it.fix} for it in plan.problems],
        "changes": [difference(edit, core.drafts.redactor).as_json() for edit in plan.edits],
        "secrets": list(plan.secrets),
    }
    if isinstance(found, Change):
        shown |= {
            "text": found.text,
            "started": found.started,
            "ended": found.ended,
            "steps": [asdict(it) for it in found.steps],
            "proofs": [asdict(it) for it in found.proofs],
            "approval": found.approval and asdict(found.approval),
        }
    cleaned: dict[str, Any] = text.cleaned(shown)
    return cleaned


def print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2))


async def show(core: Core, id: str, *, as_json: bool) -> None:
    found = await core.changes.state(id)
    if as_json:
        print_json(document(core, found))
    elif isinstance(found, Change):
        plan = found.plan
        print(change_text(found))
        print(f"By {plan.by}/{plan.face}: {text.line(plan.reason, 1_000)}\n")
        print(edits_text(core, plan.edits))
    else:
        print(plan_text(core, found))


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which changes: touching a resource ("routes/1"), by a name, since a time ("24h", "2026-11-20")."""

    limit: int
    resource: str | None
    by: str | None
    since: str | None


async def history(core: Core, wanted: Wanted, *, as_json: bool) -> None:
    entries = [entry async for entry in _entries(core, wanted)]
    waiting = [id for id in core.ledger.subjects(State.WAITING.value) if _waits(core, id)]
    if as_json:
        print_json({"changes": [history_row(entry) for entry in entries], "waiting": waiting})
        return
    for entry in entries:
        print(history_line(entry))
    if not entries:
        some = wanted.resource or wanted.by or wanted.since
        print(
            "Nothing like that was changed through gatechat."
            if some
            else "Nothing was changed through gatechat yet."
        )
    for id in waiting:
        print(f"Plan {id} waits: gatechat approve {id}")


def _waits(core: Core, id: str) -> bool:
    """Whether there is still time for it; that it lapsed is written down by whoever uses it."""
    entries = core.ledger.entries(id, ("plan",), limit=1)
    return bool(entries) and entries[0].body["expires"] > time.time()


async def _entries(core: Core, wanted: Wanted) -> AsyncIterator[Entry]:
    touching = None if wanted.resource is None else _target(wanted.resource)
    since = None if wanted.since is None else _time(wanted.since)
    before: int | None = None
    left = wanted.limit
    while rows := await core.changes.history(_PAGE, before, touching):
        for entry in rows:
            if left == 0 or (since is not None and entry.at < since):
                return
            if wanted.by is None or wanted.by in _names(entry):
                yield entry
                left -= 1
        before = rows[-1].seq


def _names(entry: Entry) -> tuple[str, ...]:
    """Who had a part in it."""
    approval = entry.body.get("approval") or {}
    return entry.body["plan"]["by"], approval.get("by", ""), entry.by


def _target(resource: str) -> Target:
    kind, _, id = resource.partition("/")
    if kind not in KINDS or not id:
        raise CliError(f"--resource {resource}: write it like routes/1; kinds are {', '.join(KINDS)}.")
    return Target(kind, id)


def _time(when: str) -> float:
    """Unix seconds of "90m", "24h", "7d" ago, or of an ISO 8601 time, in UTC unless it says otherwise."""
    if match := re.fullmatch(r"(\d+)([mhd])", when):
        return time.time() - int(match[1]) * _UNITS[match[2]]
    try:
        at = datetime.fromisoformat(when)
    except ValueError:
        raise CliError(
            f"--since {when}: write it like 90m, 24h, 7d, 2026-11-20 or 2026-11-20T17:30."
        ) from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


async def drift(core: Core, *, as_json: bool) -> bool:
    """Whether there is any."""
    from gatechat.cli.approving import person

    found = edits(await core.changes.drift(person()))
    if as_json:
        print_json([difference(edit, core.drafts.redactor).as_json() for edit in found])
    elif found:
        print(f"{len(found)} changed by others since gatechat last looked:\n")
        print(edits_text(core, found))
    else:
        print("Nothing was changed by others since gatechat last looked.")
    return bool(found)


def verify(data_dir: Path, head: str | None, *, as_json: bool) -> bool:
    """Whether the ledger holds together; says what does not."""
    with _ledger(data_dir) as ledger:
        problems = ledger.verify(head)
        number, last = ledger.head()
    if as_json:
        print_json({"entries": number, "head": last, "problems": problems})
        return not problems
    for problem in problems:
        print(problem)
    if not problems:
        print(
            f"{number} entries, none altered or missing. Note the last one's hash elsewhere to prove the end:"
        )
        print(last)
    return not problems


def export(data_dir: Path, write: Callable[[str], object]) -> None:
    """Every entry as a line of JSON, redacted as it is in the chain."""
    with _ledger(data_dir) as ledger:
        for entry in ledger.everything():
            write(f"{entry.line()}\n")


@contextmanager
def _ledger(data_dir: Path) -> Iterator[Ledger]:
    file = data_dir / LEDGER
    if not file.exists():
        raise CliError(f"{file} is not there: nothing was planned yet, or --data-dir is another.")
    try:
        ledger = Ledger(file)
    except LedgerError as error:
        raise CliError(str(error)) from error
    try:
        yield ledger
    finally:
        ledger.close()
