"""Request bodies: read up to a limit and decoded strictly, every kind of bad input with its own answer."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request

from gatechat.apisix import bodies
from gatechat.apisix.kinds import LARGEST_BODY
from gatechat.gateway.model import JSON, Refused

TOO_LARGE_TO_READ: Final = 4 * 1024 * 1024
"""Bytes. Over LARGEST_BODY the answer is APISIX's 400; over this it is a 413 and no more is read."""


class BadBody(Refused):
    """The body is not a JSON text. APISIX gives it back under ``req_body``."""

    def __init__(self, reason: str, text: str | None = None) -> None:
        super().__init__(f"invalid request body: {reason}")
        self.text = text


async def read_body(request: Request) -> bytes:
    """The bytes of the body; Refused 400 over LARGEST_BODY, 413 over TOO_LARGE_TO_READ."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > TOO_LARGE_TO_READ:
        raise _too_large(int(declared))
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > TOO_LARGE_TO_READ:
            raise _too_large(size)
        if size <= LARGEST_BODY:
            chunks.append(chunk)
    if size > LARGEST_BODY:
        raise _too_large(size)
    return b"".join(chunks)


def _too_large(size: int) -> Refused:
    text = (
        f"invalid request body: request size {size} is greater than the maximum size {LARGEST_BODY} allowed"
    )
    return Refused(text, 413 if size > TOO_LARGE_TO_READ else 400)


def decode_json(body: bytes) -> JSON:
    """The JSON value of a body, MISSING if it is empty. Refused says where it is broken."""
    try:
        return bodies.decode_json(body)
    except bodies.NotJson as error:
        raise BadBody(str(error), error.text) from error
