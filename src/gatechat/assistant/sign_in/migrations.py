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
)
"""The database's version (PRAGMA user_version) is how many of these it has been through."""
