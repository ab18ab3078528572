"""The commands: what each takes, in which order it does it, and what it prints."""

from __future__ import annotations

import asyncio
import platform
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatechat import __version__
from gatechat.cli import data_dir as data
from gatechat.cli import options
from gatechat.cli.errors import CliError
from gatechat.ports import LOOPBACK, Port, PortError, url

if TYPE_CHECKING:
    from gatechat.assistant.core import Core

EMAIL = "support@example.com"
app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Run an API gateway by talking to an AI assistant. Without a command it is `gatechat up`.",
)


def main() -> None:
    """The program: what goes wrong in a way we know ends with its words and exit code 1."""
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        arguments = ["version"]
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in ("-h", "--help")):
        arguments = ["up", *arguments]
    try:
        app(arguments, prog_name="gatechat")
    except (CliError, PortError) as error:
        for line in str(error).splitlines():
            print(f"gatechat: {line}", file=sys.stderr)
        sys.exit(1)


@app.command()
def up(
    *,
    config: options.Config = None,
    data_dir: options.DataDir,
    host: options.Host = LOOPBACK,
    port: options.Port = 5000,
    token: options.Token = None,
    public_url: options.PublicUrl = None,
    gateway_url: options.GatewayUrl = None,
    allowed_hosts: options.AllowedHosts = "",
    allowed_origins: options.AllowedOrigins = "",
    contact_email: options.ContactEmail = EMAIL,
    openai_verification_token: options.VerificationToken = None,
    policy_file: options.PolicyFile = None,
    timeout: options.Timeout = 30.0,
    admin_host: options.AdminHost = LOOPBACK,
    admin_port: options.AdminPort = 9180,
    admin_key: options.AdminKey = None,
    viewer_key: options.ViewerKey = None,
    admin_key_required: options.AdminKeyRequired = True,
    allow_admin: options.AllowAdmin = "127.0.0.0/24,::1",
    proxy_host: options.ProxyHost = LOOPBACK,
    proxy_port: options.ProxyPort = 9080,
    metrics_host: options.MetricsHost = LOOPBACK,
    metrics_port: options.MetricsPort = 9091,
    concurrency: options.Concurrency = None,
    demo_port: options.DemoPort = 5080,
    log_level: options.LogLevel = "warning",
) -> None:
    """Run everything (the default).

    The gateway, the assistant, and a demo API to try them on.
    """
    from gatechat.cli import running

    settings = _assistant_settings(
        token,
        public_url,
        gateway_url,
        allowed_hosts,
        allowed_origins,
        contact_email,
        openai_verification_token,
        timeout,
    )
    settings |= {"policy_file": policy_file}
    assistant = running.AssistantOptions(Port("assistant", host, port, "--port"), settings)
    gateway = running.GatewayOptions(
        data_dir,
        *_gateway_ports(admin_host, admin_port, proxy_host, proxy_port, metrics_host, metrics_port),
        _gateway_settings(admin_key, viewer_key, admin_key_required, allow_admin, concurrency),
    )
    running.run(running.up(assistant, gateway, Port("demo", LOOPBACK, demo_port, "--demo-port")), log_level)


@app.command()
def serve(
    *,
    config: options.Config = None,
    data_dir: options.DataDir,
    admin_url: options.AdminUrl = None,
    admin_port: options.AdminPort = 9180,
    admin_key: options.AdminKey = None,
    gateway_url: options.GatewayUrl = None,
    metrics_url: options.MetricsUrl = None,
    example_backend: options.ExampleBackend = "127.0.0.1:5080",
    host: options.Host = LOOPBACK,
    port: options.Port = 5000,
    token: options.Token = None,
    public_url: options.PublicUrl = None,
    allowed_hosts: options.AllowedHosts = "",
    allowed_origins: options.AllowedOrigins = "",
    contact_email: options.ContactEmail = EMAIL,
    openai_verification_token: options.VerificationToken = None,
    policy_file: options.PolicyFile = None,
    timeout: options.Timeout = 30.0,
    log_level: options.LogLevel = "warning",
) -> None:
    """Run the assistant only.

    It works with an Admin API that runs already: the embedded gateway's or an Apache APISIX's.
    """
    from gatechat.cli import running

    api_url, api_key = _admin_api(admin_url, admin_port, admin_key, data_dir)
    settings = _assistant_settings(
        token,
        public_url,
        gateway_url,
        allowed_hosts,
        allowed_origins,
        contact_email,
        openai_verification_token,
        timeout,
    )
    settings |= {
        "admin_url": api_url,
        "admin_key": api_key,
        "example_backend": example_backend,
        "metrics_url": metrics_url,
        "policy_file": policy_file,
        "data_dir": data.prepare(data_dir),
    }
    assistant = running.AssistantOptions(Port("assistant", host, port, "--port"), settings)
    running.run(running.serve(assistant), log_level)


