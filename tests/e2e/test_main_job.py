"""The main job: what an assistant reads on port 5000 is enough to publish an API that answers on port 9080.

Everything here is found as ChatGPT found it: manifest, then OpenAPI document, then operations by name with
the document's own examples. Behind it are the real gateway, the real Envoy and the demo's Conference API.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import jsonschema_rs
import pytest_asyncio
import yaml

from gatechat.demo import create_app as create_demo
from tests.assistant import rig
from tests.conftest import ADMIN_KEY, GatewayUnderTest


@dataclass(frozen=True)
class Reader:
    """Knows an assistant only by its manifest and its document; ``traffic`` goes through the gateway."""

    manifest: dict[str, Any]
    document: dict[str, Any]
    http: httpx2.AsyncClient
    traffic: httpx2.AsyncClient
    backend: str

    @property
    def names(self) -> list[str]:
        return [
            entry["operationId"] for methods in self.document["paths"].values() for entry in methods.values()
        ]

    def operation(self, name: str) -> tuple[str, str, dict[str, Any]]:
        for path, methods in self.document["paths"].items():
            for method, entry in methods.items():
                if entry["operationId"] == name:
                    return path, method, entry
        raise LookupError(name)

    def example(self, name: str) -> Any:
        body = self.operation(name)[2].get("requestBody")
        return body["content"]["application/json"]["example"] if body else None

    async def call(self, name: str, body: Any = None, /, **given: str) -> httpx2.Response:
        """Calls an operation. What is not given is taken from the document's examples."""
        path, method, entry = self.operation(name)
        examples = {p["name"]: p.get("example") for p in entry.get("parameters", []) if p["in"] == "path"}
        url = self.document["servers"][0]["url"] + path.format_map({**examples, **given})
        query = {key: value for key, value in given.items() if key not in examples}
        return await self.http.request(method, url, params=query, json=body or self.example(name))

    async def done(self, name: str, body: Any = None, /, **given: str) -> Any:
        """Calls an operation that must succeed, with a status and an answer as the document has them."""
        answer = await self.call(name, body, **given)
        promised = self.operation(name)[2]["responses"].get(str(answer.status_code))
        assert promised, answer.text
        if "$ref" in promised:
            promised = self.document["components"]["responses"][promised["$ref"].rpartition("/")[2]]
        assert answer.headers["content-type"].startswith("application/json")
        schema = {
            **promised["content"]["application/json"]["schema"],
            "components": self.document["components"],
        }
        jsonschema_rs.validator_for(schema).validate(answer.json())
        return answer.json()

    async def sessions(self, **headers: str) -> httpx2.Response:
        return await self.traffic.get("/speaker/1/sessions", headers=headers)


def titles(answer: httpx2.Response) -> list[str]:
    """The titles in a Collection+JSON answer of the Conference API."""
    assert answer.status_code == 200, answer.text
    items = answer.json()["collection"]["items"]
    return [data["value"] for item in items for data in item["data"] if data["name"].lower() == "title"]


@asynccontextmanager
async def reading(gateway: GatewayUnderTest, folder: Path, policy: str) -> AsyncIterator[Reader]:
    (folder / "policy.toml").write_text(f"[policy]\n{policy}\n")
    async with (
        rig.serving(create_demo()) as demo,
        rig.assistant(
            gateway.gateway.admin_url,
            admin_key=ADMIN_KEY,
            data_dir=folder,
            gateway_url=gateway.gateway.proxy_url,
            example_backend=f"127.0.0.1:{demo}",
        ) as port,
        httpx2.AsyncClient(trust_env=False) as http,
        httpx2.AsyncClient(base_url=gateway.gateway.proxy_url, trust_env=False) as traffic,
    ):
        manifest = (await http.get(f"http://localhost:{port}/.well-known/ai-plugin.json")).json()
        document = yaml.safe_load((await http.get(manifest["api"]["url"])).text)
        yield Reader(manifest, document, http, traffic, f"127.0.0.1:{demo}")


@pytest_asyncio.fixture
async def reader(gateway: GatewayUnderTest, tmp_path: Path) -> AsyncIterator[Reader]:
    """Of a gateway whose owner lets everything pass that is done in the Admin API's own words."""
    async with reading(gateway, tmp_path, 'pass_through = "high"') as found:
        yield found


async def test_a_route_made_from_the_documents_example_serves_the_sessions(reader: Reader) -> None:
    assert reader.manifest["name_for_model"] == "apigatewayplugin"
    before = await reader.sessions()
    assert (before.status_code, before.json()) == (404, {"error_msg": "404 Route Not Found"})
    made = await reader.call("createRoute")
    assert made.status_code == 201
    assert made.json()["value"]["uri"] == "/speaker/*"
    assert titles(await reader.sessions())


async def test_routes_are_listed_and_got_by_id(reader: Reader) -> None:
    id = (await reader.done("createRoute"))["value"]["id"]
    listed = await reader.done("getAllRoutes")
    assert listed["total"] == 1
    assert listed["list"][0]["value"]["id"] == id
    assert (await reader.done("getAllRoutes", page="1", page_size="10"))["total"] == 1
    assert (await reader.done("getAllRoutes", name="nothing-like-it"))["total"] == 0
    assert (await reader.done("getRouteById", id=id))["value"] == listed["list"][0]["value"]
    missing = await reader.call("getRouteById", id="nowhere")
    assert missing.status_code == 404
    assert "application/json" in missing.headers["content-type"]


