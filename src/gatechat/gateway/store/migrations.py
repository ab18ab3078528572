"""The numbered migrations of the database. Append only: a released migration never changes."""

from __future__ import annotations

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE resources (
        kind           TEXT    NOT NULL,
        id             TEXT    NOT NULL,
        value          TEXT    NOT NULL,
        created_index  INTEGER NOT NULL,
        modified_index INTEGER NOT NULL,
        expires_at     REAL,
        PRIMARY KEY (kind, id)
    ) WITHOUT ROWID;

    -- One row for each write. ``reverts`` names the revision that this one took back.
    -- ``proven`` is 1 when Envoy took the revision, 0 when it refused it, NULL while nobody knows.
    CREATE TABLE revisions (
        revision INTEGER PRIMARY KEY,
        at       REAL    NOT NULL,
        reverts  INTEGER REFERENCES revisions (revision),
        proven   INTEGER
    );

    -- What each revision made of each resource it touched; value NULL says that it was deleted.
    CREATE TABLE history (
        kind           TEXT    NOT NULL,
        id             TEXT    NOT NULL,
        revision       INTEGER NOT NULL REFERENCES revisions (revision),
        value          TEXT,
        created_index  INTEGER,
        modified_index INTEGER,
        expires_at     REAL,
        PRIMARY KEY (kind, id, revision)
    ) WITHOUT ROWID;

    CREATE INDEX history_by_revision ON history (revision);
    """,
)
"""The database's version (PRAGMA user_version) is how many of these it has been through."""
