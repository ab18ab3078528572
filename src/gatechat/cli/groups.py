"""Options that several commands share: a command takes a group as one argument, and is given it whole.

    @app.command()
    @grouped
    def show(*, gateway: Gateway, id: options.PlanId) -> None: ...

is a command with an ID and with every option of Gateway. A default of an option stands here and nowhere else.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from typing import Any, TypeVar, get_type_hints

from gatechat.cli import data_dir as data
from gatechat.cli import options
from gatechat.ports import LOOPBACK, Port, url

EMAIL = "support@example.com"

Result = TypeVar("Result")


def grouped(function: Callable[..., Result]) -> Callable[..., Result]:
    """The function with the options of its groups in their place. Groups may share an option."""
    signature = inspect.signature(function, eval_str=True)
    groups: dict[str, Any] = {
        name: parameter.annotation
        for name, parameter in signature.parameters.items()
        if is_dataclass(parameter.annotation)
    }
    parameters: dict[str, inspect.Parameter] = {}
    for name, parameter in signature.parameters.items():
        for each in _parameters(groups[name]) if name in groups else (parameter,):
            parameters.setdefault(each.name, each)

    def run(**given: Any) -> Result:
        whole = {
            name: group(**{each.name: given[each.name] for each in fields(group)})
            for name, group in groups.items()
        }
        own = {name: given[name] for name in signature.parameters if name not in groups}
        return function(**whole, **own)

    functools.update_wrapper(run, function)
    run.__annotations__ = {}
    run.__signature__ = signature.replace(parameters=list(parameters.values()))  # type: ignore[attr-defined]
    return run


def _parameters(group: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            each.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if each.default is MISSING else each.default,
            annotation=hints[each.name],
        )
        for each in fields(group)
    ]


@dataclass(frozen=True, kw_only=True)
class Folder:
    """The data folder, and the file of settings."""

    data_dir: options.DataDir
    config: options.Config = None


@dataclass(frozen=True, kw_only=True)
class AdminApi(Folder):
    """An Admin API that runs already: the embedded gateway's unless told otherwise."""

    admin_url: options.AdminUrl = None
    admin_port: options.AdminPort = 9180
    admin_key: options.AdminKey = field(default=None, repr=False)

    @property
    def api(self) -> tuple[str, str | None]:
        """Its URL and the key for it. Raises CliError."""
        admin_url = self.admin_url or url(LOOPBACK, self.admin_port)
        return admin_url, data.key_for(admin_url, self.admin_key, self.data_dir)


@dataclass(frozen=True, kw_only=True)
class Gateway(AdminApi):
    """A gateway to read, to change and to prove changes on."""

    gateway_url: options.GatewayUrl = None
    traffic_url: options.TrafficUrl = None
    control_url: options.ControlUrl = None
    port: options.Port = 5000
    public_url: options.PublicUrl = None
    policy_file: options.PolicyFile = None
    timeout: options.Timeout = 30.0

    @property
    def settings(self) -> dict[str, Any]:
        """Fields of AssistantSettings. Raises CliError."""
        admin_url, admin_key = self.api
        return {
            **({"gateway_url": self.gateway_url} if self.gateway_url else {}),
            "admin_url": admin_url,
            "admin_key": admin_key,
            "traffic_url": self.traffic_url,
            "control_url": self.control_url,
            "port": self.port,
            "public_url": self.public_url,
            "policy_file": self.policy_file,
            "timeout": self.timeout,
            "data_dir": data.prepare(self.data_dir),
        }


@dataclass(frozen=True, kw_only=True)
class Watched(Gateway):
    """A gateway whose traffic assistants may ask about, too."""

    metrics_url: options.MetricsUrl = None

    @property
    def settings(self) -> dict[str, Any]:
        """Fields of AssistantSettings. Raises CliError."""
        return {**super().settings, "metrics_url": self.metrics_url}


@dataclass(frozen=True, kw_only=True)
class Ports(Folder):
    """Where the embedded gateway listens."""

    admin_host: options.AdminHost = LOOPBACK
    admin_port: options.AdminPort = 9180
    proxy_host: options.ProxyHost = LOOPBACK
    proxy_port: options.ProxyPort = 9080
    metrics_host: options.MetricsHost = LOOPBACK
    metrics_port: options.MetricsPort = 9091

    @property
    def ports(self) -> tuple[Port, Port, Port]:
        return (
            Port("Admin API", self.admin_host, self.admin_port, "--admin-port"),
            Port("traffic", self.proxy_host, self.proxy_port, "--proxy-port"),
            Port("metrics", self.metrics_host, self.metrics_port, "--metrics-port"),
        )


@dataclass(frozen=True, kw_only=True)
class Embedded(Ports):
    """The embedded gateway."""

    admin_key: options.AdminKey = field(default=None, repr=False)
    viewer_key: options.ViewerKey = field(default=None, repr=False)
    admin_key_required: options.AdminKeyRequired = True
    allow_admin: options.AllowAdmin = "127.0.0.0/24,::1"
    concurrency: options.Concurrency = None

    @property
    def settings(self) -> dict[str, Any]:
        """The fields of GatewaySettings that say no address."""
        return {
            "admin_key": self.admin_key,
            "viewer_key": self.viewer_key,
            "admin_key_required": self.admin_key_required,
            "allow_admin": options.listed(self.allow_admin),
            "concurrency": self.concurrency,
        }


@dataclass(frozen=True, kw_only=True)
class Listening:
    """Where the assistant listens."""

    host: options.Host = LOOPBACK
    port: options.Port = 5000

    @property
    def listens_on(self) -> Port:
        return Port("assistant", self.host, self.port, "--port")


@dataclass(frozen=True, kw_only=True)
class Assistant(Listening):
    """The assistant, whatever gateway it works with."""

    token: options.Token = field(default=None, repr=False)
    require_sign_in: options.RequireSignIn = False
    oauth: options.OAuth = False
    oauth_offline: options.OAuthOffline = False
    issuer: options.Issuer = None
    issuer_audience: options.IssuerAudience = None
    issuer_role_claim: options.IssuerRoleClaim = "roles"
    issuer_roles: options.IssuerRoles = ""
    rate_limit: options.RateLimit = None
    public_url: options.PublicUrl = None
    gateway_url: options.GatewayUrl = None
    allowed_hosts: options.AllowedHosts = ""
    allowed_origins: options.AllowedOrigins = ""
    contact_email: options.ContactEmail = EMAIL
    openai_verification_token: options.VerificationToken = field(default=None, repr=False)
    policy_file: options.PolicyFile = None
    timeout: options.Timeout = 30.0

    @property
    def settings(self) -> dict[str, Any]:
        """Fields of AssistantSettings."""
        verification = self.openai_verification_token
        return {
            **({"gateway_url": self.gateway_url} if self.gateway_url else {}),
            "token": self.token,
            "require_sign_in": self.require_sign_in,
            "oauth": self.oauth,
            "oauth_offline": self.oauth_offline,
            "issuer": self.issuer,
            "issuer_audience": self.issuer_audience,
            "issuer_role_claim": self.issuer_role_claim,
            "issuer_roles": options.listed(self.issuer_roles),
            "rate_limit": self.rate_limit,
            "public_url": self.public_url,
            "allowed_hosts": options.listed(self.allowed_hosts),
            "allowed_origins": options.listed(self.allowed_origins),
            "contact_email": self.contact_email,
            "verification_tokens": {"openai": verification} if verification else {},
            "policy_file": self.policy_file,
            "timeout": self.timeout,
        }
