"""The commands that tell what happened."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from gatechat.cli import options
from gatechat.cli.errors import CliError
from gatechat.cli.groups import Folder, Gateway, grouped

app = typer.Typer()


@app.command()
@grouped
def show(*, id: options.PlanId, as_json: options.AsJson = False, gateway: Gateway) -> None:
    """Show a plan or a change, with its diff."""
    from gatechat.cli import changing, reporting

    changing.run(gateway.settings, lambda core: reporting.show(core, id, as_json=as_json))


@app.command()
@grouped
def history(
    *,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many.")] = 20,
    resource: Annotated[
        str | None, typer.Option("--resource", metavar="KIND/ID", help="Only what changed it, like routes/1.")
    ] = None,
    by: Annotated[
        str | None, typer.Option("--by", metavar="NAME", help="Only what they planned or approved.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="WHEN", help="Not older: 2026-11-20, or 90m, 24h, 7d.")
    ] = None,
    as_json: options.AsJson = False,
    gateway: Gateway,
) -> None:
    """List what was changed, the newest first, and the plans that wait."""
    from gatechat.cli import changing, reporting

    wanted = reporting.Wanted(limit, resource, by, since)
    changing.run(gateway.settings, lambda core: reporting.history(core, wanted, as_json=as_json))


@app.command()
@grouped
def drift(
    *,
    detailed_exitcode: options.DetailedExitcode = False,
    as_json: options.AsJson = False,
    gateway: Gateway,
) -> None:
    """Show what others changed at the gateway.

    Since gatechat last looked, with its diff; from then on it has been seen.
    """
    from gatechat.cli import changing, reporting

    found = changing.run(gateway.settings, lambda core: reporting.drift(core, as_json=as_json))
    raise typer.Exit(2 if found and detailed_exitcode else 0)


@app.command()
@grouped
def audit(
    *,
    what: Annotated[
        str, typer.Argument(metavar="WHAT", help="verify: check the ledger; export: write it out.")
    ],
    head: Annotated[
        str | None, typer.Option("--head", help="A hash that an earlier `audit verify` showed.")
    ] = None,
    as_json: options.AsJson = False,
    folder: Folder,
) -> None:
    """Check the ledger, or write it out.

    Whether anything in it was altered or is missing (exit code 1); as JSON lines, without secrets.
    """
    from gatechat.cli import reporting

    if what == "export":
        reporting.export(folder.data_dir, sys.stdout.write)
    elif what == "verify":
        raise typer.Exit(0 if reporting.verify(folder.data_dir, head, as_json=as_json) else 1)
    else:
        raise CliError(f"gatechat audit {what}: there are verify and export.")
