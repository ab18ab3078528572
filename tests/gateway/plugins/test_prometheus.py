from __future__ import annotations

import re
import time
from typing import Any

import httpx2
import pytest
from envoy.config.route.v3.route_components_pb2 import Route

from gatechat.gateway.model import Refused
from gatechat.gateway.plugins import check_plugins
from gatechat.gateway.plugins.prometheus import mark
from tests.conftest import GatewayUnderTest

LONGEST_FLUSH = 20.0
"""Seconds; Envoy merges its histograms every 5."""


def metrics(gateway: GatewayUnderTest, metric: str, **labels: str) -> dict[tuple[str, ...], float]:
    """Of the series that have these labels: values of their other labels, but for empty ones -> value."""
    text = httpx2.get(f"{gateway.gateway.metrics_url}/apisix/prometheus/metrics", trust_env=False).text
    found = {}
    for line in text.splitlines():
        name, _, rest = line.partition("{")
        if name == f"apisix_{metric}":
            series = dict(re.findall(r'(\w+)="(.*?)"', rest))
            if labels.items() <= series.items():
                others = (value for label, value in series.items() if label not in labels and value)
                found[tuple(others)] = float(rest.rpartition(" ")[2])
    return found


def upstream(gateway: GatewayUnderTest) -> dict[str, Any]:
    return {"type": "roundrobin", "nodes": gateway.nodes()}


def test_counts_a_route_with_the_plugin_and_no_other(gateway: GatewayUnderTest) -> None:
    gateway.put("services/of-p", {"name": "shop", "upstream": upstream(gateway)})
    gateway.put(
        "routes/p1",
        {"uri": "/p1/*", "host": "p.example", "plugins": {"prometheus": {}}, "service_id": "of-p"},
    )
    gateway.put("routes/p2", {"uri": "/p2", "upstream": upstream(gateway)})
    for path in ("/p1/a", "/p1/b?c=d", "/p2"):
        assert gateway.client.get(path, headers={"host": "p.example"}).status_code == 200
    assert metrics(gateway, "http_status", route="p1", response_source="upstream") == {
        ("200", "/p1/*", "p.example", "of-p", "127.0.0.1", "traditional_http"): 2
    }
    assert metrics(gateway, "http_status", route="p2") == {}
    for type_ in ("ingress", "egress"):
        (size,) = metrics(gateway, "bandwidth", route="p1", type=type_).values()
        assert 100 < size < 2000


def test_what_envoy_counts_of_client_addresses_is_no_series(gateway: GatewayUnderTest) -> None:
    route = {"uri": "/p0", "remote_addrs": ["127.0.0.0/8"], "plugins": {"prometheus": {}}}
    gateway.put("routes/p0", {**route, "upstream": upstream(gateway)})
    assert gateway.client.get("/p0").status_code == 200
    assert list(metrics(gateway, "http_status", route="p0").values()) == [1]


def test_latencies_are_those_of_request_upstream_and_gateway(gateway: GatewayUnderTest) -> None:
    gateway.put("routes/p3", {"uri": "/p3", "plugins": {"prometheus": {}}, "upstream": upstream(gateway)})
    gateway.client.get("/p3")
    started = time.monotonic()
    while not any((found := metrics(gateway, "http_latency_count", route="p3")).values()):
        assert time.monotonic() - started < LONGEST_FLUSH
    assert found == {
        (type_, "127.0.0.1", "traditional_http"): 1 for type_ in ("request", "upstream", "apisix")
    }
    assert list(metrics(gateway, "http_latency_bucket", route="p3", type="request", le="60000").values()) == [
        1
    ]


def test_names_instead_of_ids(gateway: GatewayUnderTest) -> None:
    gateway.put("services/of-p4", {"name": "the shop", "upstream": upstream(gateway)})
    plugins = {"prometheus": {"prefer_name": True}}
    gateway.put("routes/p4", {"name": "p|four", "uri": "/p4", "plugins": plugins, "service_id": "of-p4"})
    gateway.client.get("/p4")
    assert metrics(gateway, "http_status", route="p|four", service="the shop")


