"""Every setting once: its flag, its environment variable, its words. A TOML file may hold the same names.

Flags win over the environment, the environment over the file, the file over the default.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from gatechat.cli import config_file, data_dir

LISTS = frozenset({"allowed_hosts", "allowed_origins", "allow_admin", "issuer_roles"})
"""Settings of several values: with commas between, or a list in the file."""


def _option(name: str, help: str, *, off: str = "", **more: Any) -> Any:
    """``off`` is the flag that says no ("/--no-admin-key-required")."""
    variable = f"GATECHAT_{name.replace('-', '_').upper()}"
    return typer.Option(f"--{name}{off}", envvar=variable, help=help, **more)


def _port(name: str, help: str) -> Any:
    return _option(name, f"{help} 0 takes any free port.", min=0, max=65535, metavar="PORT")


def listed(text: str) -> tuple[str, ...]:
    """The values of a setting of LISTS."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def settings(command: Any) -> dict[str, Any]:
    """Every setting of a command and of those below it, as its parameter, by name."""
    found = {param.name: param for param in command.params if param.envvar}
    for below in getattr(command, "commands", {}).values():
        found |= settings(below)
    return found


def _read_config(context: typer.Context, path: Path | None) -> Path | None:
    """Puts the file's settings below flags and environment; runs before any other option is looked at."""
    known = settings(context.find_root().command).keys()
    context.default_map = config_file.load(path, known - {"config"}, LISTS)
    return path


