"""A person is asked in their client before a plan is applied, in both eras; nothing else counts as a yes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError
from mcp.types import (
    CallToolResult,
    ElicitationCapability,
    ElicitRequestFormParams,
    ElicitRequestURLParams,
    ElicitResult,
    InputRequiredResult,
    TextContent,
    UrlElicitationCapability,
)

from gatechat.assistant.change.model import State
from gatechat.assistant.faces.mcp import confirm
from gatechat.assistant.principal import Principal, Role
from tests.assistant.faces import mcp_rig as rig

both_eras = pytest.mark.parametrize("era", rig.ERAS)


def text(result: CallToolResult) -> str:
    assert isinstance(result.content[0], TextContent)
    return result.content[0].text


@both_eras
@pytest.mark.parametrize(
    ("answer", "approved", "rejected", "state"),
    [
        pytest.param(rig.YES, ["p1"], [], "ready", id="yes approves"),
        pytest.param(rig.UNTICKED, [], ["p1"], "rejected", id="a form sent without the tick rejects"),
        pytest.param(rig.NO, [], ["p1"], "rejected", id="no rejects"),
        pytest.param(rig.DISMISSED, [], [], "waiting", id="a question that was closed leaves it waiting"),
        pytest.param(
            ElicitResult(action="accept", content={"apply": "true"}),
            [],
            ["p1"],
            "rejected",
            id="a text is no tick",
        ),
    ],
)
async def test_what_a_person_says_is_done(
    era: str, answer: ElicitResult, approved: list[str], rejected: list[str], state: str
) -> None:
    changes, person = rig.ChangesStandIn(), rig.Person([answer])
    async with rig.client(changes.server(), era, person) as client:
        result = await client.call_tool("apply", {"plan": "p1"})
    assert text(result) == f"p1 is {state}"
    assert [id for id, *_ in changes.approved] == approved
    assert [id for id, *_ in changes.rejected] == rejected


@both_eras
async def test_the_yes_is_the_owners_who_sits_at_this_machine(era: str) -> None:
    changes, person = rig.ChangesStandIn(), rig.Person([rig.YES])
    async with rig.client(changes.server(), era, person) as client:
        await client.call_tool("apply", {"plan": "p1"})
    assert changes.approved == [("p1", Principal("local", Role.APPROVER, "mcp", person=True), "elicitation")]


@both_eras
async def test_the_question_says_what_will_happen_in_our_words(era: str) -> None:
    changes, person = rig.ChangesStandIn(), rig.Person([rig.YES])
    nasty = rig.plan(reason="tick yes\n\nRisk: low.\u202e\u200b")
    changes.plans["p1"] = nasty
    async with rig.client(changes.server(), era, person) as client:
        await client.call_tool("apply", {"plan": "p1"})
    (asked,) = person.asked
    assert isinstance(asked, ElicitRequestFormParams)
    assert asked.message.splitlines() == [
        "Apply this change to the gateway? Risk: high.",
        "- delete routes/checkout",
        "- /pay stops answering",
        "- high: deletes a route that has traffic",
        'Said to be for: "tick yes Risk: low.". Plan p1, asked for by local.',
    ]
    assert asked.requested_schema["required"] == ["apply"]


async def not_asked(changes: rig.ChangesStandIn, era: str, person: rig.Person | None) -> str:
    async with rig.client(changes.server(), era, person) as client:
        result = await client.call_tool("apply", {"plan": "p1"})
    assert not changes.approved
    assert person is None or not person.asked
    return text(result)


OPENED = ElicitResult(action="accept")


@both_eras
@pytest.mark.parametrize("said", [OPENED, rig.YES, rig.NO], ids=["opened", "a yes, that is none", "declined"])
@pytest.mark.parametrize(
    ("plan", "elicitation"),
    [
        pytest.param(rig.plan(), False, id="without the policy's leave for forms"),
        pytest.param(rig.plan(secrets=("consumers/anna.key",)), True, id="with secrets to enter"),
    ],
)
async def test_where_a_form_does_not_do_the_person_is_sent_to_the_page_once(
    era: str, plan: Any, elicitation: bool, said: ElicitResult
) -> None:
    changes, person = rig.ChangesStandIn({"p1": plan}, elicitation=elicitation), rig.Person([said])
    async with rig.client(changes.server(), era, person) as client:
        for _ in range(2):
            assert text(await client.call_tool("apply", {"plan": "p1"})) == "p1 is waiting"
    (asked,) = person.asked
    assert isinstance(asked, ElicitRequestURLParams)
    assert asked.url == "http://localhost:5000/plans/p1"
    assert not changes.approved
    assert not changes.rejected


@both_eras
async def test_a_client_that_cannot_ask_is_told_that_it_waits(era: str) -> None:
    assert await not_asked(rig.ChangesStandIn(), era, None) == "p1 is waiting"


@both_eras
@pytest.mark.parametrize(
    "plan",
    [
        pytest.param(rig.plan(state=State.READY), id="what needs no approval is not asked about"),
        pytest.param(rig.plan(state=State.REFUSED), id="nor what the policy refuses"),
        pytest.param(rig.plan(state=State.EXPIRED), id="nor what lapsed"),
    ],
)
async def test_only_a_plan_that_waits_for_a_yes_is_asked_about(era: str, plan: Any) -> None:
    changes = rig.ChangesStandIn(plans={"p1": plan})
    assert await not_asked(changes, era, rig.Person([rig.YES])) == f"p1 is {plan.state.value}"


@pytest.mark.parametrize(
    ("capability", "modes"),
    [
        pytest.param(None, set(), id="none"),
        pytest.param(ElicitationCapability(), {"form"}, id="unnamed, which means forms"),
        pytest.param(ElicitationCapability(url=UrlElicitationCapability()), {"url"}, id="only pages"),
    ],
)
def test_how_a_client_says_that_it_can_ask(capability: ElicitationCapability | None, modes: set[str]) -> None:
    class Context:
        protocol_version = rig.ERAS[0]

        class session:
            class client_capabilities:
                elicitation = capability

    assert confirm.modes_of(Context()) == modes  # type: ignore[arg-type]


@both_eras
async def test_an_argument_is_no_consent(era: str) -> None:
    changes = rig.ChangesStandIn()
    async with rig.client(changes.server(), era, rig.Person([])) as client:
        result = await client.call_tool("plan_state", {"plan": "p1", "confirm": True})
    assert result.is_error
    assert "confirm: there is no such argument" in text(result)
    assert not changes.approved


# What a client of 2026-07-28 keeps for us between the question and the answer


async def question(client: Any, plan: str = "p1") -> InputRequiredResult:
    asked = await client.session.call_tool("apply", {"plan": plan}, allow_input_required=True)
    assert isinstance(asked, InputRequiredResult)
    return asked


async def answer(client: Any, state: str | None, plan: str = "p1", said: Any = rig.YES) -> Any:
    return await client.session.call_tool(
        "apply",
        {"plan": plan},
        input_responses={"apply": said},
        request_state=state,
        allow_input_required=True,
    )


async def test_the_state_is_sealed() -> None:
    changes = rig.ChangesStandIn()
    async with rig.client(changes.server(), rig.ERAS[0], rig.Person([])) as client:
        state = (await question(client)).request_state
    assert state
    assert "digest" not in state


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda state: state[:-2] + ("AA" if state[-2:] != "AA" else "BB"), id="tampered with"),
        pytest.param(lambda state: '{"digest": "digest-of-p1", "code": "x", "until": 9e9}', id="made up"),
        pytest.param(lambda state: "", id="empty"),
    ],
)
async def test_a_forged_state_ends_the_call(forge: Any) -> None:
    changes = rig.ChangesStandIn()
    async with rig.client(changes.server(), rig.ERAS[0], rig.Person([])) as client:
        state = (await question(client)).request_state
        with pytest.raises(MCPError, match="Invalid or expired requestState"):
            await answer(client, forge(state))
    assert not changes.approved


async def test_an_answer_without_the_state_is_asked_for_again() -> None:
    changes = rig.ChangesStandIn()
    async with rig.client(changes.server(), rig.ERAS[0], rig.Person([])) as client:
        assert isinstance(await answer(client, None), InputRequiredResult)
    assert not changes.approved


async def test_a_state_is_for_the_plan_that_it_was_made_for() -> None:
    changes = rig.ChangesStandIn()
    async with rig.client(changes.server(), rig.ERAS[0], rig.Person([])) as client:
        state = (await question(client, "p1")).request_state
        with pytest.raises(MCPError, match="Invalid or expired requestState"):
            await answer(client, state, "p2")
    assert not changes.approved


async def test_a_state_of_a_server_with_another_key_does_not_count() -> None:
    changes = rig.ChangesStandIn()
    async with rig.client(changes.server(b"o" * 32), rig.ERAS[0], rig.Person([])) as client:
        state = (await question(client)).request_state
    async with rig.client(changes.server(), rig.ERAS[0], rig.Person([])) as client:
        with pytest.raises(MCPError, match="Invalid or expired requestState"):
            await answer(client, state)
    assert not changes.approved


async def test_a_state_outlives_a_restart_and_is_used_once() -> None:
    changes = rig.ChangesStandIn()
    async with rig.client(changes.server(), rig.ERAS[0], rig.Person([])) as client:
        state = (await question(client)).request_state
    async with rig.client(changes.server(), rig.ERAS[0], rig.Person([])) as client:
        assert text(await answer(client, state, said=rig.DISMISSED)) == "p1 is waiting"
        assert isinstance(await answer(client, state), InputRequiredResult)  # replayed: asked again
    assert not changes.approved


async def test_of_two_answers_at_once_one_counts() -> None:
    changes = rig.ChangesStandIn()
    async with rig.client(changes.server(), rig.ERAS[0], rig.Person([])) as client:
        state = (await question(client)).request_state
        await asyncio.gather(answer(client, state), answer(client, state), return_exceptions=True)
    assert len(changes.approved) == 1


async def test_a_plan_that_is_another_one_meanwhile_is_asked_about_again() -> None:
    changes = rig.ChangesStandIn()
    async with rig.client(changes.server(), rig.ERAS[0], rig.Person([])) as client:
        state = (await question(client)).request_state
        changes.plans["p1"] = rig.plan(digest="digest-of-something-worse")
        assert isinstance(await answer(client, state), InputRequiredResult)
    assert not changes.approved


async def test_a_person_who_never_answers_leaves_it_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confirm, "PATIENCE", 0.05)
    changes, never = rig.ChangesStandIn(), asyncio.Event()

    async def silent(context: Any, params: Any) -> ElicitResult:
        await never.wait()
        return rig.YES

    async with rig.client(changes.server(), rig.ERAS[1], silent) as client:  # type: ignore[arg-type]
        assert text(await client.call_tool("apply", {"plan": "p1"})) == "p1 is waiting"
    assert not changes.approved
