"""An authorization request: what a client asks the person's browser to bring us, checked.

Source: OAuth 2.1 (draft 13), section 4.1.1; RFC 7636 (PKCE, S256 alone); RFC 8707 (resource); RFC 9207 (iss).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from gatechat.assistant.principal import Role
from gatechat.assistant.sign_in.oauth import redirects
from gatechat.assistant.sign_in.oauth.client import Client

USUAL_ROLE: Final = Role.EDITOR
"""What the page proposes, if the client asks for so much."""

_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_LIST_PARAMETERS: Final = frozenset({"resource"})
"""What may come more than once (RFC 8707, section 2)."""


class RequestError(Exception):
    """The request cannot be granted. ``back``: where the browser may bring the client the news, if the person
    wants to; None where it is not known that the address is the client's. Nobody is sent there unasked: who
    may register can name any address.
    """

    def __init__(self, message: str, back: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.back = back


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """``roles``: those that the client asks for by its scopes; all, where it names none."""

    client: Client
    redirect_uri: str
    state: str | None
    challenge: str
    roles: frozenset[Role]
    issuer: str

    def choices(self, most: Role) -> list[Role]:
        """What a person may grant who has the role ``most``: no more than their own, nor than is asked."""
        highest = min(most, max(self.roles))
        return [role for role in Role if role <= highest]

    def scope(self, role: Role) -> str:
        """What the client is told that it was granted: of what it asked for, what the role includes."""
        return " ".join(it.name.lower() for it in Role if it in self.roles and it <= role)

    def granted(self, code: str) -> str:
        """Where the browser goes with a code."""
        return _answer(self.redirect_uri, self.state, self.issuer, {"code": code})

    def denied(self) -> str:
        """Where the browser goes with a no."""
        said = {"error": "access_denied", "error_description": "the person said no"}
        return _answer(self.redirect_uri, self.state, self.issuer, said)


def parameters(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """The query's parameters. Raises RequestError for one that came twice and may not (section 4.1.1)."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    twice = sorted(name for name, values in found.items() if len(values) > 1 and name not in _LIST_PARAMETERS)
    if twice:
        raise RequestError(f"the program sent {', '.join(twice)} more than once")
    return found


def check(asked: dict[str, list[str]], client: Client, resource: str, issuer: str) -> AuthorizationRequest:
    """The request of this client for this resource. Raises RequestError."""

    def one(name: str) -> str | None:
        return asked[name][0] if name in asked else None

    redirect_uri = _redirect_uri(one("redirect_uri"), client)
    state = one("state")

    def refused(error: str, message: str) -> RequestError:
        said = {"error": error, "error_description": message}
        return RequestError(message, _answer(redirect_uri, state, issuer, said))

    if one("response_type") != "code":
        raise refused("unsupported_response_type", "response_type must be code")
    challenge = one("code_challenge") or ""
    if one("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(challenge):
        raise refused(
            "invalid_request", "PKCE is needed: a code_challenge, and code_challenge_method=S256 with it"
        )
    wanted = asked.get("resource", [])
    if any(not same_resource(it, resource) for it in wanted):
        raise refused(
            "invalid_target", f"resource must be {resource}: tokens of this server are for it alone"
        )
    named = frozenset(role for role in Role if role.name.lower() in (one("scope") or "").split())
    return AuthorizationRequest(client, redirect_uri, state, challenge, named or frozenset(Role), issuer)


def same_resource(asked: str, resource: str) -> bool:
    """Whether a client means this resource: scheme and host in any case, a slash at the end or none (MCP
    2026-07-28, "Canonical Server URI").
    """
    try:
        ours, theirs = urlsplit(resource), urlsplit(asked)
    except ValueError:
        return False
    same_place = (theirs.scheme, theirs.netloc.lower()) == (ours.scheme, ours.netloc.lower())
    return same_place and theirs.path.rstrip("/") == ours.path and not (theirs.query or theirs.fragment)


def _redirect_uri(asked: str | None, client: Client) -> str:
    if asked is None:
        if len(client.redirect_uris) == 1:
            return client.redirect_uris[0]
        raise RequestError("the program did not say where the answer should go (redirect_uri)")
    if not redirects.is_own(asked, client.redirect_uris):
        raise RequestError(
            "the program wants the answer sent to an address that is none of its own (redirect_uri)"
        )
    return asked


def _answer(uri: str, state: str | None, issuer: str, said: dict[str, str]) -> str:
    return redirects.with_answer(uri, said | ({} if state is None else {"state": state}) | {"iss": issuer})
