"""The SQLite file of everything that lets somebody in: tokens, and what the OAuth server gave out.

It is read at each request, so that `gatechat token revoke` counts at once in a running `gatechat up`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from gatechat.assistant import database
from gatechat.assistant.sign_in.migrations import MIGRATIONS

FILE: Final = "sign_in.db"


class Database(database.Database):
    """Raises gatechat.assistant.database.DatabaseError when ``path`` cannot be used."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, MIGRATIONS)
