"""Who may call: Host, Origin, CORS and sign-in, asked before any face sees the request.

A page in the user's browser can reach loopback as well as the user can. The Origin check keeps foreign pages
out; the Host check keeps out pages whose name was made to point here (DNS rebinding).
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gatechat.assistant.problem import Problem
from gatechat.assistant.settings import LOCAL_NAMES, AssistantSettings
from gatechat.assistant.sign_in import SignIn, oauth
from gatechat.assistant.sign_in.contract import SCOPE_KEY

OPEN_PATHS: Final = frozenset({"/", "/openapi.yaml", "/openapi.json", "/logo.png", "/legal", "/healthz"})
OPEN_FOLDERS: Final = ("/.well-known/",)
"""What is read or done before one can have signed in. Everything else asks who calls."""

_CORS_METHODS = "GET, POST, PUT, PATCH, DELETE, OPTIONS"
_CORS_SECONDS = "600"
_HOST = re.compile(r"(?:\[(?P<v6>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(?::[0-9]{1,5})?")
_HEADER_NAMES = re.compile(r"[A-Za-z0-9-]+(?: *, *[A-Za-z0-9-]+)*")


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS | oauth.PATHS or path.startswith(OPEN_FOLDERS) or _has_its_own_door(path)


def _has_its_own_door(path: str) -> bool:
    """The console's pages: browsers send no bearer token, and a token is no leave to approve."""
    return path in ("/approver", "/plans") or path.startswith("/plans/")


class Guard:
    """ASGI middleware around all faces."""

    def __init__(self, app: ASGIApp, settings: AssistantSettings, sign_in: SignIn) -> None:
        self._app = app
        self._hosts = settings.hosts
        self._origins = settings.origins
        self._sign_in = sign_in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")

        async def send_with_cors(message: Message) -> None:
            if message["type"] == "http.response.start":
                back = MutableHeaders(raw=message["headers"])
                back.add_vary_header("Origin")
                back["x-content-type-options"] = "nosniff"
                back.setdefault("access-control-expose-headers", "www-authenticate, retry-after, location")
                if origin is not None and self._knows(origin):
                    back["access-control-allow-origin"] = origin
            await send(message)

        try:
            self._check_target(scope, headers)
            self._check_origin(headers)
            if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
                await self._preflight(headers)(scope, receive, send_with_cors)
                return
            if not _is_open(scope["path"]):
                client = scope.get("client") or ("", 0)
                scope[SCOPE_KEY] = await self._sign_in.authenticate(headers, client[0])
        except Problem as problem:
            await problem.response()(scope, receive, send_with_cors)
            return
        await self._app(scope, receive, send_with_cors)

    def _check_target(self, scope: Scope, headers: Headers) -> None:
        if not scope["raw_path"].startswith(b"/"):
            raise Problem(
                400, "ask for a path (GET /apisix/admin/routes), not for a whole URL: this is no proxy"
            )
        named = headers.getlist("host")
        match = _HOST.fullmatch(named[0].lower()) if len(named) == 1 else None
        if match is None or (match["v6"] or match["name"]) not in self._hosts:
            raise Problem(
                421,
                "this Host is not one of the assistant's names. Call it as localhost, or name the address "
                "you use with --public-url or --allowed-hosts",
            )

    def _check_origin(self, headers: Headers) -> None:
        if any(not self._knows(origin) for origin in headers.getlist("origin")):
            raise Problem(
                403,
                "pages of this Origin may not call the assistant. ChatGPT and pages of this machine may; "
                "add others with --allowed-origins",
            )

    def _knows(self, origin: str) -> bool:
        if origin in self._origins:
            return True
        try:
            parts = urlsplit(origin)
            local = parts.scheme in ("http", "https") and parts.hostname in LOCAL_NAMES
            return (
                local
                and origin == f"{parts.scheme}://{parts.netloc}"
                and "@" not in origin
                and parts.port != 0
            )
        except ValueError:
            return False

    def _preflight(self, headers: Headers) -> Response:
        asked = headers.get("access-control-request-headers", "")
        allowed = {
            "access-control-allow-methods": _CORS_METHODS,
            "access-control-allow-headers": asked
            if _HEADER_NAMES.fullmatch(asked)
            else "authorization, content-type",
            "access-control-max-age": _CORS_SECONDS,
        }
        if headers.get("access-control-request-private-network") == "true":
            allowed["access-control-allow-private-network"] = "true"
        return Response(status_code=204, headers=allowed)
