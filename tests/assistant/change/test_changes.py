"""A plan's way through approval, apply, proof and record: what lets it pass and what does not."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gatechat.assistant.change.approval import NotApproved
from gatechat.assistant.change.changes import NotReady, Unknown
from gatechat.assistant.change.model import Change, Plan, Probe, State
from gatechat.assistant.ledger import LedgerError
from gatechat.assistant.principal import Principal, Role
from gatechat.assistant.problem import Problem
from tests.assistant.change.ledger_rig import ANNA, BERT, PERSON, Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def edits(bench: Bench, *ids: str) -> Any:
    return [bench.admin.edit("routes", id, {"uri": f"/{id}"}) for id in ids or ("1",)]


async def test_what_the_policy_lets_pass_is_applied_at_once(bench: Bench) -> None:
    with bench.changes() as changes:
        plan = await changes.plan(edits(bench), ANNA)
        assert bench.admin.writes == []
        change = await changes.apply(plan.id, ANNA)
        assert change.state is State.APPLIED
        assert bench.admin.values == {("routes", "1"): {"uri": "/1"}}
        assert [(proof.how, proof.passed) for proof in change.proofs] == [("read back", True)]
        assert [entry.what for entry in changes.records.ledger.entries(plan.id)] == [
            "change",
            "begun",
            "plan",
        ]
        assert changes.records.ledger.verify() == []


async def test_asking_twice_changes_once_and_gives_the_first_result(bench: Bench) -> None:
    with bench.changes() as changes:
        plan = await changes.plan(edits(bench), ANNA)
        first = await changes.apply(plan.id, ANNA)
        bench.admin.hold("routes", "1", None)
        assert await changes.apply(plan.id, ANNA) == first
        assert await changes.state(plan.id) == first
    with bench.changes() as restarted:
        assert await restarted.apply(plan.id, ANNA) == first
    assert len(bench.admin.writes) == 1


async def test_two_who_apply_at_once_get_one_change(bench: Bench) -> None:
    with bench.changes() as changes, bench.changes() as other_process:
        plan = await changes.plan(edits(bench, "1", "2", "3"), ANNA)
        answers = await asyncio.gather(*(it.apply(plan.id, ANNA) for it in (changes, other_process) * 3))
        assert all(answer.steps == answers[0].steps for answer in answers)
    assert len(bench.admin.writes) == 3


async def test_two_plans_for_one_resource_the_second_is_stale(bench: Bench) -> None:
    with bench.changes() as changes:
        one = await changes.plan(edits(bench), ANNA)
        other = await changes.plan([bench.admin.edit("routes", "1", {"uri": "/other"})], BERT)
        results = await asyncio.gather(
            changes.apply(one.id, ANNA), changes.apply(other.id, BERT), return_exceptions=True
        )
        assert [type(it) for it in results] == [Change, NotReady]
        state = await changes.state(other.id)
        assert state.state is State.STALE
        assert "{'uri': '/1'}" in str(results[1])


async def test_what_must_wait_waits_for_a_person(bench: Bench) -> None:
    bench.drafts.verdict = "ask"
    with bench.changes() as changes:
        plan = await changes.plan(edits(bench), ANNA)
        assert plan.state is State.WAITING
        with pytest.raises(NotReady, match=rf"/plans/{plan.id} or with `gatechat approve {plan.id}`"):
            await changes.apply(plan.id, ANNA)
        await changes.approve(plan.id, PERSON, "console")
        change = await changes.apply(plan.id, ANNA)
        assert change.state is State.APPLIED
        assert change.approval is not None
        assert (change.approval.by, change.approval.channel) == ("local", "console")


EDITOR = replace(PERSON, role=Role.EDITOR)
CLIENT = Principal("local", Role.APPROVER, "mcp", person=True)
NO_APPROVERS: dict[str, tuple[Principal, str]] = {
    "a model": (replace(PERSON, person=False), "console"),
    "a model with a terminal's channel": (replace(PERSON, person=False), "cli"),
    "an editor": (EDITOR, "console"),
    "an editor in the client": (EDITOR, "elicitation"),
    "nobody knows whence": (PERSON, "tool"),
}


@pytest.mark.parametrize("name", NO_APPROVERS)
async def test_an_approval_does_not_count_from(bench: Bench, name: str) -> None:
    bench.drafts.verdict = "ask"
    who, channel = NO_APPROVERS[name]
    with bench.changes() as changes:
        plan = await changes.plan(edits(bench), ANNA)
        with pytest.raises(NotApproved):
            await changes.approve(plan.id, who, channel)
        assert (await changes.state(plan.id)).state is State.WAITING


@pytest.mark.parametrize("allowed", [True, False])
async def test_a_yes_inside_the_client_counts_only_where_the_policy_takes_it(
    bench: Bench, allowed: bool
) -> None:
    bench.drafts.verdict, bench.elicitation = "ask", allowed
    with bench.changes() as changes:
        plan = await changes.plan(edits(bench), ANNA)
        if allowed:
            await changes.approve(plan.id, CLIENT, "elicitation")
            assert (await changes.apply(plan.id, ANNA)).state is State.APPLIED
        else:
            with pytest.raises(NotApproved, match="policy"):
                await changes.approve(plan.id, CLIENT, "elicitation")


async def test_an_approval_lapses_after_ten_minutes(bench: Bench) -> None:
    bench.drafts.verdict = "ask"
    with bench.changes() as changes:
        plan = await changes.plan(edits(bench), ANNA)
        await changes.approve(plan.id, PERSON, "console")
        bench.time += 601
        with pytest.raises(NotReady, match="expired"):
            await changes.apply(plan.id, ANNA)
        with pytest.raises(NotApproved, match="expired"):
            await changes.approve(plan.id, PERSON, "console")
        assert (await changes.state(plan.id)).state is State.EXPIRED
    assert bench.admin.writes == []


@pytest.mark.parametrize("verdict", ["allow", "ask"])
async def test_a_plan_that_nobody_used_lapses(bench: Bench, verdict: str) -> None:
    bench.drafts.verdict = verdict
    with bench.changes() as changes:
        plan = await changes.plan(edits(bench), ANNA)
        bench.time += 601
        with pytest.raises(NotReady, match="expired"):
            await changes.apply(plan.id, ANNA)


async def test_an_approval_is_used_once(bench: Bench) -> None:
    bench.drafts.verdict = "ask"
    with bench.changes() as changes:
        plan = await changes.plan(edits(bench), ANNA)
        await changes.approve(plan.id, PERSON, "console")
        with pytest.raises(NotApproved):
            await changes.approve(plan.id, PERSON, "console")
        await changes.apply(plan.id, ANNA)
        again = await changes.plan([bench.admin.edit("routes", "1", {"uri": "/again"})], ANNA)
        with pytest.raises(NotReady, match="waits for a person"):
            await changes.apply(again.id, ANNA)


async def test_an_approval_is_for_who_asked(bench: Bench) -> None:
    bench.drafts.verdict = "ask"
    with bench.changes() as changes:
        plan = await changes.plan(edits(bench), ANNA)
        await changes.approve(plan.id, PERSON, "console")
        with pytest.raises(NotApproved, match="token:anna's"):
            await changes.apply(plan.id, BERT)
        assert (await changes.apply(plan.id, PERSON)).state is State.APPLIED


async def test_an_approval_is_for_the_versions_it_was_made_from(bench: Bench) -> None:
    bench.drafts.verdict = "ask"
    bench.admin.hold("routes", "1", {"uri": "/old"})
    with bench.changes() as changes:
        plan = await changes.plan(edits(bench), ANNA)
        await changes.approve(plan.id, PERSON, "console")
        bench.admin.hold("routes", "1", {"uri": "/theirs"})
        with pytest.raises(NotReady, match="others changed"):
            await changes.apply(plan.id, ANNA)
        assert (await changes.state(plan.id)).state is State.STALE
    assert bench.admin.writes == []


async def test_a_plan_that_was_changed_after_its_approval_is_not_applied(bench: Bench) -> None:
    bench.drafts.verdict = "ask"
    with bench.changes() as changes:
        plan = await changes.plan(edits(bench), ANNA)
        await changes.approve(plan.id, PERSON, "console")
        ledger = changes.records.ledger
        ledger._db.one("DROP TRIGGER sealed_stay")
        closed = ledger._safe.open(ledger._db.one("SELECT document FROM sealed")[0], "entry 1")
        forged = ledger._safe.close(closed.replace("/1", "/evil"), "entry 1")  # by who has the key, too
        for document, error, words in (
            (forged[:-1] + b"x", LedgerError, "was altered"),
            (forged, NotApproved, "another plan"),
        ):
            ledger._db.one("UPDATE sealed SET document = ?", document)
            with pytest.raises(error, match=words):
                await changes.apply(plan.id, ANNA)
            (problem,) = ledger.verify()
            assert problem.startswith("the document of entry 1 was altered")
    assert bench.admin.writes == []


@pytest.mark.parametrize("who", [ANNA, PERSON])
async def test_a_rejected_plan_is_over(bench: Bench, who: Principal) -> None:
    bench.drafts.verdict = "ask"
    with bench.changes() as changes:
        plan = await changes.plan(edits(bench), ANNA)
        with pytest.raises(NotApproved):
            await changes.reject(plan.id, BERT, "no")
        await changes.reject(plan.id, who, "no")
        with pytest.raises(NotApproved, match="rejected"):
            await changes.approve(plan.id, PERSON, "console")
        with pytest.raises(NotReady, match="rejected"):
            await changes.apply(plan.id, ANNA)


async def test_an_id_of_nothing_is_said(bench: Bench) -> None:
    with bench.changes() as changes:
        with pytest.raises(Unknown):
            await changes.apply("nothing", ANNA)
        with pytest.raises(Unknown):
            await changes.undo("nothing", ANNA, "")


async def test_an_admin_api_that_is_away_leaves_the_plan_ready(bench: Bench) -> None:
    with bench.changes() as changes:
        plan = await changes.plan(edits(bench), ANNA)
        bench.admin.away = True
        with pytest.raises(Problem, match="away"):
            await changes.apply(plan.id, ANNA)
        bench.admin.away = False
        assert (await changes.apply(plan.id, ANNA)).state is State.APPLIED


async def test_a_caller_who_goes_away_does_not_stop_an_apply(bench: Bench) -> None:
    with bench.changes() as changes:
        plan = await changes.plan(edits(bench, "1", "2"), ANNA)
        call = asyncio.create_task(changes.apply(plan.id, ANNA))
        while not bench.admin.writes:
            await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert (await changes.apply(plan.id, ANNA)).state is State.APPLIED
    assert len(bench.admin.values) == 2


async def test_a_required_probe_without_a_way_through_the_gateway_takes_the_change_back(bench: Bench) -> None:
    bench.drafts.probes = (Probe("GET", "/1", status=200, required=True),)
    with bench.changes() as changes:
        plan = await changes.plan(edits(bench), ANNA)
        change = await changes.apply(plan.id, ANNA)
        assert change.state is State.UNDONE
        assert "--gateway-url" in change.text
    assert bench.admin.values == {}


async def test_a_failure_says_that_nothing_is_left(bench: Bench) -> None:
    with bench.changes() as changes:
        plan = await changes.plan([*edits(bench), bench.admin.edit("services", "s", {"bad": True})], ANNA)
        change = await changes.apply(plan.id, ANNA)
        assert change.state is State.FAILED
        assert change.text.startswith("Nothing was changed: services/s was refused")
        assert (await changes.apply(plan.id, ANNA)).state is State.FAILED
    assert bench.admin.values == {}


# -- secrets -------------------------------------------------------------------------------------------------


async def test_a_secret_is_entered_by_a_person_and_seen_by_nobody_else(bench: Bench) -> None:
    path = "consumers/jack.plugins.key-auth.key"
    bench.drafts.secrets = (path,)
    value = {"username": "jack", "plugins": {"key-auth": {"key": "[enter]"}}}
    with bench.changes() as changes:
        plan = await changes.plan([bench.admin.edit("consumers", "jack", value)], ANNA)
        with pytest.raises(NotApproved, match="enter consumers/jack"):
            await changes.approve(plan.id, PERSON, "console")
        with pytest.raises(NotApproved):
            await changes.enter(plan.id, {path: "s3cr3t-canary"}, replace(PERSON, person=False))
        with pytest.raises(NotApproved):
            await changes.enter(plan.id, {"consumers/jack.desc": "x"}, PERSON)
        await changes.enter(plan.id, {path: "s3cr3t-canary"}, PERSON)
        await changes.approve(plan.id, PERSON, "console")
        change = await changes.apply(plan.id, ANNA)
        assert change.state is State.APPLIED
        assert bench.admin.values["consumers", "jack"]["plugins"] == {"key-auth": {"key": "s3cr3t-canary"}}
        lines = [entry.line() for entry in changes.records.ledger.everything()]
        assert "s3cr3t-canary" not in "\n".join(lines)
        assert "s3cr3t-canary" not in repr(change)
        back = await changes.undo(plan.id, ANNA, "")
        await changes.enter(back.id, {}, PERSON)
        assert (await changes.apply(back.id, ANNA)).state is State.APPLIED
    assert bench.admin.values == {}


async def test_a_secret_goes_only_where_its_marker_stands_whatever_ids_hold(bench: Bench) -> None:
    """Ids may hold dots: the path of the second reads like a label of the first."""
    path = "credentials/jack/credentials/c.labels.plugins.key-auth.key"
    bench.drafts.secrets = (path,)
    first = {"labels": {"team": "a"}}
    second = {"plugins": {"key-auth": {"key": "[generate]"}}}
    with bench.changes() as changes:
        both = [
            bench.admin.edit("credentials", "jack/credentials/c", first),
            bench.admin.edit("credentials", "jack/credentials/c.labels", second),
        ]
        plan = await changes.plan(both, ANNA)
        await changes.enter(plan.id, {path: "s3cr3t-canary"}, PERSON)
        await changes.approve(plan.id, PERSON, "console")
        await changes.apply(plan.id, ANNA)
    assert bench.admin.values == {
        ("credentials", "jack/credentials/c"): first,
        ("credentials", "jack/credentials/c.labels"): {"plugins": {"key-auth": {"key": "s3cr3t-canary"}}},
    }


async def test_secrets_of_plans_stay_out_of_the_chain(bench: Bench) -> None:
    bench.admin.hold(
        "consumers", "jack", {"username": "jack", "plugins": {"key-auth": {"key": "old-canary"}}}
    )
    after = {
        "username": "jack",
        "plugins": {"key-auth": {"key": "new-canary"}, "basic-auth": {"password": "pw-canary"}},
    }
    with bench.changes() as changes:
        plan = await changes.plan([bench.admin.edit("consumers", "jack", after)], ANNA)
        await changes.apply(plan.id, ANNA)
        text = "\n".join(entry.line() for entry in changes.records.ledger.everything())
    assert "canary" not in text
    assert "[redacted]" in text


# -- undo ----------------------------------------------------------------------------------------------------


async def done(changes: Any, plan: Plan) -> Change:
    change = await changes.apply(plan.id, ANNA)
    assert change.state is State.APPLIED, change.text
    return change


async def test_undo_restores_and_undo_of_the_undo_restores_that(bench: Bench) -> None:
    bench.admin.hold("routes", "1", {"uri": "/old"})
    bench.admin.hold("routes", "gone", {"uri": "/gone"})
    before = dict(bench.admin.values)
    bench.admin.filled_in = {"status": 1}
    with bench.changes() as changes:
        three = [*edits(bench, "1", "new"), bench.admin.edit("routes", "gone", None)]
        change = await done(changes, await changes.plan(three, ANNA))
        after = dict(bench.admin.values)
        bench.admin.filled_in = {}
        undo = await changes.undo(change.id, ANNA, "no good")
        assert (undo.undoes, undo.reason) == (change.id, "no good")
        back = await done(changes, undo)
        assert bench.admin.values == before
        again = await changes.undo(back.id, ANNA, "")
        await done(changes, again)
        assert bench.admin.values == after


async def test_an_undo_waits_for_a_person_like_any_other_plan(bench: Bench) -> None:
    with bench.changes() as changes:
        change = await done(changes, await changes.plan(edits(bench), ANNA))
        bench.drafts.verdict = "ask"
        undo = await changes.undo(change.id, ANNA, "")
        assert undo.state is State.WAITING


async def test_what_later_changes_built_on_stands_in_the_way(bench: Bench) -> None:
    with bench.changes() as changes:
        old = await done(changes, await changes.plan(edits(bench, "1", "2"), ANNA))
        new = await done(
            changes, await changes.plan([bench.admin.edit("routes", "1", {"uri": "/new"})], ANNA)
        )
        undo = await changes.undo(old.id, ANNA, "")
        assert undo.state is State.REFUSED
        [problem] = undo.problems
        assert (problem.path, problem.fix) == (
            "routes/1",
            f"undo {new.id} first, or plan the difference by hand",
        )
        await done(changes, await changes.undo(new.id, ANNA, ""))
        await done(changes, await changes.undo(old.id, ANNA, ""))
    assert bench.admin.values == {}


async def test_what_others_changed_stands_in_the_way(bench: Bench) -> None:
    with bench.changes() as changes:
        change = await done(changes, await changes.plan(edits(bench), ANNA))
        bench.admin.hold("routes", "1", {"uri": "/theirs"})
        [problem] = (await changes.undo(change.id, ANNA, "")).problems
        assert "outside of gatechat" in problem.message


async def test_the_id_that_the_gateway_chose_is_the_one_that_is_undone(bench: Bench) -> None:
    with bench.changes() as changes:
        new = [replace(it, target=replace(it.target, id="")) for it in edits(bench, "1", "2")]
        change = await done(changes, await changes.plan(new, ANNA))
        assert len(bench.admin.values) == 2
        await done(changes, await changes.undo(change.id, ANNA, ""))
    assert bench.admin.values == {}


async def test_what_was_taken_back_already_is_not_undone(bench: Bench) -> None:
    with bench.changes() as changes:
        plan = await changes.plan([*edits(bench), bench.admin.edit("services", "s", {"bad": 1})], ANNA)
        assert (await changes.apply(plan.id, ANNA)).state is State.FAILED
        undo = await changes.undo(plan.id, ANNA, "")
        assert undo.state is State.REFUSED


# -- drift ---------------------------------------------------------------------------------------------------


async def test_history_shows_how_changes_ended(bench: Bench) -> None:
    with bench.changes() as changes:
        for id in ("1", "2", "3"):
            await done(changes, await changes.plan(edits(bench, id), ANNA))
        entries = await changes.history(limit=2)
        assert [entry.subject for entry in entries] == ["p3", "p2"]
        assert [entry.subject for entry in await changes.history(before=entries[-1].seq)] == ["p1"]
