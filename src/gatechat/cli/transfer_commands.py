"""The commands that carry a whole configuration."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from gatechat.cli import options
from gatechat.cli.groups import AdminApi, Gateway, grouped

app = typer.Typer()


@app.command("export")
@grouped
def export_(
    *,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it; - for the terminal.")],
    redact: Annotated[
        bool,
        typer.Option(
            "--redact", help="Without secrets, to be kept in git: `plan -f` keeps those that are there."
        ),
    ] = False,
    gateway: AdminApi,
) -> None:
    """Write the whole configuration to a file.

    In the form of APISIX's declarative apisix.yaml.
    """
    from gatechat.cli import transferring

    asyncio.run(transferring.export_to(transferring.Api(*gateway.api), file, redact=redact))


@app.command("import")
@grouped
def import_(
    *,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A file or a folder of files, as for `plan -f`; - for stdin."),
    ],
    dry_run: options.DryRun = False,
    gateway: Gateway,
) -> None:
    """Put a file's resources into the gateway.

    All are checked before any is written, by the gateway and by the policy; none is deleted. It does not ask:
    to run it is to approve it. `gatechat undo` takes it back.
    """
    from gatechat.cli import transferring

    asyncio.run(transferring.import_from(gateway.settings, file, dry_run=dry_run))


@app.command()
@grouped
def move(
    *,
    to: options.ToUrl,
    to_key: options.ToKey = None,
    policy_file: options.PolicyFile = None,
    dry_run: options.DryRun = False,
    gateway: AdminApi,
) -> None:
    """Copy the configuration to another Admin API.

    What differs is shown and checked first, also by the policy. It does not ask: to run it is to approve it.
    It is safe to repeat; nothing is deleted on either side.
    """
    from gatechat.cli import transferring

    source = transferring.Api(*gateway.api)
    target = transferring.Api(to, to_key)
    asyncio.run(transferring.move(source, target, gateway.data_dir, policy_file, dry_run=dry_run))
