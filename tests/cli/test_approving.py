"""A yes is a person's at a terminal, to the plan that was shown there, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.terminal import Terminal
from tests.conftest import GatewayUnderTest


@pytest.fixture
def terminal(tmp_path: Path, gateway: GatewayUnderTest) -> Terminal:
    return Terminal(tmp_path, gateway)


def test_a_person_approves_applies_looks_and_undoes(terminal: Terminal) -> None:
    id, digest = terminal.planned()
    code, out = terminal.run("approve", id, typed=digest[:8])
    assert code == 0, out
    for shown in ('+  "uri": "/t"', "1 to create", "/t answers without authentication", "Risk: medium"):
        assert shown in out.partition("To say yes")[0]
    assert not terminal.there()
    code, out = terminal.run("apply", id)
    assert (code, terminal.there()) == (0, True), out
    assert (
        f"{id} applied by token:anna/mcp, approved by local: a test [routes/t]"
        in terminal.piped("history").stdout
    )
    assert "create routes/t" in terminal.piped("show", id).stdout
    undo = terminal.piped("undo", id)
    assert undo.returncode == 0
    assert "delete routes/t" in undo.stdout
    assert terminal.there()


def test_an_undo_at_a_terminal_asks_and_is_done(terminal: Terminal) -> None:
    id, digest = terminal.planned()
    terminal.run("approve", id, typed=digest[:8])
    terminal.run("apply", id)
    code, out = terminal.run("undo", id, typed="no")
    assert (code, terminal.there()) == (1, True)
    again = terminal.json("undo", id)
    code, out = terminal.run("approve", again["id"], typed=again["digest"][:8])
    assert code == 0, out
    code, out = terminal.run("apply", again["id"])
    assert (code, terminal.there()) == (0, False), out


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
    assert "no yes" in answer.stderr
    assert digest[:8] not in answer.stdout
    answer = terminal.piped("apply", id)
    assert answer.returncode == 1
    assert "waits for a person" in answer.stderr
    assert not terminal.there()


def test_a_link_to_the_console_is_for_terminals_only(terminal: Terminal) -> None:
    assert "no yes" in terminal.piped("console").stderr
    _, out = terminal.run("console")
    assert "http://localhost:5000/approver?code=" in out
    assert (terminal.folder / "approver-key").read_text().strip() not in out


def test_a_rejected_plan_is_over(terminal: Terminal) -> None:
    id, digest = terminal.planned()
    assert terminal.piped("reject", id).returncode == 0
    code, out = terminal.run("approve", id, typed=digest[:8])
    assert (code, "rejected" in out) == (1, True)
