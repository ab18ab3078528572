"""A change that was broken off is finished or taken back at the next start, and the ledger says which."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from gatechat.assistant.change.changes import Changes
from gatechat.assistant.change.model import State
from gatechat.assistant.problem import Problem
from tests.assistant import rig
from tests.assistant.change.ledger_rig import ANNA, AdminInMemory, Bench, Dead


async def killed(bench: Bench, changes: Changes, at: int, *, lost: bool = False) -> str:
    """A plan of five whose process dies at write number ``at``; ``lost``: just after it."""
    for number in range(2):
        bench.admin.hold("routes", str(number), {"uri": "/old"})
    edits = [bench.admin.edit("routes", str(number), {"uri": f"/{number}"}) for number in range(5)]
    plan = await changes.plan(edits, ANNA)

    def die(number: int, method: str, path: str) -> None:
        if number == at:
            raise Dead

    if lost:
        bench.admin.after = die
    else:
        bench.admin.before = die
    with pytest.raises(Dead):
        await changes.apply(plan.id, ANNA)
    bench.admin.before = bench.admin.after = lambda number, method, path: None
    return plan.id


OLD = {("routes", "0"): {"uri": "/old"}, ("routes", "1"): {"uri": "/old"}}


@pytest.mark.parametrize(
    ("at", "lost", "state"),
    [
        (1, False, State.FAILED),
        (1, True, State.FAILED),
        (3, False, State.FAILED),
        (3, True, State.FAILED),
        (5, False, State.FAILED),
        (5, True, State.APPLIED),
    ],
)
async def test_a_killed_apply_is_finished_when_all_was_written_and_else_taken_back(
    tmp_path: Path, at: int, lost: bool, state: State
) -> None:
    bench = Bench(tmp_path)
    with bench.changes() as changes:
        id = await killed(bench, changes, at, lost=lost)
        assert changes.records.under_way() == [id]
    with bench.changes() as restarted:
        [change] = await restarted.recover()
        assert (change.id, change.state) == (id, state)
        assert await restarted.state(id) == change
        assert await restarted.recover() == []
        assert (await restarted.apply(id, ANNA)).state is state
        assert restarted.records.ledger.verify() == []
        assert [entry.what for entry in restarted.records.ledger.entries(id)] == ["recovery", "begun", "plan"]
    assert (bench.admin.values == OLD) is (state is State.FAILED)


async def test_the_next_apply_cleans_up_too(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    with bench.changes() as changes:
        id = await killed(bench, changes, 3)
    with bench.changes() as restarted:
        plan = await restarted.plan([bench.admin.edit("services", "s", {"name": "s"})], ANNA)
        assert (await restarted.apply(plan.id, ANNA)).state is State.APPLIED
        assert (await restarted.state(id)).state is State.FAILED
    assert bench.admin.values == OLD | {("services", "s"): {"name": "s"}}


async def test_what_others_changed_meanwhile_is_left_alone_and_said(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    with bench.changes() as changes:
        await killed(bench, changes, 4)
    bench.admin.hold("routes", "2", {"uri": "/theirs"})
    with bench.changes() as restarted:
        [change] = await restarted.recover()
        assert change.state is State.BROKEN
        assert "routes/2 (others changed it in the meantime)" in change.text
        assert await restarted.recover() == []
    assert bench.admin.values == OLD | {("routes", "2"): {"uri": "/theirs"}}


async def test_an_admin_api_that_died_between_two_steps_is_cleaned_up_when_it_is_back(tmp_path: Path) -> None:
    bench = Bench(tmp_path, patience=0.05)
    with bench.changes() as changes:
        edits = [bench.admin.edit("routes", str(number), {"uri": f"/{number}"}) for number in range(5)]
        plan = await changes.plan(edits, ANNA)

        def die(number: int, method: str, path: str) -> None:
            if number == 3:
                bench.admin.away = True
                raise Problem(502, "the Admin API is away")

        bench.admin.before = die
        change = await changes.apply(plan.id, ANNA)
        assert change.state is State.BROKEN
        assert [step.outcome for step in change.steps] == ["not compensated"] * 3 + ["not done"] * 2
        with pytest.raises(Problem, match="away"):
            await changes.recover()
        assert await changes.state(plan.id) == change
        bench.admin.before = lambda number, method, path: None
        bench.admin.away = False
        [recovered] = await changes.recover()
        assert recovered.state is State.FAILED
        assert (await changes.state(plan.id)).state is State.FAILED
    assert bench.admin.values == {}


APPLIER = """
import asyncio, sys
from pathlib import Path
from gatechat.assistant.admin_client import AdminClient
from tests.assistant.change.ledger_rig import ANNA, Bench

async def main():
    bench = Bench(Path(sys.argv[1]), time=float(sys.argv[3]))
    with bench.changes(AdminClient(sys.argv[2], None, 30.0)) as changes:
        await changes.apply("p1", ANNA)

asyncio.run(main())
"""


async def test_a_real_process_killed_in_the_middle_of_an_apply(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    admin: AdminInMemory = bench.admin
    with bench.changes() as changes:
        edits = [admin.edit("routes", str(number), {"uri": f"/{number}"}) for number in range(5)]
        plan = await changes.plan(edits, ANNA)
    async with rig.serving(admin) as port:
        victims: list[asyncio.subprocess.Process] = []

        def kill(number: int, method: str, path: str) -> None:
            if number == 3:
                os.kill(victims[0].pid, signal.SIGKILL)

        admin.after = kill
        command = [sys.executable, "-c", APPLIER, str(tmp_path), f"http://127.0.0.1:{port}", str(bench.time)]
        victims.append(await asyncio.create_subprocess_exec(*command))
        await victims[0].wait()
    assert victims[0].returncode == -signal.SIGKILL
    admin.after = lambda number, method, path: None
    assert len(admin.values) == 3
    with bench.changes() as restarted:
        [change] = await restarted.recover()
        assert (change.id, change.state) == (plan.id, State.FAILED)
        assert "taken back" in change.text
        assert restarted.records.ledger.verify() == []
    assert admin.values == {}