def test_the_consumer_is_the_one_who_was_identified_not_who_the_client_says(
    gateway: GatewayUnderTest,
) -> None:
    gateway.put("consumers", {"username": "jack"})
    gateway.put("consumers/jack/credentials/c", {"plugins": {"key-auth": {"key": "jacks"}}})
    plugins: dict[str, Any] = {"prometheus": {}}
    gateway.put("routes/p5", {"uri": "/p5", "plugins": plugins, "upstream": upstream(gateway)})
    gateway.put(
        "routes/p6", {"uri": "/p6", "plugins": {**plugins, "key-auth": {}}, "upstream": upstream(gateway)}
    )
    said = {"x-consumer-username": "mallory", "apikey": "jacks"}
    assert gateway.client.get("/p5", headers=said).status_code == 200
    assert gateway.client.get("/p6", headers=said).status_code == 200
    assert gateway.client.get("/p6").status_code == 401
    assert metrics(gateway, "http_status", route="p5", consumer="")
    assert metrics(gateway, "http_status", route="p6", consumer="jack", code="200").values()
    assert metrics(gateway, "http_status", route="p6", consumer="", code="401", response_source="apisix")


def test_counts_routes_that_are_chosen_by_a_condition_or_found_by_a_host_with_capitals(
    gateway: GatewayUnderTest,
) -> None:
    chosen = {"uri": "/p7", "vars": [["arg_a", "==", "1"]], "plugins": {"prometheus": {}}}
    gateway.put("routes/p7", {**chosen, "upstream": upstream(gateway)})
    gateway.put("routes/p8", {"uri": "/p7", "upstream": upstream(gateway)})
    host = {"uri": "/p9", "host": "p.example", "plugins": {"prometheus": {}}, "upstream": upstream(gateway)}
    gateway.put("routes/p9", host)
    for path in ("/p7?a=1", "/p7", "/p9"):
        assert gateway.client.get(path, headers={"host": "P.example:80"}).status_code == 200
    for route, count in (("p7", [1]), ("p8", []), ("p9", [1])):
        assert list(metrics(gateway, "http_status", route=route).values()) == count


def test_a_global_rule_counts_what_no_route_wanted_too(gateway: GatewayUnderTest) -> None:
    gateway.put("global_rules/p", {"plugins": {"prometheus": {}}})
    gateway.put("routes/p10", {"uri": "/p10", "upstream": upstream(gateway)})
    before = sum(metrics(gateway, "http_status", route="", code="404").values())
    gateway.client.get("/p10")
    gateway.client.get("/nowhere")
    assert list(metrics(gateway, "http_status", route="p10").values()) == [1]
    assert sum(metrics(gateway, "http_status", route="", code="404").values()) == before + 1


def test_an_upstream_that_cannot_be_reached(gateway: GatewayUnderTest) -> None:
    nobody = {"type": "roundrobin", "nodes": {"127.0.0.1:1": 1}}
    gateway.put("routes/p11", {"uri": "/p11", "plugins": {"prometheus": {}}, "upstream": nobody})
    assert gateway.client.get("/p11").status_code == 502
    found = metrics(gateway, "http_status", route="p11", code="502", response_source="nginx")
    assert list(found) == [("/p11", "127.0.0.1", "traditional_http")]


@pytest.mark.parametrize(
    ("conf", "scope", "labels"),
    [
        ({}, {}, "|||"),
        ({}, {"route_id": "1", "route_name": "n", "service_id": "s"}, "1|s|/a/*|*.example"),
        (
            {"prefer_name": True},
            {"route_id": "1", "route_name": "n", "service_id": "s"},
            "n|s|/a/*|*.example",
        ),
        ({"prefer_name": True}, {"route_id": "1", "route_name": 'a"|\n'}, "a%22%7C%0A||/a/*|*.example"),
    ],
)
def test_labels_of_a_route(conf: dict[str, Any], scope: dict[str, Any], labels: str) -> None:
    route = Route()
    mark(route, conf, scope, **({"uri": "/a/*", "host": "*.example"} if scope else {}))
    assert route.name == labels


@pytest.mark.parametrize("kind", ["consumers", "consumer_groups/g"])
def test_is_refused_where_it_would_have_no_effect(gateway: GatewayUnderTest, kind: str) -> None:
    value: dict[str, Any] = {"plugins": {"prometheus": {}}}
    if kind == "consumers":
        value["username"] = "jack"
    answer = gateway.admin.put(f"/apisix/admin/{kind}", json=value)
    assert answer.status_code == 400
    assert "plugin prometheus has no effect here" in answer.json()["error_msg"]


def test_refuses_a_wrong_configuration() -> None:
    with pytest.raises(Refused):
        check_plugins({"prometheus": {"prefer_name": "yes"}}, "", "route")
    with pytest.raises(Refused):
        check_plugins({"prometheus": {"disabled_labels": {"http_status": ["code"]}}}, "", "metadata")
    check_plugins({"prometheus": {"disabled_labels": {"http_latency": ["node"]}}}, "", "metadata")