@app.command()
def mcp(
    *,
    config: options.Config = None,
    data_dir: options.DataDir,
    admin_url: options.AdminUrl = None,
    admin_port: options.AdminPort = 9180,
    admin_key: options.AdminKey = None,
    gateway_url: options.GatewayUrl = None,
    metrics_url: options.MetricsUrl = None,
    public_url: options.PublicUrl = None,
    policy_file: options.PolicyFile = None,
    timeout: options.Timeout = 30.0,
    log_level: options.LogLevel = "warning",
) -> None:
    """Be an MCP server on stdin and stdout.

    For an assistant that starts its servers itself. It works with an Admin API that runs already.
    """
    from gatechat.cli import running

    api_url, api_key = _admin_api(admin_url, admin_port, admin_key, data_dir)
    settings = {
        "admin_url": api_url,
        "admin_key": api_key,
        **({"gateway_url": gateway_url} if gateway_url else {}),
        "metrics_url": metrics_url,
        "public_url": public_url,
        "policy_file": policy_file,
        "timeout": timeout,
        "data_dir": data.prepare(data_dir),
    }
    running.run(running.mcp(settings), log_level)


@app.command("gateway")
def gateway_(
    *,
    config: options.Config = None,
    data_dir: options.DataDir,
    admin_host: options.AdminHost = LOOPBACK,
    admin_port: options.AdminPort = 9180,
    admin_key: options.AdminKey = None,
    viewer_key: options.ViewerKey = None,
    admin_key_required: options.AdminKeyRequired = True,
    allow_admin: options.AllowAdmin = "127.0.0.0/24,::1",
    proxy_host: options.ProxyHost = LOOPBACK,
    proxy_port: options.ProxyPort = 9080,
    metrics_host: options.MetricsHost = LOOPBACK,
    metrics_port: options.MetricsPort = 9091,
    concurrency: options.Concurrency = None,
    log_level: options.LogLevel = "warning",
) -> None:
    """Run the embedded gateway only."""
    from gatechat.cli import running

    gateway = running.GatewayOptions(
        data_dir,
        *_gateway_ports(admin_host, admin_port, proxy_host, proxy_port, metrics_host, metrics_port),
        _gateway_settings(admin_key, viewer_key, admin_key_required, allow_admin, concurrency),
    )
    running.run(running.gateway(gateway), log_level)


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


@app.command("export")
def export_(
    *,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it; - for the terminal.")],
    config: options.Config = None,
    data_dir: options.DataDir,
    admin_url: options.AdminUrl = None,
    admin_port: options.AdminPort = 9180,
    admin_key: options.AdminKey = None,
) -> None:
    """Write the whole configuration to a file.

    In the form of APISIX's declarative apisix.yaml.
    """
    from gatechat.cli import transferring

    source = transferring.Api(*_admin_api(admin_url, admin_port, admin_key, data_dir))
    asyncio.run(transferring.export_to(source, file))


@app.command("import")
def import_(
    *,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `export` wrote; - for the terminal.")],
    config: options.Config = None,
    data_dir: options.DataDir,
    admin_url: options.AdminUrl = None,
    admin_port: options.AdminPort = 9180,
    admin_key: options.AdminKey = None,
    dry_run: options.DryRun = False,
) -> None:
    """Put a file's resources into the gateway.

    All are checked before any is written; none is deleted.
    """
    from gatechat.cli import transferring

    target = transferring.Api(*_admin_api(admin_url, admin_port, admin_key, data_dir))
    asyncio.run(transferring.import_from(file, target, dry_run))


@app.command()
def move(
    *,
    to: options.ToUrl,
    config: options.Config = None,
    data_dir: options.DataDir,
    admin_url: options.AdminUrl = None,
    admin_port: options.AdminPort = 9180,
    admin_key: options.AdminKey = None,
    to_key: options.ToKey = None,
    dry_run: options.DryRun = False,
) -> None:
    """Copy the configuration to another Admin API.

    What differs is shown and checked first. It is safe to repeat; nothing is deleted on either side.
    """
    from gatechat.cli import transferring

    source = transferring.Api(*_admin_api(admin_url, admin_port, admin_key, data_dir))
    asyncio.run(transferring.move(source, transferring.Api(to, to_key), dry_run))


@app.command()
def approve(
    *,
    id: options.PlanId,
    config: options.Config = None,
    data_dir: options.DataDir,
    admin_url: options.AdminUrl = None,
    admin_port: options.AdminPort = 9180,
    admin_key: options.AdminKey = None,
    public_url: options.PublicUrl = None,
) -> None:
    """Approve a plan that waits, after a look at it. Needs a terminal."""
    from gatechat.cli import ledger_commands

    api = _admin_api(admin_url, admin_port, admin_key, data_dir)
    _on_ledger(data_dir, api, public_url, lambda core: ledger_commands.approve(core, id))


