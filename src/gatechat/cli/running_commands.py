"""The commands that run until they are stopped."""

from __future__ import annotations

import typer

from gatechat.cli import options
from gatechat.cli.groups import Assistant, Embedded, Folder, Watched, grouped
from gatechat.ports import LOOPBACK, Port

app = typer.Typer()


@app.command()
@grouped
def up(
    *,
    gateway: Embedded,
    assistant: Assistant,
    demo_port: options.DemoPort = 5080,
    log_level: options.LogLevel = "warning",
) -> None:
    """Run everything (the default).

    The gateway, the assistant, and a demo API to try them on.
    """
    from gatechat.cli import running

    main = running.up(
        running.AssistantOptions(assistant.listens_on, assistant.settings),
        running.GatewayOptions(gateway.data_dir, *gateway.ports, gateway.settings),
        Port("demo", LOOPBACK, demo_port, "--demo-port"),
    )
    running.run(main, log_level)


@app.command()
@grouped
def serve(
    *,
    gateway: Watched,
    assistant: Assistant,
    example_backend: options.ExampleBackend = "127.0.0.1:5080",
    log_level: options.LogLevel = "warning",
) -> None:
    """Run the assistant only.

    It works with an Admin API that runs already: the embedded gateway's or an Apache APISIX's.
    """
    from gatechat.cli import running

    settings = {**assistant.settings, **gateway.settings, "example_backend": example_backend}
    running.run(running.serve(running.AssistantOptions(assistant.listens_on, settings)), log_level)


@app.command()
@grouped
def mcp(*, gateway: Watched, log_level: options.LogLevel = "warning") -> None:
    """Be an MCP server on stdin and stdout.

    For an assistant that starts its servers itself. It works with an Admin API that runs already.
    """
    from gatechat.cli import running

    running.run(running.mcp(gateway.settings), log_level)


@app.command("gateway")
@grouped
def gateway_(*, gateway: Embedded, log_level: options.LogLevel = "warning") -> None:
    """Run the embedded gateway only."""
    from gatechat.cli import running

    main = running.gateway(running.GatewayOptions(gateway.data_dir, *gateway.ports, gateway.settings))
    running.run(main, log_level)


@app.command("demo")
def demo_(
    *,
    config: options.Config = None,
    demo_host: options.DemoHost = LOOPBACK,
    demo_port: options.DemoPort = 5080,
    log_level: options.LogLevel = "warning",
) -> None:
    """Run the demo Conference API only."""
    from gatechat.cli import running

    running.run(running.demo(Port("demo", demo_host, demo_port, "--demo-port")), log_level)


@app.command()
@grouped
def console(*, folder: Folder, port: options.Port = 5000, public_url: options.PublicUrl = None) -> None:
    """Print a link to the pages where you approve plans. Needs a terminal."""
    from gatechat.cli import approving, data_dir

    approving.console(data_dir.prepare(folder.data_dir), public_url or f"http://localhost:{port}")
