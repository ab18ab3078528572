"""The program: its commands by topic, and what goes wrong as words and an exit code.

Exit codes: 0 it is done, 1 it could not be done, 2 it was asked for wrongly; `plan` has more of its own.
"""

from __future__ import annotations

import io
import sys

import typer

from gatechat.cli import (
    about_commands,
    change_commands,
    ledger_commands,
    running_commands,
    token_commands,
    transfer_commands,
)
from gatechat.cli.errors import CliError
from gatechat.ports import PortError

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Run an API gateway by talking to an AI assistant. Without a command it is `gatechat up`.",
)
for topic in (running_commands, change_commands, ledger_commands, transfer_commands):
    app.add_typer(topic.app)
app.add_typer(token_commands.app, name="token")
app.add_typer(about_commands.app)


def main() -> None:
    """The program: what goes wrong in a way we know ends with its words and exit code 1."""
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        arguments = ["version"]
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in ("-h", "--help")):
        arguments = ["up", *arguments]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names are others' text, terminals are as they are
    try:
        app(arguments, prog_name="gatechat")
    except (CliError, PortError) as error:
        for line in str(error).splitlines():
            print(f"gatechat: {line}", file=sys.stderr)
        sys.exit(1)
