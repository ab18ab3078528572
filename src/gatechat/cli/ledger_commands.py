"""What `gatechat approve`, `reject`, `apply`, `undo`, `plan`, `show`, `history`, `audit`, `console` do.

They work on the data folder itself, beside a running assistant or without one.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

from gatechat.assistant import transfer
from gatechat.assistant.change import diff
from gatechat.assistant.change.approval import grant
from gatechat.assistant.change.changes import NotReady
from gatechat.assistant.change.model import Action, Change, Edit, Plan, State, Target
from gatechat.assistant.change.policy import PolicyError
from gatechat.assistant.change.resources import same_resource
from gatechat.assistant.change.setup import LEDGER
from gatechat.assistant.change.telling import change_text, history_line, plan_text
from gatechat.assistant.core import Core
from gatechat.assistant.faces.console.doors import Doors, approver_key
from gatechat.assistant.ledger import Ledger, LedgerError
from gatechat.assistant.principal import Principal, Role
from gatechat.assistant.problem import Problem
from gatechat.assistant.settings import AssistantSettings, SettingsError
from gatechat.assistant.transfer import Configuration, TransferProblem
from gatechat.cli.errors import CliError

TYPED: Final = 8
"""Characters of a plan's digest that a person types to say yes."""


def person() -> Principal:
    """Whoever sits at this terminal; no person where there is none."""
    return Principal("local", Role.ADMIN, "cli", person=sys.stdin.isatty())


@asynccontextmanager
async def opened(**settings: Any) -> AsyncIterator[Core]:
    """The core on a data folder; what goes wrong in a way we know ends the command."""
    try:
        core = Core(AssistantSettings(**settings), ())
    except (SettingsError, PolicyError, LedgerError) as error:
        raise CliError(str(error)) from error
    try:
        await _learn(core)
        yield core
    except Problem as problem:
        raise CliError(problem.message) from problem
    except (LedgerError, TransferProblem) as error:
        raise CliError(str(error)) from error
    finally:
        await core.close()


async def _learn(core: Core) -> None:
    """Most of this works while the gateway is away; then the secrets of its own plugins are not known."""
    try:
        await core.learn()
    except Problem as problem:
        print(f"gatechat: {problem.message}", file=sys.stderr)


async def approve(core: Core, id: str) -> None:
    """Shows the plan and asks for the beginning of its digest: only a person at a terminal can answer."""
    _needs_terminal(f"gatechat approve {id}")
    plan = _plan(await core.changes.state(id))
    ledger = core.changes.records.ledger
    grant(plan, person(), "cli", now=plan.created, elicitation=False, entered=ledger.entered(id))
    _show(core, plan)
    _typed(plan)
    await core.changes.approve(id, person(), "cli")
    print(f"Approved. {plan.by} may apply it within ten minutes; `gatechat apply {id}` does so now.")


async def reject(core: Core, id: str, why: str) -> None:
    await core.changes.reject(id, person(), why)
    print(f"Plan {id} is rejected.")


async def apply(core: Core, id: str) -> None:
    _told(await _applied(core, id))


async def undo(core: Core, id: str, reason: str) -> None:
    await _settle(core, await core.changes.undo(id, person(), reason))


async def plan(core: Core, path: Path, reason: str, *, delete: bool) -> None:
    """Plans what makes the gateway hold what the files say; ``delete``: and nothing else."""
    wanted = _read(path)
    edits = list(_edits(wanted, await core.live.configuration(max_age=0), delete=delete))
    if not edits:
        print("The gateway holds what the files say; there is nothing to change.")
        return
    who = person()
    made = await core.drafts.of_edits(edits, reason or f"plan -f {path}", who)
    core.changes.records.planned(made, who)
    await _settle(core, made)


