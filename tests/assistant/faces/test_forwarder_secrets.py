"""No secret comes out of port 5000, and one that was written back redacted stays what it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from gatechat.assistant.change.redact import REDACTED
from tests.assistant import rig
from tests.assistant.faces.test_forwarder_writes import assistant
from tests.conftest import GatewayUnderTest

SECRET: Final = "a-secret-of-the-tests"
HIDDEN: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "a credential": ("consumers/jack/credentials/c", {"plugins": {"key-auth": {"key": SECRET}}}),
    "a consumer": ("consumers/jack", {"username": "jack", "plugins": {"key-auth": {"key": SECRET}}}),
    "a header that is set": (
        "routes/1",
        {"uri": "/a", "plugins": {"proxy-rewrite": {"headers": {"set": {"X-Api-Key": SECRET}}}}},
    ),
    "a header that must be there": ("routes/1", {"uri": "/a", "vars": [["http_apikey", "==", SECRET]]}),
    "a list of hosts with one": (
        "services/1",
        {"plugins": {"response-rewrite": {"headers": {"set": {"authorization": f"Basic {SECRET}"}}}}},
    ),
}
"""What holds the secret once; what has no upstream is given one."""


def _whole(gateway: GatewayUnderTest, path: str, value: dict[str, Any]) -> dict[str, Any]:
    needs_upstream = path.startswith(("routes", "services"))
    return value | ({"upstream": {"nodes": gateway.nodes()}} if needs_upstream else {})


@pytest.fixture
def jack(gateway: GatewayUnderTest) -> GatewayUnderTest:
    gateway.put("consumers/jack", {"username": "jack"})
    return gateway


@pytest.mark.parametrize("name", HIDDEN)
async def test_what_is_read_is_redacted_and_written_back_it_stays(
    name: str, jack: GatewayUnderTest, tmp_path: Path
) -> None:
    path, value = HIDDEN[name]
    jack.put(path, _whole(jack, path, value))
    stored = jack.admin.get(f"/apisix/admin/{path}").json()["value"]
    async with assistant(jack, tmp_path, 'pass_through = "high"') as client:
        one = (await client.get(f"/apisix/admin/{path}")).json()
        [listed] = (await client.get(f"/apisix/admin/{path.rpartition('/')[0]}")).json()["list"]
        assert one == listed
        assert SECRET not in json.dumps(one)
        assert REDACTED in json.dumps(one)

        back = {field: part for field, part in one["value"].items() if not field.endswith("_time")}
        answer = await client.put(f"/apisix/admin/{path}", json=back | {"desc": "new"})
        assert answer.status_code == 200, answer.text
        assert SECRET not in answer.text
        now = jack.admin.get(f"/apisix/admin/{path}").json()["value"]
        assert now == stored | {"desc": "new", "update_time": now["update_time"]}
    assert SECRET not in _ledger(tmp_path)


async def test_a_patch_keeps_what_it_gives_redacted(jack: GatewayUnderTest, tmp_path: Path) -> None:
    path, value = HIDDEN["a header that is set"]
    jack.put(path, _whole(jack, path, value))
    headers = {"set": {"X-Api-Key": REDACTED, "X-New": "1"}}
    kept = {"set": {"X-Api-Key": SECRET, "X-New": "1"}}
    async with assistant(jack, tmp_path, 'pass_through = "high"') as client:
        for target, body in (
            (path, {"plugins": {"proxy-rewrite": {"headers": headers}}}),
            (f"{path}/plugins/proxy-rewrite/headers", headers),
            (f"{path}/plugins/proxy-rewrite/headers/set/X-Api-Key", REDACTED),
        ):
            answer = await client.patch(f"/apisix/admin/{target}", json=body)
            assert answer.status_code == 200, answer.text
            assert SECRET not in answer.text
            now = jack.admin.get(f"/apisix/admin/{path}").json()["value"]
            assert now["plugins"]["proxy-rewrite"]["headers"] == kept


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_a_secret_that_is_kept_is_not_put_where_all_read_it(
    method: str, jack: GatewayUnderTest, tmp_path: Path
) -> None:
    path, value = HIDDEN["a header that must be there"]
    jack.put(path, _whole(jack, path, value))
    elsewhere = _whole(jack, path, value) | {"vars": [["http_x_any", "==", REDACTED]]}
    async with assistant(jack, tmp_path, 'pass_through = "high"') as client:
        answer = await client.request(method, f"/apisix/admin/{path}", json=elsewhere)
        assert answer.status_code == 400, answer.text
        assert "vars.0.2" in answer.text
        assert SECRET not in answer.text
        assert SECRET not in (await client.get(f"/apisix/admin/{path}")).text


@pytest.mark.parametrize("method", ["PUT", "PATCH", "POST"])
async def test_a_redacted_value_where_no_secret_is_to_keep_is_refused(
    method: str, gateway: GatewayUnderTest, tmp_path: Path
) -> None:
    gateway.put("routes/1", {"uri": "/a", "upstream": {"nodes": gateway.nodes()}})
    plugins = {"proxy-rewrite": {"headers": {"set": {"X-Api-Key": REDACTED}}}}
    body = {"uri": "/a", "upstream": {"nodes": gateway.nodes()}, "plugins": plugins}
    async with assistant(gateway, tmp_path) as client:
        path = "routes" if method == "POST" else "routes/1"
        answer = await client.request(method, f"/apisix/admin/{path}", json=body)
    assert answer.status_code == 400
    assert "plugins.proxy-rewrite.headers.set.X-Api-Key" in answer.json()["error_msg"]
    assert "no secret in this place to keep" in answer.json()["error_msg"]


@pytest.mark.parametrize("policy", ["", 'mode = "never-ask"', 'mode = "ask-always"'])
async def test_an_error_does_not_repeat_a_secret_that_was_kept(
    policy: str, jack: GatewayUnderTest, tmp_path: Path
) -> None:
    """The gateway's own words would."""
    path = "consumers/jack/credentials/c"
    jack.put(path, {"plugins": {"key-auth": {"key": SECRET}}})
    body = {"plugins": {"key-auth": {"key": REDACTED}}, "labels": {"a": "not allowed here: \n"}}
    async with assistant(jack, tmp_path, policy) as client:
        answer = await client.put(f"/apisix/admin/{path}", json=body)
        assert answer.status_code == 400
        assert SECRET not in answer.text
        double = {"username": "jill", "plugins": {"key-auth": {"key": SECRET}}}
        answer = await client.put("/apisix/admin/consumers", json=double)
        assert SECRET not in answer.text


