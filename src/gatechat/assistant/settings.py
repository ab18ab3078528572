"""What the assistant is told when it is started. Checked once, here; everything after may rely on it."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from gatechat.ports import is_loopback

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
"""The names this machine has for itself in a Host or an Origin header."""

SHORTEST_TOKEN = 16
"""Characters in a token that others may try to guess."""

CHATGPT_ORIGINS = ("https://chat.openai.com", "https://chatgpt.com")


_ON_THIS_MACHINE = "http://localhost:9080"


class SettingsError(ValueError):
    """A setting cannot be used; the text names it and says what would be right."""


@dataclass(frozen=True, slots=True)
class AssistantSettings:
    """Addresses are URLs without a trailing slash, times are seconds.

    ``public_url``: the assistant as its callers see it; the manifest and the OpenAPI document name it.
    ``admin_key``: sent to the Admin API as X-API-KEY, never shown; None sends none.
    ``token``: one for all callers to send as ``Authorization: Bearer``; others are made by `gatechat token`.
    ``require_sign_in``: ask for sign-in also where only this machine can call.
    ``oauth``: whether the built-in OAuth authorization server is on. ``oauth_offline``: its clients register
    here, as those cannot that are described at a URL, where this machine cannot read the internet.
    ``issuer``: an OAuth issuer whose JWTs are taken; ``issuer_audience`` must be in their "aud" (None: the
    address of /mcp), ``issuer_role_claim`` names the claim that holds roles, and ``issuer_roles`` what its
    values mean here, each "theirs=ours" ("sre=approver"); without any, they are our roles' names.
    ``rate_limit``: requests a minute of each principal; 0: any number; None: 600 of each who signed in, and
    any number from this machine where no sign-in is asked for.
    ``verification_tokens``: what ChatGPT hands out when a plugin with a token is registered.
    ``allowed_origins``: web origins besides ChatGPT's and this machine's own.
    ``allowed_hosts``: names in a Host header besides those of this machine, ``public_url`` and ``host``.
    ``data_dir``: where what must last is kept (ledger, keys); None keeps it as long as the process lives.
    ``policy_file``: what may be changed, see gatechat.assistant.change.policy; None: ``policy.toml`` in
    ``data_dir``, if there is one.
    ``metrics_url``: the gateway's Prometheus page; None: there is none that we know of.
    ``traffic_url``: where the assistant itself reaches the gateway, if not by ``gateway_url``.
    ``control_url``: the Control API of the gateway's data plane; None: there is none that we know of.
    ``example_backend``: "host:port" of the API that the documents' examples put behind the gateway.
    """

    host: str = "127.0.0.1"
    port: int = 5000
    public_url: str | None = None
    admin_url: str = "http://127.0.0.1:9180"
    admin_key: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    require_sign_in: bool = False
    oauth: bool = False
    oauth_offline: bool = False
    issuer: str | None = None
    issuer_audience: str | None = None
    issuer_role_claim: str = "roles"
    issuer_roles: tuple[str, ...] = ()
    rate_limit: int | None = None
    verification_tokens: Mapping[str, str] = field(default_factory=dict, repr=False)
    gateway_url: str = _ON_THIS_MACHINE
    contact_email: str = "support@example.com"
    timeout: float = 30.0  # ChatGPT gives up after 45
    allowed_origins: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    example_backend: str = "127.0.0.1:5080"
    data_dir: Path | None = None
    policy_file: Path | None = None
    metrics_url: str | None = None
    traffic_url: str | None = None
    control_url: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "public_url", _url("public_url", self.public_url or self._own_url()))
        object.__setattr__(self, "admin_url", _url("admin_url", self.admin_url))
        object.__setattr__(self, "gateway_url", _url("gateway_url", self.gateway_url))
        for name in ("traffic_url", "control_url"):
            if (given := getattr(self, name)) is not None:
                object.__setattr__(self, name, _url(name, given))
        for name, secret in (("token", self.token), ("admin_key", self.admin_key)):
            if secret is not None and not _visible(secret):
                raise SettingsError(f"{name}: only visible ASCII characters, as a header can carry them")
        if self.opened_by is not None and self.token is not None and len(self.token) < SHORTEST_TOKEN:
            raise SettingsError(
                f"token: {SHORTEST_TOKEN} or more characters, because of {self.opened_by}. "
                "`python3 -c 'import secrets; print(secrets.token_urlsafe(32))'` makes one"
            )
        if self.issuer is not None:
            _check_issuer(self.issuer)
        if self.rate_limit is not None and self.rate_limit < 0:
            raise SettingsError("rate_limit: requests a minute, 0 for any number")
        if self.timeout <= 0:
            raise SettingsError("timeout: greater than 0")

    def _own_url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def url(self) -> str:
        """``public_url``, which is always set after the checks."""
        return self.public_url or self._own_url()

    @property
    def traffic(self) -> str | None:
        """Where requests through the gateway go; None if nobody said, and the Admin API is elsewhere."""
        if self.traffic_url is not None:
            return self.traffic_url
        here = is_loopback(urlsplit(self.admin_url).hostname or "")
        return self.gateway_url if here or self.gateway_url != _ON_THIS_MACHINE else None

    @property
    def opened_by(self) -> str | None:
        """The setting that lets others than this machine call, or asks for sign-in outright; else None.

        A public name counts even on loopback: what a proxy or a tunnel brings also comes from there.
        """
        if not is_loopback(self.host):
            return f"host {self.host}"
        if not is_loopback(urlsplit(self.url).hostname or ""):
            return f"public_url {self.url}"
        named = next((name for name in self.allowed_hosts if not is_loopback(name)), None)
        if named is not None:
            return f"allowed_hosts {named}"
        return "require_sign_in" if self.require_sign_in else None

    @property
    def sign_in_required(self) -> bool:
        """Whether who sends no credentials is refused."""
        ways = (self.token, self.issuer, self.oauth or None)
        return self.opened_by is not None or any(way is not None for way in ways)

    @property
    def hosts(self) -> frozenset[str]:
        """Every name a Host header may carry, in lower case, without port and brackets."""
        named = {*self.allowed_hosts, urlsplit(self.url).hostname or ""}
        if not _is_any_address(self.host):
            named.add(self.host)
        return LOCAL_NAMES | {name.strip("[]").lower() for name in named}

    @property
    def origins(self) -> frozenset[str]:
        """Every web origin that may call, besides this machine's own on any port."""
        parts = urlsplit(self.url)
        return frozenset({*CHATGPT_ORIGINS, *self.allowed_origins, f"{parts.scheme}://{parts.netloc}"})


def _is_any_address(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_unspecified
    except ValueError:
        return host == ""


def _visible(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text and text != ""


def _check_issuer(issuer: str) -> None:
    _url("issuer", issuer)
    parts = urlsplit(issuer)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise SettingsError(f"issuer: {issuer} must be https, so that nobody on the way can give other keys")


_DEFAULT_PORTS = {"http": 80, "https": 443}


def _url(name: str, url: str) -> str:
    """As browsers and OAuth clients write it when they compare it: host in lower case, no default port."""
    parts = urlsplit(url)
    try:
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        raise SettingsError(f"{name}: {url!r} is not a URL like http://127.0.0.1:9180")
    if parts.username is not None or parts.password is not None:
        raise SettingsError(f"{name}: no user name or password in the URL; keys have settings of their own")
    where = parts.netloc.lower()
    if parts.port == _DEFAULT_PORTS[parts.scheme]:
        where = where.removesuffix(f":{parts.port}")
    return f"{parts.scheme}://{where.rstrip(':')}{parts.path.rstrip('/')}"
