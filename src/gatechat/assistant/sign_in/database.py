"""The SQLite file of everything that lets somebody in: tokens, and what the OAuth server gave out.

What is committed here survives kill -9 and power cuts (WAL, synchronous=FULL). Several processes may have it
open: `gatechat token revoke` counts at once in a running `gatechat up`.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from gatechat.assistant.sign_in.migrations import MIGRATIONS

FILE: Final = "sign_in.db"
_BUSY_SECONDS: Final = 10.0


class DatabaseError(Exception):
    """The file cannot be opened or written; the text says what to do about it."""


class Database:
    """``path`` is made when it is missing, readable by its owner alone. Calls block for one fsync at most and
    may come from any thread. Raises DatabaseError when the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._turn = threading.RLock()
        self._db = _open(path)

    def close(self) -> None:
        with self._turn:
            self._db.close()

    def one(self, statement: str, *values: Any) -> Any:
        """The first row, or None."""
        with self._turn:
            return self._db.execute(statement, values).fetchone()

    def all(self, statement: str, *values: Any) -> list[Any]:
        with self._turn:
            return self._db.execute(statement, values).fetchall()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, alone among all processes. If the block raises, nothing was written."""
        with self._turn:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                self._db.execute("COMMIT")
            except BaseException as error:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                if isinstance(error, sqlite3.OperationalError):
                    raise DatabaseError(
                        f"who may sign in cannot be written ({error}): see to the disk of the data folder"
                    ) from error
                raise


def _open(path: Path) -> sqlite3.Connection:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # and so will its WAL be
    except OSError as error:
        raise DatabaseError(
            f"{path} cannot be written ({error.strerror}): make it yours, or choose another --data-dir"
        ) from error
    db = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
        _migrate(db, path)
    except sqlite3.DatabaseError as error:
        db.close()
        raise DatabaseError(
            f"{path} cannot be used ({error}): restore it from a backup, or move it away and make the tokens "
            "anew"
        ) from error
    except BaseException:
        db.close()
        raise
    return db


def _migrate(db: sqlite3.Connection, path: Path) -> None:
    """In one transaction: of two processes that open a new file at once, the second finds it done."""
    db.execute("BEGIN EXCLUSIVE")
    try:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version > len(MIGRATIONS):
            raise DatabaseError(
                f"{path} was written by a newer gatechat (format {version}, this one knows "
                f"{len(MIGRATIONS)}): upgrade gatechat, or start it with another --data-dir"
            )
        for script in MIGRATIONS[version:]:
            for statement in _statements(script):
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def _statements(script: str) -> Iterator[str]:
    """One by one: sqlite3's executescript would commit before it begins."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
