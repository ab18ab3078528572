"""The program: its commands by topic, and what goes wrong as words and an exit code.

Exit codes: 0 it is done, 1 it could not be done, 2 it was asked for wrongly; `plan` has more of its own.
"""

from __future__ import annotations

import asyncio
import io
import platform
import sys

import typer

from gatechat import __version__
from gatechat.cli import (
    change_commands,
    ledger_commands,
    options,
    running_commands,
    token_commands,
    transfer_commands,
)
from gatechat.cli.errors import CliError
from gatechat.cli.groups import AdminApi, Listening, Ports, grouped
from gatechat.ports import LOOPBACK, Port, PortError, url

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


@app.command()
@grouped
def doctor(
    *,
    gateway: AdminApi,
    ports: Ports,
    assistant: Listening,
    demo_port: options.DemoPort = 5080,
    policy_file: options.PolicyFile = None,
) -> None:
    """Find what is wrong, and how to mend it.

    Looks at the data folder, the policy, Envoy, the Admin API and the ports. Exit code 1 if anything is
    wrong.
    """
    from gatechat.cli import data_dir, examination

    listening = (assistant.listens_on, *ports.ports, Port("demo", LOOPBACK, demo_port, "--demo-port"))
    admin_url = gateway.admin_url or url(ports.admin_host, ports.admin_port)
    key = data_dir.key_for(admin_url, gateway.admin_key, gateway.data_dir)
    healthy = asyncio.run(examination.examine(listening, gateway.data_dir, admin_url, key, policy_file))
    raise typer.Exit(0 if healthy else 1)


@app.command()
def version() -> None:
    """Print the version."""
    print(f"gatechat {__version__} (Python {platform.python_version()})")
