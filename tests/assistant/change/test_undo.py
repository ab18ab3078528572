"""Undo puts back what was there: what no Admin API shows too, where the ledger knows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gatechat.assistant.change.changes import Changes
from gatechat.assistant.change.model import Change, State
from tests.assistant.change.ledger_rig import ANNA, Bench

OLD = {"cert": "c", "key": "k", "snis": ["a.example"]}
NEW = {"cert": "d", "key": "l", "snis": ["a.example"]}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def done(changes: Changes, bench: Bench, after: dict[str, Any]) -> Change:
    plan = await changes.plan_edits([bench.admin.edit("ssls", "1", after, _shown(bench))], "because", ANNA)
    change = await changes.apply(plan.id, ANNA)
    assert change.state is State.APPLIED
    return change


def _shown(bench: Bench) -> dict[str, Any] | None:
    held = bench.admin.values.get(("ssls", "1"))
    return None if held is None else {name: part for name, part in held.items() if name != "key"}


async def test_a_private_key_that_was_written_through_gatechat_is_put_back(bench: Bench) -> None:
    with bench.changes() as changes:
        await done(changes, bench, OLD)
        change = await done(changes, bench, NEW)
        undo = await changes.undo(change.id, ANNA, "")
        assert undo.secrets == ()
        await changes.apply(undo.id, ANNA)
    assert bench.admin.values["ssls", "1"] == OLD


async def test_a_private_key_that_others_wrote_must_be_entered(bench: Bench) -> None:
    bench.admin.hold("ssls", "1", OLD)
    with bench.changes() as changes:
        change = await done(changes, bench, NEW)
        undo = await changes.undo(change.id, ANNA, "")
        assert undo.secrets == ("ssls/1.key",)


async def test_a_key_of_another_certificate_is_not_taken_for_this_ones(bench: Bench) -> None:
    with bench.changes() as changes:
        await done(changes, bench, OLD)
        bench.admin.hold("ssls", "1", {"cert": "x", "key": "y", "snis": ["a.example"]})
        change = await done(changes, bench, NEW)
        undo = await changes.undo(change.id, ANNA, "")
        assert undo.secrets == ("ssls/1.key",)
