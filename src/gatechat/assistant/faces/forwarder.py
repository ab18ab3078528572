"""/apisix/admin/… as the Admin API has it, passed on and back. Nothing else is ever passed on.

The path is judged as the caller sent it, byte by byte, and passed on as it was judged: no decoding, no
normalising, so that no two readers can disagree about it.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from typing import Final
from urllib.parse import unquote_plus, unquote_to_bytes

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from gatechat.apisix.kinds import LARGEST_BODY
from gatechat.assistant.admin_client import AdminClient
from gatechat.assistant.change.changes import Changes
from gatechat.assistant.change.write_through import Waiting, Write, read
from gatechat.assistant.principal import Principal, Role
from gatechat.assistant.problem import Problem
from gatechat.assistant.settings import AssistantSettings
from gatechat.assistant.sign_in import principal_of, require

FACE: Final = "admin-api"
PREFIX: Final = b"/apisix/admin/"
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")

_SEGMENT = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*")
"""RFC 3986, section 3.3: what a path segment may be made of."""
_QUERY = re.compile(rb"[!-~]*")

_TO_ADMIN = ("accept", "content-type")
_TO_CALLER = ("content-type", "x-api-version", "x-gatechat-warning", "allow", "retry-after")
_KEY_ARGUMENT = "api_key"
"""Apache APISIX also takes an admin key from the query, and prefers it to the header."""
_DRAIN_BYTES = 16 * 1024 * 1024
"""How much of a body that is too long is still read, so that the caller can hear why it was refused."""

log = logging.getLogger(__name__)


class Forwarder:
    """ASGI app for everything under /apisix/admin/."""

    def __init__(
        self, admin: AdminClient, settings: AssistantSettings, changes: Changes | None = None
    ) -> None:
        self._admin = admin
        self._changes = changes
        self._timeout = settings.timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if request.method not in METHODS:
            raise HTTPException(405, headers={"allow": ", ".join((*METHODS, "OPTIONS"))})
        who = principal_of(scope, FACE)
        if request.method != "GET":
            require(who, Role.EDITOR, "to change the gateway")
        path = admin_path(scope["raw_path"])
        query = admin_query(scope["query_string"])
        if request.headers.get("content-encoding", "identity") != "identity":
            raise Problem(415, "send the body uncompressed, without a Content-Encoding")
        body = await self._body(request)
        if self._changes is not None and request.method != "GET":
            write = read(request.method, path[len(PREFIX) :], query, body)
            if write is not None:
                await (await self._write(self._changes, write, who))(scope, receive, send)
                return
        started = time.perf_counter()
        answer = await self._admin.send(
            request.method,
            path + b"?" + query if query else path,
            {name: request.headers[name] for name in _TO_ADMIN if name in request.headers},
            body,
        )
        log.info(
            "%s %s -> %d in %.1f ms",
            request.method,
            path.decode(),
            answer.status,
            (time.perf_counter() - started) * 1000,
        )
        back = {name: answer.headers[name] for name in _TO_CALLER if name in answer.headers}
        await Response(answer.body, answer.status, back)(scope, receive, send)

    async def _write(self, changes: Changes, write: Write, who: Principal) -> Response:
        """The Admin API's own answer; 202 with the plan when a person must approve it first."""
        started = time.perf_counter()
        answer = await changes.write_through(write, who)
        took = (time.perf_counter() - started) * 1000
        name = f"{write.target.kind}/{write.target.id}"
        if isinstance(answer, Waiting):
            log.info("%s %s waits as plan %s after %.1f ms", write.method, name, answer.plan.id, took)
            page = changes.page(answer.plan.id)
            body = {
                "message": changes.tell(answer.plan),
                "plan": answer.plan.id,
                "state": answer.plan.state.value,
                "page": page,
            }
            return JSONResponse(body, 202, {"location": page})
        log.info("%s %s -> %d in %.1f ms", write.method, name, answer.status, took)
        back = {name: answer.headers[name] for name in _TO_CALLER if name in answer.headers}
        return Response(answer.body, answer.status, back)

    async def _body(self, request: Request) -> bytes:
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._timeout):
                async for chunk in request.stream():
                    size += len(chunk)
                    if size <= LARGEST_BODY:
                        chunks.append(chunk)
                    elif size > LARGEST_BODY + _DRAIN_BYTES:
                        break
        except TimeoutError:
            raise Problem(408, f"the body did not arrive within {self._timeout:g} s; send it again") from None
        except ClientDisconnect:
            raise Problem(400, "the connection closed before the body was complete") from None
        if size > LARGEST_BODY:
            raise Problem(
                413, f"the body is longer than {LARGEST_BODY} bytes; send less, or one resource at a time"
            )
        return b"".join(chunks)


def admin_path(raw: bytes) -> bytes:
    """``raw`` if it is a plain path under /apisix/admin/ to every reader; else raises Problem."""
    if not raw.startswith(PREFIX):
        raise Problem(
            400, "write /apisix/admin/ as it is, without encoded characters, and send only the path"
        )
    *inner, last = raw[len(PREFIX) :].split(b"/")
    if any(segment == b"" for segment in inner) or not all(_is_plain(segment) for segment in (*inner, last)):
        raise Problem(
            400,
            "the path has an empty, '.' or '..' segment, a backslash, an encoded slash or another character "
            "that does not belong there; ids are letters, digits, '-', '_' and '.'",
        )
    return raw


def _is_plain(segment: bytes) -> bool:
    if not _SEGMENT.fullmatch(segment):
        return False
    decoded = unquote_to_bytes(segment)
    return decoded not in (b".", b"..") and not any(c < 0x20 or c == 0x7F or c in b"/\\%" for c in decoded)


def admin_query(raw: bytes) -> bytes:
    """``raw`` without what would be taken for an admin key; raises Problem for what no query may hold."""
    if not _QUERY.fullmatch(raw) or b"#" in raw:
        raise Problem(400, "the query has a character that must be percent-encoded")
    return b"&".join(part for part in raw.split(b"&") if _name(part) != _KEY_ARGUMENT)


def _name(part: bytes) -> str:
    return unquote_plus(part.partition(b"=")[0].decode("ascii")).casefold()
