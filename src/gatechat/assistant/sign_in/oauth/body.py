"""Reading what is sent to a page or an endpoint of the sign-in, within a bound."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request

from gatechat.assistant.problem import Problem

LARGEST: Final = 64 * 1024
FORM: Final = "application/x-www-form-urlencoded"


async def read(request: Request, media: str) -> bytes:
    """The body. Raises Problem 415 for another media type, 413 for one that is too long."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != media:
        raise Problem(415, f"send {media}")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            raise Problem(413, f"at most {LARGEST} bytes")
    return body


async def form(request: Request) -> list[tuple[str, str]]:
    """The fields of a form, as they were sent. Raises Problem 415, 413, 400."""
    body = await read(request, FORM)
    try:
        return parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError:
        raise Problem(
            400, "this is no form: fields are name=value, joined by &, in percent-encoded UTF-8"
        ) from None
