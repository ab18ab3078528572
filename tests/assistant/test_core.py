"""What every face relies on: roles, writes that end, and nothing shown before it is known what is secret."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gatechat.assistant.change.policy import Mode, PolicyError
from gatechat.assistant.core import Core
from gatechat.assistant.operations.tool import Outcome, Tool
from gatechat.assistant.principal import Principal, Role
from gatechat.assistant.problem import Problem
from gatechat.assistant.settings import AssistantSettings
from tests.assistant import rig
from tests.assistant.faces.mcp_rig import READS, WRITES, row

EDITOR = Principal("anna", Role.EDITOR, "mcp")
VIEWER = Principal("vera", Role.VIEWER, "mcp")


@pytest_asyncio.fixture
async def port() -> AsyncIterator[int]:
    admin = rig.AdminStandIn(body=b"{}")
    async with rig.serving(admin) as port:
        yield port


def core(port: int, *tools: Tool, **settings: Any) -> Core:
    return Core(AssistantSettings(admin_url=f"http://127.0.0.1:{port}", **settings), tools)


async def test_a_viewer_writes_nothing(port: int) -> None:
    ran = []

    async def run(core: Core, arguments: dict[str, Any], who: Principal) -> Outcome:
        ran.append(who)
        return Outcome("done")

    write = Tool("write", "W", "w", WRITES, {"type": "object"}, {"type": "object"}, run, Role.EDITOR)
    tried = core(port, write)
    refused = await tried.call("write", {}, VIEWER)
    assert refused.is_error
    assert refused.text.startswith("write needs the role editor; vera is viewer.")
    assert (await tried.call("write", {}, EDITOR)).text == "done"
    assert ran == [EDITOR]
    await tried.close()


async def test_a_write_goes_on_when_its_caller_goes_away(port: int) -> None:
    begun, go, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def run(core: Core, arguments: dict[str, Any], who: Principal) -> Outcome:
        begun.set()
        await go.wait()
        ended.set()
        return Outcome("done")

    tried = core(port, row("write", WRITES, run, {}))
    call = asyncio.create_task(tried.call("write", {}, EDITOR))
    await begun.wait()
    call.cancel()
    await asyncio.wait({call})
    assert call.cancelled()
    go.set()
    await tried.close()
    assert ended.is_set(), "close waits for it"


async def test_a_problem_is_told_and_a_failure_is_logged(port: int, caplog: pytest.LogCaptureFixture) -> None:
    async def refuses(core: Core, arguments: dict[str, Any], who: Principal) -> Outcome:
        raise Problem(404, "there is no route r9; find lists them")

    async def breaks(core: Core, arguments: dict[str, Any], who: Principal) -> Outcome:
        raise KeyError("a shard of the heart")

    tried = core(port, row("refuses", READS, refuses, {}), row("breaks", WRITES, breaks, {}))
    assert (await tried.call("refuses", {}, EDITOR)).text == "there is no route r9; find lists them"
    broken = await tried.call("breaks", {}, EDITOR)
    assert broken.is_error
    assert "Look at what there is now before you try again" in broken.text
    assert "shard" not in broken.text
    assert "a shard of the heart" in caplog.text
    await tried.close()


async def test_nothing_is_shown_before_the_gateway_told_what_is_secret(port: int) -> None:
    async def shows(core: Core, arguments: dict[str, Any], who: Principal) -> Outcome:
        return Outcome(str(core.redactor.redact("routes", {"plugins": {"key-auth": {}}})))

    away = core(rig.free_port(), row("shows", READS, shows, {}))
    refused = await away.call("shows", {}, VIEWER)
    assert refused.is_error
    assert "not known what is secret" in refused.text
    await away.close()
    there = core(port, row("shows", READS, shows, {}))
    assert not (await there.call("shows", {}, VIEWER)).is_error
    await there.close()


async def test_the_policy_in_the_data_folder_counts_unless_another_is_named(
    tmp_path: Path, port: int
) -> None:
    (tmp_path / "policy.toml").write_text('[policy]\nmode = "ask-always"\n')
    other = tmp_path / "other.toml"
    other.write_text('[policy]\nmode = "read-only"\n')
    for settings, mode in (
        ({}, Mode.ASK_RISKY),
        ({"data_dir": tmp_path}, Mode.ASK_ALWAYS),
        ({"data_dir": tmp_path, "policy_file": other}, Mode.READ_ONLY),
    ):
        made = core(port, **settings)
        assert made.policy.mode is mode
        await made.close()


def test_a_policy_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text('[policy]\nmode = "trust-me"\n')
    with pytest.raises(PolicyError, match=r"policy\.toml"):
        Core(AssistantSettings(data_dir=tmp_path))


async def test_without_a_data_folder_what_was_written_goes_with_the_process(port: int) -> None:
    made = core(port)
    folder = Path(made._passing.name)  # type: ignore[union-attr]
    assert folder.stat().st_mode & 0o777 == 0o700
    await made.close()
    assert not folder.exists()
