"""plan and plan_state as tools: what a model reads, through the core, on the real gateway."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import jsonschema_rs
import pytest
import pytest_asyncio

from gatechat.assistant.core import Core
from gatechat.assistant.operations.changing import plan as plan_tool
from gatechat.assistant.operations.tool import Outcome
from gatechat.assistant.principal import Principal, Role
from gatechat.assistant.settings import AssistantSettings
from tests.conftest import ADMIN_KEY, GatewayUnderTest

MODEL = Principal("token:ci", Role.EDITOR, "mcp")
PERSON = Principal("local", Role.ADMIN, "console", person=True)


@pytest_asyncio.fixture
async def core(gateway: GatewayUnderTest) -> AsyncIterator[Core]:
    settings = AssistantSettings(admin_url=gateway.gateway.admin_url, admin_key=ADMIN_KEY)
    made = Core(settings)
    await made.start()
    yield made
    await made.close()


async def plan(core: Core, *operations: dict[str, Any], **more: Any) -> Outcome:
    outcome = await core.call("plan", {"reason": "a test", "operations": list(operations), **more}, MODEL)
    jsonschema_rs.validate(plan_tool.OUTPUT, outcome.data)
    return outcome


def create(kind: str, value: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"action": "create", "kind": kind, "value": value, **more}


KEYED = {"uri": "/a", "upstream": {"nodes": {"10.0.0.1:80": 1}}, "plugins": {"key-auth": {}}}


async def test_a_plan_is_short_and_says_what_comes_next(core: Core) -> None:
    outcome = await plan(core, create("routes", KEYED))
    assert not outcome.is_error
    assert outcome.data["state"] == "ready"
    assert outcome.data["risk"] == "low"
    assert outcome.data["changes"][0]["id"] == "a"
    assert "start to answer: /a" in outcome.text
    assert outcome.data["plan"] in outcome.text
    assert len(outcome.text) < 1_000


async def test_a_plan_that_cannot_be_is_an_error_with_every_problem(core: Core) -> None:
    outcome = await plan(
        core, create("routes", KEYED | {"methods": ["GETT"]}), create("routes", {"uri": "/b"})
    )
    assert outcome.is_error
    assert {it["path"] for it in outcome.data["problems"]} == {"routes/a.methods.0", "routes/b"}
    assert 'did you mean "GET"?' in outcome.text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"confirm": True}, "confirm: there is no such argument"),
        ({"operations": []}, "operations"),
        ({"operations": [{"action": "drop", "kind": "routes"}]}, "drop"),
        ({"operations": [{"action": "delete", "kind": "routes", "lable": "x"}]}, "lable"),
        ({"probes": [{"path": "http://evil.example/"}]}, "must begin with one"),
        ({"probes": [{"path": "/a", "host": "evil.example"}]}, "there is no such key"),
    ],
)
async def test_an_argument_that_is_not_understood_is_an_error(core: Core, arguments: Any, words: str) -> None:
    whole = {"reason": "x", "operations": [create("routes", KEYED)], **arguments}
    outcome = await core.call("plan", whole, MODEL)
    assert outcome.is_error
    assert words in outcome.text


async def test_the_state_of_a_plan_can_be_asked_for(core: Core) -> None:
    made = await plan(core, create("routes", KEYED | {"plugins": {}}))
    asked = await core.call("plan_state", {"plan": made.data["plan"]}, MODEL)
    assert asked.data == made.data
    assert asked.data["state"] == "waiting"
    refused = await plan(core, create("routes", {"uri": "/b"}))
    asked = await core.call("plan_state", {"plan": refused.data["plan"]}, MODEL)
    assert not asked.is_error
    assert asked.data["state"] == "refused"
    unknown = await core.call("plan_state", {"plan": "nope"}, MODEL)
    assert unknown.is_error


async def test_a_change_to_many_is_read_in_few_characters(core: Core, gateway: GatewayUnderTest) -> None:
    for number in range(1, 25):
        gateway.put(f"routes/r{number}", KEYED | {"uri": f"/{number}", "labels": {"tier": "gold"}})
    limit = {"plugins": {"limit-count": {"count": 10, "time_window": 60}}}
    wanted = {"action": "merge", "kind": "routes", "where": {"label": "tier=gold"}, "value": limit}
    outcome = await plan(core, wanted)
    assert outcome.data["selected"] == "24 routes with label tier=gold"
    assert "merge routes/r{1..24} (24 routes)" in outcome.text
    assert len(outcome.text) < 2_000


async def test_none_of_200_planted_secrets_is_seen_in_any_answer_or_view(
    core: Core, gateway: GatewayUnderTest
) -> None:
    for number in range(100):
        key = {"key-auth": {"key": f"canary-a-{number}"}}
        gateway.put(f"consumers/c{number}", {"username": f"c{number}", "plugins": key})
    headers = {f"X-{number}-Token": f"canary-b-{number}" for number in range(50)}
    url = {f"u{number}": f"http://user:canary-c-{number}@host/" for number in range(50)}
    rewrite = {"proxy-rewrite": {"headers": {"set": headers | {"X-Note": " ".join(url.values())}}}}
    gateway.put("routes/r", KEYED | {"plugins": {"key-auth": {}, **rewrite}})
    seen: list[str] = []

    async def ask(tool: str, **arguments: Any) -> Outcome:
        outcome = await core.call(tool, arguments, MODEL)
        seen.append(outcome.text + json.dumps(outcome.data))
        return outcome

    everyone = {"action": "merge", "kind": "consumers", "where": {"all": True}, "value": {"desc": "x"}}
    made = await ask("plan", reason="words", operations=[everyone])
    await ask("plan_state", plan=made.data["plan"])
    await core.changes.approve(made.data["plan"], PERSON, "console")
    applied = await ask("apply", plan=made.data["plan"])
    assert applied.data["state"] == "applied"
    back = await ask("undo", change=made.data["plan"])
    await ask("plan_state", plan=back.data["plan"])
    rotated = {"plugins": {"key-auth": {"key": "canary-new"}}}
    await ask(
        "plan",
        reason="x",
        operations=[{"action": "merge", "kind": "consumers", "id": "c1", "value": rotated}],
    )
    broken = {"plugins": {"proxy-rewrite": {"headers": {"set": {"X-Api-Key": 5}}}}}
    await ask(
        "plan", reason="x", operations=[{"action": "merge", "kind": "routes", "id": "r", "value": broken}]
    )
    await ask(
        "plan", reason="x", operations=[{"action": "delete", "kind": "consumers", "where": {"all": True}}]
    )
    await ask("get", kind="consumers", id="c7")
    await ask("get", kind="routes", id="r")
    await ask("find", kind="consumers")
    await ask("history")
    seen += [json.dumps(entry.body, default=str) for entry in core.ledger.entries(limit=1000)]
    assert [text for text in seen if "canary" in text] == []
    kept = gateway.admin.get("/apisix/admin/consumers/c7").json()["value"]["plugins"]
    assert kept == {"key-auth": {"key": "canary-a-7"}}
