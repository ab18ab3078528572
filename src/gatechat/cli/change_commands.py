"""The commands that change a gateway: each plans, shows, asks, applies and proves as every face does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gatechat.cli import options
from gatechat.cli.groups import Gateway, grouped

app = typer.Typer()


@app.command()
@grouped
def plan(
    *,
    file: Annotated[
        list[Path],
        typer.Option(
            "-f", "--file", metavar="PATH", help="A file or a folder of files; - for stdin. May be repeated."
        ),
    ],
    delete: Annotated[
        bool, typer.Option("--delete", help="Also delete what no file has, of the kinds that the files have.")
    ] = False,
    reason: options.Why = "",
    apply: Annotated[
        bool, typer.Option("--apply", help="Apply it at once if the policy lets it pass.")
    ] = False,
    detailed_exitcode: options.DetailedExitcode = False,
    as_json: options.AsJson = False,
    gateway: Gateway,
) -> None:
    """Plan what makes the gateway hold what files say.

    In the form of APISIX's declarative apisix.yaml, or of ADC. In a terminal it is applied once you have said
    yes; with --apply, exit code 3 means that it waits for a person's approval.
    """
    from gatechat.cli import changing

    how = changing.How(delete=delete, apply=apply, detailed=detailed_exitcode, json=as_json)
    raise typer.Exit(changing.run(gateway.settings, lambda core: changing.plan(core, file, reason, how)))


@app.command()
@grouped
def approve(*, id: options.PlanId, gateway: Gateway) -> None:
    """Approve a plan that waits, after a look at it. Needs a terminal."""
    from gatechat.cli import approving, changing

    approving.needs_terminal(f"gatechat approve {id}")
    changing.run(gateway.settings, lambda core: approving.approve(core, id))


@app.command()
@grouped
def reject(*, id: options.PlanId, reason: options.Why = "", gateway: Gateway) -> None:
    """Reject a plan that waits."""
    from gatechat.cli import approving, changing

    changing.run(gateway.settings, lambda core: approving.reject(core, id, reason))


@app.command()
@grouped
def apply(*, id: options.PlanId, as_json: options.AsJson = False, gateway: Gateway) -> None:
    """Apply a plan that may be applied."""
    from gatechat.cli import changing

    raise typer.Exit(changing.run(gateway.settings, lambda core: changing.apply(core, id, as_json=as_json)))


@app.command()
@grouped
def undo(
    *, id: options.PlanId, reason: options.Why = "", as_json: options.AsJson = False, gateway: Gateway
) -> None:
    """Take a change back.

    Plans the way back and shows it; in a terminal it is applied once you have said yes.
    """
    from gatechat.cli import changing

    how = changing.How(json=as_json)
    raise typer.Exit(changing.run(gateway.settings, lambda core: changing.undo(core, id, reason, how)))
