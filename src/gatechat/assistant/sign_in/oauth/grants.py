"""What people granted to clients: codes, access tokens and refresh tokens, each kept as a hash.

Source: OAuth 2.1 (draft 13), sections 4.1.3 and 4.3; MCP 2026-07-28, "Security Considerations". A grant is
the family of everything that was handed out for one yes of one person. A code or a refresh token that comes
back after it was used ends its family: one of the two who had it was a thief, and which is not known.
Tokens carry nothing; each request looks into the database, so that what was revoked counts at once.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from gatechat.assistant.principal import Principal, Role
from gatechat.assistant.sign_in.contract import SHARED_TOKEN
from gatechat.assistant.sign_in.database import Database
from gatechat.assistant.sign_in.oauth.client import Client

PREFIX: Final = "gatechat_oauth_"
CODE_SECONDS: Final = 120.0
ACCESS_SECONDS: Final = 3600.0
REFRESH_SECONDS: Final = 30 * 24 * 3600.0
"""Since the last refresh: who is away for longer signs in again."""
USED_SECONDS: Final = 3600.0
"""How exactly the time of a grant's last use is known."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who proved themselves at the sign-in page. ``name`` is "owner", or that of a token; ``proof`` is the
    hash of that token, without which the grant ends too (None: the owner's link).
    """

    name: str
    role: Role
    proof: bytes | None


@dataclass(frozen=True, slots=True)
class Grant:
    """One yes. Times are Unix seconds; ``used`` None: not yet."""

    id: str
    client: str
    client_name: str
    person: str
    role: Role
    resource: str
    made: float
    used: float | None
    expires: float


@dataclass(frozen=True, slots=True)
class Handed:
    """What the token endpoint hands out, this once."""

    access: str
    refresh: str
    scope: str


class Refused(Exception):
    """A code or a refresh token does not count. ``error`` is the code of RFC 6749, section 5.2."""

    def __init__(
        self, message: str, error: Literal["invalid_grant", "invalid_target"] = "invalid_grant"
    ) -> None:
        super().__init__(message)
        self.message = message
        self.error: Literal["invalid_grant", "invalid_target"] = error


class Grants:
    """A Verifier of the access tokens that it handed out for ``resource`` ("": to look and to revoke alone).

    ``shared``: the one token for all, None if there is none.
    """

    def __init__(
        self,
        database: Database,
        resource: str = "",
        shared: str | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._db = database
        self._resource = resource
        self._shared = None if shared is None else hash_of(shared)
        self._now = now

    def make(
        self, client: Client, person: Person, role: Role, *, challenge: str, redirect_uri: str, scope: str
    ) -> str:
        """A code for a new grant. ``challenge`` is PKCE's, S256 (RFC 7636); ``scope`` is what the client is
        told that it was granted. Raises Refused where the person has not so much to grant, or no longer.
        """
        most = self._most(person.proof)
        if most is None:
            raise Refused(_GONE.format(person.name))
        if role > min(most, person.role):
            raise Refused(f"{person.name} may not grant {role.name.lower()}")
        id, code, now = f"oauth-{secrets.token_hex(6)}", secrets.token_urlsafe(32), self._now()
        with self._db.writing() as db:
            _sweep(db, now)
            lasts = now + CODE_SECONDS
            said = (id, client.id, client.name, person.name, person.proof, int(role), self._resource, scope)
            db.execute(
                "INSERT INTO oauth_grants (id, client, client_name, person, proof, role, resource, scope,"
                " made, expires) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (*said, now, lasts),
            )
            db.execute(
                "INSERT INTO oauth_secrets (hash, kind, grant_id, expires, challenge, redirect_uri)"
                " VALUES (?, 'code', ?, ?, ?, ?)",
                (hash_of(code), id, lasts, challenge, redirect_uri),
            )
        return code

    def exchange(self, code: str, client_id: str, verifier: str, redirect_uri: str | None) -> Handed:
        """Tokens for a code, once. Raises Refused."""
        with self._db.writing() as db:
            found = self._exchange(db, code, client_id, verifier, redirect_uri)
        return _or_raise(found)

    def refresh(self, token: str, client_id: str) -> Handed:
        """New tokens for a refresh token, once. Raises Refused."""
        with self._db.writing() as db:
            found = self._refresh(db, token, client_id)
        return _or_raise(found)

    def _exchange(
        self, db: sqlite3.Connection, code: str, client_id: str, verifier: str, redirect_uri: str | None
    ) -> Handed | Refused:
        found = self._unspent(db, "code", code, client_id)
        if isinstance(found, Refused):
            return found
        grant, challenge, sent_to = found
        if not hmac.compare_digest(s256(verifier), challenge):
            return Refused("the code_verifier is not the one of this sign-in")
        if redirect_uri is not None and redirect_uri != sent_to:
            return Refused("the redirect_uri is not the one of this sign-in")
        return self._hand_out(db, code, grant)

    def _refresh(self, db: sqlite3.Connection, token: str, client_id: str) -> Handed | Refused:
        found = self._unspent(db, "refresh", token, client_id)
        return found if isinstance(found, Refused) else self._hand_out(db, token, found[0])

    def _unspent(
        self, db: sqlite3.Connection, kind: str, secret: str, client_id: str
    ) -> tuple[str, str, str] | Refused:
        """Its grant, challenge and redirect URI. What was spent before ends its family."""
        row = db.execute(
            "SELECT grant_id, client, resource, person, proof, s.expires, spent, challenge, redirect_uri"
            " FROM oauth_secrets AS s JOIN oauth_grants AS g ON g.id = grant_id WHERE hash = ? AND kind = ?",
            (hash_of(secret), kind),
        ).fetchone()
        if row is None or row[1] != client_id:
            return Refused(f"this {_NAMES[kind]} is not known, or was revoked")
        id, _, resource, person, proof, expires, spent, challenge, redirect_uri = row
        if spent:
            _end(db, id)
            return Refused(
                f"this {_NAMES[kind]} was used before. Somebody else may have it: all that came from this "
                "sign-in counts no longer; sign in again"
            )
        if expires <= self._now():
            return Refused(f"this {_NAMES[kind]} has expired; sign in again")
        if resource != self._resource:
            return Refused(f"this {_NAMES[kind]} is for {resource} alone", "invalid_target")
        if self._most(proof) is None:
            return Refused(_GONE.format(person))
        return id, challenge, redirect_uri

    def _hand_out(self, db: sqlite3.Connection, spent: str, grant: str) -> Handed:
        access, refresh = (PREFIX + secrets.token_urlsafe(32) for _ in range(2))
        now = self._now()
        db.execute("UPDATE oauth_secrets SET spent = 1 WHERE hash = ?", (hash_of(spent),))
        db.executemany(
            "INSERT INTO oauth_secrets (hash, kind, grant_id, expires) VALUES (?, ?, ?, ?)",
            (
                (hash_of(access), "access", grant, now + ACCESS_SECONDS),
                (hash_of(refresh), "refresh", grant, now + REFRESH_SECONDS),
            ),
        )
        (scope,) = db.execute(
            "UPDATE oauth_grants SET expires = ? WHERE id = ? RETURNING scope", (now + REFRESH_SECONDS, grant)
        ).fetchone()
        return Handed(access, refresh, scope)

    async def principal(self, token: str) -> Principal | None:
        """Whom an access token stands for: "oauth:" and the person's name, with what they granted, at most
        what their own token still allows.
        """
        if not token.startswith(PREFIX):
            return None
        now = self._now()
        row = self._db.one(
            "SELECT g.id, person, proof, role, used FROM oauth_secrets AS s JOIN oauth_grants AS g"
            " ON g.id = grant_id WHERE hash = ? AND kind = 'access' AND s.expires > ? AND resource = ?",
            hash_of(token),
            now,
            self._resource,
        )
        if row is None:
            return None
        id, person, proof, role, used = row
        most = self._most(proof)
        if most is None:
            return None
        if used is None or now - used >= USED_SECONDS:
            with self._db.writing() as db:
                db.execute("UPDATE oauth_grants SET used = ? WHERE id = ?", (now, id))
        return Principal(f"oauth:{person}", min(Role(role), most), "")

    def _most(self, proof: bytes | None) -> Role | None:
        """The most that a person with this proof may grant now; None: the proof counts no longer."""
        if proof is None:
            return Role.ADMIN
        if proof == self._shared:
            return SHARED_TOKEN.role
        row = self._db.one(
            "SELECT role FROM tokens WHERE hash = ? AND (expires IS NULL OR expires > ?)", proof, self._now()
        )
        return None if row is None else Role(row[0])

    def revoke_secret(self, secret: str, client_id: str) -> None:
        """Ends the family of an access or refresh token (RFC 7009). Another client's, or none: nothing."""
        with self._db.writing() as db:
            row = db.execute(
                "SELECT g.id FROM oauth_secrets JOIN oauth_grants AS g ON g.id = grant_id"
                " WHERE hash = ? AND kind IN ('access', 'refresh') AND client = ?",
                (hash_of(secret), client_id),
            ).fetchone()
            if row is not None:
                _end(db, row[0])

    def revoke(self, id: str) -> Grant | None:
        """Ends a grant; what was handed out for it is refused from here on. Returns what it was; None: there
        is none.
        """
        found = next((grant for grant in self.list() if grant.id == id), None)
        with self._db.writing() as db:
            _end(db, id)
        return found

    def list(self) -> list[Grant]:
        """Every grant that a client can still use, the oldest first."""
        rows = self._db.all(
            "SELECT id, client, client_name, person, role, resource, made, used, expires"
            " FROM oauth_grants AS g WHERE expires > ? AND EXISTS (SELECT 1 FROM oauth_secrets"
            " WHERE grant_id = g.id AND kind = 'refresh') AND (proof IS NULL OR person = ?"
            " OR EXISTS (SELECT 1 FROM tokens WHERE tokens.hash = proof)) ORDER BY made, id",
            self._now(),
            SHARED_TOKEN.name,
        )
        return [
            Grant(id, client, name, person, Role(role), resource, made, used, expires)
            for id, client, name, person, role, resource, made, used, expires in rows
        ]


_GONE: Final = "the token {} that this sign-in rests on was revoked or has expired"
_NAMES: Final = {"code": "code", "refresh": "refresh token"}


def s256(verifier: str) -> str:
    """The PKCE challenge of a verifier (RFC 7636, section 4.2)."""
    digest = hashlib.sha256(verifier.encode("utf-8", "replace")).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def hash_of(secret: str) -> bytes:
    """256 random bits need no slow hash, see sign_in.tokens."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


def _or_raise(found: Handed | Refused) -> Handed:
    """Outside of the transaction, so that what a refusal ended stays ended."""
    if isinstance(found, Refused):
        raise found
    return found


def _end(db: sqlite3.Connection, id: str) -> None:
    """With everything that was handed out for it."""
    db.execute("DELETE FROM oauth_grants WHERE id = ?", (id,))


def _sweep(db: sqlite3.Connection, now: float) -> None:
    """What has expired for good."""
    db.execute("DELETE FROM oauth_grants WHERE expires <= ?", (now,))
    db.execute("DELETE FROM oauth_secrets WHERE expires <= ?", (now,))
