"""The numbered migrations of the sign-in database. Append only: a released migration never changes."""

from __future__ import annotations

MIGRATIONS: tuple[str, ...] = (
    """
    -- Tokens of `gatechat token`. Times are Unix seconds; ``used`` is known to the hour.
    CREATE TABLE tokens (
        name    TEXT PRIMARY KEY,
        hash    BLOB    NOT NULL UNIQUE,
        role    INTEGER NOT NULL,
        made    REAL    NOT NULL,
        expires REAL,
        used    REAL
    );
    """,
    """
    -- OAuth: programs that registered themselves (redirect_uris: JSON), what people granted to a program, and
    -- what was handed out for a grant (kind: code, access or refresh; spent: 1 once it was exchanged).
    CREATE TABLE oauth_clients (
        id            TEXT PRIMARY KEY,
        name          TEXT NOT NULL,
        redirect_uris TEXT NOT NULL,
        made          REAL NOT NULL
    );
    CREATE TABLE oauth_grants (
        id          TEXT PRIMARY KEY,
        client      TEXT    NOT NULL,
        client_name TEXT    NOT NULL,
        person      TEXT    NOT NULL,
        proof       BLOB,
        role        INTEGER NOT NULL,
        resource    TEXT    NOT NULL,
        scope       TEXT    NOT NULL,
        made        REAL    NOT NULL,
        used        REAL,
        expires     REAL    NOT NULL
    );
    CREATE INDEX oauth_grants_by_client ON oauth_grants (client);
    CREATE TABLE oauth_secrets (
        hash         BLOB PRIMARY KEY,
        kind         TEXT    NOT NULL,
        grant_id     TEXT    NOT NULL REFERENCES oauth_grants (id) ON DELETE CASCADE,
        expires      REAL    NOT NULL,
        spent        INTEGER NOT NULL DEFAULT 0,
        challenge    TEXT,
        redirect_uri TEXT
    ) WITHOUT ROWID;
    CREATE INDEX oauth_secrets_by_grant ON oauth_secrets (grant_id);
    """,
)
"""The database's version (PRAGMA user_version) is how many of these it has been through."""