@app.command()
def reject(
    *,
    id: options.PlanId,
    reason: options.Why = "",
    config: options.Config = None,
    data_dir: options.DataDir,
    admin_url: options.AdminUrl = None,
    admin_port: options.AdminPort = 9180,
    admin_key: options.AdminKey = None,
    public_url: options.PublicUrl = None,
) -> None:
    """Reject a plan that waits."""
    from gatechat.cli import ledger_commands

    api = _admin_api(admin_url, admin_port, admin_key, data_dir)
    _on_ledger(data_dir, api, public_url, lambda core: ledger_commands.reject(core, id, reason))


@app.command()
def apply(
    *,
    id: options.PlanId,
    config: options.Config = None,
    data_dir: options.DataDir,
    admin_url: options.AdminUrl = None,
    admin_port: options.AdminPort = 9180,
    admin_key: options.AdminKey = None,
    gateway_url: options.GatewayUrl = None,
    public_url: options.PublicUrl = None,
) -> None:
    """Apply a plan that may be applied."""
    from gatechat.cli import ledger_commands

    api = _admin_api(admin_url, admin_port, admin_key, data_dir)
    _on_ledger(data_dir, api, public_url, lambda core: ledger_commands.apply(core, id), gateway_url)


@app.command()
def undo(
    *,
    id: options.PlanId,
    reason: options.Why = "",
    config: options.Config = None,
    data_dir: options.DataDir,
    admin_url: options.AdminUrl = None,
    admin_port: options.AdminPort = 9180,
    admin_key: options.AdminKey = None,
    gateway_url: options.GatewayUrl = None,
    public_url: options.PublicUrl = None,
) -> None:
    """Take a change back.

    Plans the way back and shows it; in a terminal it is applied once you have said yes.
    """
    from gatechat.cli import ledger_commands

    api = _admin_api(admin_url, admin_port, admin_key, data_dir)
    _on_ledger(data_dir, api, public_url, lambda core: ledger_commands.undo(core, id, reason), gateway_url)


@app.command()
def plan(
    *,
    file: Annotated[
        Path, typer.Option("-f", "--file", metavar="PATH", help="A file as `export` writes it, or a folder.")
    ],
    delete: Annotated[bool, typer.Option("--delete", help="Also delete what no file has.")] = False,
    reason: options.Why = "",
    config: options.Config = None,
    data_dir: options.DataDir,
    admin_url: options.AdminUrl = None,
    admin_port: options.AdminPort = 9180,
    admin_key: options.AdminKey = None,
    gateway_url: options.GatewayUrl = None,
    public_url: options.PublicUrl = None,
) -> None:
    """Plan what makes the gateway hold what files say.

    In the form of APISIX's declarative apisix.yaml; in a terminal it is applied once you have said yes.
    """
    from gatechat.cli import ledger_commands

    api = _admin_api(admin_url, admin_port, admin_key, data_dir)
    _on_ledger(
        data_dir,
        api,
        public_url,
        lambda core: ledger_commands.plan(core, file, reason, delete=delete),
        gateway_url,
    )


@app.command()
def show(
    *,
    id: options.PlanId,
    config: options.Config = None,
    data_dir: options.DataDir,
    admin_url: options.AdminUrl = None,
    admin_port: options.AdminPort = 9180,
    admin_key: options.AdminKey = None,
    public_url: options.PublicUrl = None,
) -> None:
    """Show a plan or a change, with its diff."""
    from gatechat.cli import ledger_commands

    api = _admin_api(admin_url, admin_port, admin_key, data_dir)
    _on_ledger(data_dir, api, public_url, lambda core: ledger_commands.show(core, id))


@app.command()
def history(
    *,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many.")] = 20,
    config: options.Config = None,
    data_dir: options.DataDir,
    admin_url: options.AdminUrl = None,
    admin_port: options.AdminPort = 9180,
    admin_key: options.AdminKey = None,
    public_url: options.PublicUrl = None,
) -> None:
    """List what was changed, the newest first, and the plans that wait."""
    from gatechat.cli import ledger_commands

    api = _admin_api(admin_url, admin_port, admin_key, data_dir)
    _on_ledger(data_dir, api, public_url, lambda core: ledger_commands.history(core, limit))


@app.command()
def audit(
    *,
    what: Annotated[
        str, typer.Argument(metavar="WHAT", help="verify: check the ledger; export: write it out.")
    ],
    head: Annotated[
        str | None, typer.Option("--head", help="A hash that an earlier `audit verify` showed.")
    ] = None,
    config: options.Config = None,
    data_dir: options.DataDir,
) -> None:
    """Check that the ledger was not altered, or write it out as JSON lines, without secrets."""
    from gatechat.cli import ledger_commands

    if what == "export":
        ledger_commands.export(data_dir, sys.stdout.write)
    elif what == "verify":
        raise typer.Exit(0 if ledger_commands.verify(data_dir, head) else 1)
    else:
        raise CliError(f"gatechat audit {what}: there are verify and export.")


