from __future__ import annotations

from gatechat.gateway.model import Delete, Put, State
from gatechat.gateway.store import stage


def test_each_write_is_one_revision_however_many_edits_it_has() -> None:
    change = stage(
        State(7), [Put("routes", "1", {"uri": "/a"}), Put("routes", "2", {"uri": "/b"})], now=100.0
    )

    assert change.after.revision == 8
    assert {(r.created_index, r.modified_index) for r in change.after.all("routes").values()} == {(8, 8)}


def test_a_resource_that_is_put_again_keeps_its_created_index() -> None:
    first = stage(State(), [Put("routes", "1", {"uri": "/a"})], now=1.0).after
    second = stage(first, [Put("routes", "1", {"uri": "/b"})], now=2.0).after

    resource = second.get("routes", "1")
    assert resource is not None
    assert (resource.created_index, resource.modified_index, resource.value) == (1, 2, {"uri": "/b"})


def test_a_resource_that_was_deleted_is_created_anew() -> None:
    first = stage(State(), [Put("routes", "1", {})], now=1.0).after
    second = stage(first, [Delete("routes", "1")], now=2.0).after
    third = stage(second, [Put("routes", "1", {})], now=3.0).after

    resource = third.get("routes", "1")
    assert resource is not None
    assert resource.created_index == 3


def test_deleting_what_is_not_there_touches_nothing() -> None:
    assert stage(State(), [Delete("routes", "1")], now=1.0).touched == {}


def test_the_last_edit_of_a_resource_wins() -> None:
    change = stage(State(), [Put("routes", "1", {}), Delete("routes", "1")], now=1.0)

    assert change.touched == {("routes", "1"): None}
    assert change.after.get("routes", "1") is None


def test_ttl_counts_from_now_and_ends_with_the_next_put_without_one() -> None:
    mortal = stage(State(), [Put("routes", "1", {}, ttl=30)], now=100.0).after
    immortal = stage(mortal, [Put("routes", "1", {})], now=101.0).after

    assert [s.all("routes")["1"].expires_at for s in (mortal, immortal)] == [130.0, None]


def test_the_state_before_is_left_as_it_was_and_shares_what_did_not_change() -> None:
    before = stage(State(), [Put("routes", "1", {}), Put("upstreams", "1", {})], now=1.0).after
    after = stage(before, [Put("routes", "2", {})], now=2.0).after

    assert set(before.all("routes")) == {"1"}
    assert after.all("upstreams") is before.all("upstreams")


def test_a_write_that_is_taken_back_leaves_the_rows_as_they_were_at_a_revision_of_its_own() -> None:
    before = stage(State(), [Put("routes", "1", {"uri": "/a"}, ttl=9)], now=1.0).after
    change = stage(before, [Put("routes", "1", {"uri": "/b"}), Put("routes", "2", {})], now=2.0)
    revert = change.reverted(at=3.0)

    assert revert.after.all("routes") == before.all("routes")
    assert (revert.after.revision, revert.reverts) == (3, 2)
