"""The commands about gatechat itself."""

from __future__ import annotations

import asyncio
import platform

import typer

from gatechat import __version__
from gatechat.cli import options
from gatechat.cli.groups import AdminApi, Listening, Ports, grouped
from gatechat.ports import LOOPBACK, Port, url

app = typer.Typer()


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
