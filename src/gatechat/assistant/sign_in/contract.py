"""What the faces, the guard and the ways to sign in agree on.

Challenges are those of RFC 6750, section 3, with ``resource_metadata`` of RFC 9728, section 5.1. Scopes are
the roles' names in lower case: who asks for the scope "editor" asks to be an editor.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import replace
from typing import Any, Final, Protocol

from gatechat.assistant.principal import Principal, Role
from gatechat.assistant.problem import Problem
from gatechat.assistant.settings import AssistantSettings

SCOPE_KEY: Final = "gatechat.principal"
"""Where the guard puts the principal, without a face, into a request's ASGI scope."""

LOCAL: Final = Principal("local", Role.EDITOR, "")
"""Whoever started us over stdio, or reaches loopback where no sign-in is asked for."""
SHARED_TOKEN: Final = Principal("token", Role.EDITOR, "")
"""Whoever sends the one token that the assistant was started with."""


class Verifier(Protocol):
    """One way to sign in."""

    async def principal(self, token: str) -> Principal | None:
        """Whom a bearer token stands for, without a face; None: it is none of this way's, or no longer.

        Raises Problem with a status and words of its own where the caller should hear more: `unauthorized`
        for a token that is this way's and does not count, 503 where it cannot be found out.
        """
        ...


def principal_of(scope: MutableMapping[str, Any], face: str) -> Principal:
    """The principal of a request that came through the guard, as seen at this face."""
    principal = scope[SCOPE_KEY]
    assert isinstance(principal, Principal)  # noqa: S101 - set by the guard for every request
    return replace(principal, face=face)


def require(principal: Principal, role: Role, doing: str) -> None:
    """Raises Problem 403 unless the principal has the role. ``doing``: "a write"."""
    if principal.role >= role:
        return
    needed = role.name.lower()
    raise Problem(
        403,
        f"{doing} needs the role {needed}; {principal.name} is {principal.role.name.lower()}. Ask an "
        "administrator of the gateway for a token with that role",
        {"www-authenticate": f'Bearer error="insufficient_scope", scope="{needed}"'},
    )


def resource(settings: AssistantSettings) -> str:
    """The assistant as OAuth's protected resource: what access tokens are for (RFC 8707, their audience)."""
    return f"{settings.url}/mcp"


def resource_metadata(settings: AssistantSettings) -> str:
    """Where the resource's metadata is (RFC 9728, section 3.1: well-known before the resource's own path)."""
    return f"{settings.url}/.well-known/oauth-protected-resource/mcp"


def authorization_servers(settings: AssistantSettings) -> tuple[str, ...]:
    """The issuers whose access tokens are taken: our own (``oauth``), the external one, or none."""
    own = (settings.url,) if settings.oauth else ()
    return own + ((settings.issuer,) if settings.issuer is not None else ())


def challenge(settings: AssistantSettings, **parameters: str) -> dict[str, str]:
    """The WWW-Authenticate header. ``parameters`` are of RFC 6750: error, error_description, scope."""
    if authorization_servers(settings):
        parameters = {"resource_metadata": resource_metadata(settings)} | parameters
    listed = ", ".join(f'{name}="{value}"' for name, value in parameters.items())
    return {"www-authenticate": f"Bearer {listed}".rstrip()}


def unauthorized(settings: AssistantSettings, message: str) -> Problem:
    """401 for a token that was sent and does not count."""
    return Problem(401, message, challenge(settings, error="invalid_token"))
