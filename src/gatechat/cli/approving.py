"""What only a person may say, at a terminal: yes to a plan, and where the pages for saying it are."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from gatechat.assistant.change.approval import grant
from gatechat.assistant.change.model import Change, Plan, State
from gatechat.assistant.core import Core
from gatechat.assistant.faces.console.doors import Doors, approver_key
from gatechat.assistant.principal import Principal, Role
from gatechat.cli import reporting
from gatechat.cli.errors import CliError

TYPED: Final = 8
"""Characters of a plan's digest that a person types to say yes."""


def at_terminal() -> bool:
    """Whether somebody can read what is shown and type the answer."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def person() -> Principal:
    """Whoever sits at this terminal; no person where there is none."""
    return Principal("local", Role.ADMIN, "cli", person=at_terminal())


def owner() -> Principal:
    """Whoever runs a command that is its own approval: the data folder and the admin key are theirs."""
    return Principal("local", Role.ADMIN, "cli", person=True)


def needs_terminal(command: str) -> None:
    if not at_terminal():
        raise CliError(
            f"`{command}` is for a person at a terminal: what is piped in, or shown to nobody, is no yes."
        )


async def approve(core: Core, id: str) -> None:
    """Shows the whole plan and asks for the beginning of its digest, which the approval is bound to."""
    found = await core.changes.state(id)
    plan = found.plan if isinstance(found, Change) else found
    grant(plan, person(), "cli", now=plan.created, elicitation=False, entered=core.ledger.entered(id))
    print(reporting.plan_text(core, plan))
    await say_yes(core, plan)
    print(f"Approved. {plan.by} may apply it within ten minutes; `gatechat apply {id}` does so now.")


async def say_yes(core: Core, plan: Plan) -> None:
    """Raises CliError unless the person types the beginning of the digest of the plan that was shown."""
    begin = plan.digest[:TYPED]
    if _answer(f"To say yes, type {begin}: ") != begin:
        raise CliError("That was not it. Nothing was approved or written.")
    if plan.state is State.WAITING:
        await core.changes.approve(plan.id, person(), "cli", shown=plan.digest)


def _answer(question: str) -> str:
    try:
        return input(question).strip()
    except (EOFError, KeyboardInterrupt):
        return ""


async def reject(core: Core, id: str, why: str) -> None:
    await core.changes.reject(id, person(), why)
    print(f"Plan {id} is rejected.")


def link(data_dir: Path, url: str) -> str:
    """A link that lets one browser in to approve, once. Raises CliError."""
    try:
        doors = Doors(approver_key(data_dir), lambda code, until: False)
    except OSError as error:
        raise CliError(f"The approver key in {data_dir} cannot be used: {error}") from error
    return f"{url}/approver?code={doors.code()}"


def console(data_dir: Path, url: str) -> None:
    needs_terminal("gatechat console")
    print(f"Open this in your browser within a day. It works once:\n\n  {link(data_dir, url)}\n")
