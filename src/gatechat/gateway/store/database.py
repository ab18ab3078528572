"""SQLite: what is committed here survives kill -9 and power cuts (WAL, synchronous=FULL)."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gatechat.gateway.model import Resource, State
from gatechat.gateway.store.lock import AlreadyOwned, FolderLock
from gatechat.gateway.store.migrations import MIGRATIONS
from gatechat.gateway.store.staging import Change


class StoreError(Exception):
    """The store cannot be opened or written; the text says what to do about it."""


class Store:
    """The one writer of ``path``. Its folder is made when it is missing, and is closed to other users.

    Raises StoreError when another process owns the folder, when a newer gatechat wrote the file, or when it
    is no database. Calls block for one fsync at most; they are made by one thread, one write at a time.
    """

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = FolderLock(path.parent / "lock")
        except AlreadyOwned as error:
            raise StoreError(
                f"{path.parent} is in use by another gatechat (process {error.owner}): "
                "stop that one, or start this one with another --data-dir"
            ) from None
        except OSError as error:
            raise StoreError(
                f"{path.parent} cannot be written ({error.strerror}): make it yours, or choose another "
                "--data-dir"
            ) from error
        self._proven = 0
        try:
            self._db = _open(path)
        except BaseException:
            self._lock.release()
            raise

    def close(self) -> None:
        with suppress(sqlite3.Error):  # a full disk must not keep us from ending
            self._write_proven()
        self._db.close()
        self._lock.release()

    def load(self) -> State:
        """Everything as it is now."""
        kinds: dict[str, dict[str, Resource]] = {}
        rows = self._db.execute(
            "SELECT kind, id, value, created_index, modified_index, expires_at FROM resources"
        )
        for row in rows:
            resource = _resource(row)
            kinds.setdefault(resource.kind, {})[resource.id] = resource
        (revision,) = self._db.execute("SELECT coalesce(max(revision), 0) FROM revisions").fetchone()
        return State(revision, kinds)

    @contextmanager
    def writing(self, change: Change) -> Iterator[None]:
        """Writes ``change`` when the block begins and commits it when it ends.

        If the block raises, nothing was written. Raises StoreError when the disk is full or broken.
        """
        try:
            self._write(change)
            yield
            self._db.execute("COMMIT")
        except BaseException as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise StoreError(
                    f"nothing can be stored ({error}): see to the disk of the data folder"
                ) from error
            raise

    def _write(self, change: Change) -> None:
        revision = change.after.revision
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute(
            "INSERT INTO revisions (revision, at, reverts) VALUES (?, ?, ?)",
            (revision, change.at, change.reverts),
        )
        if change.reverts is not None:
            self._db.execute("UPDATE revisions SET proven = 0 WHERE revision = ?", (change.reverts,))
        self._write_proven()
        for (kind, id), resource in change.touched.items():
            row = _row(resource)
            self._db.execute(
                "INSERT INTO history"
                " (kind, id, value, created_index, modified_index, expires_at, revision)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (kind, id, *row, revision),
            )
            if resource is None:
                self._db.execute("DELETE FROM resources WHERE kind = ? AND id = ?", (kind, id))
            else:
                self._db.execute(
                    "INSERT OR REPLACE INTO resources"
                    " (kind, id, value, created_index, modified_index, expires_at)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    (kind, id, *row),
                )

    def prove(self, revision: int) -> None:
        """Notes that Envoy took ``revision``. It is written with the next write: losing it costs nothing."""
        self._proven = revision

    def _write_proven(self) -> None:
        self._db.execute("UPDATE revisions SET proven = 1 WHERE revision = ?", (self._proven,))

    def unproven(self, state: State) -> Change | None:
        """The write that led to ``state``, the newest one, when nobody knows whether Envoy took it."""
        row = self._db.execute(
            "SELECT at FROM revisions WHERE revision = ? AND proven IS NULL AND reverts IS NULL",
            (state.revision,),
        ).fetchone()
        if row is None:
            return None
        touched = self._db.execute("SELECT kind, id FROM history WHERE revision = ?", (state.revision,))
        keys: list[tuple[str, str]] = touched.fetchall()
        kinds = {kind: dict(resources) for kind, resources in state.kinds.items()}
        for kind, id in keys:
            old = self._db.execute(
                "SELECT kind, id, value, created_index, modified_index, expires_at FROM history"
                " WHERE kind = ? AND id = ? AND revision < ? ORDER BY revision DESC LIMIT 1",
                (kind, id, state.revision),
            ).fetchone()
            resources = kinds.setdefault(kind, {})
            if old is None or old[2] is None:
                resources.pop(id, None)
            else:
                resources[id] = _resource(old)
        before = State(state.revision - 1, kinds)
        return Change(before, state, {key: state.get(*key) for key in keys}, row[0])


def _resource(row: tuple[Any, ...]) -> Resource:
    kind, id, value, created, modified, expires = row
    return Resource(kind, id, json.loads(value), created, modified, expires)


def _row(resource: Resource | None) -> tuple[str | None, int | None, int | None, float | None]:
    if resource is None:
        return None, None, None, None
    text = json.dumps(resource.value, separators=(",", ":"), allow_nan=False)
    return text, resource.created_index, resource.modified_index, resource.expires_at


def _open(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # it holds secrets, and so will its WAL
    db = sqlite3.connect(path, isolation_level=None)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
        _migrate(db, path)
    except sqlite3.DatabaseError as error:
        db.close()
        raise StoreError(
            f"{path} cannot be used ({error}): restore it from a backup, or move it away"
        ) from error
    except BaseException:
        db.close()
        raise
    return db


def _migrate(db: sqlite3.Connection, path: Path) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise StoreError(
            f"{path} was written by a newer gatechat (format {version}, this one knows {len(MIGRATIONS)}): "
            "upgrade gatechat, or start it with another --data-dir"
        )
    for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
        db.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;")
