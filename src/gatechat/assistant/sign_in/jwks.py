"""The public keys of an OAuth issuer: found by its metadata, kept, looked for anew when they may differ."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import httpx2

from gatechat.assistant.problem import Problem
from gatechat.ports import is_loopback

LASTS: Final = 3600.0
"""Seconds that keys count without a look whether there are others."""
STALE: Final = 24 * 3600.0
"""Seconds that they count while the issuer is away."""
PAUSE: Final = 30.0
"""Seconds between two looks, whatever callers send: made-up key ids cost the issuer nothing."""

_TIMEOUT: Final = 5.0
_LARGEST: Final = 1024 * 1024

log = logging.getLogger(__name__)


class IssuerError(ValueError):
    """The issuer answered what cannot be used; the text says what."""


class Keys:
    """Of the issuer with this URL, by key id. Nothing is asked before the first token comes."""

    def __init__(self, issuer: str, now: Callable[[], float] = time.monotonic) -> None:
        self._issuer = issuer
        self._now = now
        self._turn = asyncio.Lock()
        self._keys: list[dict[str, Any]] = []
        self._fetched = -math.inf
        self._asked = -math.inf

    async def find(self, kid: str | None) -> dict[str, Any] | None:
        """The JWK with this id; without an id, the only one there is. None: the issuer has no such key.

        Raises Problem 503 where the issuer's keys are not known.
        """
        key = self._find(kid)
        if key is not None and self._now() - self._fetched < LASTS:
            return key
        async with self._turn:
            if self._now() - self._asked >= PAUSE:
                await self._look()
        if self._now() - self._fetched >= STALE:
            raise Problem(
                503,
                f"the keys of the issuer {self._issuer} cannot be had just now, so that its tokens cannot "
                f"be checked; try again in {PAUSE:.0f} s. The assistant's log says what went wrong",
                {"retry-after": f"{PAUSE:.0f}"},
            )
        return self._find(kid)

    def _find(self, kid: str | None) -> dict[str, Any] | None:
        if kid is None:
            return self._keys[0] if len(self._keys) == 1 else None
        return next((key for key in self._keys if key.get("kid") == kid), None)

    async def _look(self) -> None:
        self._asked = self._now()
        try:
            async with asyncio.timeout(_TIMEOUT), httpx2.AsyncClient(timeout=_TIMEOUT) as client:
                self._keys = await _fetch(client, self._issuer)
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError, ValueError) as error:
            log.warning("the keys of %s cannot be had: %s", self._issuer, error or type(error).__name__)
        else:
            self._fetched = self._now()


async def _fetch(client: httpx2.AsyncClient, issuer: str) -> list[dict[str, Any]]:
    for url in metadata_urls(issuer):
        metadata = await _get(client, url)
        if metadata is None:
            continue
        if metadata.get("issuer") != issuer:  # RFC 8414, section 3.3
            raise IssuerError(f"{url} is of another issuer, {metadata.get('issuer')!r}")
        where = metadata.get("jwks_uri")
        if not isinstance(where, str) or not _is_safe(where):
            raise IssuerError(f"{url} names no jwks_uri with https")
        keys = (await _get(client, where) or {}).get("keys")
        if not isinstance(keys, list):
            raise IssuerError(f"{where} is no set of keys")
        return [key for key in keys if isinstance(key, dict) and key.get("use", "sig") == "sig"]
    raise IssuerError(f"there is no metadata at {', '.join(metadata_urls(issuer))}")


def metadata_urls(issuer: str) -> tuple[str, ...]:
    """Where an issuer's metadata may be (RFC 8414, section 3.1; OpenID Connect Discovery 1.0, section 4)."""
    scheme, host, path, *_ = urlsplit(issuer)
    path = path.rstrip("/")
    places = [f"/.well-known/oauth-authorization-server{path}", f"/.well-known/openid-configuration{path}"]
    if path:
        places.append(f"{path}/.well-known/openid-configuration")
    return tuple(urlunsplit((scheme, host, place, "", "")) for place in places)


def _is_safe(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))


async def _get(client: httpx2.AsyncClient, url: str) -> dict[str, Any] | None:
    """The JSON object at a URL; None where there is nothing. Redirects are not followed."""
    async with client.stream("GET", url, headers={"accept": "application/json"}) as answer:
        if answer.status_code in (404, 410):
            return None
        if answer.status_code != 200:
            raise IssuerError(f"{url} answered {answer.status_code}")
        body = b""
        async for chunk in answer.aiter_bytes():
            body += chunk
            if len(body) > _LARGEST:
                raise IssuerError(f"{url} answered more than {_LARGEST} bytes")
    try:
        found = json.loads(body)
    except ValueError as error:
        raise IssuerError(f"{url} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise IssuerError(f"{url} is no JSON object")
    return found
