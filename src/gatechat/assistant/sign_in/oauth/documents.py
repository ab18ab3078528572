"""Client ID metadata documents: the client's id is an https URL, and what is read there is the client.

Source: draft-ietf-oauth-client-id-metadata-document-00, sections 3, 4 and 6; MCP 2026-07-28, "Client ID
Metadata Documents". Whoever asks for a sign-in chooses what we fetch, so nothing of this machine's network
may be reached: every address that the name has must be a public one, the connection goes to the very address
that was looked at (a name that changes in between changes nothing), no redirect is followed and no proxy of
the environment is used. The caller fetches only for people who have signed in.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias

import httpx2

from gatechat.assistant.change.addresses import Address, Addresses, Resolve, literal, resolve
from gatechat.assistant.sign_in.oauth import redirects
from gatechat.assistant.sign_in.oauth.client import Client, ClientError, check_flow, shown

LARGEST: Final = 5 * 1024
"""Bytes; section 6.6 of the draft advises this bound."""
SECONDS: Final = 5.0
"""For a whole fetch, the name's resolution included."""
SHORTEST_CACHE: Final = 60.0
USUAL_CACHE: Final = 300.0
LONGEST_CACHE: Final = 24 * 3600.0

_MOST_CACHED: Final = 200
_LONGEST_URL: Final = 512
_URL: Final = re.compile(
    r"https://(?P<host>[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+)(:(?P<port>[0-9]{1,5}))?"
    r"/[A-Za-z0-9\-._~/!$&'()*+,;=:@%]+(\?[A-Za-z0-9\-._~/!$&'()*+,;=:@%?]*)?"
)
_DOTS: Final = re.compile(r"/(\.|%2e){1,2}(/|$|\?)", re.IGNORECASE)
_MAX_AGE: Final = re.compile(r"(?:^|[,\s])max-age=([0-9]{1,9})\b")
_HIDDEN: Final = re.compile(r"(?:^|[,\s])no-(?:store|cache)\b")


def is_url(client_id: str) -> bool:
    """Whether a client id says that it is a URL; whether it is one that can be read is another question."""
    return client_id.startswith(("https:", "http:"))


def host_of(client_id: str) -> str:
    """The name that vouches for the client. Raises ClientError for a URL that is no client id."""
    match = _URL.fullmatch(client_id) if len(client_id) <= _LONGEST_URL else None
    if match is None or _DOTS.search(client_id) or literal(match["host"]) is not None:
        raise ClientError(
            "a client id that is a URL is https with a host name in lower case (no address), a path without "
            "dot segments, and no user name or fragment"
        )
    return match["host"]


Refusal: TypeAlias = Callable[[Address, int], Awaitable[str | None]]
"""Why an address and port may not be connected to; None: they may."""


async def only_public(address: Address, port: int) -> str | None:
    """Lets through the addresses of the open internet, without what clouds have among them."""
    if not address.is_global or address.is_multicast:
        return "this is no address of the open internet"
    return await Addresses().refusal(str(address), port)


