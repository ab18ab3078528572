"""The only file that speaks HTTP to an Admin API."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import Enum
from urllib.parse import urlsplit

import httpx2

from gatechat.assistant.problem import Problem

_HEALTH_SECONDS = 3.0
_KEEPALIVE_SECONDS = 4.0
"""Below the embedded gateway's 5, so that we are the first to close an idle connection and never race it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the Admin API answered: header names in lower case, the body as it came."""

    status: int
    headers: dict[str, str]
    body: bytes


class Health(Enum):
    """How the Admin API is, and what to do."""

    ANSWERS = "answers"
    REFUSES = "refuses the assistant: see that --admin-key is right and that allow_admin lets this machine in"
    FAILS = "answers with errors: see its log"
    AWAY = "does not answer: see that it runs and that --admin-url names it; `gatechat doctor` looks"


class AdminClient:
    """One kept-alive connection pool to one Admin API. Adds the admin key to every request.

    ``timeout`` is for a whole exchange, in seconds. It speaks below httpx2's client on purpose: no redirect
    is followed, no cookie kept, no proxy of the environment used and no URL logged. The key goes to ``url``
    and nowhere else.
    """

    def __init__(self, url: str, key: str | None, timeout: float) -> None:
        self._url = httpx2.URL(url)
        self._prefix = urlsplit(url).path.rstrip("/").encode()
        self._headers = {"accept-encoding": "identity", "user-agent": "gatechat"}
        if key is not None:
            self._headers["x-api-key"] = key
        self._timeout = timeout
        self._limits = httpx2.Timeout(timeout).as_dict()
        self._http = httpx2.AsyncHTTPTransport(
            trust_env=False, limits=httpx2.Limits(keepalive_expiry=_KEEPALIVE_SECONDS)
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def send(self, method: str, target: bytes, headers: dict[str, str], body: bytes = b"") -> Answer:
        """Sends ``target`` (path and query) byte for byte.

        Raises Problem: 502 when there is no answer, 504 when it takes too long.
        """
        request = httpx2.Request(
            method,
            self._url,
            headers=headers | self._headers,
            content=body or None,
            extensions={"target": self._prefix + target, "timeout": self._limits},
        )
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._http.handle_async_request(request)
                try:
                    content = await answer.aread()
                finally:
                    await answer.aclose()
        except (TimeoutError, httpx2.TimeoutException):
            raise Problem(
                504, f"the Admin API did not answer within {self._timeout:g} s. {_unsure(method)}"
            ) from None
        except (httpx2.ConnectError, httpx2.UnsupportedProtocol) as error:
            raise Problem(
                502,
                f"the Admin API at {self._url} cannot be reached ({error or type(error).__name__}). "
                "Check that the gateway runs (`gatechat up`, `gatechat gateway`, or your Apache APISIX), "
                "that --admin-url names its Admin API, and that it lets this machine in (allow_admin); "
                "`gatechat doctor` looks at all three",
            ) from error
        except httpx2.RequestError as error:
            raise Problem(
                502,
                f"the Admin API at {self._url} broke off before its answer was complete "
                f"({error or type(error).__name__}). Check its log. {_unsure(method)}",
            ) from error
        return Answer(answer.status_code, {k.lower(): v for k, v in answer.headers.items()}, content)

    async def health(self) -> Health:
        """Asks for something small that needs the key."""
        try:
            async with asyncio.timeout(_HEALTH_SECONDS):
                answer = await self.send("GET", b"/apisix/admin/plugins/list", {"accept": "application/json"})
        except (Problem, TimeoutError):
            return Health.AWAY
        if answer.status in (401, 403):
            return Health.REFUSES
        return Health.ANSWERS if answer.status < 400 else Health.FAILS


def _unsure(method: str) -> str:
    if method == "GET":
        return "Nothing was changed; try again"
    return "It may or may not have made the change: read the resource before you try again"
