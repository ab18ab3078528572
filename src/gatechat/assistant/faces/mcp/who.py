"""Who asks over MCP."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from mcp.server import ServerRequestContext
from starlette.requests import Request

from gatechat.assistant.principal import Principal, Role

FACE: Final = "mcp"
LOCAL: Final = Principal("local", Role.EDITOR, FACE)
"""Whoever started us over stdio, or reaches loopback where no token is asked for."""

SHARED_TOKEN: Final = Principal("token", Role.EDITOR, FACE)
"""Whoever sends the one token that the assistant was started with."""

SCOPE_KEY: Final = "gatechat.mcp.principal"
"""Where the HTTP endpoint puts the principal into a request's ASGI scope."""


def principal_of(context: ServerRequestContext[Any, Any]) -> Principal:
    """The principal of one message. Over HTTP each message has its own; over stdio there is one."""
    request = context.request
    if not isinstance(request, Request):
        return LOCAL
    principal = request.scope[SCOPE_KEY]
    assert isinstance(principal, Principal)  # noqa: S101 - set by the endpoint for every request
    return principal


def person_behind(principal: Principal) -> Principal:
    """The human whom the client asks. On this machine, and with the one shared token, that is the gateway's
    owner; anyone else has the role of their own sign-in.
    """
    owner = principal in (LOCAL, SHARED_TOKEN)
    return replace(principal, person=True, role=Role.APPROVER if owner else principal.role)
