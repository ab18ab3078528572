"""`gatechat history`, `show`, `drift` and `audit`: for people and for programs."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from gatechat.assistant.ledger import Ledger
from gatechat.assistant.ledger.chain import Note
from gatechat.cli import reporting
from tests.cli.program import gatechat
from tests.cli.terminal import Terminal
from tests.conftest import GatewayUnderTest


@pytest.fixture
def terminal(tmp_path: Path, gateway: GatewayUnderTest) -> Terminal:
    return Terminal(tmp_path, gateway)


def upstream(terminal: Terminal, id: str, port: int = 1) -> str:
    """Writes one through gatechat; the change's id."""
    (terminal.folder / "u.yaml").write_text(f"upstreams:\n- {{id: {id}, nodes: {{'127.0.0.1:{port}': 1}}}}\n")
    made = terminal.json("plan", "-f", "u.yaml", "--apply", "--reason", f"make {id}")
    assert made["state"] == "applied", made
    return str(made["id"])


def test_history_is_found_by_resource_by_name_and_by_time(terminal: Terminal) -> None:
    one, other = upstream(terminal, "a"), upstream(terminal, "b")
    waiting, _ = terminal.planned()

    def ids(*filters: str) -> list[str]:
        return [it["change"] for it in terminal.json("history", *filters)["changes"]]

    assert ids() == [other, one]
    assert ids("--limit", "1") == [other]
    assert ids("--resource", "upstreams/a") == [one]
    assert ids("--by", "local") == [other, one]
    assert ids("--by", "token:anna") == []
    assert ids("--since", "1h") == [other, one]
    assert ids("--since", "2999-01-01") == []
    assert terminal.json("history")["waiting"] == [waiting]
    assert "Nothing like that" in terminal.piped("history", "--by", "nobody").stdout


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        (("--since", "yesterday"), "write it like 90m, 24h, 7d, 2026-11-20"),
        (("--resource", "route/1"), "write it like routes/1"),
    ],
)
def test_a_filter_that_is_none_is_said(terminal: Terminal, filters: tuple[str, ...], words: str) -> None:
    done = terminal.piped("history", *filters)
    assert done.returncode == 1
    assert words in done.stderr


def test_a_change_is_shown_to_people_and_to_programs(terminal: Terminal) -> None:
    id = upstream(terminal, "a")
    out = terminal.piped("show", id).stdout
    assert "create upstreams/a" in out
    assert "read back 1 resource in the Admin API: as planned" in out
    shown = terminal.json("show", id)
    assert (shown["state"], shown["reason"], shown["by"]) == ("applied", "make a", "local")
    assert shown["changes"][0]["fields"][0] == {"path": "nodes", "op": "add", "after": {"127.0.0.1:1": 1}}
    assert shown["proofs"][0]["how"] == "read back"


def test_an_id_of_nothing_is_said(terminal: Terminal) -> None:
    done = terminal.piped("show", "nothing")
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "there is no plan nothing" in done.stderr


def test_what_was_done_is_shown_while_the_gateway_is_away(terminal: Terminal) -> None:
    id = upstream(terminal, "a")
    terminal.settings["GATECHAT_ADMIN_URL"] = "http://127.0.0.1:1"
    done = terminal.piped("show", id)
    assert done.returncode == 0
    assert "create upstreams/a" in done.stdout
    assert "cannot be reached" in done.stderr


def test_drift_is_shown_once_with_its_diff(terminal: Terminal) -> None:
    upstream(terminal, "a")
    assert terminal.piped("drift", "--detailed-exitcode").returncode == 0
    terminal.gateway.put("upstreams/a", {"nodes": {"127.0.0.1:2": 1}, "type": "roundrobin"})
    (terminal.folder / "u.yaml").write_text("upstreams:\n- {id: a, nodes: {'127.0.0.1:3': 1}}\n")
    assert (
        "others changed upstreams/a since gatechat last looked"
        in terminal.piped("plan", "-f", "u.yaml").stdout
    )
    done = terminal.piped("drift", "--detailed-exitcode")
    assert done.returncode == 2
    assert "replace upstreams/a" in done.stdout
    assert '+    "127.0.0.1:2": 1' in done.stdout
    assert terminal.json("drift") == []


def test_a_ledger_that_is_not_there_is_said(tmp_path: Path) -> None:
    answer = gatechat(tmp_path, "audit", "verify", "--data-dir", str(tmp_path))
    assert answer.returncode == 1
    assert "nothing was planned yet" in answer.stderr


def many(folder: Path, number: int) -> Path:
    """A ledger of plans that wait."""
    ledger = Ledger(folder / "ledger.db")
    notes = [
        Note("plan", f"{n:06}", "local", "admin", "cli", {"n": n}, "waiting", json.dumps({"n": n}))
        for n in range(number)
    ]
    ledger.append(*notes)
    ledger.close()
    return folder


def audit(folder: Path, *more: str) -> Any:
    return json.loads(gatechat(folder, "audit", "verify", "--data-dir", str(folder), "--json", *more).stdout)


ALTERED: dict[str, tuple[str, str]] = {
    "an entry": ("UPDATE entries SET by = 'mallory' WHERE seq = 7", "entry 7 (plan of 000006) was altered"),
    "an entry's words": (
        "UPDATE entries SET body = '{\"n\":9}' WHERE seq = 7",
        "entry 7 (plan of 000006) was altered",
    ),
    "an entry taken out": ("DELETE FROM entries WHERE seq = 7", "entry 7 is missing before entry 8"),
    "a document taken out": ("DELETE FROM sealed WHERE seq = 7", "the document of entry 7 is missing"),
}


@pytest.mark.parametrize("name", ALTERED)
def test_what_was_altered_is_said_with_its_place(tmp_path: Path, name: str) -> None:
    statement, words = ALTERED[name]
    many(tmp_path, 10)
    db = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    for (trigger,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        db.execute(f"DROP TRIGGER {trigger}")
    db.execute("PRAGMA foreign_keys = OFF")
    db.execute(statement)
    db.close()
    assert words in audit(tmp_path)["problems"]
    assert gatechat(tmp_path, "audit", "verify", "--data-dir", str(tmp_path)).returncode == 1


def test_an_end_that_was_cut_off_is_seen_by_a_hash_that_was_noted(tmp_path: Path) -> None:
    head = audit(many(tmp_path, 3))["head"]
    assert audit(tmp_path, "--head", head)["problems"] == []
    (problem,) = audit(tmp_path, "--head", "0" * 64)["problems"]
    assert "was cut off" in problem


def test_ten_thousand_entries_are_verified_and_exported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    many(tmp_path, 10_000)
    assert reporting.verify(tmp_path, None, as_json=False)
    assert "10000 entries, none altered or missing" in capsys.readouterr().out
    lines: list[str] = []
    reporting.export(tmp_path, lines.append)
    assert [json.loads(line)["seq"] for line in lines] == list(range(1, 10_001))
