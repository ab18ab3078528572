"""What others changed: found, shown once, and said before one plans on it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gatechat.assistant.change.model import Change
from gatechat.assistant.principal import Principal, Role
from tests.assistant.change.ledger_rig import ANNA, Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_drift_is_what_others_did_and_not_what_we_did(bench: Bench) -> None:
    for id in ("changed", "deleted", "same"):
        bench.admin.hold("routes", id, {"uri": f"/{id}"})
    with bench.changes() as changes:
        assert await changes.drift(ANNA) == []
        ours = [bench.admin.edit("routes", id, {"uri": f"/{id}"}) for id in ("ours", "same")]
        assert isinstance(await changes.apply((await changes.plan(ours, ANNA)).id, ANNA), Change)
        bench.admin.hold("routes", "changed", {"uri": "/theirs"})
        bench.admin.hold("routes", "deleted", None)
        bench.admin.hold("routes", "created", {"uri": "/created"})
        found = await changes.drift(ANNA)
        assert [(it.what, it.target.id) for it in found] == [
            ("changed", "changed"),
            ("created", "created"),
            ("deleted", "deleted"),
        ]
        assert found[0].before == {"uri": "/changed"}
        assert found[0].after == {"uri": "/theirs"}
        assert await changes.drift(ANNA) == []
        [entry] = changes.records.ledger.entries(what=("drift",))
        assert "changed routes/changed" in json.dumps(entry.body)


async def test_a_viewer_who_looks_takes_no_news_from_others(bench: Bench) -> None:
    viewer = Principal("token:vi", Role.VIEWER, "mcp")
    bench.admin.hold("routes", "r", {"uri": "/r"})
    with bench.changes() as changes:
        await changes.drift(ANNA)
        bench.admin.hold("routes", "r", {"uri": "/theirs"})
        for who in (viewer, viewer, ANNA):
            assert [it.target.id for it in await changes.drift(who)] == ["r"]
        assert len(changes.records.ledger.entries(what=("drift",))) == 1


async def test_a_plan_on_what_others_changed_says_so_first(bench: Bench) -> None:
    bench.admin.hold("routes", "r", {"uri": "/r"})
    with bench.changes() as changes:
        await changes.drift(ANNA)
        bench.admin.hold("routes", "r", {"uri": "/theirs"})
        plan = await changes.plan([bench.admin.edit("routes", "r", {"uri": "/ours"})], ANNA)
        assert plan.impact[0] == (
            'others changed routes/r since gatechat last looked: ~ uri: "/r" -> "/theirs"'
        )
        assert not (await changes.plan([bench.admin.edit("routes", "other", {"uri": "/o"})], ANNA)).impact


async def test_what_was_there_before_the_first_plan_is_no_drift(bench: Bench) -> None:
    for id in ("old", "changed"):
        bench.admin.hold("routes", id, {"uri": f"/{id}"})
    with bench.changes() as changes:
        plan = await changes.plan([bench.admin.edit("routes", "ours", {"uri": "/ours"})], ANNA)
        await changes.apply(plan.id, ANNA)
        bench.admin.hold("routes", "changed", {"uri": "/theirs"})
        bench.admin.hold("routes", "created", {"uri": "/created"})
        found = await changes.drift(ANNA)
        assert [(it.what, it.target.id) for it in found] == [("changed", "changed"), ("created", "created")]
