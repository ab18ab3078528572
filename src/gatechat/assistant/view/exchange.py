"""One HTTP exchange with the gateway's traffic port or its metrics page, bounded in time and size."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import string
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlsplit

import httpx2

from gatechat.assistant.problem import Problem
from gatechat.assistant.view.text import line

_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_OF_THE_CONNECTION: Final = re.compile(
    r"connection|content-length|expect|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade"
)
_VISIBLE: Final = string.ascii_letters + string.digits + string.punctuation


@dataclass(frozen=True, slots=True)
class Reply:
    """Headers as they came, in order. ``body`` is its beginning where ``cut``; ``milliseconds`` up to its
    end."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    cut: bool
    milliseconds: float


def chosen(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that somebody wants sent, by their names in lower case.

    Raises ValueError for what is no header (RFC 9110, section 5), or one that belongs to the connection.
    """
    for name, value in headers.items():
        if not _HEADER.fullmatch(name) or not value.isprintable() or len(value) > 8_000:
            raise ValueError(f"headers: {line(name)!r} is none, or its value cannot be one")
        if _OF_THE_CONNECTION.fullmatch(name.lower()):
            raise ValueError(f"headers: {name} belongs to the connection and cannot be chosen")
        if not value.isascii():
            raise ValueError(f"headers: the value of {name} must be ASCII")
    return {name.lower(): value for name, value in headers.items()}


async def exchange(
    url: str,
    method: str,
    target: str,
    headers: Mapping[str, str],
    body: bytes = b"",
    *,
    seconds: float,
    most: int,
) -> Reply:
    """Sends ``target`` (path and query) to the host of ``url`` and nowhere else.

    Byte for byte, but that what no request line can hold (blanks, controls, letters beyond ASCII) is escaped
    as UTF-8. Over TLS the host of a Host header is the one that is asked for (SNI) and whose certificate
    must come, as a client of that host would have it. No redirect is followed, no cookie kept, no proxy of
    the environment used. Of the body at most ``most`` bytes are read. Raises Problem: 502 without an answer,
    504 when it takes longer than ``seconds``.
    """
    own = {"host": urlsplit(url).netloc, "user-agent": "gatechat", "accept-encoding": "identity"}
    sent = own | {name.lower(): value for name, value in headers.items()}
    extensions: dict[str, Any] = {
        "target": quote(target, safe=_VISIBLE, errors="surrogatepass").encode(),
        "timeout": httpx2.Timeout(seconds).as_dict(),
    }
    if name := _server_name(sent["host"]):
        extensions["sni_hostname"] = name
    request = httpx2.Request(
        method,
        httpx2.URL(url),
        headers=[(name.encode(), value.encode("utf-8", "surrogatepass")) for name, value in sent.items()],
        content=body or None,
        extensions=extensions,
    )
    http = httpx2.AsyncHTTPTransport(trust_env=False)
    begun = time.perf_counter()
    try:
        async with asyncio.timeout(seconds):
            answer = await http.handle_async_request(request)
            content, cut = await _beginning(answer, most)
    except (TimeoutError, httpx2.TimeoutException):
        raise Problem(504, f"{url} did not answer within {seconds:g} s") from None
    except (httpx2.RequestError, httpx2.InvalidURL) as error:
        raise Problem(
            502,
            f"{url} does not answer ({error or type(error).__name__}). See that the gateway runs, and that "
            "the assistant was given the right address",
        ) from error
    finally:
        await http.aclose()
    taken = (time.perf_counter() - begun) * 1000
    return Reply(answer.status_code, tuple(answer.headers.multi_items()), content, cut, taken)


def _server_name(host: str) -> str:
    """The name in a Host header that TLS can ask for; an address is none (RFC 6066, 3)."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name
    return ""


async def _beginning(answer: httpx2.Response, most: int) -> tuple[bytes, bool]:
    content = b""
    try:
        async for chunk in answer.aiter_raw():
            content += chunk
            if len(content) > most:
                return content[:most], True
    finally:
        await answer.aclose()
    return content, False
