"""The assistant's process is killed in the middle of an apply, or has no disk to write to."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client

from tests.assistant import rig as served
from tests.assistant.faces import mcp_rig
from tests.attacks.rig import planned, said
from tests.conftest import ADMIN_KEY, GatewayUnderTest
from tests.faults import rig


@pytest.fixture(autouse=True)
def _furnished(gateway: GatewayUnderTest) -> None:
    rig.furnished(gateway)


@asynccontextmanager
async def serving(admin_url: str, folder: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """`gatechat serve` as a process of its own, and its URL."""
    folder.chmod(0o700)
    (folder / "policy.toml").write_text('[policy]\nmode = "never-ask"\n')
    port = served.free_port()
    words = ("-m", "gatechat", "serve", "--port", str(port), "--admin-url", admin_url)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *words,
        "--data-dir",
        str(folder),
        env=os.environ | {"GATECHAT_ADMIN_KEY": ADMIN_KEY},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    async with httpx2.AsyncClient(trust_env=False) as http:
        while True:
            assert process.returncode is None, "it did not start"
            try:
                if (await http.get(f"{url}/healthz")).status_code == 200:
                    break
            except httpx2.TransportError:
                await asyncio.sleep(0.02)
    try:
        yield process, url
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def applied(url: str, plan: str) -> Any:
    async with mcp_rig.client(f"{url}/mcp", mcp_rig.ERAS[0]) as client:
        return await client.call_tool("apply", {"plan": plan})


async def made(url: str) -> str:
    async with mcp_rig.client(f"{url}/mcp", mcp_rig.ERAS[0]) as client:
        return await planned(client, *rig.operations())


@pytest.mark.parametrize("when", ["before it is written", "after it is written"])
@pytest.mark.parametrize("step", range(1, rig.STEPS + 1))
async def test_an_apply_whose_process_is_killed_is_finished_or_undone_at_the_next_start_and_said(
    gateway: GatewayUnderTest, tmp_path: Path, caplog: pytest.LogCaptureFixture, step: int, when: str
) -> None:
    before = rig.held(gateway)
    async with rig.proxied(gateway) as (proxy, admin_url):
        async with serving(admin_url, tmp_path) as (process, url):
            plan = await made(url)

            def kills(number: int) -> str:
                if number != step:
                    return ""
                process.send_signal(signal.SIGKILL)
                return "cut" if when == "before it is written" else "lose"

            proxy.fault = kills
            with pytest.raises(BaseException):  # noqa: B017, PT011 - however this client says it
                await asyncio.wait_for(applied(url, plan), 20)
            assert await process.wait() == -signal.SIGKILL
        proxy.fault = lambda number: ""
        async with (
            served.assistant(admin_url, admin_key=ADMIN_KEY, data_dir=tmp_path) as port,
            mcp_rig.client(f"http://127.0.0.1:{port}/mcp", mcp_rig.ERAS[0]) as client,
        ):
            whole = step == rig.STEPS and when == "after it is written"
            state = await stated(client, plan)
            assert state == ("applied" if whole else "failed")
            history = said(await client.call_tool("history", {}))
            assert f"{plan} {state}" in history
            assert f"change {plan} was broken off" in caplog.text
            again = await client.call_tool("apply", {"plan": plan})
            assert again.is_error is not whole, "asked again, it says the same"
        assert rig.is_done(gateway) is whole
        if not whole:
            assert rig.held(gateway) == before


async def stated(client: Client, plan: str) -> str:
    answer = await client.call_tool("plan_state", {"plan": plan})
    return str((answer.structured_content or {})["state"])


async def test_a_process_that_is_killed_while_it_takes_back_is_followed_by_one_that_does(
    gateway: GatewayUnderTest, tmp_path: Path
) -> None:
    before = rig.held(gateway)
    async with rig.proxied(gateway) as (proxy, admin_url):
        async with serving(admin_url, tmp_path) as (process, url):
            plan = await made(url)

            def kills(number: int) -> str:
                if number == 4:
                    return "400"
                if number == 6:  # the second of the three that are taken back
                    process.send_signal(signal.SIGKILL)
                    return "cut"
                return ""

            proxy.fault = kills
            with pytest.raises(BaseException):  # noqa: B017, PT011
                await asyncio.wait_for(applied(url, plan), 20)
            assert await process.wait() == -signal.SIGKILL
        proxy.fault = lambda number: ""
        async with (
            served.assistant(admin_url, admin_key=ADMIN_KEY, data_dir=tmp_path) as port,
            mcp_rig.client(f"http://127.0.0.1:{port}/mcp", mcp_rig.ERAS[0]) as client,
        ):
            assert await stated(client, plan) == "failed"
    assert rig.held(gateway) == before


# A disk that takes nothing: no file of the process may have a byte written to it


def disk(process: asyncio.subprocess.Process, *, full: bool) -> None:
    _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0 if full else hard, hard))


async def test_with_a_full_disk_nothing_is_written_to_the_gateway(
    gateway: GatewayUnderTest, tmp_path: Path
) -> None:
    before = rig.held(gateway)
    async with rig.proxied(gateway) as (proxy, admin_url), serving(admin_url, tmp_path) as (process, url):
        plan = await made(url)
        disk(process, full=True)
        refused = await applied(url, plan)
        assert refused.is_error
        assert "cannot be written" in said(refused)
        async with httpx2.AsyncClient(base_url=url, trust_env=False) as http:
            for answer in (
                await http.put("/apisix/admin/routes/x", json={"uri": "/x", "upstream_id": "u"}),
                await http.delete("/apisix/admin/routes/old"),
            ):
                assert answer.status_code == 503
                assert "cannot be written" in answer.json()["error_msg"]
        async with mcp_rig.client(f"{url}/mcp", mcp_rig.ERAS[0]) as client:
            unplanned = await client.call_tool("plan", {"reason": "r", "operations": rig.operations()})
            assert unplanned.is_error
            assert "cannot be written" in said(unplanned)
        assert proxy.writes == []
        disk(process, full=False)
        assert not (await applied(url, plan)).is_error
    assert before != rig.held(gateway)
    assert rig.is_done(gateway)


@pytest.mark.parametrize("step", [1, rig.STEPS])
async def test_a_disk_that_fills_up_meanwhile_is_said_and_the_end_is_recorded_later(
    gateway: GatewayUnderTest, tmp_path: Path, step: int
) -> None:
    async with rig.proxied(gateway) as (proxy, admin_url), serving(admin_url, tmp_path) as (process, url):
        plan = await made(url)

        def fills(number: int) -> str:
            if number == step:
                disk(process, full=True)
            return ""

        proxy.fault = fills
        unrecorded = await applied(url, plan)
        assert unrecorded.is_error
        assert "cannot be written" in said(unrecorded)
        assert "Applied: 5 of 5" in said(unrecorded), "what was done is told all the same"
        assert rig.is_done(gateway)
        disk(process, full=False)
        again = await applied(url, plan)
        assert not again.is_error, said(again)
        async with mcp_rig.client(f"{url}/mcp", mcp_rig.ERAS[0]) as client:
            assert await stated(client, plan) == "applied"
    assert rig.is_done(gateway)
