"""An SQLite file of the assistant's: what is committed survives kill -9 and power cuts (WAL and
synchronous=FULL).

Several processes may have it open (`gatechat up` and a command in another terminal); SQLite lets one write
at a time.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from gatechat.assistant.problem import Problem

_BUSY_SECONDS: Final = 10.0


class DatabaseError(Problem):
    """The file cannot be opened, read or written; the text says what to do about it."""

    def __init__(self, message: str) -> None:
        super().__init__(503, message)


class Database:
    """``path`` is made when it is missing, readable by its owner alone, and brought to the newest of the
    numbered ``migrations`` (PRAGMA user_version is how many it has been through). Calls block for one fsync
    at most and may come from any thread.

    Raises ``error`` when the file cannot be used; sqlite3.IntegrityError is left to who wrote.
    """

    def __init__(
        self, path: Path, migrations: Sequence[str], error: type[DatabaseError] = DatabaseError
    ) -> None:
        self._path = path
        self._error = error
        self._turn = threading.RLock()
        self._db = self._open(migrations)

    def close(self) -> None:
        with self._turn:
            self._db.close()

    def one(self, statement: str, *values: Any) -> Any:
        """The first row, or None."""
        with self._turn, self._told("read"):
            return self._db.execute(statement, values).fetchone()

    def all(self, statement: str, *values: Any) -> list[Any]:
        with self._turn, self._told("read"):
            return self._db.execute(statement, values).fetchall()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, alone among all processes. If the block raises, nothing was written."""
        with self._turn, self._told("written"):
            if self._db.in_transaction:
                raise self._error(f"{self._path.name}: a write inside a write")
            with _transaction(self._db):
                yield self._db

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError:
            raise
        except sqlite3.Error as error:
            raise self._error(
                f"{self._path} cannot be {what} ({error}): see to the disk of the data folder"
            ) from error

    def _open(self, migrations: Sequence[str]) -> sqlite3.Connection:
        path = self._path
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # it holds secrets, and so will its WAL
        except OSError as error:
            raise self._error(
                f"{path} cannot be written ({error.strerror}): make it yours, or choose another --data-dir"
            ) from error
        db = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            for setting in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
                db.execute(f"PRAGMA {setting}")
            self._migrate(db, migrations)
        except sqlite3.DatabaseError as error:
            db.close()
            raise self._error(
                f"{path} cannot be used ({error}): restore it from a backup, or move it away"
            ) from error
        except BaseException:
            db.close()
            raise
        return db

    def _migrate(self, db: sqlite3.Connection, migrations: Sequence[str]) -> None:
        """In one transaction: of two processes that open a new file at once, the second finds it done."""
        with _transaction(db):
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version > len(migrations):
                raise self._error(
                    f"{self._path} was written by a newer gatechat (format {version}, this one knows "
                    f"{len(migrations)}): upgrade gatechat, or start it with another --data-dir"
                )
            for script in migrations[version:]:
                for statement in _statements(script):
                    db.execute(statement)
            db.execute(f"PRAGMA user_version = {len(migrations)}")


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
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
