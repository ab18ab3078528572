"""A plan's edits are written all or none, in an order that the gateway takes, and only on what they were
made from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from gatechat.assistant.admin_client import Answer
from gatechat.assistant.change.execute import Executor, in_order
from gatechat.assistant.change.model import Action, Edit, State, Target
from gatechat.assistant.change.resources import Resources, holds, merge_patch, same
from gatechat.assistant.problem import Problem
from tests.assistant.change.ledger_rig import AdminInMemory


def outcomes(steps: Sequence[Any]) -> dict[str, str]:
    return {f"{done.edit.target.kind}/{done.edit.target.id}": done.outcome for done in steps}


def edit(kind: str, id: str, *, delete: bool = False) -> Edit:
    return Edit(
        Action.DELETE if delete else Action.CREATE, Target(kind, id), None, None if delete else {}, None
    )


def test_what_is_referred_to_is_written_first_and_deleted_last() -> None:
    edits = [
        edit("upstreams", "old", delete=True),
        edit("routes", "r"),
        edit("consumers", "jack", delete=True),
        edit("credentials", "jack/credentials/c", delete=True),
        edit("routes", "gone", delete=True),
        edit("upstreams", "u"),
        edit("services", "s"),
    ]
    assert [f"{'-' if it.after is None else '+'}{it.target.id}" for it in in_order(edits)] == [
        "+u",
        "+s",
        "+r",
        "-gone",
        "-jack/credentials/c",
        "-jack",
        "-old",
    ]


async def test_all_is_written() -> None:
    admin = AdminInMemory()
    admin.hold("routes", "1", {"uri": "/old"})
    edits = [
        admin.edit("routes", "1", {"uri": "/new", "upstream_id": "u"}),
        admin.edit("upstreams", "u", {"n": 1}),
    ]
    execution = await Executor(Resources(admin)).apply(edits)
    assert (execution.state, execution.failure) == (State.APPLIED, "")
    assert admin.values == {
        ("routes", "1"): {"uri": "/new", "upstream_id": "u"},
        ("upstreams", "u"): {"n": 1},
    }
    assert admin.writes == [("PUT", "upstreams/u"), ("PUT", "routes/1")]


async def test_what_is_as_wanted_already_is_not_written() -> None:
    admin = AdminInMemory()
    admin.hold("routes", "1", {"uri": "/a"})
    execution = await Executor(Resources(admin)).apply([admin.edit("routes", "1", {"uri": "/a"})])
    assert outcomes(execution.steps) == {"routes/1": "unchanged"}
    assert admin.writes == []


LOST = {
    "others changed it": lambda admin: admin.hold("routes", "1", {"uri": "/theirs"}),
    "others wrote the same again": lambda admin: admin.hold("routes", "1", {"uri": "/old"}),
    "others deleted it": lambda admin: admin.hold("routes", "1", None),
    "others created it": lambda admin: admin.hold("upstreams", "u", {"n": 2}),
}


@pytest.mark.parametrize("name", LOST)
async def test_it_is_a_conflict_when(name: str) -> None:
    admin = AdminInMemory()
    admin.hold("routes", "1", {"uri": "/old"})
    edits = [admin.edit("upstreams", "u", {"n": 1}), admin.edit("routes", "1", {"uri": "/new"})]
    LOST[name](admin)
    [conflict] = await Executor(Resources(admin)).conflicts(edits)
    assert conflict.edit in edits


async def test_a_refused_step_takes_the_done_ones_back() -> None:
    admin = AdminInMemory()
    admin.hold("upstreams", "changed", {"n": 1})
    admin.hold("upstreams", "gone", {"n": 2})
    before = {key: dict(value) for key, value in admin.values.items()}
    edits = [
        admin.edit("upstreams", "new", {"n": 3}),
        admin.edit("upstreams", "changed", {"n": 4}),
        admin.edit("routes", "1", {"bad": True}),
    ]
    execution = await Executor(Resources(admin)).apply(edits)
    assert execution.state is State.FAILED
    assert "bad is not allowed" in execution.failure
    assert admin.values == before
    assert outcomes(execution.steps) == {
        "upstreams/new": "compensated",
        "upstreams/changed": "compensated",
        "routes/1": "not done",
    }


async def test_a_deleted_one_comes_back_when_a_later_step_fails() -> None:
    admin = AdminInMemory()
    admin.hold("routes", "1", {"uri": "/a"})
    admin.hold("upstreams", "u", {"n": 1})
    admin.hold("routes", "2", {"uri": "/b", "upstream_id": "u"})
    edits = [admin.edit("routes", "1", None), admin.edit("upstreams", "u", None)]
    execution = await Executor(Resources(admin), patience=0.1).apply(edits)
    assert execution.state is State.FAILED
    assert "still using it" in execution.failure
    assert admin.values["routes", "1"] == {"uri": "/a"}


async def test_an_upstream_whose_route_is_just_gone_is_deleted_when_caches_agree() -> None:
    admin = AdminInMemory(lag=3)
    admin.hold("upstreams", "u", {"n": 1})
    admin.hold("routes", "1", {"upstream_id": "u"})
    execution = await Executor(Resources(admin)).apply(
        [admin.edit("upstreams", "u", None), admin.edit("routes", "1", None)]
    )
    assert execution.state is State.APPLIED
    assert admin.values == {}
    assert [method for method, path in admin.writes if path == "upstreams/u"] == ["DELETE"] * 4


async def test_an_upstream_that_others_use_is_not_asked_for_twice() -> None:
    admin = AdminInMemory()
    admin.hold("upstreams", "u", {"n": 1})
    admin.hold("routes", "1", {"upstream_id": "u"})
    execution = await Executor(Resources(admin)).apply([admin.edit("upstreams", "u", None)])
    assert execution.state is State.FAILED
    assert admin.writes == [("DELETE", "upstreams/u")]


async def test_the_gateway_may_choose_the_id() -> None:
    admin = AdminInMemory()
    execution = await Executor(Resources(admin)).apply(
        [Edit(Action.CREATE, Target("routes", ""), None, {"uri": "/a"}, None)]
    )
    assert execution.steps[0].edit.target == Target("routes", "00000000000000000001")
    assert execution.steps[0].outcome == "done"


async def test_never_patch_where_a_put_can_be_made() -> None:
    admin = AdminInMemory()
    admin.hold("consumers", "jack", {"username": "jack", "plugins": {"key-auth": {"key": "k"}}})
    value = {"username": "jack", "plugins": {"key-auth": {"key": "k"}}, "desc": "x"}
    merge = Edit(Action.MERGE, Target("consumers", "jack"), admin.values["consumers", "jack"], value, 1)
    await Executor(Resources(admin)).apply([merge])
    assert admin.writes == [("PUT", "consumers/jack")]


async def test_the_private_key_that_nobody_can_read_is_kept() -> None:
    admin = AdminInMemory()
    admin.hold("ssls", "1", {"cert": "c", "key": "k", "snis": ["a"], "labels": {"x": "y"}})
    shown = {"cert": "c", "snis": ["a"], "labels": {"x": "y"}}
    change = admin.edit("ssls", "1", {"cert": "c", "snis": ["b"]}, before=shown)
    await Executor(Resources(admin)).apply([change])
    assert admin.values["ssls", "1"] == {"cert": "c", "key": "k", "snis": ["b"]}


async def test_a_private_key_that_was_replaced_cannot_be_put_back_and_it_is_said() -> None:
    admin = AdminInMemory()
    admin.hold("ssls", "1", {"cert": "c", "key": "k", "snis": ["a"]})
    edits = [
        admin.edit(
            "ssls", "1", {"cert": "d", "key": "l", "snis": ["a"]}, before={"cert": "c", "snis": ["a"]}
        ),
        admin.edit("routes", "1", {"bad": True}),
    ]
    execution = await Executor(Resources(admin)).apply(edits)
    assert execution.state is State.BROKEN
    assert "private key" in execution.steps[0].detail


class Away:
    """The Admin API is away from write number ``at`` on, for ``times`` requests; ``lost``: the write is
    done and only its answer is lost.
    """

    def __init__(self, admin: AdminInMemory, at: int, times: int, *, lost: bool = False) -> None:
        self._left = times

        def die(number: int, method: str, path: str) -> None:
            if number >= at and self._left > 0:
                self._left -= 1
                raise Problem(502, "the Admin API is away")

        if lost:
            admin.after = die
        else:
            admin.before = die


@pytest.mark.parametrize("lost", [False, True])
async def test_an_admin_api_that_comes_back_finds_the_plan_going_on(lost: bool) -> None:
    admin = AdminInMemory()
    edits = [admin.edit("routes", str(number), {"uri": f"/{number}"}) for number in range(5)]
    Away(admin, 3, 2, lost=lost)
    execution = await Executor(Resources(admin)).apply(edits)
    assert execution.state is State.APPLIED
    assert len(admin.values) == 5


async def test_a_step_whose_answer_was_lost_is_not_done_twice() -> None:
    admin = AdminInMemory()
    Away(admin, 1, 1, lost=True)
    execution = await Executor(Resources(admin)).apply([admin.edit("routes", "1", {"uri": "/a"})])
    assert execution.state is State.APPLIED
    assert admin.writes == [("PUT", "routes/1")]


async def test_an_admin_api_that_stays_away_leaves_what_is_said_to_be_left() -> None:
    admin = AdminInMemory()
    edits = [admin.edit("routes", str(number), {"uri": f"/{number}"}) for number in range(5)]

    def die(number: int, method: str, path: str) -> None:
        if number == 3:
            admin.away = True
            raise Problem(502, "the Admin API is away")

    admin.before = die
    execution = await Executor(Resources(admin), patience=0.1).apply(edits)
    assert execution.state is State.BROKEN
    assert outcomes(execution.steps) == {
        "routes/0": "not compensated",
        "routes/1": "not compensated",
        "routes/2": "not compensated",
        "routes/3": "not done",
        "routes/4": "not done",
    }


async def test_others_who_come_between_two_steps_stop_it() -> None:
    admin = AdminInMemory()
    admin.hold("routes", "2", {"uri": "/b"})
    edits = [admin.edit("routes", "1", {"uri": "/a"}), admin.edit("routes", "2", {"uri": "/c"})]

    def others(number: int, method: str, path: str) -> None:
        if number == 1:
            admin.hold("routes", "2", {"uri": "/theirs"})

    admin.after = others
    execution = await Executor(Resources(admin)).apply(edits)
    assert execution.state is State.FAILED
    assert admin.values == {("routes", "2"): {"uri": "/theirs"}}


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        ({"a": []}, {"a": {}}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": [1, 2]}, {"a": [2, 1]}, False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
    ],
)
def test_values_are_the_same_as_lua_sees_it(one: Any, other: Any, wanted: bool) -> None:
    assert same(one, other) is wanted


@pytest.mark.parametrize(
    ("wanted", "found", "result"),
    [
        (
            {"upstream": {"nodes": {"a": 1}}},
            {"upstream": {"nodes": {"a": 1}, "type": "roundrobin"}, "status": 1},
            True,
        ),
        ({"uri": "/a"}, {"uri": "/b"}, False),
        ({"uri": "/a"}, {"uri": "/a", "plugins": {"cors": {}}}, False),
        ({"plugins": {"cors": {}}}, {"plugins": {"cors": {"max_age": 5}}}, True),
        ({"nodes": {"a": 1}}, {"nodes": {"a": 1, "b": 1}}, False),
        ({"uris": ["/a"]}, {"uris": ["/a", "/b"]}, False),
    ],
)
def test_a_gateway_adds_defaults_and_nothing_else(wanted: Any, found: Any, result: bool) -> None:
    assert holds(wanted, found) is result


def test_a_merge_patch_names_what_differs() -> None:
    before = {"a": 1, "b": {"c": 2, "d": 3}, "e": 4, "f": {}}
    assert merge_patch(before, {"a": 1, "b": {"c": 9}, "f": {"g": 1}}) == {
        "b": {"c": 9, "d": None},
        "e": None,
        "f": {"g": 1},
    }


class BeforeApisix315(AdminInMemory):
    """Fails when it is asked for plugin metadata that is not there."""

    async def send(self, method: str, target: bytes, headers: dict[str, str], body: bytes = b"") -> Answer:
        answer = await super().send(method, target, headers, body)
        failing = method == "GET" and b"/plugin_metadata/" in target and answer.status == 404
        return Answer(500, {}, b"<html>500 Internal Server Error</html>") if failing else answer


async def test_plugin_metadata_is_made_where_the_gateway_fails_over_what_is_not_there() -> None:
    admin = BeforeApisix315()
    execution = await Executor(Resources(admin)).apply(
        [admin.edit("plugin_metadata", "datadog", {"port": 1})]
    )
    assert (execution.state, execution.failure) == (State.APPLIED, "")
    assert await Resources(admin).get(Target("plugin_metadata", "syslog")) is None
    held = await Resources(admin).get(Target("plugin_metadata", "datadog"))
    assert held is not None
    assert held.value == {"port": 1}
