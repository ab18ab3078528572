"""Who asks over MCP."""

from __future__ import annotations

from typing import Any, Final

from mcp.server import ServerRequestContext
from starlette.requests import Request

from gatechat.assistant.principal import Principal, Role

FACE: Final = "mcp"
LOCAL: Final = Principal("local", Role.EDITOR, FACE)
"""Whoever started us over stdio, or reaches loopback where no token is asked for."""

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