@app.command()
def console(
    *,
    config: options.Config = None,
    data_dir: options.DataDir,
    port: options.Port = 5000,
    public_url: options.PublicUrl = None,
) -> None:
    """Print a link to the pages where you approve plans. Needs a terminal."""
    from gatechat.cli import ledger_commands

    ledger_commands.console(data.prepare(data_dir), public_url or f"http://localhost:{port}")


@app.command()
def doctor(
    *,
    config: options.Config = None,
    data_dir: options.DataDir,
    admin_url: options.AdminUrl = None,
    admin_host: options.AdminHost = LOOPBACK,
    admin_port: options.AdminPort = 9180,
    admin_key: options.AdminKey = None,
    host: options.Host = LOOPBACK,
    port: options.Port = 5000,
    proxy_host: options.ProxyHost = LOOPBACK,
    proxy_port: options.ProxyPort = 9080,
    metrics_host: options.MetricsHost = LOOPBACK,
    metrics_port: options.MetricsPort = 9091,
    demo_port: options.DemoPort = 5080,
) -> None:
    """Find what is wrong, and how to mend it.

    Looks at the data folder, Envoy, the Admin API and the ports. Exit code 1 if anything is wrong.
    """
    from gatechat.cli import examination

    listening = (
        Port("assistant", host, port, "--port"),
        *_gateway_ports(admin_host, admin_port, proxy_host, proxy_port, metrics_host, metrics_port),
        Port("demo", LOOPBACK, demo_port, "--demo-port"),
    )
    api = _admin_api(admin_url or url(admin_host, admin_port), admin_port, admin_key, data_dir)
    healthy = asyncio.run(examination.examine(listening, data_dir, *api))
    raise typer.Exit(0 if healthy else 1)


@app.command()
def version() -> None:
    """Print the version."""
    print(f"gatechat {__version__} (Python {platform.python_version()})")


def _admin_api(given: str | None, port: int, key: str | None, data_dir: Path) -> tuple[str, str | None]:
    """The Admin API to work with, and the key for it: without a URL, the embedded gateway's."""
    admin_url = given or url(LOOPBACK, port)
    return admin_url, data.key_for(admin_url, key, data_dir)


def _gateway_ports(
    admin_host: str, admin_port: int, proxy_host: str, proxy_port: int, metrics_host: str, metrics_port: int
) -> tuple[Port, Port, Port]:
    return (
        Port("Admin API", admin_host, admin_port, "--admin-port"),
        Port("traffic", proxy_host, proxy_port, "--proxy-port"),
        Port("metrics", metrics_host, metrics_port, "--metrics-port"),
    )


def _gateway_settings(
    admin_key: str | None,
    viewer_key: str | None,
    admin_key_required: bool,
    allow_admin: str,
    concurrency: int | None,
) -> dict[str, Any]:
    """The fields of GatewaySettings that say no address."""
    return {
        "admin_key": admin_key,
        "viewer_key": viewer_key,
        "admin_key_required": admin_key_required,
        "allow_admin": _list(allow_admin),
        "concurrency": concurrency,
    }


def _on_ledger(
    data_dir: Path,
    api: tuple[str, str | None],
    public_url: str | None,
    work: Callable[[Core], Awaitable[None]],
    gateway_url: str | None = None,
) -> None:
    """Runs a command on the data folder, beside a running assistant or without one."""
    from gatechat.cli import ledger_commands

    async def run() -> None:
        async with ledger_commands.opened(
            data_dir=data.prepare(data_dir),
            admin_url=api[0],
            admin_key=api[1],
            public_url=public_url,
            **({"gateway_url": gateway_url} if gateway_url else {}),
        ) as core:
            await work(core)

    asyncio.run(run())


def _assistant_settings(
    token: str | None,
    public_url: str | None,
    gateway_url: str | None,
    allowed_hosts: str,
    allowed_origins: str,
    contact_email: str,
    openai_verification_token: str | None,
    timeout: float,
) -> dict[str, Any]:
    """The fields of AssistantSettings that `up` and `serve` share."""
    return {
        **({"gateway_url": gateway_url} if gateway_url else {}),
        "token": token,
        "public_url": public_url,
        "allowed_hosts": _list(allowed_hosts),
        "allowed_origins": _list(allowed_origins),
        "contact_email": contact_email,
        "verification_tokens": {"openai": openai_verification_token} if openai_verification_token else {},
        "timeout": timeout,
    }


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
