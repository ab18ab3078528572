"""What `gatechat plan`, `apply` and `undo` do, on the data folder itself: beside a running assistant or
without one.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from gatechat.assistant.change.changes import NotReady
from gatechat.assistant.change.execute import Progress
from gatechat.assistant.change.model import Change, Plan, State
from gatechat.assistant.change.policy import PolicyError
from gatechat.assistant.change.telling import change_text
from gatechat.assistant.core import Core
from gatechat.assistant.declarative import Declared, FileProblem, from_yaml
from gatechat.assistant.ledger import LedgerError
from gatechat.assistant.principal import Principal
from gatechat.assistant.problem import Problem
from gatechat.assistant.reconcile import Reconciliation, reconcile
from gatechat.assistant.settings import AssistantSettings, SettingsError
from gatechat.cli import reporting
from gatechat.cli.approving import at_terminal, person, say_yes
from gatechat.cli.errors import CliError

CHANGES: Final = 2
"""Exit code of --detailed-exitcode when there is something to change; terraform's."""
WAITS: Final = 3
"""Exit code of --apply when a person must approve first."""
_NAMED: Final = 10

Result = TypeVar("Result")


def run(settings: Mapping[str, Any], work: Callable[[Core], Awaitable[Result]]) -> Result:
    """Runs a command on the data folder; what goes wrong in a way we know is CliError."""

    async def main() -> Result:
        async with opened(settings) as core:
            return await work(core)

    return asyncio.run(main())


@asynccontextmanager
async def opened(settings: Mapping[str, Any], *, elsewhere: bool = False) -> AsyncIterator[Core]:
    """See Core. What goes wrong in a way we know is CliError."""
    try:
        core = Core(AssistantSettings(**settings), (), elsewhere=elsewhere)
    except (SettingsError, PolicyError, LedgerError) as error:
        raise CliError(str(error)) from error
    try:
        await _learn(core)
        yield core
    except Problem as problem:
        raise CliError(problem.message) from problem
    except (LedgerError, FileProblem) as error:
        raise CliError(str(error)) from error
    finally:
        await core.close()


async def _learn(core: Core) -> None:
    """Most of this works while the gateway is away; then the secrets of its own plugins are not known."""
    try:
        await core.learn()
    except Problem as problem:
        print(f"gatechat: {problem.message}", file=sys.stderr)


@dataclass(frozen=True, slots=True)
class How:
    """``apply``: without a question, if the policy lets it pass. ``detailed``: exit code 2 for changes."""

    delete: bool = False
    apply: bool = False
    detailed: bool = False
    json: bool = False


async def plan(core: Core, paths: Sequence[Path], reason: str, how: How) -> int:
    """Plans what makes the gateway hold what the files say. Returns the exit code."""
    declared = from_yaml(*texts(paths))
    there = await core.live.configuration(max_age=0)
    found = reconcile(declared, there, core.drafts.redactor, await core.drafts.catalogue(), delete=how.delete)
    if not found.edits and not found.problems:
        if how.json:
            reporting.print_json({"changes": [], "same": found.same, "only_there": list(found.extra)})
        else:
            print("The gateway holds what the files say; there is nothing to change.")
            _tell_what_stays(found, how)
        return 0
    files = ", ".join(map(str, paths))
    made = await core.changes.plan_edits(
        found.edits, reason or f"plan -f {files}", person(), problems=found.problems
    )
    if not how.json:
        _tell_what_stays(found, how)
    return await _settle(core, made, how, declared)


def texts(paths: Sequence[Path]) -> list[tuple[str, str]]:
    """Name and text of every file. Raises CliError."""
    return [text for path in paths for text in _below(path)]


def _below(path: Path) -> list[tuple[str, str]]:
    file = path
    try:
        if str(path) == "-":
            return [("stdin", sys.stdin.read())]
        found = []
        for file in sorted((*path.rglob("*.yaml"), *path.rglob("*.yml"))) if path.is_dir() else [path]:
            found.append((str(file), file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise CliError(f"{file} cannot be read: {error}") from error
    if not found:
        raise CliError(f"{path} holds no .yaml file.")
    return found


def _tell_what_stays(found: Reconciliation, how: How) -> None:
    """What the gateway has and no file, unless it is deleted."""
    if found.extra and not how.delete:
        names = ", ".join(found.extra[:_NAMED]) + (", …" if len(found.extra) > _NAMED else "")
        print(f"{len(found.extra)} only in the gateway, and left alone: {names}. --delete deletes them.")
    if found.others and how.delete:
        print(
            f"{found.others} of kinds that no file speaks of, and left alone (`routes: []` speaks of routes)."
        )


async def undo(core: Core, id: str, reason: str, how: How) -> int:
    return await _settle(core, await core.changes.undo(id, person(), reason), how)


async def _settle(core: Core, made: Plan, how: How, declared: Declared | None = None) -> int:
    """Shows a plan of this command, and applies it when its person says yes or the policy lets it pass."""
    if not how.json:
        print(reporting.plan_text(core, made))
    if made.state is State.REFUSED:
        if how.json:
            reporting.print_json(reporting.document(core, made))
        where = places(made, declared) if declared else ()
        raise CliError("\n".join((f"Plan {made.id} cannot be applied.", *where)))
    asks = at_terminal() and not how.json and not made.secrets
    if how.apply and made.state is State.READY:
        return await run_plan(core, made.id, person(), how)
    if asks:
        await say_yes(core, made)
        return await run_plan(core, made.id, person(), how)
    if how.json:
        reporting.print_json(reporting.document(core, made))
    if how.apply:
        print(f"gatechat: plan {made.id} waits for a person: {core.changes.page(made.id)}", file=sys.stderr)
        return WAITS
    return CHANGES if how.detailed else 0


def places(made: Plan, declared: Declared) -> list[str]:
    """Where the resources are declared that have problems: "routes.yaml:12: routes/1"."""
    named = {(it.target.kind, it.target.id) for it in made.problems if it.target is not None}
    return [f"{declared.places[key]}: {'/'.join(key)}" for key in sorted(named) if key in declared.places]


async def apply(core: Core, id: str, *, as_json: bool) -> int:
    return await run_plan(core, id, person(), How(json=as_json))


async def run_plan(core: Core, id: str, who: Principal, how: How, progress: Progress = lambda: None) -> int:
    """Applies a plan and shows how that ended. Raises CliError when it is not applied."""
    try:
        change: Change = await core.changes.apply(id, who, progress)
    except NotReady as not_ready:
        if how.json:
            reporting.print_json(reporting.document(core, not_ready.plan))
        raise CliError(not_ready.message) from not_ready
    if how.json:
        reporting.print_json(reporting.document(core, change))
    else:
        print(change_text(change))
    if change.state is not State.APPLIED:
        raise CliError(f"Change {change.id} is {change.state.value}.")
    return CHANGES if how.detailed else 0
