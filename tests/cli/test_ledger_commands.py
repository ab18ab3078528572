"""What a person does at a terminal, and what nobody does who is none."""

from __future__ import annotations

import asyncio
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from gatechat.assistant.change.model import Action, Edit, State, Target
from gatechat.assistant.core import Core
from gatechat.assistant.principal import Principal, Role
from gatechat.assistant.settings import AssistantSettings
from tests.cli.program import gatechat
from tests.conftest import ADMIN_KEY, GatewayUnderTest

ANNA = Principal("token:anna", Role.EDITOR, "mcp")


class Terminal:
    """The program with a person in front of it."""

    def __init__(self, folder: Path, gateway: GatewayUnderTest) -> None:
        self.folder = folder
        self.gateway = gateway
        self.options = [
            *("--data-dir", str(folder), "--admin-url", gateway.gateway.admin_url, "--admin-key", ADMIN_KEY)
        ]

    def piped(self, *command: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        """Without a terminal."""
        return subprocess.run(
            [sys.executable, "-m", "gatechat", *command, *self.options],
            input=typed,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def run(self, *command: str, typed: str = "") -> tuple[int, str]:
        """With one, on which ``typed`` is typed."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "gatechat", *command, *self.options],
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        os.write(ours, f"{typed}\n".encode())
        out, _ = process.communicate(timeout=60)
        os.close(ours)
        os.close(theirs)
        return process.returncode, out

    def core(self) -> Core:
        settings = AssistantSettings(
            admin_url=self.gateway.gateway.admin_url,
            admin_key=ADMIN_KEY,
            data_dir=self.folder,
            gateway_url=self.gateway.gateway.proxy_url,
        )
        return Core(settings, ())

    def planned(self) -> tuple[str, str]:
        """Id and digest of a plan of Anna's that waits."""

        async def plan() -> tuple[str, str]:
            core = self.core()
            value = {"uri": "/t", "upstream": {"nodes": self.gateway.nodes()}}
            edit = Edit(Action.CREATE, Target("routes", "t"), None, value, None)
            made = await core.drafts.of_edits((edit,), "a test", ANNA)
            assert made.state is State.WAITING, made
            core.changes.records.planned(made, ANNA)
            await core.close()
            return made.id, made.digest

        return asyncio.run(plan())

    def there(self) -> bool:
        return self.gateway.admin.get("/apisix/admin/routes/t").status_code == 200


@pytest.fixture
def terminal(tmp_path: Path, gateway: GatewayUnderTest) -> Terminal:
    return Terminal(tmp_path, gateway)


def test_a_person_approves_applies_looks_and_undoes(terminal: Terminal) -> None:
    id, digest = terminal.planned()
    code, out = terminal.run("approve", id, typed=digest[:8])
    assert code == 0, out
    assert "/t answers without authentication" in out
    assert not terminal.there()
    code, out = terminal.run("apply", id)
    assert (code, terminal.there()) == (0, True), out
    assert (
        f"{id} applied by token:anna/mcp, approved by local: a test [routes/t]"
        in terminal.piped("history").stdout
    )
    assert "create routes/t" in terminal.piped("show", id).stdout
    undo = terminal.piped("undo", id).stdout
    assert "delete routes/t" in undo
    assert terminal.there()
    waiting = undo.split("gatechat approve ")[-1].split("`")[0] if "gatechat approve" in undo else None
    assert waiting is None or f"Plan {waiting} waits" in terminal.piped("history").stdout
    verified = gatechat(terminal.folder, "audit", "verify", "--data-dir", str(terminal.folder))
    assert "none altered or missing" in verified.stdout
    assert (
        gatechat(terminal.folder, "audit", "export", "--data-dir", str(terminal.folder)).stdout.count("\n")
        >= 5
    )


@pytest.mark.parametrize("typed", ["", "yes", "00000000"])
def test_anything_but_the_digest_is_no(terminal: Terminal, typed: str) -> None:
    id, _ = terminal.planned()
    code, out = terminal.run("approve", id, typed=typed)
    assert code == 1
    assert "Nothing was approved" in out
    assert f"Plan {id} waits" in terminal.piped("history").stdout


def test_what_is_piped_in_is_no_person(terminal: Terminal) -> None:
    id, digest = terminal.planned()
    answer = terminal.piped("approve", id, typed=f"{digest[:8]}\n")
    assert answer.returncode == 1
    assert "no person" in answer.stderr
    assert digest[:8] not in answer.stdout
    answer = terminal.piped("apply", id)
    assert answer.returncode == 1
    assert "waits for a person" in answer.stderr
    assert not terminal.there()


def test_a_link_to_the_console_is_for_terminals_only(terminal: Terminal) -> None:
    folder = ["--data-dir", str(terminal.folder)]
    terminal.options = folder
    assert "no person" in terminal.piped("console").stderr
    _, out = terminal.run("console")
    assert "http://localhost:5000/approver?code=" in out
    assert (terminal.folder / "approver-key").read_text().strip() not in out


def test_a_rejected_plan_is_over(terminal: Terminal) -> None:
    id, digest = terminal.planned()
    assert terminal.piped("reject", id).returncode == 0
    code, out = terminal.run("approve", id, typed=digest[:8])
    assert (code, "rejected" in out) == (1, True)


def test_files_make_the_round_trip(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "apisix.yaml"
    terminal.gateway.put("routes/t", {"uri": "/t", "upstream": {"nodes": terminal.gateway.nodes()}})
    assert terminal.piped("export", str(file)).returncode == 0
    assert "nothing to change" in terminal.piped("plan", "-f", str(file)).stdout
    file.write_text(file.read_text().replace("uri: /t", "uri: /u"))
    out = terminal.piped("plan", "-f", str(tmp_path)).stdout
    assert '~ uri: "/t" -> "/u"' in out
    assert "routes/t" in out
    file.write_text("routes: []\n#END\n")
    assert "nothing to change" in terminal.piped("plan", "-f", str(file)).stdout
    assert "delete routes/t" in terminal.piped("plan", "-f", str(file), "--delete").stdout
    assert terminal.there()


def test_a_ledger_that_is_not_there_is_said(tmp_path: Path) -> None:
    answer = gatechat(tmp_path, "audit", "verify", "--data-dir", str(tmp_path))
    assert answer.returncode == 1
    assert "nothing was planned yet" in answer.stderr
