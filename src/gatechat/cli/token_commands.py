"""`gatechat token`: who may sign in with a token of their own, and as what."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gatechat.cli import data_dir as data
from gatechat.cli import options
from gatechat.cli.errors import CliError

if TYPE_CHECKING:
    from gatechat.assistant.sign_in import Token, Tokens
    from gatechat.assistant.sign_in.oauth import Grant, Grants

app = typer.Typer(help="Make, list and revoke the tokens that callers of the assistant sign in with.")

_SECONDS: Final = {"m": 60, "h": 3600, "d": 86_400, "y": 365 * 86_400}
_LASTS: Final = re.compile(r"([1-9][0-9]{0,5})([mhdy])")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Who or what it is for, as in ci or anna-laptop.")]
Ended = Annotated[str, typer.Argument(metavar="NAME", help="A token's name, or a program's id.")]


@app.command()
def make(
    *,
    name: Name,
    role: Annotated[
        str,
        typer.Option(
            "--role",
            metavar="ROLE",
            help="viewer: reads. editor: also plans and applies what the policy lets pass. approver: also "
            "approves what others plan. admin: all of it.",
        ),
    ],
    expires: Annotated[
        str | None,
        typer.Option(
            "--expires",
            metavar="TIME",
            help="How long it counts: 12h, 90d, 1y.",
            show_default="until it is revoked",
        ),
    ] = None,
    config: options.Config = None,
    data_dir: options.DataDir,
) -> None:
    """Make a token and show it, this once. A running assistant takes it at once."""
    from gatechat.assistant.principal import Role

    if role.upper() not in Role.__members__:
        raise CliError(f"--role {role}: there are viewer, editor, approver and admin.")
    lasts = _lasts(expires)
    with _tokens(data_dir) as (tokens, _, note):
        token = tokens.make(name, Role[role.upper()], lasts)
        note("token made", {"token": name, "role": role.lower(), "lasts": lasts})
    typer.echo(
        f"{name} is {role.lower()}{'' if expires is None else f' for {expires}'}. Callers send this as "
        "Authorization: Bearer …; it is not shown again:",
        err=True,
    )
    typer.echo(token)


@app.command("list")
def list_(*, config: options.Config = None, data_dir: options.DataDir) -> None:
    """List the tokens by name, and the programs that people let in: role, since when, until when, last used.
    The tokens themselves nobody has.
    """
    with _tokens(data_dir) as (tokens, grants, _):
        found, granted = tokens.list(), grants.list()
    now = time.time()
    if not found:
        typer.echo("There is no token. `gatechat token make NAME --role editor` makes one.")
    else:
        _table(("NAME", "ROLE", "MADE", "EXPIRES", "LAST USED"), (_row(token, now) for token in found))
    if granted:
        typer.echo("\nPrograms that people let in:")
        _table(
            ("ID", "PROGRAM", "IN THE NAME OF", "ROLE", "SINCE", "EXPIRES", "LAST USED"),
            (_granted(grant, now) for grant in granted),
        )


@app.command()
def revoke(*, name: Ended, config: options.Config = None, data_dir: options.DataDir) -> None:
    """End a token, with the programs let in by it, or one program by its id. A running assistant refuses it
    from its next request on.
    """
    with _tokens(data_dir) as (tokens, grants, note):
        grant = grants.revoke(name)
        if grant is not None:
            note("program shut out", {"program": grant.client_name, "client": grant.client, "id": name})
        else:
            token = tokens.revoke(name)
            note("token revoked", {"token": name, "role": token.role.name.lower()})
    typer.echo(f"{name} is revoked.")


def _row(token: Token, now: float) -> tuple[str, ...]:
    if token.expires is None:
        expires = "never"
    else:
        expires = f"{_day(token.expires)}{' (expired)' if token.expires <= now else ''}"
    return token.name, token.role.name.lower(), _day(token.made), expires, _used(token.used, now)


def _granted(grant: Grant, now: float) -> tuple[str, ...]:
    whose = (grant.id, grant.client_name, grant.person, grant.role.name.lower())
    return (*whose, _day(grant.made), _day(grant.expires), _used(grant.used, now))


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    every = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*every, strict=True)]
    for row in every:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _day(at: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(at))


def _used(at: float | None, now: float) -> str:
    if at is None:
        return "never"
    return "within the last hours" if now - at < 2 * 3600 else _day(at)


def _lasts(text: str | None) -> float | None:
    """Seconds. Raises CliError."""
    if text is None:
        return None
    match = _LASTS.fullmatch(text)
    if match is None:
        raise CliError(f"--expires {text}: a number and its unit, m, h, d or y, as in 12h or 90d.")
    return float(int(match[1]) * _SECONDS[match[2]])


@contextmanager
def _tokens(data_dir: Path) -> Iterator[tuple[Tokens, Grants, Callable[[str, dict[str, Any]], object]]]:
    """The tokens, what people granted, and what notes in the ledger what was done; both files are open
    before anything is.
    """
    from gatechat.assistant.change.setup import LEDGER
    from gatechat.assistant.ledger import Ledger, Note
    from gatechat.assistant.problem import Problem
    from gatechat.assistant.sign_in import Database, Tokens
    from gatechat.assistant.sign_in.database import FILE
    from gatechat.assistant.sign_in.oauth import Grants

    folder = data.prepare(data_dir)
    try:
        with closing(Database(folder / FILE)) as database, closing(Ledger(folder / LEDGER)) as ledger:
            yield (
                Tokens(database),
                Grants(database),
                lambda what, body: ledger.append(Note(what, "", "local", "admin", "cli", body)),
            )
    except Problem as problem:
        raise CliError(f"{problem.message[0].upper()}{problem.message[1:]}.") from problem
