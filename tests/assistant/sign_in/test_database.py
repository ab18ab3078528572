"""The file of who may sign in: private, durable, shared, and never opened by an older program."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from gatechat.assistant.sign_in.database import FILE, Database, DatabaseError
from gatechat.assistant.sign_in.migrations import MIGRATIONS


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / FILE


def test_it_and_all_beside_it_are_for_their_owner_alone(path: Path) -> None:
    with closing(Database(path)) as database, database.writing() as db:
        db.execute("INSERT INTO tokens (name, hash, role, made) VALUES ('a', x'00', 1, 0)")
        modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert modes == dict.fromkeys((FILE, f"{FILE}-wal", f"{FILE}-shm"), 0o600)
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_what_is_committed_is_on_the_disk(path: Path) -> None:
    with closing(Database(path)) as database:
        assert database.one("PRAGMA journal_mode") == ("wal",)
        assert database.one("PRAGMA synchronous") == (2,)


def test_a_write_that_fails_leaves_nothing(path: Path) -> None:
    with closing(Database(path)) as database:
        row = "INSERT INTO tokens (name, hash, role, made) VALUES ('a', x'00', 1, 0)"
        with pytest.raises(sqlite3.IntegrityError), database.writing() as db:
            list(map(db.execute, (row, row)))
        assert database.all("SELECT * FROM tokens") == []


def test_many_may_open_a_new_file_at_once(path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        for database in threads.map(Database, [path] * 8):
            database.close()
    with closing(Database(path)) as database:
        assert database.one("PRAGMA user_version") == (len(MIGRATIONS),)


@pytest.mark.parametrize("version", range(len(MIGRATIONS)))
def test_an_older_file_is_brought_up_to_date(path: Path, version: int) -> None:
    Database(path).close()
    with closing(Database(path)) as fresh:
        wanted = fresh.all("SELECT name, sql FROM sqlite_schema ORDER BY name")
    path.unlink()
    with closing(sqlite3.connect(path)) as db:
        for script in MIGRATIONS[:version]:
            db.executescript(script)
        db.execute(f"PRAGMA user_version = {version}")
    with closing(Database(path)) as database:
        assert database.all("SELECT name, sql FROM sqlite_schema ORDER BY name") == wanted


def test_a_newer_programs_file_is_left_alone(path: Path) -> None:
    Database(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 999")
    with pytest.raises(DatabaseError, match="newer gatechat"):
        Database(path)


def test_a_file_that_is_none_is_named_with_what_to_do(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(DatabaseError, match=f"{path} cannot be used .* restore it"):
        Database(path)
    with pytest.raises(DatabaseError, match="make it yours"):
        Database(path / "below a file")
