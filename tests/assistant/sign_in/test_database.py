"""The file of who may sign in, from every version on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gatechat.assistant.sign_in.database import FILE, Database
from gatechat.assistant.sign_in.migrations import MIGRATIONS


@pytest.mark.parametrize("version", range(len(MIGRATIONS)))
def test_an_older_file_is_brought_up_to_date(tmp_path: Path, version: int) -> None:
    with closing(Database(tmp_path / "fresh.db")) as fresh:
        wanted = fresh.all("SELECT name, sql FROM sqlite_schema ORDER BY name")
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        for script in MIGRATIONS[:version]:
            db.executescript(script)
        db.execute(f"PRAGMA user_version = {version}")
    with closing(Database(tmp_path / FILE)) as database:
        assert database.all("SELECT name, sql FROM sqlite_schema ORDER BY name") == wanted