async def test_a_route_is_changed_by_put_and_patch_and_deleted(reader: Reader) -> None:
    id = (await reader.done("createRoute"))["value"]["id"]
    await reader.done("replaceRoute", {**reader.example("createRoute"), "uri": "/speaker/1/*"}, id=id)
    assert (await reader.sessions()).status_code == 200
    assert (await reader.traffic.get("/speaker/2/sessions")).status_code == 404
    await reader.done("updateRoute", {"status": 0}, id=id)
    assert (await reader.sessions()).status_code == 404
    changed = await reader.done("updateRoute", {"status": 1, "desc": None}, id=id)
    assert "desc" not in changed["value"]
    assert (await reader.sessions()).status_code == 200
    assert (await reader.done("deleteRoute", id=id))["deleted"] == "1"
    assert (await reader.sessions()).status_code == 404
    assert (await reader.done("getAllRoutes"))["total"] == 0


async def test_a_route_with_a_plugin_keeps_to_its_limit(reader: Reader) -> None:
    limit = reader.example("replaceRoute")["plugins"]["limit-count"]["count"]
    await reader.done("replaceRoute")
    statuses = [(await reader.sessions()).status_code for _ in range(limit + 1)]
    assert statuses == [200] * limit + [429]


async def test_an_upstream_is_used_by_two_routes(reader: Reader) -> None:
    await reader.done("createOrReplaceUpstream")
    used = {"upstream_id": "conference"}
    await reader.done("replaceRoute", {"uri": "/speaker/*", **used}, id="speakers")
    await reader.done("replaceRoute", {"uri": "/topics", **used}, id="topics")
    assert titles(await reader.sessions())
    assert (await reader.traffic.get("/topics")).status_code == 200
    refused = await reader.call("deleteUpstream")
    assert refused.status_code == 400
    assert re.search(r"route \[(speakers|topics)\] is still using it now", refused.json()["error_msg"])
    nobody = f"127.0.0.1:{rig.free_port()}"
    await reader.done("updateUpstream", {"nodes": {reader.backend: None, nobody: 1}})
    both = [await reader.sessions(), await reader.traffic.get("/topics")]
    assert [answer.status_code for answer in both] == [502, 502]
    await reader.done("updateUpstream", {"nodes": {reader.backend: 1, nobody: None}})
    assert titles(await reader.sessions())


async def test_a_consumer_gets_in_with_its_key(reader: Reader) -> None:
    id = (await reader.done("createRoute"))["value"]["id"]
    await reader.done("updateRoute", id=id)
    assert (await reader.sessions()).status_code == 401
    await reader.done("createOrReplaceConsumer")
    await reader.done("createOrReplaceCredential")
    key = reader.example("createOrReplaceCredential")["plugins"]["key-auth"]["key"]
    assert titles(await reader.sessions(apikey=key))
    assert (await reader.sessions(apikey="wrong")).status_code == 401
    await reader.done("deleteCredential")
    assert (await reader.sessions(apikey=key)).status_code == 401


async def test_what_the_gateway_refuses_is_said_and_nothing_changes(reader: Reader) -> None:
    for body in (
        {"uri": "/a"},
        {"uri": "/a", "upstream_id": "nowhere"},
        {"uri": "/a", "plugins": {"none": {}}},
    ):
        refused = await reader.call("createRoute", body)
        assert refused.status_code == 400
        assert refused.json()["error_msg"]
    assert (await reader.done("getAllRoutes"))["total"] == 0


async def test_every_plugin_has_a_schema(reader: Reader) -> None:
    names = await reader.done("getAllPlugins")
    assert {"key-auth", "limit-count"} <= set(names)
    for name in names:
        assert (await reader.done("getPluginSchema", plugin_name=name))["type"] == "object"
    consumers = await reader.done("getPluginSchema", plugin_name="key-auth", schema_type="consumer")
    assert "key" in consumers["properties"]


async def test_what_is_risky_waits_for_a_person_unless_the_policy_says_otherwise(
    gateway: GatewayUnderTest, tmp_path: Path
) -> None:
    async with reading(gateway, tmp_path, "") as reader:
        id = (await reader.done("createRoute"))["value"]["id"]
        waits = await reader.done("deleteRoute", id=id)
        assert waits["state"] == "waiting"
        assert waits["page"].endswith(f"/plans/{waits['plan']}")
        assert "/speaker/*" in waits["message"]
        assert titles(await reader.sessions())


async def test_every_operation_of_the_admin_api_works_with_the_documents_own_examples(reader: Reader) -> None:
    turn: Mapping[str, int] = {"post": 0, "put": 1, "patch": 2, "get": 3}
    names = [name for name in reader.names if reader.operation(name)[0].startswith("/apisix/admin/")]
    rest = [name for name in names if reader.operation(name)[1] in turn]
    for name in sorted(rest, key=lambda name: turn[reader.operation(name)[1]]):
        await reader.done(name)
    for name in reversed([name for name in names if name not in rest]):  # credentials before consumers
        await reader.done(name)