Config: TypeAlias = Annotated[
    Path | None,
    _option(
        "config",
        "A TOML file of settings: the names of the flags, with _ for -. Without it, gatechat.toml in the "
        "current folder and in the platform's configuration folder are read.",
        metavar="FILE",
        callback=_read_config,
        is_eager=True,
    ),
]
DataDir: TypeAlias = Annotated[
    Path,
    _option(
        "data-dir",
        "The one folder for everything that must last: the configuration store, the admin key, the records.",
        metavar="FOLDER",
        default_factory=data_dir.default_data_dir,
        file_okay=False,
        show_default="the platform's data folder",
    ),
]
LogLevel: TypeAlias = Annotated[
    str, _option("log-level", "How much is logged: debug, info, warning or error.", metavar="LEVEL")
]
Host: TypeAlias = Annotated[
    str,
    _option(
        "host",
        "The address the assistant listens on. Beyond this machine, callers must sign in.",
        metavar="ADDRESS",
    ),
]
Port: TypeAlias = Annotated[int, _port("port", "The assistant's port.")]
Token: TypeAlias = Annotated[
    str | None,
    _option(
        "token",
        "One token for all callers of the assistant. Better one each: `gatechat token make`.",
        metavar="TOKEN",
    ),
]
RequireSignIn: TypeAlias = Annotated[
    bool,
    _option("require-sign-in", "Ask for sign-in also where only this machine can call."),
]
OAuth: TypeAlias = Annotated[
    bool,
    _option("oauth", "Be an OAuth authorization server for this assistant, with a sign-in page of its own."),
]
OAuthOffline: TypeAlias = Annotated[
    bool,
    _option(
        "oauth-offline",
        "Let OAuth clients register only: where this machine cannot read what they say of themselves on the "
        "internet.",
    ),
]
Issuer: TypeAlias = Annotated[
    str | None,
    _option("issuer", "An OAuth issuer whose JWTs are taken.", metavar="URL", show_default=False),
]
IssuerAudience: TypeAlias = Annotated[
    str | None,
    _option(
        "issuer-audience",
        'What must be in the "aud" of the issuer\'s tokens.',
        metavar="TEXT",
        show_default="the address of /mcp",
    ),
]
IssuerRoleClaim: TypeAlias = Annotated[
    str, _option("issuer-role-claim", "The claim of the issuer's tokens that holds roles.", metavar="NAME")
]
IssuerRoles: TypeAlias = Annotated[
    str,
    _option(
        "issuer-roles",
        "What the issuer's roles are here, as theirs=ours with commas between; ours are viewer, editor, "
        "approver and admin.",
        metavar="ROLES",
        show_default="the same names",
    ),
]
RateLimit: TypeAlias = Annotated[
    int | None,
    _option(
        "rate-limit",
        "Requests a minute that each caller may make; 0 for any number.",
        min=0,
        metavar="NUMBER",
        show_default="600 for who signed in, any number from this machine",
    ),
]
PublicUrl: TypeAlias = Annotated[
    str | None,
    _option(
        "public-url",
        "The assistant's address as its callers see it; the manifest and the OpenAPI document name it.",
        metavar="URL",
        show_default="http://localhost:PORT",
    ),
]
AllowedHosts: TypeAlias = Annotated[
    str,
    _option(
        "allowed-hosts",
        "Further names in a Host header that the assistant answers to, with commas between.",
        metavar="NAMES",
        show_default=False,
    ),
]
AllowedOrigins: TypeAlias = Annotated[
    str,
    _option(
        "allowed-origins",
        "Further web origins whose pages may call the assistant, with commas between; ChatGPT's may anyway.",
        metavar="ORIGINS",
        show_default=False,
    ),
]
ContactEmail: TypeAlias = Annotated[
    str, _option("contact-email", "Whom the plugin manifest names for questions.", metavar="ADDRESS")
]
VerificationToken: TypeAlias = Annotated[
    str | None,
    _option(
        "openai-verification-token",
        "What ChatGPT shows when a plugin with a token is registered; the manifest repeats it.",
        metavar="TOKEN",
    ),
]
Timeout: TypeAlias = Annotated[
    float, _option("timeout", "Seconds the assistant waits for the Admin API.", min=0.1, metavar="SECONDS")
]
AdminUrl: TypeAlias = Annotated[
    str | None,
    _option(
        "admin-url",
        "The Admin API to work with: the embedded gateway's or an Apache APISIX's.",
        metavar="URL",
        show_default="http://127.0.0.1:ADMIN_PORT",
    ),
]
AdminKey: TypeAlias = Annotated[
    str | None,
    _option(
        "admin-key",
        "The Admin API's key. Better in the environment or a file than in a flag, which other users can see.",
        metavar="KEY",
        show_default="the embedded gateway's own, made at its first start and kept in the data folder",
    ),
]
ViewerKey: TypeAlias = Annotated[
    str | None,
    _option(
        "viewer-key", "A second key of the embedded gateway's Admin API, which may only read.", metavar="KEY"
    ),
]
AdminKeyRequired: TypeAlias = Annotated[
    bool,
    _option(
        "admin-key-required",
        "Whether the embedded gateway's Admin API asks for a key. Only on loopback may it go without.",
        off="/--no-admin-key-required",
    ),
]
AllowAdmin: TypeAlias = Annotated[
    str,
    _option(
        "allow-admin",
        "The networks whose clients the embedded gateway's Admin API answers, with commas between.",
        metavar="NETWORKS",
    ),
]
AdminHost: TypeAlias = Annotated[
    str,
    _option(
        "admin-host",
        "The address the embedded gateway's Admin API listens on. For more than this machine, keys need 16 "
        "characters, and --allow-admin must name who may call.",
        metavar="ADDRESS",
    ),
]
GatewayUrl: TypeAlias = Annotated[
    str | None,
    _option(
        "gateway-url",
        "Where the gateway's clients reach it; the manifest and the documents' examples name it.",
        metavar="URL",
        show_default="http://localhost:9080; with `up`, where its gateway listens",
    ),
]
MetricsUrl: TypeAlias = Annotated[
    str | None,
    _option(
        "metrics-url",
        "The gateway's Prometheus page, for Apache APISIX http://HOST:9091/apisix/prometheus/metrics.",
        metavar="URL",
        show_default=False,
    ),
]
TrafficUrl: TypeAlias = Annotated[
    str | None,
    _option(
        "traffic-url",
        "Where the assistant itself reaches the gateway, to prove changes and to try requests.",
        metavar="URL",
        show_default="GATEWAY_URL",
    ),
]
ControlUrl: TypeAlias = Annotated[
    str | None,
    _option(
        "control-url",
        "The Control API of the gateway's data plane, for Apache APISIX http://127.0.0.1:9090; it shows that "
        "a change has arrived where no request can.",
        metavar="URL",
        show_default=False,
    ),
]
PolicyFile: TypeAlias = Annotated[
    Path | None,
    _option(
        "policy-file",
        "A TOML file that says what may be changed, and what a person must approve.",
        metavar="FILE",
        dir_okay=False,
        exists=True,
        show_default="policy.toml in the data folder, if there is one",
    ),
]
ExampleBackend: TypeAlias = Annotated[
    str,
    _option(
        "example-backend",
        "The API that the documents' examples put behind the gateway, as the gateway reaches it.",
        metavar="HOST:PORT",
    ),
]
AdminPort: TypeAlias = Annotated[int, _port("admin-port", "The port of the embedded gateway's Admin API.")]
ProxyHost: TypeAlias = Annotated[
    str,
    _option(
        "proxy-host",
        "The address the gateway takes traffic on; 0.0.0.0 for every network.",
        metavar="ADDRESS",
    ),
]
ProxyPort: TypeAlias = Annotated[int, _port("proxy-port", "The gateway's port for traffic.")]
MetricsHost: TypeAlias = Annotated[
    str,
    _option(
        "metrics-host",
        "The address the gateway's Prometheus metrics are on. Whoever reaches it can read them.",
        metavar="ADDRESS",
    ),
]
MetricsPort: TypeAlias = Annotated[
    int, _port("metrics-port", "The port of the gateway's Prometheus metrics.")
]
Concurrency: TypeAlias = Annotated[
    int | None,
    _option(
        "concurrency", "Envoy's worker threads.", min=1, metavar="NUMBER", show_default="one for each CPU"
    ),
]
DemoPort: TypeAlias = Annotated[int, _port("demo-port", "The demo Conference API's port.")]
DemoHost: TypeAlias = Annotated[
    str, _option("demo-host", "The address the demo Conference API listens on.", metavar="ADDRESS")
]
ToUrl: TypeAlias = Annotated[
    str, _option("to", "The Admin API that is to hold the configuration.", metavar="URL")
]
ToKey: TypeAlias = Annotated[str | None, _option("to-key", "That Admin API's key.", metavar="KEY")]
PlanId: TypeAlias = Annotated[str, typer.Argument(metavar="ID", help="The plan's or the change's id.")]
Why: TypeAlias = Annotated[str, typer.Option("--reason", help="Why, in words, for the history.")]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="For programs: one JSON document.")]
DryRun: TypeAlias = Annotated[bool, _option("dry-run", "Only show what would change.")]
DetailedExitcode: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--detailed-exitcode", help="Exit code 0: there is nothing, 2: there is something, 1: it failed."
    ),
]
