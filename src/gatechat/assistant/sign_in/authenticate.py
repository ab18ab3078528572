"""The one place that turns a request's credentials into a principal, or refuses."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import logging
import math
from collections import OrderedDict
from typing import Final

from starlette.datastructures import Headers

from gatechat.assistant.principal import Principal
from gatechat.assistant.problem import Problem
from gatechat.assistant.settings import AssistantSettings, SettingsError
from gatechat.assistant.sign_in.contract import LOCAL, SHARED_TOKEN, Verifier, challenge, unauthorized
from gatechat.assistant.sign_in.database import FILE, Database
from gatechat.assistant.sign_in.issuer import IssuerTokens
from gatechat.assistant.sign_in.limits import MOST_NAMES, Limiter
from gatechat.assistant.sign_in.tokens import Tokens

FAILURES: Final = 30
"""Failed sign-ins a minute that one client address has."""
USUAL_RATE: Final = 600
"""Requests a minute of each who signed in, unless the settings say otherwise."""

_FORWARDED: Final = frozenset(
    {"forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "cf-connecting-ip", "true-client-ip"}
)
"""What proxies and tunnels add: such a request reached loopback, but does not come from this machine."""

log = logging.getLogger(__name__)


class SignIn:
    """Opened once per process. ``database`` is None where nothing lasts: then there are no tokens.

    Raises SettingsError where sign-in is needed and nobody could, DatabaseError.
    """

    def __init__(self, settings: AssistantSettings) -> None:
        self._settings = settings
        self.database = Database(settings.data_dir / FILE) if settings.data_dir is not None else None
        self._tokens = Tokens(self.database) if self.database is not None else None
        self._verifiers: list[Verifier] = [self._tokens] if self._tokens is not None else []
        if settings.issuer is not None:
            self._verifiers.append(IssuerTokens(settings, settings.issuer))
        self._shared = settings.token.encode() if settings.token is not None else None
        self._failures = Limiter(FAILURES)
        self._good: OrderedDict[bytes, None] = OrderedDict()
        """Hashes of tokens that counted before: the failures of others at the same address (a proxy's) do
        not shut them out.
        """
        rate = USUAL_RATE if settings.rate_limit is None else settings.rate_limit
        self._requests = Limiter(rate) if rate else None
        self._limits_local = settings.rate_limit is not None
        self._check_somebody_can()

    def add(self, verifier: Verifier) -> None:
        """One more way to sign in."""
        self._verifiers.append(verifier)

    def close(self) -> None:
        if self.database is not None:
            self.database.close()

    async def authenticate(self, headers: Headers, client: str) -> Principal:
        """Who sends a request with these headers, from this address; without a face.

        Raises Problem: 401 with a challenge, 400 for more than one Authorization, 429 with Retry-After for
        who failed or asked too often, and what a Verifier raises.
        """
        token = _bearer(headers)
        if token is None:
            principal = self._without_token(headers)
        else:
            principal = await self._with_token(token, client)
        if self._requests is not None and (principal is not LOCAL or self._limits_local):
            _unless(self._requests.take(principal.name), f"{principal.name} asked too often")
        return principal

    def failed(self, client: str) -> None:
        """Counts a failed sign-in of this address, also one at a page."""
        log.info("a sign-in from %s failed", client)
        self._failures.take(_network(client))

    def check_failures(self, client: str) -> None:
        """Raises Problem 429 where this address failed too often."""
        _unless(self._failures.wait(_network(client)), "too many failed sign-ins from your address")

    def _without_token(self, headers: Headers) -> Principal:
        if not self._settings.sign_in_required and _FORWARDED.isdisjoint(headers.keys()):
            return LOCAL
        raise Problem(
            401,
            "sign in: send Authorization: Bearer <token>. `gatechat token make NAME` makes one where the "
            "assistant runs, unless it has one for all (--token, GATECHAT_TOKEN)",
            challenge(self._settings),
        )

    async def _with_token(self, token: str, client: str) -> Principal:
        digest = hashlib.sha256(token.encode("latin-1")).digest()
        if digest not in self._good:
            self.check_failures(client)
        try:
            principal = await self._known(token)
        except Problem as problem:
            if problem.status == 401:
                self._good.pop(digest, None)
                self.failed(client)
            raise
        self._good[digest] = None
        self._good.move_to_end(digest)
        if len(self._good) > MOST_NAMES:
            self._good.popitem(last=False)
        return principal

    async def _known(self, token: str) -> Principal:
        if self._shared is not None and hmac.compare_digest(token.encode("latin-1"), self._shared):
            return SHARED_TOKEN
        for verifier in self._verifiers:
            principal = await verifier.principal(token)
            if principal is not None:
                return principal
        raise unauthorized(
            self._settings,
            "this token does not count: it was mistyped, revoked or has expired. `gatechat token make NAME` "
            "makes another where the assistant runs, unless it has one for all (--token, GATECHAT_TOKEN)",
        )

    def _check_somebody_can(self) -> None:
        settings = self._settings
        by_settings = settings.token is not None or settings.issuer is not None or settings.oauth
        by_token = self._tokens is not None and self._tokens.any()
        if settings.sign_in_required and not (by_settings or by_token):
            self.close()
            raise SettingsError(
                f"{settings.opened_by}: callers must sign in, and nobody could. Make a token (`gatechat "
                "token make NAME --role editor`), set one for all (--token or GATECHAT_TOKEN; `python3 -c "
                "'import secrets; print(secrets.token_urlsafe(32))'` makes it), take those of an issuer "
                "(--issuer), or let this machine alone call (--host 127.0.0.1, and no public name)"
            )


def _bearer(headers: Headers) -> str | None:
    """The bearer token, or None. It is taken from nowhere else: a query stands in logs and histories."""
    given = headers.getlist("authorization")
    if len(given) > 1:
        raise Problem(400, "send one Authorization header")
    kind, _, token = given[0].partition(" ") if given else ("", "", "")
    return token.strip() if kind.lower() == "bearer" else None


def _network(client: str) -> str:
    """What one attacker has: an IPv4 address, or the /64 of an IPv6 one."""
    try:
        address = ipaddress.IPv6Address(client)
    except ValueError:
        return client
    if address.ipv4_mapped is not None:  # what a socket for both families says of IPv4
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(address), 64), strict=False))


def _unless(wait: float, why: str) -> None:
    if wait > 0:
        seconds = math.ceil(wait)
        raise Problem(429, f"{why}; try again in {seconds} s", {"retry-after": str(seconds)})
