"""What GPT Actions can do: a scripted model that knows nothing but the OpenAPI document, and the limits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import jsonschema_rs
import pytest
import yaml
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from gatechat.assistant.core import Core
from gatechat.assistant.faces.actions import LARGEST_ANSWER, Actions, rendered
from gatechat.assistant.operations.tool import Hints, Outcome, Tool
from gatechat.assistant.principal import Principal, Role
from gatechat.assistant.problem import Problem
from gatechat.assistant.settings import AssistantSettings
from tests.assistant import rig
from tests.conftest import ADMIN_KEY, GatewayUnderTest

PERSON = Principal("local", Role.ADMIN, "cli", person=True)


class ScriptedModel:
    """Reads the document, and calls operations by their names with arguments that fit their schemas."""

    def __init__(self, client: httpx2.AsyncClient, document: Mapping[str, Any]) -> None:
        self.client = client
        self._operations = {
            operation["operationId"]: (method, path, operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        }

    def example(self, name: str) -> Any:
        return self._operations[name][2]["requestBody"]["content"]["application/json"]["example"]

    async def call(self, name: str, body: Any = None, **in_path: str) -> httpx2.Response:
        method, path, operation = self._operations[name]
        if body is not None:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            jsonschema_rs.validator_for(schema).validate(body)
        answer = await self.client.request(method, path.format(**in_path), json=body)
        assert str(answer.status_code) in operation["responses"] or answer.status_code >= 400
        assert len(answer.text) <= LARGEST_ANSWER
        return answer


@asynccontextmanager
async def model(
    gateway: GatewayUnderTest, folder: Path, policy: str = "", **more: Any
) -> AsyncIterator[ScriptedModel]:
    (folder / "policy.toml").write_text(f"[policy]\n{policy}\n")
    settings = {
        "admin_key": ADMIN_KEY,
        "data_dir": folder,
        "gateway_url": gateway.gateway.proxy_url,
        "example_backend": gateway.upstream,
    }
    async with (
        rig.assistant(gateway.gateway.admin_url, **(settings | more)) as port,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client,
    ):
        yield ScriptedModel(client, yaml.safe_load((await client.get("/openapi.yaml")).text))


async def approve(gateway: GatewayUnderTest, folder: Path, plan: str) -> None:
    """As a person does in a terminal, beside the assistant that runs."""
    core = Core(AssistantSettings(admin_url=gateway.gateway.admin_url, admin_key=ADMIN_KEY, data_dir=folder))
    await core.learn()
    await core.changes.approve(plan, PERSON, "cli")
    await core.close()


async def test_a_model_plans_waits_for_a_person_applies_looks_and_undoes(
    gateway: GatewayUnderTest, tmp_path: Path
) -> None:
    async with model(gateway, tmp_path, 'mode = "ask-always"') as gpt:
        planned = await gpt.call("plan", gpt.example("plan"))
        assert planned.status_code == 202
        made = planned.json()
        assert made["state"] == "waiting"
        assert made["page"].endswith(f"/plans/{made['plan']}")
        assert planned.headers["location"] == made["page"]
        assert "/speaker/*" in made["message"]
        assert "limit-count" in made["message"]

        waiting = await gpt.call("apply", {"plan": made["plan"]})
        assert (waiting.status_code, waiting.json()["state"]) == (202, "waiting")
        assert made["page"] in waiting.json()["message"]
        assert gateway.client.get("/speaker/1/sessions").status_code == 404

        await approve(gateway, tmp_path, made["plan"])
        applied = await gpt.call("apply", {"plan": made["plan"]})
        assert (applied.status_code, applied.json()["state"]) == (200, "applied")
        assert gateway.client.get("/speaker/1/sessions").status_code == 200
        assert (await gpt.call("apply", {"plan": made["plan"]})).json() == applied.json()

        [route] = (await gpt.call("getAllRoutes")).json()["list"]
        explained = await gpt.call("explain", gpt.example("explain"))
        assert explained.json()["route"] == route["value"]["id"]

        back = await gpt.call("undo", {"change": made["plan"]})
        assert back.status_code == 202
        await approve(gateway, tmp_path, back.json()["plan"])
        assert (await gpt.call("apply", {"plan": back.json()["plan"]})).status_code == 200
        assert gateway.client.get("/speaker/1/sessions").status_code == 404


async def test_what_may_pass_needs_nobody(gateway: GatewayUnderTest, tmp_path: Path) -> None:
    async with model(gateway, tmp_path, 'mode = "never-ask"') as gpt:
        planned = await gpt.call("plan", gpt.example("plan"))
        assert (planned.status_code, planned.json()["state"]) == (200, "ready")
        assert (await gpt.call("apply", {"plan": planned.json()["plan"]})).status_code == 200
        assert gateway.client.get("/speaker/1/sessions").status_code == 200


async def test_traffic_is_measured(gateway: GatewayUnderTest, tmp_path: Path) -> None:
    gateway.put("global_rules/p", {"plugins": {"prometheus": {}}})
    gateway.put("routes/1", {"uri": "/*", "upstream": {"nodes": gateway.nodes()}})
    gateway.client.get("/a")
    metrics = f"{gateway.gateway.metrics_url}/apisix/prometheus/metrics"
    async with model(gateway, tmp_path, metrics_url=metrics) as gpt:
        seen = await gpt.call("traffic", {"seconds": 0})
        assert seen.status_code == 200
        assert "By route:" in seen.json()["message"]
        too_long = await gpt.client.post("/actions/traffic", json={"seconds": 31})
        assert too_long.status_code == 400


WRONG: dict[str, tuple[str, Any, int, str]] = {
    "an unknown action": ("destroy", {}, 404, "plan, apply, undo, explain, traffic"),
    "a tool that is not offered here": ("send_request", {"path": "/"}, 404, "there is no action"),
    "no JSON": ("plan", b"{", 400, "the body is no JSON"),
    "no object": ("plan", b"[]", 400, "one JSON object"),
    "nothing": ("plan", b"", 400, "operations: is needed"),
    "a wrong argument": ("explain", {"url": "/a", "colour": "red"}, 400, "there is no such argument"),
    "consent that the model gives itself": ("apply", {"plan": "x", "confirm": True}, 400, "a person does"),
    "an unknown plan": ("apply", {"plan": "none"}, 404, "there is no plan none"),
    "an unknown change": ("undo", {"change": "none"}, 404, "none"),
    "a plan that cannot be": (
        "plan",
        {"reason": "x", "operations": [{"action": "delete", "kind": "routes", "id": "none"}]},
        400,
        "none",
    ),
    "no metrics page": ("traffic", {"seconds": 0}, 400, "--metrics-url"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_an_error_is_told_with_its_status_and_what_to_do(
    name: str, gateway: GatewayUnderTest, tmp_path: Path
) -> None:
    action, body, status, words = WRONG[name]
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with model(gateway, tmp_path) as gpt:
        answer = await gpt.client.post(f"/actions/{action}", content=content)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
    assert words in answer.json()["error_msg"]


async def test_a_gateway_that_is_away_is_a_502(tmp_path: Path) -> None:
    async with (
        rig.assistant(rig.free_port(), data_dir=tmp_path) as port,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        answer = await client.post("/actions/explain", json={"url": "/a"})
    assert answer.status_code == 502
    assert "gatechat doctor" in answer.json()["error_msg"]


async def test_get_is_no_way_to_act(gateway: GatewayUnderTest, tmp_path: Path) -> None:
    async with model(gateway, tmp_path) as gpt:
        assert (await gpt.client.get("/actions/plan")).status_code == 405


# -- limits --------------------------------------------------------------------------------------------------


def _tool(hints: Hints, run: Any) -> Tool:
    schema = {"type": "object", "properties": {}}
    return Tool("traffic", "Title", "Words", hints, schema, schema, run)


def _hints(*, read_only: bool, idempotent: bool) -> Hints:
    return Hints(read_only, destructive=not read_only, idempotent=idempotent, open_world=False)


TOO_LONG = {
    "a read": (_hints(read_only=True, idempotent=True), "Nothing was changed"),
    "a write": (_hints(read_only=False, idempotent=True), "It goes on"),
    "a plan": (_hints(read_only=False, idempotent=False), "Nothing was written"),
}


@pytest.mark.parametrize("name", TOO_LONG)
async def test_a_call_that_takes_too_long_is_a_504_that_says_how_to_go_on(name: str) -> None:
    hints, words = TOO_LONG[name]
    go, ended = asyncio.Event(), asyncio.Event()

    async def run(core: Core, arguments: dict[str, Any], who: Principal) -> Outcome:
        await go.wait()
        ended.set()
        return Outcome("done")

    core = Core(AssistantSettings(admin_url=f"http://127.0.0.1:{rig.free_port()}"), [_tool(hints, run)])
    app = Starlette(
        routes=list(Actions(core, seconds=0.05).routes()),
        exception_handlers={Problem: lambda request, problem: problem.response()},  # type: ignore[attr-defined]
    )

    async def signed_in(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "gatechat.principal": replace(PERSON, person=False)}, receive, send)

    transport = httpx2.ASGITransport(app=signed_in)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.post("/actions/traffic", json={})
    assert answer.status_code == 504
    assert words in answer.json()["error_msg"]
    go.set()
    if not hints.read_only:
        await asyncio.wait_for(ended.wait(), 5)
    await core.close()


LONG: dict[str, Outcome] = {
    "many lines": Outcome(
        "\n".join(f'line {number} "quoted"' for number in range(20_000)), {"state": "ready"}
    ),
    "one line": Outcome("x" * 200_000),
    "an error": Outcome.error("\n".join("\u4e16\u754c \\ \t" * 10 for _ in range(20_000)), plan="p"),
}


@pytest.mark.parametrize("name", LONG)
def test_a_long_answer_is_cut_after_a_line_and_says_so(name: str) -> None:
    outcome = LONG[name]
    text = rendered(outcome).decode()
    assert LARGEST_ANSWER - 200 < len(text) <= LARGEST_ANSWER or name == "one line"
    shown = json.loads(text)
    first, *lines = shown.pop("error_msg" if outcome.is_error else "message").split("\n")
    assert first.startswith("[Cut")
    assert lines == outcome.text.split("\n")[: len(lines)] or name == "one line"
    assert shown == outcome.data


def test_a_short_answer_is_whole_and_its_lists_are_in_the_words() -> None:
    outcome = Outcome("words", {"plan": "p", "changes": [1], "counts": {}, "certain": True, "route": None})
    assert json.loads(rendered(outcome)) == {"message": "words", "plan": "p", "certain": True, "route": None}
