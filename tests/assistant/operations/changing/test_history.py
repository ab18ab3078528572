"""apply, undo and history as a model calls them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from gatechat.assistant.change.changes import Changes
from gatechat.assistant.change.redact import Redactor
from gatechat.assistant.operations.changing.apply import apply
from gatechat.assistant.operations.changing.history import history
from gatechat.assistant.operations.changing.undo import undo
from gatechat.assistant.problem import Problem
from gatechat.assistant.view.live import Live
from tests.assistant.change.ledger_rig import ANNA, PERSON, Bench


@dataclass
class Tools:
    bench: Bench
    changes: Changes
    redactor: Redactor
    live: Live

    async def planned(self, id: str = "1", uri: str = "/1") -> str:
        edit = self.bench.admin.edit("routes", id, {"uri": uri, "plugins": {"csrf": {"key": "canary"}}})
        return (await self.changes.plan([edit], ANNA)).id  # type: ignore[arg-type]


@pytest_asyncio.fixture
async def tools(tmp_path: Path) -> AsyncIterator[Tools]:
    bench = Bench(tmp_path)
    with bench.changes() as changes:
        yield Tools(bench, changes, Redactor(), Live(bench.admin))  # type: ignore[arg-type]


async def test_apply_says_what_it_did_and_how_to_take_it_back(tools: Tools) -> None:
    id = await tools.planned()
    outcome = await apply(tools, {"plan": id}, ANNA)
    assert not outcome.is_error
    assert outcome.data["state"] == "applied"
    assert "read back" in outcome.text
    assert f"undo (change {id})" in outcome.text


async def test_a_plan_that_waits_gives_its_page_and_is_no_error(tools: Tools) -> None:
    tools.bench.drafts.verdict = "ask"
    id = await tools.planned()
    outcome = await apply(tools, {"plan": id}, ANNA)
    assert not outcome.is_error
    assert outcome.data == {"plan": id, "state": "waiting", "page": f"http://localhost:5000/plans/{id}"}
    assert outcome.data["page"] in outcome.text
    await tools.changes.reject(id, PERSON, "no")
    assert (await apply(tools, {"plan": id}, ANNA)).is_error


async def test_undo_gives_a_plan(tools: Tools) -> None:
    id = await tools.planned()
    await apply(tools, {"plan": id}, ANNA)
    outcome = await undo(tools, {"change": id}, ANNA)
    assert outcome.data["state"] == "ready"
    assert "delete routes/1" in outcome.text
    assert "canary" not in outcome.text
    tools.bench.admin.hold("routes", "1", {"uri": "/theirs"})
    stuck = await undo(tools, {"change": id}, ANNA)
    assert stuck.is_error
    assert "outside of gatechat" in stuck.text


async def test_history_pages_filters_and_shows_one(tools: Tools) -> None:
    ids = [await tools.planned(name) for name in ("1", "2", "3")]
    for id in ids:
        await apply(tools, {"plan": id}, ANNA)
    first = await history(tools, {"limit": 2}, ANNA)
    assert [row["change"] for row in first.data["changes"]] == ids[:0:-1]
    rest = await history(tools, {"before": first.data["next"]}, ANNA)
    assert [row["change"] for row in rest.data["changes"]] == ids[:1]
    assert rest.data["next"] is None
    of_one = await history(tools, {"resource": "routes/2"}, ANNA)
    assert [row["change"] for row in of_one.data["changes"]] == [ids[1]]
    shown = await history(tools, {"change": ids[0]}, ANNA)
    assert '"/1"' in shown.text
    assert "canary" not in first.text + rest.text + shown.text
    with pytest.raises(Problem, match="like routes/1"):
        await history(tools, {"resource": "route 1"}, ANNA)


async def test_history_tells_what_others_changed(tools: Tools) -> None:
    tools.bench.admin.hold("routes", "9", {"uri": "/nine"})
    assert "Nothing was changed by others" in (await history(tools, {"drift": True}, ANNA)).text
    tools.bench.admin.hold("routes", "9", {"uri": "/other"})
    outcome = await history(tools, {"drift": True}, ANNA)
    assert '~ uri: "/nine" -> "/other"' in outcome.text
    assert outcome.data["changes"] == [{"resource": "routes/9", "what": "changed"}]
