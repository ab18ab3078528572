"""The ledger's SQLite file. Entries are only ever added: the database itself refuses to change or delete one.
What holds secrets (whole plans, what was seen, what a person typed) is encrypted: see safe.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final, TypeAlias

from gatechat.assistant.database import Database, DatabaseError
from gatechat.assistant.ledger.chain import BEGINNING, Entry, Note, breaks, canonical, hash_of, seal
from gatechat.assistant.ledger.migrations import MIGRATIONS
from gatechat.assistant.ledger.safe import KEY_FILE, Altered, Safe

FILE: Final = "ledger.db"
Seen: TypeAlias = Mapping[tuple[str, str], tuple[int | None, Any] | None]
"""(kind, id) -> version and value; None: not there."""
_COLUMNS: Final = "seq, at, what, subject, state, by, role, face, body, seal, previous, hash"


class LedgerError(DatabaseError):
    """The ledger cannot be opened, read or written; the text says what to do about it."""


class Moved(Exception):
    """The subject is not in the state that was expected: somebody was faster. ``state`` is what it is."""

    def __init__(self, state: str | None) -> None:
        super().__init__(f"it is {state or 'unknown'}")
        self.state = state


class Ledger:
    """``path`` is made when it is missing, readable by its owner alone. Calls block for one fsync at most and
    may come from any thread. Raises LedgerError when the file cannot be used.
    """

    def __init__(self, path: Path, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._db = Database(path, MIGRATIONS, LedgerError)
        self._safe = _safe(path, self._db)

    def close(self) -> None:
        self._db.close()

    def append(
        self, *notes: Note, expect: Collection[str | None] | None = None, seen: Seen | None = None
    ) -> list[Entry]:
        """Writes all notes, and what was ``seen`` (see ``see``), or nothing. Raises Moved unless the first
        one's subject is in one of the states.
        """
        with self.writing() as db:
            if expect is not None and (state := self.state(notes[0].subject)) not in expect:
                raise Moved(state)
            self._see(db, seen or {})
            return [self._append(db, note) for note in notes]

    def _append(self, db: sqlite3.Connection, note: Note) -> Entry:
        row = db.execute("SELECT seq, hash FROM entries ORDER BY seq DESC LIMIT 1").fetchone()
        last, previous = row or (0, BEGINNING)
        salt = secrets.token_hex(16)
        entry = Entry(
            seq=last + 1,
            at=round(self._now(), 3),
            what=note.what,
            subject=note.subject,
            state=note.state,
            by=note.by,
            role=note.role,
            face=note.face,
            body=note.body,
            seal="" if note.document is None else seal(salt, note.document),
            previous=previous,
        )
        hash = hash_of(entry)
        values = (*(getattr(entry, name) for name in _COLUMNS.split(", ")[:8]), canonical(note.body))
        db.execute(
            f"INSERT INTO entries ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            (*values, entry.seal, previous, hash),
        )
        if note.document is not None:
            closed = self._safe.close(f"{salt}\n{note.document}", f"entry {entry.seq}")
            db.execute("INSERT INTO sealed VALUES (?, ?)", (entry.seq, closed))
        db.executemany(
            "INSERT OR IGNORE INTO touched VALUES (?, ?, ?)", ((*it, entry.seq) for it in note.touched)
        )
        return _entry((*values, entry.seal, previous, hash))

    def state(self, subject: str) -> str | None:
        """The state that the subject's last entry with one gave it; None when there is none."""
        row = self._db.one(
            "SELECT state FROM entries WHERE subject = ? AND state IS NOT NULL ORDER BY seq DESC LIMIT 1",
            subject,
        )
        return None if row is None else str(row[0])

    def subjects(self, *states: str) -> list[str]:
        """Every subject that is in one of these states now, the oldest first."""
        marks = ", ".join("?" * len(states))
        rows = self._db.all(
            f"SELECT subject FROM entries AS e WHERE state IN ({marks}) AND seq ="  # noqa: S608
            " (SELECT max(seq) FROM entries WHERE subject = e.subject AND state IS NOT NULL) ORDER BY seq",
            *states,
        )
        return [row[0] for row in rows]

    def document(self, subject: str, *what: str) -> str | None:
        """The whole document of the newest of the subject's entries of these kinds. Raises LedgerError when
        it is not what was written.
        """
        marks = ", ".join("?" * len(what))
        row = self._db.one(
            "SELECT seq, document FROM sealed JOIN entries USING (seq) WHERE subject = ? AND what IN ("  # noqa: S608
            + marks
            + ") ORDER BY seq DESC LIMIT 1",
            subject,
            *what,
        )
        return None if row is None else self._opened(row[1], f"entry {row[0]}").partition("\n")[2]

    def _opened(self, closed: bytes, about: str) -> str:
        try:
            return self._safe.open(closed, about)
        except Altered as altered:
            raise LedgerError(
                f"{altered}: nothing is done with it. `gatechat audit verify` says what else is wrong; "
                f"restore ledger.db and {KEY_FILE} from one backup"
            ) from altered

    def entries(
        self,
        subject: str | None = None,
        what: Collection[str] = (),
        before: int | None = None,
        touching: tuple[str, str] | None = None,
        limit: int = 100,
    ) -> list[Entry]:
        """The newest entries first. ``before``: only those with a smaller number."""
        wheres, values = ["1"], list[Any]()
        if subject is not None:
            wheres.append("subject = ?")
            values.append(subject)
        if what:
            wheres.append(f"what IN ({', '.join('?' * len(what))})")
            values += what
        if before is not None:
            wheres.append("seq < ?")
            values.append(before)
        if touching is not None:
            wheres.append("seq IN (SELECT seq FROM touched WHERE kind = ? AND id = ?)")
            values += touching
        text = f"SELECT {_COLUMNS} FROM entries WHERE {' AND '.join(wheres)} ORDER BY seq DESC LIMIT ?"  # noqa: S608
        return [_entry(row) for row in self._db.all(text, *values, limit)]

    def everything(self) -> Iterator[Entry]:
        """Every entry, the oldest first."""
        after = 0
        while rows := self._db.all(
            f"SELECT {_COLUMNS} FROM entries WHERE seq > ? ORDER BY seq LIMIT 500",  # noqa: S608
            after,
        ):
            yield from map(_entry, rows)
            after = rows[-1][0]

    def head(self) -> tuple[int, str]:
        """Number and hash of the last entry."""
        return self._db.one("SELECT seq, hash FROM entries ORDER BY seq DESC LIMIT 1") or (0, BEGINNING)

    def verify(self, head: str | None = None) -> list[str]:
        """What is wrong with the ledger, in words: the chain, and every document against its seal.

        ``head``: a hash of an entry that was noted elsewhere; it must still be in the chain.
        """
        problems = list(breaks(self.everything()))
        for entry, kept, closed in self._db.all(
            "SELECT entries.seq, seal, document FROM entries LEFT JOIN sealed USING (seq)"
            " WHERE seal != '' ORDER BY seq"
        ):
            if closed is None:
                problems.append(f"the document of entry {entry} is missing")
            elif not self._fits(closed, f"entry {entry}", kept):
                problems.append(
                    f"the document of entry {entry} was altered, or closed with another {KEY_FILE}"
                )
        if head is not None and self._db.one("SELECT 1 FROM entries WHERE hash = ?", head) is None:
            problems.append(
                f"no entry has the hash {head}: the end of the ledger was cut off, or written anew"
            )
        return problems

    def _fits(self, closed: bytes, about: str, kept: str) -> bool:
        try:
            salt, _, document = self._safe.open(closed, about).partition("\n")
        except Altered:
            return False
        return seal(salt, document) == kept

    def seen(self, *keys: tuple[str, str]) -> dict[tuple[str, str], tuple[int | None, Any]]:
        """The gateway as it was when we last looked: (kind, id) -> version and value; with ``keys``, only of
        these.
        """
        select = "SELECT kind, id, version, value FROM seen"
        rows = (
            [row for key in keys for row in self._db.all(f"{select} WHERE kind = ? AND id = ?", *key)]
            if keys
            else self._db.all(select)
        )
        return {
            (kind, id): (version, json.loads(self._opened(closed, f"{kind}/{id}")))
            for kind, id, version, closed in rows
        }

    def see(self, found: Seen) -> None:
        """Remembers what was found of these resources; None: it is not there."""
        with self.writing() as db:
            self._see(db, found)

    def _see(self, db: sqlite3.Connection, found: Seen) -> None:
        for (kind, id), held in found.items():
            if held is None:
                db.execute("DELETE FROM seen WHERE kind = ? AND id = ?", (kind, id))
            else:
                db.execute(
                    "INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?)",
                    (kind, id, held[0], self._safe.close(canonical(held[1]), f"{kind}/{id}")),
                )

    def entered(self, plan: str) -> dict[str, str]:
        """What a person typed for a plan's secrets, by their path."""
        rows = self._db.all("SELECT path, value FROM entered WHERE plan = ?", plan)
        return {path: self._opened(closed, f"{plan} {path}") for path, closed in rows}

    def enter(
        self, plan: str, values: Mapping[str, str], *notes: Note, expect: Collection[str | None]
    ) -> None:
        """Keeps what a person typed, with the notes that say so. Raises Moved, see append."""
        with self.writing() as db:
            if (state := self.state(plan)) not in expect:
                raise Moved(state)
            rows = ((plan, path, self._safe.close(it, f"{plan} {path}")) for path, it in values.items())
            db.executemany("INSERT OR REPLACE INTO entered VALUES (?, ?, ?)", rows)
            for note in notes:
                self._append(db, note)

    def use_code(self, code: str, until: float) -> bool:
        """Whether this one-time code, which lapses at ``until``, was not used before. Now it is."""
        with self.writing() as db:
            db.execute("DELETE FROM used_codes WHERE until < ?", (self._now(),))
            return db.execute("INSERT OR IGNORE INTO used_codes VALUES (?, ?)", (code, until)).rowcount == 1

    def writing(self) -> AbstractContextManager[sqlite3.Connection]:
        """One transaction. If the block raises, nothing was written."""
        return self._db.writing()


def _entry(row: Iterable[Any]) -> Entry:
    seq, at, what, subject, state, by, role, face, body, seal, previous, hash = row
    return Entry(seq, at, what, subject, state, by, role, face, json.loads(body), seal, previous, hash)


def _safe(path: Path, db: Database) -> Safe:
    try:
        if not (path.parent / KEY_FILE).exists() and db.one("SELECT 1 FROM sealed LIMIT 1"):
            raise OSError(f"{path} was closed with a {KEY_FILE} that is gone")
        return Safe(path.parent)
    except OSError as error:
        db.close()
        raise LedgerError(
            f"the ledger's key cannot be used ({error}): restore it, or move {path} away"
        ) from error
