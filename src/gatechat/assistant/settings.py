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


class SettingsError(ValueError):
    """A setting cannot be used; the text names it and says what would be right."""


@dataclass(frozen=True, slots=True)
class AssistantSettings:
    """Addresses are URLs without a trailing slash, times are seconds.

    ``public_url``: the assistant as its callers see it; the manifest and the OpenAPI document name it.
    ``admin_key``: sent to the Admin API as X-API-KEY, never shown; None sends none.
    ``token``: what callers must send as ``Authorization: Bearer``; None asks for none, only on loopback.
    ``verification_tokens``: what ChatGPT hands out when a plugin with a token is registered.
    ``allowed_origins``: web origins besides ChatGPT's and this machine's own.
    ``allowed_hosts``: names in a Host header besides those of this machine, ``public_url`` and ``host``.
    ``data_dir``: where what must last is kept (ledger, keys); None keeps it as long as the process lives.
    ``policy_file``: what may be changed, see gatechat.assistant.change.policy; None: ``policy.toml`` in
    ``data_dir``, if there is one.
    ``metrics_url``: the gateway's Prometheus page; None: there is none that we know of.
    ``example_backend``: "host:port" of the API that the documents' examples put behind the gateway.
    """

    host: str = "127.0.0.1"
    port: int = 5000
    public_url: str | None = None
    admin_url: str = "http://127.0.0.1:9180"
    admin_key: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    verification_tokens: Mapping[str, str] = field(default_factory=dict, repr=False)
    gateway_url: str = "http://localhost:9080"
    contact_email: str = "support@example.com"
    timeout: float = 30.0  # ChatGPT gives up after 45
    allowed_origins: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    example_backend: str = "127.0.0.1:5080"
    data_dir: Path | None = None
    policy_file: Path | None = None
    metrics_url: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "public_url", _url("public_url", self.public_url or self._own_url()))
        object.__setattr__(self, "admin_url", _url("admin_url", self.admin_url))
        object.__setattr__(self, "gateway_url", _url("gateway_url", self.gateway_url))
        for name, secret in (("token", self.token), ("admin_key", self.admin_key)):
            if secret is not None and not _visible(secret):
                raise SettingsError(f"{name}: only visible ASCII characters, as a header can carry them")
        if not is_loopback(self.host) and len(self.token or "") < SHORTEST_TOKEN:
            raise SettingsError(
                f"host {self.host} lets other machines change the gateway: set a token of {SHORTEST_TOKEN} "
                "or more characters that callers must send (--token or GATECHAT_TOKEN), or stay on host "
                "127.0.0.1. `python3 -c 'import secrets; print(secrets.token_urlsafe(32))'` makes one"
            )
        if self.timeout <= 0:
            raise SettingsError("timeout: greater than 0")

    def _own_url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def url(self) -> str:
        """``public_url``, which is always set after the checks."""
        return self.public_url or self._own_url()

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


def _url(name: str, url: str) -> str:
    parts = urlsplit(url)
    try:
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        raise SettingsError(f"{name}: {url!r} is not a URL like http://127.0.0.1:9180")
    if parts.username is not None or parts.password is not None:
        raise SettingsError(f"{name}: no user name or password in the URL; keys have settings of their own")
    return url.rstrip("/")