async def test_what_waits_is_shown_without_the_secret(jack: GatewayUnderTest, tmp_path: Path) -> None:
    async with assistant(jack, tmp_path, 'mode = "ask-always"') as client:
        body = {"plugins": {"key-auth": {"key": SECRET}}}
        answer = await client.put("/apisix/admin/consumers/jack/credentials/c", json=body)
        assert answer.status_code == 202
        assert SECRET not in answer.text
    assert SECRET not in _ledger(tmp_path)


async def test_before_the_gateway_told_what_is_secret_nothing_is_shown(tmp_path: Path) -> None:
    admin = rig.AdminStandIn(body=json.dumps({"list": []}).encode(), about_itself=b"[]")
    async with rig.serving(admin) as admin_port, rig.assistant(admin_port) as port:
        answer = await rig.raw(port, b"GET /apisix/admin/routes HTTP/1.1\nHost: localhost\n\n")
        assert answer.status == 502
        assert b"does not tell its plugins" in answer.body
    assert [asked.path for asked in admin.asked if "routes" in asked.path] == []


async def test_schemas_come_as_they_are(gateway: GatewayUnderTest, tmp_path: Path) -> None:
    async with assistant(gateway, tmp_path) as client:
        for path in ("plugins/list", "plugins/key-auth?schema_type=consumer", "schema/consumer"):
            direct = gateway.admin.get(f"/apisix/admin/{path}")
            assert (await client.get(f"/apisix/admin/{path}")).content == direct.content


def _ledger(folder: Path) -> str:
    return "".join(file.read_bytes().decode("latin-1") for file in folder.glob("ledger.db*"))
