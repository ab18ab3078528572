"""The Admin API dies, stalls, fails or loses its answers in the middle of a plan of five steps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gatechat.assistant.core import Core
from gatechat.assistant.operations.tool import Outcome
from gatechat.assistant.principal import Principal, Role
from gatechat.assistant.settings import AssistantSettings
from tests.conftest import ADMIN_KEY, GatewayUnderTest
from tests.faults import rig

ANNA = Principal("token:anna", Role.EDITOR, "mcp")


@dataclass
class Tried:
    """An assistant whose Admin API can be made to fail."""

    core: Core
    proxy: rig.Proxy
    gateway: GatewayUnderTest

    async def planned(self) -> str:
        arguments = {"reason": "a test", "operations": rig.operations()}
        made = await self.core.call("plan", arguments, ANNA)
        assert made.data, made.text
        return str(made.data["plan"])

    async def apply(self, plan: str) -> Outcome:
        return await self.core.call("apply", {"plan": plan}, ANNA)

    async def state(self, plan: str) -> str:
        return str((await self.core.call("plan_state", {"plan": plan}, ANNA)).data["state"])

    async def history(self) -> str:
        return (await self.core.call("history", {}, ANNA)).text


@asynccontextmanager
async def assistant(
    gateway: GatewayUnderTest, folder: Path, patience: float = 0.3, seconds: float = 5
) -> AsyncIterator[Tried]:
    """``patience`` of the executor in seconds, instead of five; ``seconds`` for one answer."""
    (folder / "policy.toml").write_text('[policy]\nmode = "never-ask"\n')
    async with rig.proxied(gateway) as (proxy, url):
        core = Core(
            AssistantSettings(
                admin_url=url,
                admin_key=ADMIN_KEY,
                data_dir=folder,
                gateway_url=gateway.gateway.proxy_url,
                timeout=seconds,
            )
        )
        core.changes._executor._patience = patience
        await core.start()
        try:
            yield Tried(core, proxy, gateway)
        finally:
            await core.close()


@pytest.fixture(autouse=True)
def _furnished(gateway: GatewayUnderTest) -> None:
    rig.furnished(gateway)


def from_the(step: int, what: str, times: int = 1_000) -> Callable[[int], str]:
    return lambda number: what if step <= number < step + times else ""


async def test_it_dies_between_two_steps_and_stays_away_and_the_ledger_tells_what_is_left(
    gateway: GatewayUnderTest, tmp_path: Path
) -> None:
    before = rig.held(gateway)
    async with assistant(gateway, tmp_path) as tried:
        plan = await tried.planned()

        def dies(number: int) -> str:
            tried.proxy.down = number >= 3
            return ""

        tried.proxy.fault = dies
        applied = await tried.apply(plan)
        assert applied.is_error
        assert "Not taken back, and so still there: " in applied.text
        assert await tried.state(plan) == "broken"
        again = await tried.apply(plan)
        assert again.is_error, "asked again, it is not called done"
        assert "broken" in await tried.history()
        assert tried.core.ledger.verify() == []
        left = rig.held(gateway)
        assert ("services/s" in left, "routes/a" in left) == (True, False)

        tried.proxy.down, tried.proxy.fault = False, lambda number: ""
        await tried.core.call("plan", {"reason": "next", "operations": rig.operations()}, ANNA)
        ended = await tried.core.changes.recover()
        assert [change.state.value for change in ended] == ["failed"]
        assert await tried.state(plan) == "failed"
    assert rig.held(gateway) == before


async def test_what_it_left_is_taken_back_at_the_next_start(
    gateway: GatewayUnderTest, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = rig.held(gateway)
    async with assistant(gateway, tmp_path) as tried:
        plan = await tried.planned()

        def dies(number: int) -> str:
            tried.proxy.down = number >= 3
            return ""

        tried.proxy.fault = dies
        await tried.apply(plan)
    async with assistant(gateway, tmp_path) as tried:
        assert await tried.state(plan) == "failed"
        assert f"{plan} failed" in await tried.history()
        assert tried.core.ledger.verify() == []
    assert f"change {plan} was broken off" in caplog.text
    assert rig.held(gateway) == before


async def test_it_comes_back_in_time_and_the_plan_goes_on(gateway: GatewayUnderTest, tmp_path: Path) -> None:
    async with assistant(gateway, tmp_path, patience=10) as tried:
        plan = await tried.planned()

        def dies(number: int) -> str:
            if number == 3:
                tried.proxy.down = True
                asyncio.get_running_loop().call_later(0.3, setattr, tried.proxy, "down", False)
            return ""

        tried.proxy.fault = dies
        applied = await tried.apply(plan)
        assert not applied.is_error, applied.text
        assert await tried.state(plan) == "applied"
    assert rig.is_done(gateway)


@pytest.mark.parametrize("fault", ["lose", "cut", "500", "502", "429"])
@pytest.mark.parametrize("step", range(1, rig.STEPS + 1))
async def test_one_answer_that_fails_or_is_lost_is_asked_for_again(
    gateway: GatewayUnderTest, tmp_path: Path, step: int, fault: str
) -> None:
    async with assistant(gateway, tmp_path, patience=10) as tried:
        plan = await tried.planned()
        tried.proxy.fault = from_the(step, fault, times=1)
        applied = await tried.apply(plan)
        assert not applied.is_error, applied.text
        assert await tried.state(plan) == "applied"
        again = len(tried.proxy.writes) - rig.STEPS
        assert again == (0 if fault == "lose" else 1), "what was written is not written twice"
    assert rig.is_done(gateway)


@pytest.mark.parametrize("fault", ["400", "403", "409"])
@pytest.mark.parametrize("step", range(1, rig.STEPS + 1))
async def test_a_step_that_is_refused_takes_the_ones_before_it_back(
    gateway: GatewayUnderTest, tmp_path: Path, step: int, fault: str
) -> None:
    before = rig.held(gateway)
    async with assistant(gateway, tmp_path) as tried:
        plan = await tried.planned()
        tried.proxy.fault = from_the(step, fault, times=1)
        applied = await tried.apply(plan)
        assert applied.is_error
        assert "Nothing was changed" in applied.text
        assert "the test says so" in applied.text
        assert await tried.state(plan) == "failed"
        assert f"{plan} failed" in await tried.history()
    assert rig.held(gateway) == before


async def test_errors_that_do_not_end_leave_nothing_that_is_called_done(
    gateway: GatewayUnderTest, tmp_path: Path
) -> None:
    before = rig.held(gateway)
    async with assistant(gateway, tmp_path) as tried:
        plan = await tried.planned()
        tried.proxy.fault = from_the(3, "503")
        assert (await tried.apply(plan)).is_error
        assert await tried.state(plan) == "broken"
        tried.proxy.fault = lambda number: ""
        await tried.core.changes.recover()
        assert await tried.state(plan) == "failed"
    assert rig.held(gateway) == before


@pytest.mark.parametrize("step", [1, 3, 5])
async def test_an_answer_that_comes_too_late_is_looked_up(
    gateway: GatewayUnderTest, tmp_path: Path, step: int
) -> None:
    async with assistant(gateway, tmp_path, patience=5, seconds=0.5) as tried:
        plan = await tried.planned()
        tried.proxy.fault = from_the(step, "slow", times=1)
        applied = await tried.apply(plan)
        assert not applied.is_error, applied.text
        assert len(tried.proxy.writes) == rig.STEPS, "what was written is not written twice"
    assert rig.is_done(gateway)


async def test_a_caller_that_goes_away_stops_nothing_halfway(
    gateway: GatewayUnderTest, tmp_path: Path
) -> None:
    async with assistant(gateway, tmp_path) as tried:
        plan = await tried.planned()
        begun = asyncio.Event()

        def starts(number: int) -> str:
            if number == 2:
                begun.set()
            return ""

        tried.proxy.fault = starts
        call = asyncio.create_task(tried.apply(plan))
        await begun.wait()
        call.cancel()
        await asyncio.wait({call})
        applied = await tried.apply(plan)
        assert not applied.is_error, applied.text
        assert len(tried.proxy.writes) == rig.STEPS
    assert rig.is_done(gateway)


async def test_an_admin_api_that_is_away_before_the_first_write_leaves_the_plan_as_it_was(
    gateway: GatewayUnderTest, tmp_path: Path
) -> None:
    async with assistant(gateway, tmp_path) as tried:
        plan = await tried.planned()
        tried.proxy.down = True
        away = await tried.apply(plan)
        assert away.is_error
        assert "Admin API" in away.text
        tried.proxy.down = False
        assert await tried.state(plan) == "ready"
        assert not (await tried.apply(plan)).is_error
    assert rig.is_done(gateway)
