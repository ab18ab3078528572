from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from gatechat.gateway.model import Delete, Put, State
from gatechat.gateway.store import Change, Store, StoreError, stage
from gatechat.gateway.store.migrations import MIGRATIONS


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "gatechat.db"


def write(store: Store, change: Change) -> State:
    with store.writing(change):
        pass
    return change.after


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(path) as db:
        return db.execute(query).fetchall()


def test_what_is_written_is_loaded_again(path: Path) -> None:
    store = Store(path)
    edits = [
        Put("routes", "1", {"uri": "/\u00e4\ud800", "n": 1.5, "deep": {"a": [None, True]}}, ttl=5),
        Put("credentials", "jack/credentials/c1", {"plugins": {}}),
    ]
    state = write(store, stage(State(), edits, now=100.0))
    state = write(store, stage(state, [Delete("routes", "none"), Put("routes", "2", {})], now=101.0))
    store.close()

    again = Store(path)
    assert again.load() == state
    again.close()


def test_a_write_whose_block_raises_leaves_no_trace(path: Path) -> None:
    store = Store(path)
    with pytest.raises(LookupError), store.writing(stage(State(), [Put("routes", "1", {})], now=1.0)):
        raise LookupError
    assert store.load() == State()
    state = write(store, stage(State(), [Put("routes", "2", {})], now=2.0))

    assert state.revision == 1
    assert store.load() == state
    store.close()


def test_history_tells_what_was_written_and_what_was_taken_back(path: Path) -> None:
    store = Store(path)
    state = write(store, stage(State(), [Put("routes", "1", {"uri": "/a"})], now=1.0))
    store.prove(1)
    refused = stage(state, [Put("routes", "1", {"uri": "/b"})], now=2.0)
    write(store, refused)
    state = write(store, refused.reverted(at=3.0))
    write(store, stage(state, [Delete("routes", "1")], now=4.0))
    store.close()

    assert rows(path, "SELECT revision, reverts, proven FROM revisions ORDER BY revision") == [
        (1, None, 1),
        (2, None, 0),
        (3, 2, None),
        (4, None, None),
    ]
    assert rows(path, "SELECT revision, value, modified_index FROM history ORDER BY revision") == [
        (1, '{"uri":"/a"}', 1),
        (2, '{"uri":"/b"}', 2),
        (3, '{"uri":"/a"}', 1),
        (4, None, None),
    ]


def test_the_newest_write_can_be_taken_back_after_a_restart_if_nobody_answered_it(
    path: Path,
) -> None:
    store = Store(path)
    edits = [Put("routes", "1", {"uri": "/a"}), Put("routes", "2", {}), Put("upstreams", "1", {})]
    before = write(store, stage(State(), edits, now=1.0))
    edits = [Put("routes", "1", {"uri": "/b"}), Delete("routes", "2"), Put("routes", "3", {})]
    write(store, stage(before, edits, now=2.0))
    store.close()

    store = Store(path)
    change = store.unproven(store.load())
    assert change is not None
    after = write(store, change.reverted(at=3.0))
    assert (after.kinds, after.revision) == (before.kinds, 3)
    assert store.load() == after
    assert store.unproven(after) is None, "what takes a write back is not itself taken back"
    store.close()


def test_a_write_that_envoy_took_is_not_taken_back(path: Path) -> None:
    store = Store(path)
    state = write(store, stage(State(), [Put("routes", "1", {})], now=1.0))
    store.prove(1)
    store.close()

    store = Store(path)
    assert store.unproven(state) is None
    store.close()


def test_only_one_store_owns_a_folder(path: Path) -> None:
    store = Store(path)
    with pytest.raises(StoreError, match=r"in use by another gatechat \(process \d+\).*--data-dir"):
        Store(path)
    store.close()
    Store(path).close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"file/data cannot be written \(Not a directory\).*--data-dir"):
        Store(tmp_path / "file" / "data" / "gatechat.db")


def test_a_database_of_a_newer_version_is_left_alone(path: Path) -> None:
    Store(path).close()
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")

    for _ in range(2):  # the failed attempt has given the lock back
        with pytest.raises(StoreError, match="written by a newer gatechat"):
            Store(path)


def test_an_older_database_is_brought_up_to_date_and_keeps_what_it_has(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(path)
    state = write(store, stage(State(), [Put("routes", "1", {})], now=1.0))
    store.close()
    newer = (*MIGRATIONS, "CREATE TABLE one (x);", "CREATE TABLE two (x);")
    monkeypatch.setattr("gatechat.gateway.store.database.MIGRATIONS", newer)
    for _ in range(2):
        store = Store(path)
        assert store.load() == state
        store.close()
    assert rows(path, "PRAGMA user_version") == [(len(newer),)]


def test_a_migration_that_fails_leaves_the_database_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Store(path).close()
    with monkeypatch.context() as patch:
        broken = (*MIGRATIONS, "CREATE TABLE one (x); CREATE TABLE resources (x);")
        patch.setattr("gatechat.gateway.store.database.MIGRATIONS", broken)
        with pytest.raises(StoreError, match="table resources already exists"):
            Store(path)
    assert rows(path, "SELECT name FROM sqlite_master WHERE name = 'one'") == []
    Store(path).close()


def test_a_file_that_is_no_database_is_named(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("nothing that SQLite knows" * 100)

    with pytest.raises(StoreError, match=r"gatechat\.db cannot be used \(file is not a database\)"):
        Store(path)


def test_a_full_disk_is_told_and_changes_nothing(path: Path) -> None:
    store = Store(path)
    state = write(store, stage(State(), [Put("routes", "1", {})], now=1.0))
    store._db.execute("PRAGMA max_page_count = 1")  # SQLite does not go below the size it has
    with pytest.raises(StoreError, match=r"nothing can be stored .*disk is full"):
        write(store, stage(state, [Put("routes", "2", {"big": "x" * 100_000})], now=2.0))
    assert store.load() == state
    store.close()


def test_the_files_are_closed_to_other_users(path: Path) -> None:
    store = Store(path)
    write(store, stage(State(), [Put("consumers", "jack", {"key": "secret"})], now=1.0))

    assert path.parent.stat().st_mode & 0o77 == 0
    assert {file.stat().st_mode & 0o77 for file in path.parent.iterdir()} == {0}
    store.close()


def test_what_was_committed_survives_kill_9(path: Path) -> None:
    """A process writes and says so after each commit; it is killed in the middle of it."""
    writer = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("endless_writer.py"), path],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout is not None
    said = [int(writer.stdout.readline()) for _ in range(50)]
    writer.kill()
    said += [int(line) for line in writer.stdout.read().splitlines()]
    assert writer.wait() == -signal.SIGKILL

    store = Store(path)
    state = store.load()
    assert state.revision - said[-1] in (0, 1), "at most the write that was never acknowledged"
    assert set(state.all("routes")) >= {str(number) for number in said}
    store.close()
