"""The numbered migrations of the ledger. Append only: a released migration never changes."""

from __future__ import annotations

MIGRATIONS: tuple[str, ...] = (
    """
    -- The chain: see chain.Entry. ``body`` and the rest of a row hold no secret.
    CREATE TABLE entries (
        seq      INTEGER PRIMARY KEY,
        at       REAL    NOT NULL,
        what     TEXT    NOT NULL,
        subject  TEXT    NOT NULL,
        state    TEXT,
        by       TEXT    NOT NULL,
        role     TEXT    NOT NULL,
        face     TEXT    NOT NULL,
        body     TEXT    NOT NULL,
        seal     TEXT    NOT NULL,
        previous TEXT    NOT NULL,
        hash     TEXT    NOT NULL
    );
    CREATE INDEX entries_by_subject ON entries (subject, seq);
    CREATE INDEX entries_by_kind ON entries (what, seq);

    -- The whole documents, with their secrets, that entries.seal vouches for. A BLOB is closed: see safe.
    CREATE TABLE sealed (
        seq      INTEGER PRIMARY KEY REFERENCES entries (seq),
        document BLOB    NOT NULL
    );

    CREATE TRIGGER entries_stay BEFORE UPDATE ON entries
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
    CREATE TRIGGER entries_remain BEFORE DELETE ON entries
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
    CREATE TRIGGER sealed_stay BEFORE UPDATE ON sealed
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
    CREATE TRIGGER sealed_remain BEFORE DELETE ON sealed
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;

    -- Which entries wrote which resource: an index to find them by, nothing that could not be made anew.
    CREATE TABLE touched (
        kind TEXT    NOT NULL,
        id   TEXT    NOT NULL,
        seq  INTEGER NOT NULL REFERENCES entries (seq),
        PRIMARY KEY (kind, id, seq)
    ) WITHOUT ROWID;

    -- The gateway as it was when we last looked, to tell what others changed.
    CREATE TABLE seen (
        kind    TEXT    NOT NULL,
        id      TEXT    NOT NULL,
        version INTEGER,
        value   BLOB    NOT NULL,
        PRIMARY KEY (kind, id)
    ) WITHOUT ROWID;

    -- Secrets that a person typed for a plan, until it is applied.
    CREATE TABLE entered (
        plan  TEXT NOT NULL,
        path  TEXT NOT NULL,
        value BLOB NOT NULL,
        PRIMARY KEY (plan, path)
    ) WITHOUT ROWID;

    -- One-time codes that were used, until they would have lapsed anyway.
    CREATE TABLE used_codes (
        code  TEXT PRIMARY KEY,
        until REAL NOT NULL
    ) WITHOUT ROWID;
    """,
)
"""The database's version (PRAGMA user_version) is how many of these it has been through."""
