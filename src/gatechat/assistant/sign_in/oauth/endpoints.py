"""What programs ask, not people: the documents that say where everything is, and /token, /register, /revoke.

Source: RFC 9728 and RFC 8414 (documents), RFC 7591 (registration), RFC 7009 (revocation), OAuth 2.1 (draft
13), section 3.2 (token); MCP 2026-07-28, "Authorization". The paths are those that clients of MCP 2025-03-26
use when they find no document.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from mcp.server.auth.handlers.metadata import MetadataHandler, ProtectedResourceMetadataHandler
from mcp.shared.auth import OAuthMetadata, OAuthToken, ProtectedResourceMetadata
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gatechat.assistant.principal import Role
from gatechat.assistant.problem import Problem
from gatechat.assistant.settings import AssistantSettings
from gatechat.assistant.sign_in import contract
from gatechat.assistant.sign_in.limits import Limiter
from gatechat.assistant.sign_in.oauth import body
from gatechat.assistant.sign_in.oauth.client import ClientError
from gatechat.assistant.sign_in.oauth.grants import ACCESS_SECONDS, Handed, Refused
from gatechat.assistant.sign_in.oauth.request import same_resource
from gatechat.assistant.sign_in.oauth.server import AuthorizationServer

log = logging.getLogger(__name__)

AUTHORIZE: Final = "/authorize"
TOKEN: Final = "/token"  # noqa: S105 - a path
REGISTER: Final = "/register"
REVOKE: Final = "/revoke"
PATHS: Final = frozenset({AUTHORIZE, TOKEN, REGISTER, REVOKE})
"""What is asked before one has an access token."""

REGISTRATIONS: Final = 60
"""A minute, of one address: each is written to the disk, and everyone may."""

_ROLES: Final = [role.name.lower() for role in Role]
_USEFUL: Final = [role.name.lower() for role in Role if role < Role.ADMIN]
"""What clients ask for when nothing tells them what: an administrator does nothing more over MCP."""
_NO_STORE: Final = {"cache-control": "no-store", "pragma": "no-cache"}


def metadata_routes(settings: AssistantSettings) -> list[Route]:
    """The resource's document, and the authorization server's if it is ours. None, where there is no issuer:
    then the tokens of `gatechat token` are all there is.
    """
    issuers = contract.authorization_servers(settings)
    if not issuers:
        return []
    about = ProtectedResourceMetadataHandler(
        ProtectedResourceMetadata.model_validate(
            {
                "resource": contract.resource(settings),
                "authorization_servers": issuers,
                "scopes_supported": _USEFUL,
                "bearer_methods_supported": ["header"],
                "resource_name": "gatechat",
            }
        )
    )
    under = urlsplit(settings.url).path
    places = {"", "/mcp", f"{under}/mcp"}
    routes = [Route(f"/.well-known/oauth-protected-resource{it}", about.handle) for it in sorted(places)]
    if settings.oauth:
        server = MetadataHandler(_server_metadata(settings.url, reads=not settings.oauth_offline))
        routes += [
            Route(f"/.well-known/oauth-authorization-server{it}", server.handle) for it in sorted({"", under})
        ]
    return routes


def _server_metadata(issuer: str, *, reads: bool) -> OAuthMetadata:
    """``reads``: whether clients may be described at a URL."""
    return OAuthMetadata.model_validate(
        {
            "issuer": issuer,
            "authorization_endpoint": issuer + AUTHORIZE,
            "token_endpoint": issuer + TOKEN,
            "registration_endpoint": issuer + REGISTER,
            "revocation_endpoint": issuer + REVOKE,
            "scopes_supported": _ROLES,
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_methods_supported": ["none"],
            "revocation_endpoint_auth_methods_supported": ["none"],
            "code_challenge_methods_supported": ["S256"],
            "client_id_metadata_document_supported": reads,
            "authorization_response_iss_parameter_supported": True,
        }
    )


class _OAuthError(Exception):
    """Ends a request in OAuth's own shape (RFC 6749, section 5.2)."""

    def __init__(self, error: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.answer = JSONResponse({"error": error, "error_description": message}, status, _NO_STORE)


class _Registration(BaseModel):
    """What counts of a client's metadata (RFC 7591, section 2); the rest is not kept."""

    redirect_uris: list[str]
    client_name: str | None = None
    grant_types: list[str] | None = None
    response_types: list[str] | None = None


def routes(server: AuthorizationServer) -> list[Route]:
    """/token, /register and /revoke."""
    endpoints = _Endpoints(server)
    return [
        Route(TOKEN, _answered(endpoints.token), methods=["POST"]),
        Route(REGISTER, _answered(endpoints.register), methods=["POST"]),
        Route(REVOKE, _answered(endpoints.revoke), methods=["POST"]),
    ]


class _Endpoints:
    def __init__(self, server: AuthorizationServer) -> None:
        self._server = server
        self._registrations = Limiter(REGISTRATIONS)

    async def token(self, request: Request) -> Response:
        form = await _fields(request)
        resource = self._server.resource
        try:
            match form.get("grant_type"):
                case "authorization_code":
                    client_id, code, verifier = _needed(form, "client_id", "code", "code_verifier")
                    self._known(client_id, form, resource)
                    handed = self._server.grants.exchange(code, client_id, verifier, form.get("redirect_uri"))
                case "refresh_token":
                    client_id, refresh = _needed(form, "client_id", "refresh_token")
                    self._known(client_id, form, resource)
                    handed = self._server.grants.refresh(refresh, client_id)
                case other:
                    raise _OAuthError(
                        "unsupported_grant_type",
                        f"grant_type is authorization_code or refresh_token, not {other}",
                    )
        except Refused as refused:
            raise _OAuthError(refused.error, refused.message) from refused
        return _tokens(handed)

    def _known(self, client_id: str, form: Mapping[str, str], resource: str) -> None:
        """401 tells a client whose registration is gone to register again."""
        if not self._server.clients.knows(client_id):
            raise _OAuthError("invalid_client", "this client is not known here; register again", 401)
        if not same_resource(form.get("resource", resource), resource):
            raise _OAuthError("invalid_target", f"resource must be {resource}")

    async def register(self, request: Request) -> Response:
        if self._registrations.take(request.client.host if request.client else "") > 0:
            raise _OAuthError("temporarily_unavailable", "too many programs register; wait a minute", 429)
        try:
            asked = _Registration.model_validate_json(await body.read(request, "application/json"))
            client = self._server.clients.register(
                asked.client_name, asked.redirect_uris, asked.grant_types, asked.response_types
            )
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise _OAuthError("invalid_client_metadata", f"{where}: {first['msg']}") from None
        except ClientError as error:
            raise _OAuthError(error.error, error.message) from error
        log.info("a program that calls itself %s registered", client.name)
        registered: dict[str, Any] = {
            "client_id": client.id,
            "client_name": client.name,
            "redirect_uris": client.redirect_uris,
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
        }
        return JSONResponse(registered, 201, _NO_STORE)

    async def revoke(self, request: Request) -> Response:
        form = await _fields(request)
        token, client_id = _needed(form, "token", "client_id")
        self._server.grants.revoke_secret(token, client_id)
        return Response(headers=_NO_STORE)  # whatever it was, it counts no longer (RFC 7009, section 2.2)


def _answered(work: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    async def answered(request: Request) -> Response:
        try:
            return await work(request)
        except _OAuthError as error:
            return error.answer
        except Problem as problem:
            return _OAuthError("invalid_request", problem.message, problem.status).answer

    return answered


async def _fields(request: Request) -> dict[str, str]:
    pairs = await body.form(request)
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise _OAuthError("invalid_request", "a parameter came more than once")
    return fields


def _needed(form: Mapping[str, str], *names: str) -> list[str]:
    missing = [name for name in names if not form.get(name)]
    if missing:
        raise _OAuthError("invalid_request", f"send {', '.join(missing)}")
    return [form[name] for name in names]


def _tokens(handed: Handed) -> Response:
    token = OAuthToken(
        access_token=handed.access,
        expires_in=int(ACCESS_SECONDS),
        refresh_token=handed.refresh,
        scope=handed.scope,
    )
    return JSONResponse(token.model_dump(exclude_none=True), headers=_NO_STORE)
