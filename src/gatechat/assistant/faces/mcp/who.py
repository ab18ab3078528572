"""Who asks over MCP."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from mcp.server import ServerRequestContext
from starlette.requests import Request

from gatechat.assistant import sign_in
from gatechat.assistant.principal import Principal, Role

FACE: Final = "mcp"
LOCAL: Final = replace(sign_in.LOCAL, face=FACE)
"""Whoever started us over stdio, or reaches loopback where no sign-in is asked for."""


def principal_of(context: ServerRequestContext[Any, Any]) -> Principal:
    """The principal of one message. Over HTTP each message has its own; over stdio there is one."""
    request = context.request
    return sign_in.principal_of(request.scope, FACE) if isinstance(request, Request) else LOCAL


def is_page(context: ServerRequestContext[Any, Any]) -> bool:
    """Whether a web page sends this message: browsers say so, and pages cannot keep them from it."""
    request = context.request
    return isinstance(request, Request) and "origin" in request.headers


def person_behind(principal: Principal, *, page: bool = False) -> Principal:
    """The human whom the client asks. Where no sign-in is asked for, that is the gateway's owner, at this
    machine; anyone else has the role of their own sign-in, also with the token that all share. ``page``: a
    web page is the client; without a sign-in it is no owner, as a person may have opened anybody's.
    """
    owner = principal == LOCAL and not page
    return replace(principal, person=True, role=Role.APPROVER if owner else principal.role)
