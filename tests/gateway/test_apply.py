"""A write goes all the way to a real Envoy, or nothing of it remains."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from gatechat.gateway.apply import Apply
from gatechat.gateway.delivery import XdsServer
from gatechat.gateway.model import Delete, Put, Refused, State
from gatechat.gateway.snapshot import Snapshot
from gatechat.gateway.status import Acknowledged, Rejected, Status
from gatechat.gateway.store import Store, stage
from tests.gateway import rig as tiny
from tests.gateway.rig import Rig


class Tiny:
    """A translator: a route answers ``text`` at its id; Envoy refuses ``regex``, it refuses ``refuse``."""

    def __init__(self, port: int) -> None:
        self._port = port

    def compile(self, state: State) -> Snapshot:
        entries = []
        for id, resource in state.all("routes").items():
            if "refuse" in resource.value:
                raise Refused("the translator says no")
            broken = "regex" in resource.value
            entries.append(tiny.bad_regex() if broken else tiny.says(f"/{id}", resource.value["text"]))
        return tiny.table(self._port, *entries)


@asynccontextmanager
async def applying(store: Store, rig: Rig, clock: Callable[[], float] = time.time) -> AsyncIterator[Apply]:
    apply = Apply(store, Tiny(rig.port).compile, rig.xds, rig.status, ack_timeout=10, clock=clock)
    await apply.start()
    yield apply
    await apply.stop()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gatechat.db"


@pytest_asyncio.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with tiny.rig(tmp_path) as rig:
        yield rig


async def test_when_a_write_returns_it_is_stored_and_served(rig: Rig, path: Path) -> None:
    store = Store(path)
    async with applying(store, rig) as apply:
        assert await apply.settle() == Acknowledged()
        for number in range(20):
            text = str(number)
            written = await apply.write(lambda _, text=text: [Put("routes", "a", {"text": text})])
            assert written.acknowledged
            assert await rig.get("/a") == (200, text)
        assert store.load() == apply.state == written.state
    store.close()


async def test_what_the_plan_refuses_changes_nothing(rig: Rig, path: Path) -> None:
    def refuse(state: State) -> list[Put]:
        raise Refused("not this", 404)

    store = Store(path)
    async with applying(store, rig) as apply:
        with pytest.raises(Refused, match="not this"):
            await apply.write(refuse)
        assert apply.state == store.load() == State()
    store.close()


async def test_what_the_translator_refuses_is_not_committed(rig: Rig, path: Path) -> None:
    store = Store(path)
    async with applying(store, rig) as apply:
        with pytest.raises(Refused, match="the translator says no"):
            await apply.write(lambda _: [Put("routes", "a", {"refuse": True})])
        assert apply.state == store.load() == State()
        assert (await apply.write(lambda _: [Put("routes", "a", {"text": "t"})])).acknowledged
    store.close()


async def test_what_envoy_refuses_is_taken_back_and_told_in_envoys_words(rig: Rig, path: Path) -> None:
    store = Store(path)
    async with applying(store, rig) as apply:
        before = (await apply.write(lambda _: [Put("routes", "a", {"text": "t"}, ttl=1000)])).state
        with pytest.raises(Refused, match=r"missing \): \(") as refused:
            await apply.write(lambda _: [Delete("routes", "a"), Put("routes", "b", {"regex": "("})])

        assert refused.value.status == 400
        assert apply.state.kinds["routes"] == before.kinds["routes"]
        assert apply.state.revision == before.revision + 2
        assert store.load().all("routes") == before.all("routes")
        assert await rig.get("/a") == (200, "t")
        assert (await apply.write(lambda _: [Put("routes", "b", {"text": "now right"})])).acknowledged
        assert await rig.get("/b") == (200, "now right")
    store.close()


async def test_what_cannot_be_stored_is_not_served(rig: Rig, path: Path) -> None:
    store = Store(path)
    async with applying(store, rig) as apply:
        assert await apply.settle() == Acknowledged()
        store._db.execute("PRAGMA max_page_count = 1")
        with pytest.raises(Refused, match="disk is full") as refused:
            await apply.write(lambda _: [Put("routes", "a", {"text": "t" * 100_000})])
        assert refused.value.status == 503
        assert (await rig.get("/a"))[0] == 404
    store.close()


async def test_what_cannot_expire_is_tried_again(
    tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gatechat.gateway.apply.EXPIRY_RETRY", 0.01)
    store, status = Store(path), Status()
    refusals = iter([True, True, False])

    def compile(state: State) -> Snapshot:
        if state.revision == 2 and next(refusals):
            raise Refused("not now")
        return Snapshot({})

    apply = Apply(store, compile, XdsServer(status, tmp_path / "x"), status, ack_timeout=0.01)
    await apply.start()
    await apply.write(lambda _: [Put("routes", "a", {}, ttl=0.01)])
    async with asyncio.timeout(10):
        while apply.state.all("routes"):
            await asyncio.sleep(0.001)
    assert next(refusals, None) is None
    await apply.stop()
    store.close()


async def test_a_write_without_an_answer_in_time_is_stored_and_says_so(tmp_path: Path, path: Path) -> None:
    store, status = Store(path), Status()
    apply = Apply(store, Tiny(1).compile, XdsServer(status, tmp_path / "x"), status, ack_timeout=0.01)
    await apply.start()
    written = await apply.write(lambda _: [Put("routes", "a", {"text": "t"})])

    assert not written.acknowledged
    assert store.load() == written.state
    await apply.stop()
    store.close()


async def test_a_refusal_that_comes_late_is_taken_back_all_the_same(tmp_path: Path, path: Path) -> None:
    store, status = Store(path), Status()
    apply = Apply(store, Tiny(1).compile, XdsServer(status, tmp_path / "x"), status, ack_timeout=0.01)
    await apply.start()
    written = await apply.write(lambda _: [Put("routes", "a", {"regex": "("})])
    await status.report(written.state.revision, Rejected("type", "why"))
    later = await apply.write(lambda state: [Put("routes", "b", {"text": str(len(state.all("routes")))})])

    assert later.state.revision == written.state.revision + 2
    assert [r.value for r in later.state.all("routes").values()] == [{"text": "0"}]
    await apply.stop()
    store.close()


async def test_a_write_that_was_never_answered_before_a_crash_is_taken_back_at_the_start(
    rig: Rig, path: Path, tmp_path: Path
) -> None:
    store, nobody = Store(path), Status()
    apply = Apply(store, Tiny(1).compile, XdsServer(nobody, tmp_path / "x"), nobody, ack_timeout=0.01)
    await apply.start()
    await apply.write(lambda _: [Put("routes", "a", {"text": "good"})])
    await apply.write(lambda _: [Put("routes", "a", {"regex": "("})])
    await apply.stop()
    store.close()

    store = Store(path)
    async with applying(store, rig) as apply:
        assert await apply.settle() == Acknowledged()
        assert apply.state.all("routes")["a"].value == {"text": "good"}
        assert await rig.get("/a") == (200, "good")
    store.close()


async def test_an_unanswered_write_stays_when_it_is_not_what_envoy_refuses(rig: Rig, path: Path) -> None:
    store = Store(path)
    for number, id in enumerate(["a", "b"], start=1):
        edits = [Put("routes", id, {"regex": "("} if id == "a" else {"text": "t"})]
        with store.writing(stage(store.load(), edits, now=number)):
            pass
    async with applying(store, rig) as apply:
        assert isinstance(await apply.settle(), Rejected)
        assert set(apply.state.all("routes")) == {"a", "b"}
        assert (await apply.write(lambda _: [Delete("routes", "a")])).acknowledged
        assert await rig.get("/b") == (200, "t")
    store.close()


async def test_writes_at_the_same_time_are_made_one_after_the_other(rig: Rig, path: Path) -> None:
    store = Store(path)
    async with applying(store, rig) as apply:

        def count(state: State) -> list[Put]:
            old = state.get("routes", "a")
            return [Put("routes", "a", {"text": str(int(old.value["text"]) + 1 if old else 1)})]

        await asyncio.gather(*(apply.write(count) for _ in range(50)))
        assert await rig.get("/a") == (200, "50")
    store.close()


async def test_a_write_whose_caller_goes_away_is_finished(rig: Rig, path: Path) -> None:
    store = Store(path)
    async with applying(store, rig) as apply:
        caller = asyncio.create_task(apply.write(lambda _: [Put("routes", "a", {"text": "t"})]))
        await asyncio.sleep(0)
        caller.cancel()
        await apply.write(lambda _: [Put("routes", "b", {"text": "t"})])
        assert set(apply.state.all("routes")) == {"a", "b"}
    store.close()


async def test_a_resource_with_a_ttl_is_deleted_when_it_is_over(rig: Rig, path: Path) -> None:
    store, now = Store(path), [1000.0]
    async with applying(store, rig, clock=lambda: now[0]) as apply:
        await apply.write(lambda _: [Put("routes", "a", {"text": "t"}, ttl=30)])
        assert await rig.get("/a") == (200, "t")
        now[0] = 1031.0
        await apply.write(lambda _: [Put("routes", "b", {"text": "t"}, ttl=30)])
        assert await rig.status.outcome(3, timeout=10) == Acknowledged()
        assert await rig.get("/a") == (404, "")
        assert set(store.load().all("routes")) == {"b"}
    store.close()


async def test_a_resource_that_is_put_again_outlives_its_first_ttl(rig: Rig, path: Path) -> None:
    store = Store(path)
    async with applying(store, rig) as apply:
        await apply.write(lambda _: [Put("routes", "a", {"text": "t"}, ttl=0.1)])
        edits = [Put("routes", "a", {"text": "t"}), Put("routes", "b", {"text": "t"}, ttl=0.2)]
        await apply.write(lambda _: edits)
        assert await rig.status.outcome(apply.state.revision + 1, timeout=10) == Acknowledged()
        assert set(apply.state.all("routes")) == {"a"}
    store.close()


async def test_what_expired_while_nobody_ran_is_deleted_at_the_start(rig: Rig, path: Path) -> None:
    store = Store(path)
    with store.writing(stage(State(), [Put("routes", "a", {"text": "t"}, ttl=1)], now=1.0)):
        pass
    async with applying(store, rig) as apply:
        assert await rig.status.outcome(2, timeout=10) == Acknowledged()
        assert apply.state.all("routes") == {}
    store.close()
