"""What was written is looked for through the gateway, and taken back when a required probe fails."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gatechat.assistant.admin_client import AdminClient
from gatechat.assistant.change import prove
from gatechat.assistant.change.execute import Done
from gatechat.assistant.change.model import Action, Edit, Probe, State, Target
from gatechat.assistant.change.plan import PlanRequest
from gatechat.assistant.change.policy import Policy
from gatechat.assistant.change.resolve import Operation
from gatechat.assistant.change.resources import Resources
from gatechat.assistant.ledger import Held
from gatechat.assistant.principal import Principal, Role
from gatechat.assistant.view.exchange import Reply
from tests.assistant import rig
from tests.assistant.change.test_write_through import Road
from tests.conftest import GatewayUnderTest

ADMIN = Principal("local", Role.ADMIN, "console", person=True)
SEEN = Reply(200, (("content-type", "application/json"), ("X-A", "one two")), b'{"speaker": 1}', False, 1.0)
NO_ROUTE = Reply(404, (), b'{"error_msg":"404 Route Not Found"}', False, 1.0)

EXPECTATIONS: dict[str, tuple[Probe, Reply, str]] = {
    "all as expected": (
        Probe("GET", "/", status=200, header=("x-a", "one"), contains="speaker"),
        SEEN,
        "",
    ),
    "another status": (Probe("GET", "/", status=401), SEEN, "status 200 instead of 401"),
    "another header": (Probe("GET", "/", header=("x-a", "three")), SEEN, "header x-a is another"),
    "no header": (Probe("GET", "/", header=("x-b", "")), SEEN, "header x-b is not there"),
    "another body": (Probe("GET", "/", contains="nobody"), SEEN, "the body does not contain what it should"),
    "no route": (Probe("GET", "/"), NO_ROUTE, "no route takes it"),
    "no route, as expected": (Probe("GET", "/", status=404), NO_ROUTE, ""),
    "an error of the gateway": (Probe("GET", "/"), Reply(502, (), b"", False, 1.0), "status 502"),
}


@pytest.mark.parametrize("name", EXPECTATIONS)
def test_what_came_back_is_held_against_what_was_expected(name: str) -> None:
    probe, seen, wanted = EXPECTATIONS[name]
    assert prove.mismatch(probe, seen) == wanted


REACHED: dict[str, tuple[dict[str, Any], str | None]] = {
    "a path": ({"uri": "/a"}, "/a"),
    "a prefix": ({"uri": "/a/*"}, "/a/"),
    "a path on a host": ({"uri": "/a", "host": "a.example"}, "a.example/a"),
    "a path beyond ASCII": ({"uri": "/straße/*"}, "/straße/"),
    "a path with a variable": ({"uri": "/a/:id"}, None),
    "another method": ({"uri": "/a", "methods": ["POST"]}, None),
    "a wildcard host": ({"uri": "/a", "host": "*.example"}, None),
    "a condition": ({"uri": "/a", "vars": [["arg_a", "==", "b"]]}, None),
    "a route that is off": ({"uri": "/a", "status": 0}, None),
    "a host that the service may have": ({"uri": "/a", "service_id": "s"}, None),
}


@pytest.mark.parametrize("name", REACHED)
def test_a_changed_route_is_reached_where_a_plain_get_can_tell(name: str) -> None:
    route, wanted = REACHED[name]
    done = Done(Edit(Action.CREATE, Target("routes", "1"), None, route, None), "done")
    got = [f"{probe.headers.get('Host', '')}{probe.path}" for probe in prove.reaching([done])]
    assert got == ([] if wanted is None else [wanted])


@pytest_asyncio.fixture
async def road(tmp_path: Path, gateway: GatewayUnderTest) -> AsyncIterator[Road]:
    whole = Road(tmp_path, gateway, Policy())
    yield whole
    await whole.close()


async def _planned(road: Road, gateway: GatewayUnderTest, *probes: Probe) -> str:
    value = {"uri": "/echo/*", "upstream": {"type": "roundrobin", "nodes": gateway.nodes()}}
    operation = Operation(Action.CREATE, "routes", id="echo", value=value)
    plan = await road.changes.plan(
        PlanRequest("put the echo behind the gateway", (operation,), probes), ADMIN
    )
    assert not plan.problems, plan.problems
    if plan.state is State.WAITING:
        await road.changes.approve(plan.id, ADMIN, "console")
    return plan.id


async def test_a_change_is_seen_through_the_gateway(road: Road, gateway: GatewayUnderTest) -> None:
    id = await _planned(road, gateway, Probe("GET", "/echo/x", status=200, contains="/echo/x", required=True))
    change = await road.changes.apply(id, ADMIN)
    assert change.state is State.APPLIED
    assert [(it.how, it.passed) for it in change.proofs] == [("read back", True), ("probe", True)]


async def test_without_probes_a_new_route_is_still_reached(road: Road, gateway: GatewayUnderTest) -> None:
    change = await road.changes.apply(await _planned(road, gateway), ADMIN)
    assert [(it.how, it.what, it.passed) for it in change.proofs][1:] == [("probe", "GET /echo/", True)]


@pytest.mark.parametrize("required", [True, False])
async def test_a_probe_that_fails_takes_the_change_back_where_it_is_required(
    road: Road, gateway: GatewayUnderTest, required: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prove, "SETTLING", 0.05)
    id = await _planned(road, gateway, Probe("GET", "/echo/x", status=418, required=required))
    change = await road.changes.apply(id, ADMIN)
    assert change.state is (State.UNDONE if required else State.APPLIED)
    assert "status 200 instead of 418" in change.text
    there = gateway.admin.get("/apisix/admin/routes/echo").status_code
    assert there == (404 if required else 200)


STEPS: dict[str, tuple[dict[str, Any] | None, Held | None, tuple[int, Any], str]] = {
    "the version that was written": ({"uri": "/a"}, Held({"uri": "/a"}, 7), (200, {"modifiedIndex": 7}), ""),
    "a later version": ({"uri": "/a"}, Held({"uri": "/a"}, 7), (200, {"modifiedIndex": 9}), ""),
    "an older version": (
        {"uri": "/a"},
        Held({"uri": "/a"}, 7),
        (200, {"modifiedIndex": 6}),
        "routes/1 is still an older one",
    ),
    "an upstream's version over the route's own": (
        {"uri": "/a"},
        Held({"uri": "/a"}, 7),
        (200, {"modifiedIndex": 70, "orig_modifiedIndex": 6}),
        "routes/1 is still an older one",
    ),
    "nothing": ({"uri": "/a"}, Held({"uri": "/a"}, 7), (404, {}), "routes/1 is not there yet"),
    "nothing, as it was deleted": (None, None, (404, {}), ""),
    "what was deleted": (None, None, (200, {"modifiedIndex": 7}), "routes/1 is still there"),
    "something else": (
        {"uri": "/a"},
        Held({"uri": "/a"}, 7),
        (200, []),
        "of routes/1 it tells no version (200)",
    ),
}


@pytest.mark.parametrize("name", STEPS)
async def test_the_control_api_shows_what_the_data_plane_has(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prove, "SETTLING", 0.05)
    after, left, (status, body), wanted = STEPS[name]
    edit = Edit(Action.REPLACE if after else Action.DELETE, Target("routes", "1"), {"uri": "/o"}, after, 6)
    control = rig.AdminStandIn(status=status, body=json.dumps(body).encode())
    async with rig.serving(control) as port:
        proof = await prove.served([Done(edit, "done", left=left)], f"http://127.0.0.1:{port}")
    assert proof is not None
    assert (proof.how, proof.passed, proof.detail) == ("control api", wanted == "", wanted)
    assert control.asked[0].path == "/v1/route/1"


async def test_of_what_the_control_api_does_not_tell_it_proves_nothing() -> None:
    edit = Edit(Action.CREATE, Target("consumers", "jack"), None, {"username": "jack"}, None)
    assert await prove.served([Done(edit, "done")], "http://127.0.0.1:1") is None


async def test_what_cannot_be_read_back_counts_as_it_was_written() -> None:
    edit = Edit(Action.CREATE, Target("routes", "1"), None, {"uri": "/a"}, None)
    done = Done(edit, "done")
    admin = AdminClient(f"http://127.0.0.1:{rig.free_port()}", None, 1)
    proof = await prove.read_back([done], Resources(admin))
    await admin.close()
    assert not proof.passed
    assert done.left == Held({"uri": "/a"}, None)
