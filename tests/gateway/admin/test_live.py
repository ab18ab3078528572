"""The Admin API over a real socket, with the real Apply and Envoy behind it."""

from __future__ import annotations

import json

from gatechat.gateway.admin.answers import WARNING
from tests.conftest import GatewayUnderTest


def test_a_write_is_answered_when_envoy_serves_it(gateway: GatewayUnderTest) -> None:
    answer = gateway.put("routes/1", {"uri": "/live", "upstream": {"nodes": gateway.nodes()}})
    assert answer.status_code == 201
    assert WARNING not in answer.headers
    assert gateway.client.get("/live").status_code == 200
    assert gateway.admin.delete("/apisix/admin/routes/1").json()["deleted"] == "1"
    assert gateway.client.get("/live").status_code == 404


def test_what_envoy_refuses_is_a_400_in_its_words_and_the_old_route_stays(gateway: GatewayUnderTest) -> None:
    route = {"uri": "/live", "upstream": {"nodes": gateway.nodes()}}
    gateway.put("routes/1", route)
    too_long = route | {
        "upstream": {"nodes": gateway.nodes(), "retries": 2_000_000_000}
    }  # retries times the timeout
    answer = gateway.admin.put("/apisix/admin/routes/1", json=too_long)
    assert answer.status_code == 400
    assert answer.json()["error_msg"].startswith("Envoy refused this configuration: ")
    kept = gateway.admin.get("/apisix/admin/routes/1").json()["value"]
    assert "retries" not in kept["upstream"]
    assert gateway.client.get("/live").status_code == 200


def test_a_body_of_10_mb_is_answered_and_the_connection_survives_or_is_made_anew(
    gateway: GatewayUnderTest,
) -> None:
    body = json.dumps({"uri": "/", "desc": "x" * 10_000_000})
    answer = gateway.admin.put("/apisix/admin/routes/1", content=body)
    assert answer.status_code == 413
    assert "is greater than the maximum size 1572864 allowed" in answer.json()["error_msg"]
    assert gateway.admin.get("/apisix/admin/routes").json()["total"] == 0


def test_the_server_header_is_only_apisix(gateway: GatewayUnderTest) -> None:
    answer = gateway.admin.get("/apisix/admin/routes")
    assert answer.headers.get_list("server") == ["APISIX/3.18.0"]


def test_a_global_rule_with_prometheus_goes_with_a_route_with_conditions(gateway: GatewayUnderTest) -> None:
    gateway.put("global_rules/1", {"plugins": {"prometheus": {}}})
    gateway.put(
        "routes/1",
        {"uri": "/live", "vars": [["arg_a", "==", "1"]], "upstream": {"nodes": gateway.nodes()}},
    )
    assert gateway.client.get("/live?a=1").status_code == 200
    assert gateway.client.get("/live?a=2").status_code == 404


def test_the_host_of_a_node_in_a_list_may_carry_the_port(gateway: GatewayUnderTest) -> None:
    nodes = [{"host": gateway.upstream, "weight": 1}]
    gateway.put("routes/1", {"uri": "/live", "upstream": {"nodes": nodes}})
    assert gateway.client.get("/live").status_code == 200
