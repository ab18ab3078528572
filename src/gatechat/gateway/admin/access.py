"""Who may speak to the Admin API: networks, the admin's and the viewer's key. And every answer's headers."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gatechat import __version__
from gatechat.apisix.kinds import PREFIX
from gatechat.gateway.admin.answers import answer

Network: TypeAlias = IPv4Network | IPv6Network

VERSION: Final = "APISIX/3.18.0"
"""The release whose Admin API this is. Tools of APISIX read in the Server header what they may send."""

_CORS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Credentials": "true",
    "Access-Control-Expose-Headers": "*",
    "Access-Control-Max-Age": "3600",
}
_PREFLIGHT: Final = {
    "Access-Control-Allow-Methods": "POST, GET, PUT, OPTIONS, DELETE, PATCH",
    "Access-Control-Allow-Headers": "*",
}


def _loopback() -> tuple[Network, ...]:
    return (ip_network("127.0.0.0/24"), ip_network("::1"))


@dataclass(frozen=True, slots=True)
class AdminSettings:
    """``deployment.admin`` of APISIX's config.yaml. The keys are never shown or logged."""

    admin_key: str | None = field(repr=False)
    viewer_key: str | None = field(default=None, repr=False)
    """Its holder may only GET."""
    admin_key_required: bool = True
    allow_admin: tuple[Network, ...] = field(default_factory=_loopback)
    """Networks whose clients are answered at all; a client of a Unix socket always is."""

    def __post_init__(self) -> None:
        if self.admin_key_required and not self.admin_key:
            raise ValueError("admin_key is empty: set one, or set admin_key_required to False")


class Guard:
    """ASGI middleware: refuses strangers (403) and wrong keys (401), answers preflights, adds headers."""

    def __init__(self, app: ASGIApp, settings: AdminSettings, revision: Callable[[], int]) -> None:
        self._app = app
        self._settings = settings
        self._revision = revision
        self._start = secrets.token_hex(4)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add_headers(message, f"{self._start}.{self._revision()}")
            await send(message)

        early = self._early_answer(Request(scope))
        await (early or self._app)(scope, receive, send_with_headers)

    def _early_answer(self, request: Request) -> Response | None:
        if not self._is_near(request):
            client = request.client.host if request.client else ""
            return answer({"error_msg": f"{client} is not in allow_admin"}, 403)
        if not self._settings.admin_key_required and _is_foreign(request):
            return answer({"error_msg": "without an admin key, web pages of other machines are refused"}, 403)
        if request.method == "OPTIONS":
            return Response(status_code=200, headers=_PREFLIGHT, media_type="text/plain")
        if request.url.path.startswith(f"{PREFIX}/"):
            wrong = self._wrong_key(request)
            if wrong:
                return answer({"error_msg": "failed to check token", "description": wrong}, 401)
        return None

    def _is_near(self, request: Request) -> bool:
        if request.client is None:
            return True
        try:
            address = ip_address(request.client.host)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._settings.allow_admin)

    def _wrong_key(self, request: Request) -> str | None:
        """What is wrong with the key (APISIX's words), None if nothing is."""
        if not self._settings.admin_key_required:
            return None
        given = (
            request.query_params.get("api_key")
            or request.headers.get("x-api-key")
            or request.headers.get("x_api_key")
            or request.cookies.get("x_api_key")
        )
        if not given:
            return "missing apikey"
        if _same(given, self._settings.admin_key):
            return None
        if not _same(given, self._settings.viewer_key):
            return "wrong apikey"
        return None if request.method == "GET" else "invalid method for role viewer"


def _same(given: str, key: str | None) -> bool:
    return bool(key) and hmac.compare_digest(given.encode(), (key or "").encode())


def _is_foreign(request: Request) -> bool:
    """Whether a web page of another machine sent this. Only a key tells its scripts from the admin."""
    origin = urlsplit(request.headers.get("origin", "")).hostname
    return origin is not None and origin not in ("localhost", "127.0.0.1", "::1")


def _add_headers(message: MutableMapping[str, Any], revision: str) -> None:
    """``revision`` goes up with every write, and is another one after a restart: while it stays the same,
    nothing changed.
    """
    headers = MutableHeaders(scope=message)
    headers["Server"] = VERSION
    headers["X-Gatechat-Revision"] = revision
    headers["X-Gatechat-Version"] = __version__  # how the assistant knows which gateway it is
    for name, value in _CORS.items():
        headers.setdefault(name, value)
