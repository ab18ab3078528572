"""/apisix/admin/… as the Admin API has it, passed on and back. Nothing else is ever passed on.

The path is judged as the caller sent it, byte by byte, and passed on as it was judged: no decoding, no
normalising, so that no two readers can disagree about it. Reads come back without secrets; writes go the road
of every change (change/write_through.py).
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from typing import Final
from urllib.parse import unquote_plus, unquote_to_bytes

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from gatechat.assistant.admin_client import Answer
from gatechat.assistant.change.shown import shown
from gatechat.assistant.change.write_through import Waiting, Write, is_check, read
from gatechat.assistant.core import Core
from gatechat.assistant.faces.actions import LARGEST_ANSWER
from gatechat.assistant.faces.bodies import read_body
from gatechat.assistant.principal import Principal, Role
from gatechat.assistant.problem import Problem
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
_CHATGPT: Final = "openai-conversation-id"
"""Sent with every call of a GPT Action. Others get a list whole, however long: their programs read it."""
_LARGE: Final = 64 * 1024
"""Bytes of an answer above which secrets are looked for in a thread, so that others need not wait."""
_NO_CONFIGURATION: Final = (b"plugins", b"schema")
"""Kinds' and plugins' names and schemas: what is the same in every gateway."""

log = logging.getLogger(__name__)


class Forwarder:
    """ASGI app for everything under /apisix/admin/."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._timeout = core.settings.timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if request.method not in METHODS:
            raise HTTPException(405, headers={"allow": ", ".join((*METHODS, "OPTIONS"))})
        path, query = admin_path(scope["raw_path"]), admin_query(scope["query_string"])
        who = principal_of(scope, FACE)
        reads = request.method == "GET" or is_check(request.method, path[len(PREFIX) :])
        if not reads:
            require(who, Role.EDITOR, "a write")
        if request.headers.get("content-encoding", "identity") != "identity":
            raise Problem(415, "send the body uncompressed, without a Content-Encoding")
        body = await read_body(request, self._timeout)
        write = None if reads else read(request.method, path[len(PREFIX) :], query, body)
        started = time.perf_counter()
        passing = self._pass(request, path, query, body) if write is None else self._write(write, who)
        response = await passing
        took = (time.perf_counter() - started) * 1000
        log.info("%s %s -> %d in %.1f ms", request.method, path.decode(), response.status_code, took)
        await response(scope, receive, send)

    async def _pass(self, request: Request, path: bytes, query: bytes, body: bytes) -> Response:
        """What writes no resource: as it was sent, and back without secrets."""
        holds_secrets = path[len(PREFIX) :].split(b"/")[0] not in _NO_CONFIGURATION
        redactor = await self._core.known_redactor() if holds_secrets else None
        answer = await self._core.admin.send(
            request.method,
            path + b"?" + query if query else path,
            {name: request.headers[name] for name in _TO_ADMIN if name in request.headers},
            body,
        )
        if redactor is not None:
            large = len(answer.body) > _LARGE
            answer = await asyncio.to_thread(shown, answer, redactor) if large else shown(answer, redactor)
        if _CHATGPT in request.headers and len(answer.body.decode(errors="replace")) > LARGEST_ANSWER:
            raise Problem(
                400,
                f"the answer has more than the {LARGEST_ANSWER} characters that ChatGPT reads. Ask for one "
                "page (page=1&page_size=20), or for what has one name, label or uri",
            )
        return _response(answer)

    async def _write(self, write: Write, who: Principal) -> Response:
        """The Admin API's own answer; 202 with the plan when a person must approve it first."""
        await self._core.known_redactor()
        changes = self._core.changes
        answer = await changes.write_through(write, who)
        if not isinstance(answer, Waiting):
            return _response(answer)
        page = changes.page(answer.plan.id)
        body = {
            "message": changes.tell(answer.plan),
            "plan": answer.plan.id,
            "state": answer.plan.state.value,
            "page": page,
        }
        return JSONResponse(body, 202, {"location": page})


def _response(answer: Answer) -> Response:
    back = {name: answer.headers[name] for name in _TO_CALLER if name in answer.headers}
    return Response(answer.body, answer.status, back)


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
