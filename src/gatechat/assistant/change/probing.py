"""Requests through the gateway, to see with our own eyes what it serves. They go to its address and
nowhere else.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import httpx2

from gatechat.assistant.change.model import Probe

_SECONDS: Final = 10.0
_LARGEST: Final = 256 * 1024
"""Bytes of a body that are looked at."""
NO_ROUTE: Final = b"404 Route Not Found"
"""What APISIX answers when no route takes a request."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What came back: header names in lower case, the beginning of the body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def unrouted(self) -> bool:
        return self.status == 404 and NO_ROUTE in self.body


class Prober:
    """``url``: where the gateway takes traffic. Redirects are not followed and no cookie is kept."""

    def __init__(self, url: str) -> None:
        self._url = httpx2.URL(url)
        self._host = urlsplit(url).netloc
        self._http = httpx2.AsyncHTTPTransport(trust_env=False)

    async def close(self) -> None:
        await self._http.aclose()

    async def send(self, probe: Probe) -> Seen:
        """Raises OSError with words when the gateway does not answer."""
        headers = {name.lower(): value for name, value in probe.headers.items()}
        headers = {
            "host": self._host,
            "user-agent": "gatechat-probe",
            "accept-encoding": "identity",
        } | headers
        request = httpx2.Request(
            probe.method,
            self._url,
            headers=headers,
            extensions={
                "target": probe.path.encode("ascii", "ignore"),
                "timeout": httpx2.Timeout(_SECONDS).as_dict(),
            },
        )
        try:
            async with asyncio.timeout(_SECONDS):
                answer = await self._http.handle_async_request(request)
                body = b""
                try:
                    async for chunk in answer.aiter_bytes():
                        body += chunk
                        if len(body) >= _LARGEST:
                            break
                finally:
                    await answer.aclose()
        except (TimeoutError, httpx2.RequestError) as error:
            raise OSError(
                f"the gateway at {self._url} did not answer ({error or type(error).__name__})"
            ) from error
        return Seen(answer.status_code, {k.lower(): v for k, v in answer.headers.items()}, body[:_LARGEST])


def mismatch(probe: Probe, seen: Seen) -> str:
    """What is not as the probe expects, in words; "" when all is. Without expectations: some route
    answers.
    """
    wrong: list[str] = []
    if probe.status is not None and seen.status != probe.status:
        wrong.append(f"status {seen.status} instead of {probe.status}")
    if probe.header is not None:
        name, value = probe.header
        found = seen.headers.get(name.lower())
        if found is None or value not in found:
            wrong.append(f"header {name} is {'not there' if found is None else 'another'}")
    if probe.contains is not None and probe.contains.encode() not in seen.body:
        wrong.append("the body does not contain what it should")
    if seen.unrouted and probe.status != 404:
        wrong.append("no route takes it")
    elif probe.status is None and seen.status >= 500:
        wrong.append(f"status {seen.status}")
    return ", ".join(wrong)
