"""Plugins from the Admin API to the answer: where they stand, how they are merged, what ``_meta`` does."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import GatewayUnderTest

PLACES = ("service", "plugin_config", "route", "group", "consumer")
"""Each replaces what those before it say of the same plugin (merge_service_route, merge_consumer_route)."""
LIMIT = {"count": 1, "time_window": 600, "rejected_code": 429}


def header(value: str) -> dict[str, Any]:
    return {"response-rewrite": {"headers": {"set": {"x-from": value}}}}


def put_all(gateway: GatewayUnderTest, places: set[str]) -> None:
    """A route with key-auth, its service and so on, with ``header`` in the given places."""
    own = {place: {"plugins": header(place) if place in places else {}} for place in PLACES}
    own["route"]["plugins"]["key-auth"] = {}
    gateway.put("services/s", {"upstream": {"nodes": gateway.nodes()}, **own["service"]})
    gateway.put("plugin_configs/p", own["plugin_config"])
    gateway.put("consumer_groups/g", own["group"])
    gateway.put("consumers/jack", {"username": "jack", "group_id": "g", **own["consumer"]})
    gateway.put("consumers/jack/credentials/c", {"plugins": {"key-auth": {"key": "k"}}})
    gateway.put("routes/a", {"uri": "/a", "service_id": "s", "plugin_config_id": "p", **own["route"]})


@pytest.mark.parametrize("nearest", range(len(PLACES)), ids=PLACES)
def test_the_nearest_place_wins(gateway: GatewayUnderTest, nearest: int) -> None:
    put_all(gateway, set(PLACES[: nearest + 1]))
    answer = gateway.client.get("/a", headers={"apikey": "k"})
    assert (answer.status_code, answer.headers["x-from"]) == (200, PLACES[nearest])
    assert answer.json()["headers"]["x-consumer-username"] == "jack"
    assert answer.json()["headers"]["x-credential-identifier"] == "c"


def test_a_global_rule_runs_besides_the_routes_plugin_and_where_no_route_is(
    gateway: GatewayUnderTest,
) -> None:
    everywhere = {"response-rewrite": {"headers": {"add": ["x-global: yes"]}}}
    gateway.put("global_rules/1", {"plugins": everywhere})
    gateway.put("routes/a", {"uri": "/a", "plugins": header("route"), "upstream": {"nodes": gateway.nodes()}})
    answer = gateway.client.get("/a")
    assert (answer.headers["x-from"], answer.headers["x-global"]) == ("route", "yes")
    answer = gateway.client.get("/nowhere")
    assert (answer.status_code, answer.headers["x-global"]) == (404, "yes")
    gateway.admin.delete("/apisix/admin/global_rules/1").raise_for_status()
    assert "x-global" not in gateway.client.get("/a").headers


def test_a_key_is_good_from_its_put_to_its_delete(gateway: GatewayUnderTest) -> None:
    gateway.put(
        "routes/a", {"uri": "/a", "plugins": {"key-auth": {}}, "upstream": {"nodes": gateway.nodes()}}
    )
    gateway.put("consumers/jack", {"username": "jack"})
    for id in ("one", "two"):
        gateway.put(f"consumers/jack/credentials/{id}", {"plugins": {"key-auth": {"key": id}}})
    for path, good in (("credentials/one", {"two"}), ("credentials/two", set[str]())):
        gateway.admin.delete(f"/apisix/admin/consumers/jack/{path}").raise_for_status()
        for key in ("one", "two"):
            status = gateway.client.get("/a", headers={"apikey": key}).status_code
            assert status == (200 if key in good else 401), key


def test_who_has_no_key_is_the_anonymous_consumer_with_its_own_limit(gateway: GatewayUnderTest) -> None:
    gateway.put("consumers/guest", {"username": "guest", "plugins": {"limit-count": LIMIT}})
    gateway.put("consumers/jack", {"username": "jack", "plugins": {"key-auth": {"key": "k"}}})
    plugins = {"key-auth": {"anonymous_consumer": "guest"}}
    gateway.put("routes/a", {"uri": "/a", "plugins": plugins, "upstream": {"nodes": gateway.nodes()}})
    assert [gateway.client.get("/a").status_code for _ in range(2)] == [200, 429]
    assert [gateway.client.get("/a", headers={"apikey": "k"}).status_code for _ in range(2)] == [200, 200]


@pytest.mark.parametrize(
    ("meta", "path", "status", "body"),
    [
        ({}, "/a", 401, "Missing API key"),
        ({"disable": True}, "/a", 200, '"path"'),
        ({"filter": [["arg_open", "!", "==", "1"]]}, "/a?open=1", 200, '"path"'),
        ({"filter": [["arg_open", "!", "==", "1"]]}, "/a?open=2", 401, "Missing API key"),
        ({"error_response": {"sorry": "no"}}, "/a", 401, '{"sorry":"no"}'),
        ({"error_response": "sorry"}, "/a", 401, "sorry"),
    ],
)
def test_meta_decides_whether_a_plugin_runs_and_what_it_refuses_with(
    gateway: GatewayUnderTest, meta: dict[str, Any], path: str, status: int, body: str
) -> None:
    upstream = {"nodes": gateway.nodes()}
    gateway.put("routes/a", {"uri": "/a", "plugins": {"key-auth": {"_meta": meta}}, "upstream": upstream})
    answer = gateway.client.get(path)
    assert answer.status_code == status
    assert body in answer.text