def _read(path: Path) -> Configuration:
    files = sorted([*path.glob("*.yaml"), *path.glob("*.yml")]) if path.is_dir() else [path]
    if not files:
        raise CliError(f"{path} holds no .yaml file.")
    kinds: dict[str, dict[str, Any]] = {}
    for file in files:
        try:
            text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CliError(f"{file} cannot be read: {error}") from error
        for kind, id, value in transfer.from_yaml(text):
            if id in kinds.setdefault(kind, {}):
                raise CliError(f"{file}: {kind}/{id} is in another file too.")
            kinds[kind][id] = value
    return Configuration(kinds)


def _edits(wanted: Configuration, there: Any, *, delete: bool) -> Iterable[Edit]:
    for kind, id, value in wanted:
        item = there.get(kind, id)
        if item is None:
            yield Edit(Action.CREATE, Target(kind, id), None, value, None)
            continue
        before = dict(item.value)
        if not same_resource(before, value):
            yield Edit(Action.REPLACE, Target(kind, id), before, value, item.modified_index)
    if delete:
        for kind, id, item in there:
            if id not in wanted.kinds.get(kind, {}):
                yield Edit(Action.DELETE, Target(kind, id), dict(item.value), None, item.modified_index)


async def show(core: Core, id: str) -> None:
    found = await core.changes.state(id)
    if isinstance(found, Change):
        print(change_text(found))
        print(diff.text(found.plan.edits, core.drafts.redactor))
    else:
        _show(core, found)


async def history(core: Core, limit: int) -> None:
    entries = await core.changes.history(limit)
    waiting = core.changes.records.ledger.subjects(State.WAITING.value)
    for entry in entries:
        print(history_line(entry))
    if not entries:
        print("Nothing was changed through gatechat yet.")
    for id in waiting:
        if (await core.changes.state(id)).state is State.WAITING:
            print(f"Plan {id} waits: gatechat approve {id}")


def verify(data_dir: Path, head: str | None) -> bool:
    """Whether the ledger holds together; says what does not."""
    with _ledger(data_dir) as ledger:
        problems = ledger.verify(head)
        number, last = ledger.head()
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
    yield ledger
    ledger.close()


def link(data_dir: Path, url: str) -> str:
    """A link that lets one browser in to approve, once. Raises CliError."""
    try:
        doors = Doors(approver_key(data_dir), lambda code, until: False)
    except OSError as error:
        raise CliError(f"The approver key in {data_dir} cannot be used: {error}") from error
    return f"{url}/approver?code={doors.code()}"


def console(data_dir: Path, url: str) -> None:
    _needs_terminal("gatechat console")
    print(f"Open this in your browser within a day. It works once:\n\n  {link(data_dir, url)}\n")


async def _settle(core: Core, made: Plan) -> None:
    """Shows a plan of this terminal and, when its person types the digest, applies it."""
    _show(core, made)
    if made.state is State.REFUSED:
        raise CliError(f"Plan {made.id} cannot be applied.")
    if not sys.stdin.isatty() or made.secrets:
        return
    _typed(made)
    if made.state is State.WAITING:
        await core.changes.approve(made.id, person(), "cli")
    _told(await _applied(core, made.id))


async def _applied(core: Core, id: str) -> Change:
    try:
        return await core.changes.apply(id, person())
    except NotReady as not_ready:
        raise CliError(not_ready.message) from not_ready


def _told(change: Change) -> None:
    print(change_text(change))
    if change.state is not State.APPLIED:
        raise CliError(f"Change {change.id} is {change.state.value}.")


def _show(core: Core, plan: Plan) -> None:
    print(plan_text(plan, core.drafts.redactor, core.changes.page(plan.id)))


def _plan(found: Plan | Change) -> Plan:
    return found.plan if isinstance(found, Change) else found


def _needs_terminal(command: str) -> None:
    if not sys.stdin.isatty():
        raise CliError(f"`{command}` is for a person at a terminal; what is piped in is no person.")


def _typed(plan: Plan) -> None:
    """Raises CliError unless the person types the beginning of the plan's digest."""
    begin = plan.digest[:TYPED]
    try:
        answer = input(f"To say yes, type {begin}: ")
    except (EOFError, KeyboardInterrupt):
        answer = ""
    if answer.strip() != begin:
        raise CliError("That was not it. Nothing was approved or written.")