class Documents:
    """Fetches and remembers documents. ``trust``: what certificates are checked with; True: the usual
    authorities. ``refusal``: which addresses may not be connected to.
    """

    def __init__(
        self,
        trust: ssl.SSLContext | bool = True,
        resolver: Resolve = resolve,
        refusal: Refusal = only_public,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._trust = trust
        self._resolve = resolver
        self._refusal = refusal
        self._now = now
        self._known: OrderedDict[str, tuple[Client, float]] = OrderedDict()
        """Id -> (client, until when it counts). Failures are not kept (section 4.2 of the draft)."""

    async def client(self, client_id: str) -> Client:
        """The client that describes itself at this URL. Raises ClientError."""
        known = self._known.get(client_id)
        if known is not None and self._now() < known[1]:
            return known[0]
        host = host_of(client_id)
        try:
            async with asyncio.timeout(SECONDS):
                headers, body = await self._fetch(client_id, host)
        except TimeoutError:
            raise ClientError(f"{host} did not send the client's description within {SECONDS:g} s") from None
        client = _read(client_id, host, body)
        self._known[client_id] = (client, self._now() + _seconds(headers.get("cache-control", "")))
        self._known.move_to_end(client_id)
        if len(self._known) > _MOST_CACHED:
            self._known.popitem(last=False)
        return client

    async def _fetch(self, url: str, host: str) -> tuple[Mapping[str, str], bytes]:
        port = httpx2.URL(url).port or 443
        transport = httpx2.AsyncHTTPTransport(verify=self._trust, trust_env=False)
        try:
            failed: Exception | None = None
            for address in await self._addresses(host, port):
                try:
                    return await _get(transport, url, address)
                except httpx2.ConnectError as error:
                    failed = error  # a machine without IPv6 may still have the next
                except httpx2.RequestError as error:
                    raise ClientError(f"{host} broke off: {error or type(error).__name__}") from error
            raise ClientError(
                f"{host}, which describes the program, cannot be reached ({failed or 'it has no address'}). "
                "With --oauth-offline, programs register here instead"
            ) from failed
        finally:
            await transport.aclose()

    async def _addresses(self, host: str, port: int) -> tuple[Address, ...]:
        """Every address of the name; one that may not be reached refuses them all."""
        found = await self._resolve(host)
        for address in found:
            why_not = await self._refusal(address, port)
            if why_not is not None:
                raise ClientError(f"{host} is {address}: {why_not}")
        return found


async def _get(
    transport: httpx2.AsyncHTTPTransport, url: str, address: Address
) -> tuple[Mapping[str, str], bytes]:
    """One request to this address, with the name in TLS (SNI and certificate) and in Host."""
    asked = httpx2.URL(url)
    request = httpx2.Request(
        "GET",
        asked.copy_with(host=str(address)),
        headers={
            "host": asked.netloc.decode("ascii"),
            "accept": "application/json",
            "accept-encoding": "identity",
            "user-agent": "gatechat",
        },
        extensions={"sni_hostname": asked.host, "timeout": httpx2.Timeout(SECONDS).as_dict()},
    )
    answer = await transport.handle_async_request(request)
    try:
        if answer.status_code != 200:
            raise ClientError(f"{asked.host} answers {answer.status_code}, not 200, for the client's id")
        media = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media != "application/json" and not media.endswith("+json"):
            raise ClientError(f"{asked.host} sends {media or 'something'} for the client's id, not JSON")
        body = b""
        async for part in answer.aiter_raw():
            body += part
            if len(body) > LARGEST:
                raise ClientError(f"the client's description is longer than {LARGEST} bytes")
    finally:
        await answer.aclose()
    return answer.headers, body


def _read(client_id: str, host: str, body: bytes) -> Client:
    try:
        told: Any = json.loads(body)
    except ValueError:
        raise ClientError(f"{host} sends no JSON for the client's id") from None
    if not isinstance(told, dict) or told.get("client_id") != client_id:
        raise ClientError("the client's description names another client_id than its own address")
    if "client_secret" in told:
        raise ClientError("the client's description holds a secret, which everybody can read there")
    if not isinstance(told.get("client_name"), str):
        raise ClientError("the client's description has no client_name")
    check_flow(_names(told, "grant_types"), _names(told, "response_types"))
    # Written for every server at once: ChatGPT's prefers private_key_jwt and lists none among what it can.
    methods = {told.get("token_endpoint_auth_method", "none")}
    methods.update(_names(told, "token_endpoint_auth_methods_supported") or ())
    if "none" not in methods:
        raise ClientError(
            "the client wants to sign in itself with " + ", ".join(sorted(map(str, methods))) + "; "
            "here clients are public, with PKCE (token_endpoint_auth_method none)"
        )
    uris = told.get("redirect_uris")
    usable = [uri for uri in uris if redirects.wrong(uri) is None] if isinstance(uris, list) else []
    if not usable or len(usable) > redirects.MOST:
        raise ClientError("the client's description has no redirect URI that can be used")
    return Client(client_id, shown(told["client_name"], host), tuple(usable), host)


def _names(told: Mapping[str, Any], field: str) -> list[str] | None:
    found = told.get(field)
    return [str(name) for name in found] if isinstance(found, list) else None


def _seconds(cache_control: str) -> float:
    """How long a document counts (RFC 9111, section 5.2.2), within bounds of our own."""
    words = cache_control.lower()
    if _HIDDEN.search(words):
        return SHORTEST_CACHE
    age = _MAX_AGE.search(words)
    return USUAL_CACHE if age is None else min(max(float(age[1]), SHORTEST_CACHE), LONGEST_CACHE)
