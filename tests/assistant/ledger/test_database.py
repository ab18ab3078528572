"""The file itself: what is in it stays in it, for all who have it open."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gatechat.assistant.ledger import Ledger, LedgerError, Moved, Note
from gatechat.assistant.ledger.migrations import MIGRATIONS
from gatechat.assistant.ledger.safe import KEY_FILE


def note(subject: str = "p1", state: str | None = "waiting", **more: object) -> Note:
    return Note("plan", subject, "local", "admin", "cli", {"a": 1}, state, **more)  # type: ignore[arg-type]


def test_entries_come_back_newest_first_and_by_what_is_asked(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    ledger.append(note("p1"), note("p2", touched=(("routes", "1"),)))
    ledger.append(Note("approval", "p1", "anna", "approver", "console", {}, "ready"))
    assert [entry.seq for entry in ledger.entries()] == [3, 2, 1]
    assert [entry.what for entry in ledger.entries("p1")] == ["approval", "plan"]
    assert [entry.subject for entry in ledger.entries(what=("plan",), before=2)] == ["p1"]
    assert [entry.subject for entry in ledger.entries(touching=("routes", "1"))] == ["p2"]
    assert (ledger.state("p1"), ledger.state("p2"), ledger.state("p3")) == ("ready", "waiting", None)
    assert ledger.subjects("waiting") == ["p2"]


def test_an_entry_without_a_state_leaves_the_state(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    ledger.append(note(state="waiting"), note(state=None))
    assert ledger.state("p1") == "waiting"


def test_who_expected_another_state_writes_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    ledger.append(note(), expect=(None,))
    with pytest.raises(Moved):
        ledger.append(note(state="applying"), expect=("ready",))
    assert len(ledger.entries()) == 1


def test_of_many_who_want_the_same_state_one_gets_it(tmp_path: Path) -> None:
    ledgers = [Ledger(tmp_path / "ledger.db") for _ in range(4)]
    ledgers[0].append(note(state="ready"))
    won: list[int] = []

    def take(number: int) -> None:
        try:
            ledgers[number].append(note(state="applying"), expect=("ready",))
        except Moved:
            return
        won.append(number)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert ledgers[0].verify() == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET body = '{}'",
        "DELETE FROM entries",
        "UPDATE sealed SET document = ''",
        "DELETE FROM sealed",
    ],
)
def test_the_database_itself_refuses(tmp_path: Path, statement: str) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    ledger.append(note(document="{}"))
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        sqlite3.connect(tmp_path / "ledger.db").execute(statement)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE entries SET body = '{}' WHERE seq = 2", "entry 2"),
        ("DELETE FROM entries WHERE seq = 2", "entry 2 is missing"),
        ("UPDATE sealed SET document = x'00'", "document of entry 1 was altered"),
        ("DELETE FROM sealed", "document of entry 1 is missing"),
    ],
)
def test_who_goes_around_the_triggers_is_found(tmp_path: Path, statement: str, words: str) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    ledger.append(note(document="{}"), note("p2"), note("p3"))
    assert ledger.verify() == []
    db = sqlite3.connect(tmp_path / "ledger.db")
    for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        db.execute(f"DROP TRIGGER {name}")
    db.execute(statement)
    db.commit()
    assert any(words in problem for problem in ledger.verify())


def test_a_cut_off_end_is_found_by_a_hash_that_was_noted(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    ledger.append(note("p1"), note("p2"))
    _, head = ledger.head()
    assert ledger.verify(head) == []
    other = Ledger(tmp_path / "other.db")
    other.append(note("p1"))
    assert any("cut off" in problem for problem in other.verify(head))


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    Ledger(tmp_path / "ledger.db").append(note())
    for file in tmp_path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_file_of_a_newer_gatechat_is_left_alone(tmp_path: Path) -> None:
    Ledger(tmp_path / "ledger.db").close()
    db = sqlite3.connect(tmp_path / "ledger.db")
    db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    db.close()
    with pytest.raises(LedgerError, match="newer gatechat"):
        Ledger(tmp_path / "ledger.db")


def test_what_holds_secrets_is_closed_in_the_file(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    ledger.append(note("p1", state="waiting", document='{"key": "s3cret-a"}'))
    ledger.enter("p1", {"a.key": "s3cret-b"}, expect=("waiting",))
    ledger.see({("routes", "1"): (3, {"key": "s3cret-c"})})
    files = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert {"ledger.db", "ledger.db-wal", KEY_FILE} <= set(files)
    assert [name for name, held in files.items() if b"s3cret" in held] == []
    ledger.close()
    again = Ledger(tmp_path / "ledger.db")
    assert again.document("p1", "plan") == '{"key": "s3cret-a"}'
    assert again.entered("p1") == {"a.key": "s3cret-b"}


def test_a_document_is_read_only_where_it_was_put(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    ledger.append(note("p1", document="{1}"), note("p2", document="{2}"))
    db = sqlite3.connect(tmp_path / "ledger.db")
    db.execute("DROP TRIGGER sealed_stay")
    db.execute("UPDATE sealed SET document = (SELECT document FROM sealed WHERE seq = 1) WHERE seq = 2")
    db.commit()
    assert ledger.document("p1", "plan") == "{1}"
    with pytest.raises(LedgerError, match="entry 2 was altered"):
        ledger.document("p2", "plan")


def test_a_key_that_is_gone_or_another_is_said_and_not_made_anew(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    ledger.append(note("p1", document="{}"))
    ledger.close()
    key = tmp_path / KEY_FILE
    key.unlink()
    with pytest.raises(LedgerError, match="is gone"):
        Ledger(tmp_path / "ledger.db")
    assert not key.exists()
    key.write_text("00")
    with pytest.raises(LedgerError, match="is damaged"):
        Ledger(tmp_path / "ledger.db")
    key.write_text("00" * 32)
    other = Ledger(tmp_path / "ledger.db")
    with pytest.raises(LedgerError, match="another ledger-key"):
        other.document("p1", "plan")
    assert len(other.verify()) == 1


def test_a_file_that_is_no_database_is_said(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_text("no database, and long enough to be none" * 100)
    with pytest.raises(LedgerError, match=r"cannot be used"):
        Ledger(tmp_path / "ledger.db")


def test_a_code_counts_once(tmp_path: Path) -> None:
    now = 1000.0
    ledger = Ledger(tmp_path / "ledger.db", now=lambda: now)
    assert ledger.use_code("c", 1100.0)
    assert not ledger.use_code("c", 1100.0)
    assert ledger.use_code("d", 1100.0)


def test_secrets_are_entered_only_where_the_plan_can_take_them(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    ledger.append(note(state="waiting"))
    ledger.enter("p1", {"a.key": "s3cret"}, expect=("waiting",))
    assert ledger.entered("p1") == {"a.key": "s3cret"}
    with pytest.raises(Moved):
        ledger.enter("p1", {"a.key": "other"}, expect=("ready",))
    assert ledger.entered("p1") == {"a.key": "s3cret"}


def test_what_was_seen_is_remembered_and_forgotten(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    ledger.see({("routes", "1"): (3, {"uri": "/a"}), ("routes", "2"): (4, {"uri": "/b"})})
    ledger.see({("routes", "1"): (5, {"uri": "/c"}), ("routes", "2"): None})
    assert ledger.seen() == {("routes", "1"): (5, {"uri": "/c"})}


WRITER = """
import sys
from pathlib import Path
from gatechat.assistant.ledger import Ledger, Note
ledger = Ledger(Path(sys.argv[1]))
number = 0
while True:
    number += 1
    ledger.append(Note("plan", f"p{number}", "local", "admin", "cli", {}, "ready", document="{}"))
    print(number, flush=True)
"""


def test_what_was_said_to_be_written_survives_kill_9(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path / "ledger.db")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    while int(process.stdout.readline()) < 20:
        pass
    os.kill(process.pid, signal.SIGKILL)
    said = 20 + len(process.stdout.readlines())
    process.wait()
    ledger = Ledger(tmp_path / "ledger.db")
    seq, _ = ledger.head()
    assert seq >= said
    assert ledger.verify() == []
