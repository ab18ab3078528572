"""Commands and settings: flags over environment over file over default; --help explains each."""

from __future__ import annotations

import dataclasses
import socket
from pathlib import Path
from typing import Any

import pytest
import typer.main

from gatechat import __version__
from gatechat.assistant.settings import AssistantSettings
from gatechat.cli.commands import app
from gatechat.gateway.app import GatewaySettings
from tests.cli.program import gatechat

COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]


OF_ONE_CALL = frozenset(
    {"file", "id", "what", "head", "reason", "limit", "resource", "by", "since", "delete", "apply", "redact"}
    | {"detailed_exitcode", "as_json"}
)
"""What is said with each call and is no setting."""


def test_the_commands_are_those_of_the_documentation() -> None:
    assert set(COMMANDS) == {
        "up",
        "serve",
        "mcp",
        "gateway",
        "demo",
        "export",
        "import",
        "move",
        "approve",
        "reject",
        "apply",
        "undo",
        "plan",
        "show",
        "history",
        "audit",
        "drift",
        "console",
        "token",
        "doctor",
        "version",
    }


@pytest.mark.parametrize("command", COMMANDS)
def test_help_explains_every_setting(tmp_path: Path, command: str) -> None:
    done = gatechat(tmp_path, command, "--help")
    assert done.returncode == 0
    for param in COMMANDS[command].params:
        if param.name != "help":
            assert param.help
            assert param.opts[0] in done.stdout or param.name.upper() in done.stdout


def test_help_names_every_command(tmp_path: Path) -> None:
    for flag in ("--help", "-h"):
        done = gatechat(tmp_path, flag)
        assert all(f"  {command} " in done.stdout for command in COMMANDS)


def test_every_setting_has_an_environment_variable_of_its_name() -> None:
    for command in COMMANDS.values():
        for param in command.params:
            if param.name not in ("help", *OF_ONE_CALL):
                assert param.envvar == f"GATECHAT_{param.name.upper()}"


@pytest.mark.parametrize("word", ["version", "--version"])
def test_version_prints_the_version(tmp_path: Path, word: str) -> None:
    assert gatechat(tmp_path, word).stdout.startswith(f"gatechat {__version__} ")


GIVEN_BY = {"verification_tokens": "openai_verification_token"}
"""A field of the settings whose value is made from another flag."""
MADE_LATER = ("admin_url", "admin_key", "gateway_url", "data_dir")
"""Fields whose defaults depend on what is run."""


@pytest.mark.parametrize(
    ("command", "settings"),
    [("serve", AssistantSettings), ("gateway", GatewaySettings), ("up", GatewaySettings)],
)
def test_every_setting_of_the_rooms_can_be_given_and_has_their_default(
    command: str, settings: type[AssistantSettings] | type[GatewaySettings]
) -> None:
    params = {param.name: param for param in COMMANDS[command].params}
    for field in dataclasses.fields(settings):
        param = params[GIVEN_BY.get(field.name, field.name)]
        if isinstance(field.default, tuple):
            assert param.default == ",".join(field.default)
        elif field.default is not dataclasses.MISSING and field.name not in MADE_LATER:
            assert param.default == field.default, field.name


PLACES = [
    ("the default", {}, 5080),
    ("the file", {"file": 1}, 1),
    ("the environment over the file", {"file": 1, "env": 2}, 2),
    ("the flag over both", {"file": 1, "env": 2, "flag": 3}, 3),
    ("the flag over the environment", {"env": 2, "flag": 3}, 3),
]


@pytest.mark.parametrize(("given", "counts"), [row[1:] for row in PLACES], ids=[row[0] for row in PLACES])
def test_what_counts_of_what_is_given(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: dict[str, int], counts: int
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("GATECHAT_DEMO_PORT", raising=False)
    if "file" in given:
        (tmp_path / "gatechat.toml").write_text(f"demo_port = {given['file']}\n")
    if "env" in given:
        monkeypatch.setenv("GATECHAT_DEMO_PORT", str(given["env"]))
    arguments = [f"--demo-port={given['flag']}"] if "flag" in given else []
    context = COMMANDS["demo"].make_context(
        "demo", arguments, parent=typer.main.get_command(app).make_context("g", ["demo"])
    )
    assert context.params["demo_port"] == counts


WRONG = [
    ("a command with a slip in it", ["sreve"], 2, "Did you mean 'serve'?"),
    ("a flag that is not there", ["serve", "--prot=1"], 2, "No such option"),
    ("a port out of range", ["demo", "--demo-port=70000"], 2, "--demo-port"),
    ("a log level that is not there", ["demo", "--log-level=loud"], 1, "debug, info, warning and error"),
    ("a settings file that is not there", ["demo", "--config=none.toml"], 1, "none.toml cannot be read"),
    ("a URL that is none", ["export", "-", "--admin-url=9180"], 1, "is not a URL like"),
    ("a folder without files", ["plan", "-f", "."], 1, ". holds no .yaml file"),
    ("a file that is not there", ["plan", "-f", "none.yaml"], 1, "none.yaml cannot be read"),
    ("an audit of another kind", ["audit", "look"], 1, "there are verify and export"),
    ("moving to where it comes from", ["move", "--to=http://127.0.0.1:9180/"], 1, "name another"),
]


@pytest.mark.parametrize(
    ("arguments", "code", "words"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG]
)
def test_what_is_wrong_is_said_without_a_traceback(
    tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    done = gatechat(tmp_path, *arguments)
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_command_it_is_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        done = gatechat(tmp_path, f"--demo-port={number}")
    assert f"Port {number} (demo) is taken" in done.stderr
