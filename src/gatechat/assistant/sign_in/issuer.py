"""Access tokens of an external OAuth issuer: JWTs (RFC 9068), checked by the issuer's public keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import jwt

from gatechat.assistant.principal import Principal, Role
from gatechat.assistant.problem import Problem
from gatechat.assistant.settings import AssistantSettings, SettingsError
from gatechat.assistant.sign_in.contract import challenge, resource, unauthorized
from gatechat.assistant.sign_in.jwks import Keys

ALGORITHMS: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
"""Only those whose verifying key cannot sign: with the others a public key would be a password (RFC 8725,
section 2.1), and "none" is no signature.
"""
SKEW: Final = 30.0
"""Seconds that the issuer's clock may differ from ours."""

_JWT: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_LONGEST: Final = 16 * 1024
_TYPES: Final = frozenset({"jwt", "at+jwt", "application/at+jwt"})
_REQUIRED: Final = ["exp", "iss", "aud", "sub"]
_WORDS: Final[Mapping[type[jwt.PyJWTError], str]] = {
    jwt.ExpiredSignatureError: "it has expired; sign in again",
    jwt.ImmatureSignatureError: "it does not count yet; see that the clocks agree",
    jwt.InvalidAudienceError: "it is for another audience than {audience}",
    jwt.InvalidSignatureError: "its signature is wrong",
}


class IssuerTokens:
    """A Verifier. Raises SettingsError for roles that cannot be read."""

    def __init__(self, settings: AssistantSettings, issuer: str) -> None:
        self._settings = settings
        self._issuer = issuer
        self._audience = settings.issuer_audience or resource(settings)
        self._claim = settings.issuer_role_claim
        self._roles = _mapping(settings.issuer_roles)
        self._keys = Keys(issuer)

    async def principal(self, token: str) -> Principal | None:
        """ "issuer:SUB" with the highest role that the token gives.

        Raises Problem: 401 for a token of this issuer that does not count, 403 for one that gives no role,
        503 while the issuer's keys cannot be had.
        """
        if len(token) > _LONGEST or not _JWT.fullmatch(token) or not self._is_ours(token):
            return None
        claims = await self._claims(token)
        name, role = claims["sub"], self._role(claims)
        if not name.isprintable() or not 0 < len(name) <= 200:
            raise unauthorized(self._settings, f"{self._refused} its sub is no name")
        if role is None:
            raise Problem(
                403,
                f"the token of {self._issuer} gives no role here: its claim {self._claim!r} must hold one of "
                f"{', '.join(self._roles)}. Ask an administrator of the issuer",
                challenge(self._settings, error="insufficient_scope"),
            )
        return Principal(f"issuer:{name}", role, "")

    def _is_ours(self, token: str) -> bool:
        """Who issued it, as it says itself: only for our issuer's tokens keys are looked for."""
        try:
            claims = jwt.decode(token, options={"verify_signature": False})
        except jwt.PyJWTError:
            return False
        return bool(claims.get("iss") == self._issuer)

    async def _claims(self, token: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
            algorithm = header.get("alg")
            if algorithm not in ALGORITHMS:
                raise jwt.InvalidAlgorithmError(f"the algorithm {algorithm!r} is not taken")
            if str(header.get("typ", "JWT")).lower() not in _TYPES:
                raise jwt.InvalidTokenError(f"it is a {header['typ']!r}, no access token")
            key = await self._keys.find(header.get("kid"))
            if key is None:
                raise jwt.InvalidKeyError("it is signed with a key that the issuer does not have")
            if key.get("alg", algorithm) != algorithm:
                raise jwt.InvalidAlgorithmError(f"its key is not for the algorithm {algorithm!r}")
            claims: dict[str, Any] = jwt.decode(
                token,
                jwt.PyJWK(key, algorithm),
                algorithms=[algorithm],
                audience=self._audience,
                issuer=self._issuer,
                leeway=SKEW,
                options={"require": _REQUIRED, "enforce_minimum_key_length": True},
            )
        except jwt.PyJWTError as error:
            words = _WORDS.get(type(error), str(error)).format(audience=self._audience)
            raise unauthorized(self._settings, f"{self._refused} {words}") from error
        return claims

    @property
    def _refused(self) -> str:
        return f"this token of {self._issuer} does not count:"

    def _role(self, claims: Mapping[str, Any]) -> Role | None:
        found = _claim(claims, self._claim)
        given = found.split() if isinstance(found, str) else found if isinstance(found, list) else []
        roles = [self._roles[it] for it in given if isinstance(it, str) and it in self._roles]
        return max(roles, default=None)


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name, which may have dots, or by its path in nested ones ("realm_access.roles")."""
    if name in claims:
        return claims[name]
    first, _, rest = name.partition(".")
    inner = claims.get(first)
    return _claim(inner, rest) if rest and isinstance(inner, dict) else None


def _mapping(listed: tuple[str, ...]) -> dict[str, Role]:
    if not listed:
        return {role.name.lower(): role for role in Role}
    roles = {}
    for pair in listed:
        theirs, _, ours = pair.rpartition("=")
        if not theirs or ours.upper() not in Role.__members__:
            known = ", ".join(role.name.lower() for role in Role)
            raise SettingsError(f"issuer_roles: {pair!r} is not like sre=approver; the roles are {known}")
        roles[theirs] = Role[ours.upper()]
    return roles
