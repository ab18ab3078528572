"""An SQLite file of the assistant's: private, durable, shared, and never opened by an older program."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from gatechat.assistant.database import Database, DatabaseError

FILE = "things.db"
MIGRATIONS = (
    """
    CREATE TABLE things (name TEXT PRIMARY KEY);
    CREATE TABLE parts (thing TEXT NOT NULL REFERENCES things (name)); -- one; two
    """,
    "ALTER TABLE things ADD COLUMN size INTEGER;",
)
ROW = "INSERT INTO things (name) VALUES ('a')"


class ThingsError(DatabaseError):
    """What this file's users know it by."""


def opened(path: Path) -> Database:
    return Database(path, MIGRATIONS, ThingsError)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / FILE


def test_it_and_all_beside_it_are_for_their_owner_alone(path: Path) -> None:
    with closing(opened(path)) as database, database.writing() as db:
        db.execute(ROW)
        modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert modes == dict.fromkeys((FILE, f"{FILE}-wal", f"{FILE}-shm"), 0o600)
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_what_is_committed_is_on_the_disk(path: Path) -> None:
    with closing(opened(path)) as database:
        assert database.one("PRAGMA journal_mode") == ("wal",)
        assert database.one("PRAGMA synchronous") == (2,)


def test_a_write_that_fails_leaves_nothing(path: Path) -> None:
    with closing(opened(path)) as database:
        with pytest.raises(sqlite3.IntegrityError), database.writing() as db:
            list(map(db.execute, (ROW, ROW)))
        assert database.all("SELECT * FROM things") == []


def test_many_may_open_a_new_file_at_once(path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        for database in threads.map(opened, [path] * 8):
            database.close()
    with closing(opened(path)) as database:
        assert database.one("PRAGMA user_version") == (len(MIGRATIONS),)


@pytest.mark.parametrize("version", range(len(MIGRATIONS)))
def test_an_older_file_is_brought_up_to_date(path: Path, version: int) -> None:
    opened(path).close()
    with closing(opened(path)) as fresh:
        wanted = fresh.all("SELECT name, sql FROM sqlite_schema ORDER BY name")
    path.unlink()
    with closing(sqlite3.connect(path)) as db:
        for script in MIGRATIONS[:version]:
            db.executescript(script)
        db.execute(f"PRAGMA user_version = {version}")
    with closing(opened(path)) as database:
        assert database.all("SELECT name, sql FROM sqlite_schema ORDER BY name") == wanted


def test_a_newer_programs_file_is_left_alone(path: Path) -> None:
    opened(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 999")
    with pytest.raises(ThingsError, match="newer gatechat"):
        opened(path)


def test_a_file_that_is_none_is_named_with_what_to_do(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(ThingsError, match=f"{path} cannot be used .* restore it"):
        opened(path)
    with pytest.raises(ThingsError, match="make it yours"):
        opened(path / "below a file")


def test_a_write_inside_a_write_is_a_mistake_and_the_outer_one_goes_on(path: Path) -> None:
    with closing(opened(path)) as database:
        with database.writing() as db:
            db.execute(ROW)
            with pytest.raises(ThingsError, match="inside a write"), database.writing():
                pass
        assert database.one("SELECT name FROM things") == ("a",)


def test_a_disk_that_fails_is_said_with_what_to_do(path: Path) -> None:
    with closing(opened(path)) as database:
        database.one("PRAGMA query_only = ON")
        with (
            pytest.raises(ThingsError, match=r"cannot be written .* see to the disk") as error,
            database.writing() as db,
        ):
            db.execute(ROW)
        assert error.value.status == 503
        with pytest.raises(ThingsError, match="cannot be read"):
            database.all("SELECT nothing FROM nowhere")


def test_what_the_schema_refuses_is_left_to_who_wrote(path: Path) -> None:
    with closing(opened(path)) as database, pytest.raises(sqlite3.IntegrityError), database.writing() as db:
        db.execute("INSERT INTO parts VALUES ('of nothing')")
