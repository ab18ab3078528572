"""Tokens with a name and a role, made by `gatechat token`: shown once, kept as a hash.

A token is 256 bits from the system's generator. Nobody can guess one or try all, so that one round of SHA-256
keeps it as safe as a slow password hash would (those are for secrets that people choose) and costs
microseconds at each request. Finding it by its hash tells nothing by its timing: whoever sends a token cannot
choose what its hash begins with.
"""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gatechat.assistant.database import DatabaseError
from gatechat.assistant.principal import Principal, Role
from gatechat.assistant.problem import Problem
from gatechat.assistant.sign_in.database import Database

PREFIX: Final = "gatechat_"
"""What every token begins with, for people and for scanners that look for leaked secrets."""
USED_SECONDS: Final = 3600.0
"""How exactly the time of the last use is known: writing it at each request would cost a disk flush each."""

_BYTES: Final = 32
_TAKEN: Final = frozenset({"owner", "token"})
"""Whom programs of OAuth act for besides tokens: the owner, and whoever has the shared one."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of a token; times are Unix seconds. ``expires`` None: never; ``used`` None: not yet."""

    name: str
    role: Role
    made: float
    expires: float | None
    used: float | None


class Tokens:
    """A Verifier. Each call looks into the database, so that what another process revoked counts at once."""

    def __init__(self, database: Database, now: Callable[[], float] = time.time) -> None:
        self._db = database
        self._now = now

    def make(self, name: str, role: Role, lasts: float | None = None) -> str:
        """The new token, which nobody can see again. ``lasts``: seconds; None: until it is revoked.

        Raises Problem 400 for a name that is none, 409 for one that is taken.
        """
        if not _NAME.fullmatch(name):
            raise Problem(
                400,
                f"{name!r} is no name for a token: letters, digits, '.', '_' and '-', 64 at most",
            )
        if name in _TAKEN:
            raise Problem(400, f"{name!r} would be taken for another in the history: choose another name")
        token = PREFIX + secrets.token_urlsafe(_BYTES)
        now = self._now()
        row = (name, _hash(token), int(role), now, None if lasts is None else now + lasts)
        try:
            with self._db.writing() as db:
                db.execute("INSERT INTO tokens (name, hash, role, made, expires) VALUES (?, ?, ?, ?, ?)", row)
        except sqlite3.IntegrityError:
            raise Problem(
                409, f"there is a token {name} already; `gatechat token revoke {name}` ends it"
            ) from None
        return token

    def revoke(self, name: str) -> Token:
        """Ends a token; from here on it is refused. Returns what it was. Raises Problem 404."""
        with self._db.writing() as db:
            row = db.execute(
                "DELETE FROM tokens WHERE name = ? RETURNING name, role, made, expires, used", (name,)
            ).fetchone()
        if row is None:
            known = ", ".join(token.name for token in self.list()) or "none"
            raise Problem(404, f"there is no token {name}; there are: {known}")
        return _token(row)

    def list(self) -> list[Token]:
        """Every token that was not revoked, by name; also those that have expired."""
        return [
            _token(row)
            for row in self._db.all("SELECT name, role, made, expires, used FROM tokens ORDER BY name")
        ]

    def any(self) -> bool:
        """Whether somebody can sign in with one."""
        return (
            self._db.one("SELECT 1 FROM tokens WHERE expires IS NULL OR expires > ?", self._now()) is not None
        )

    async def principal(self, token: str) -> Principal | None:
        if not token.startswith(PREFIX):
            return None
        hash, now = _hash(token), self._now()
        row = self._db.one(
            "SELECT name, role, used FROM tokens WHERE hash = ? AND (expires IS NULL OR expires > ?)",
            hash,
            now,
        )
        if row is None:
            return None
        name, role, used = row
        if used is None or now - used >= USED_SECONDS:
            self._note_use(name, now)
        return Principal(f"token:{name}", Role(role), "")

    def _note_use(self, name: str, now: float) -> None:
        """A disk that is full keeps nobody from reading."""
        try:
            with self._db.writing() as db:
                db.execute("UPDATE tokens SET used = ? WHERE name = ?", (now, name))
        except DatabaseError as error:
            log.warning("that %s was used is not noted: %s", name, error)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _token(row: tuple[str, int, float, float | None, float | None]) -> Token:
    name, role, made, expires, used = row
    return Token(name, Role(role), made, expires, used)
