"""Request bodies of the assistant: read within a time and a size."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.requests import ClientDisconnect, Request

from gatechat.apisix.kinds import LARGEST_BODY
from gatechat.assistant.problem import Problem

_DRAIN_BYTES: Final = 16 * 1024 * 1024
"""How much of a body that is too long is still read, so that the caller can hear why it was refused."""


async def read_body(request: Request, seconds: float) -> bytes:
    """Raises Problem: 408 when it does not come, 413 over LARGEST_BODY, 400 when the caller breaks off."""
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                size += len(chunk)
                if size <= LARGEST_BODY:
                    chunks.append(chunk)
                elif size > LARGEST_BODY + _DRAIN_BYTES:
                    break
    except TimeoutError:
        raise Problem(408, f"the body did not arrive within {seconds:g} s; send it again") from None
    except ClientDisconnect:
        raise Problem(400, "the connection closed before the body was complete") from None
    if size > LARGEST_BODY:
        raise Problem(
            413, f"the body is longer than {LARGEST_BODY} bytes; send less, or one resource at a time"
        )
    return b"".join(chunks)
