"""The commands that carry a whole configuration."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from gatechat.cli import options
from gatechat.cli.groups import AdminApi, grouped

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
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `export` wrote; - for the terminal.")],
    dry_run: options.DryRun = False,
    gateway: AdminApi,
) -> None:
    """Put a file's resources into the gateway.

    All are checked before any is written; none is deleted.
    """
    from gatechat.cli import transferring

    asyncio.run(transferring.import_from(file, transferring.Api(*gateway.api), dry_run))


@app.command()
@grouped
def move(
    *,
    to: options.ToUrl,
    to_key: options.ToKey = None,
    dry_run: options.DryRun = False,
    gateway: AdminApi,
) -> None:
    """Copy the configuration to another Admin API.

    What differs is shown and checked first. It is safe to repeat; nothing is deleted on either side.
    """
    from gatechat.cli import transferring

    source = transferring.Api(*gateway.api)
    asyncio.run(transferring.move(source, transferring.Api(to, to_key), dry_run))
