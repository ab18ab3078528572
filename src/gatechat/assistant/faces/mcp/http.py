"""Streamable HTTP at /mcp. The guard let in whoever gets here: Host, Origin and sign-in are checked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from mcp.server import Server
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.datastructures import MutableHeaders
from starlette.types import Message, Receive, Scope, Send

from gatechat.apisix.kinds import LARGEST_BODY
from gatechat.assistant.faces.mcp.who import FACE
from gatechat.assistant.sign_in import principal_of

PATH: Final = "/mcp"
_MOST_SESSIONS: Final = 1_000


class McpEndpoint:
    """ASGI app. Requests of the 2026-07-28 revision keep nothing here; older clients have sessions, because
    only in one can they be asked something during a call. A session belongs to the principal that opened it.
    """

    def __init__(self, server: Server[Any]) -> None:
        self._sessions = StreamableHTTPSessionManager(
            server, max_request_body_size=LARGEST_BODY, max_sessions=_MOST_SESSIONS
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Entered once, in the lifespan of the app that this is mounted in."""
        async with self._sessions.run():
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        owner = AccessToken(token="", client_id=principal_of(scope, FACE).name, scopes=[])
        scope["user"] = AuthenticatedUser(owner)

        async def send_for_browsers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(raw=message["headers"])["access-control-expose-headers"] = "mcp-session-id"
            await send(message)

        await self._sessions.handle_request(scope, receive, send_for_browsers)
