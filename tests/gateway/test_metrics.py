from __future__ import annotations

import json
import re
from functools import partial
from typing import Any

import pytest
from starlette.testclient import TestClient

from gatechat.gateway.metrics import CLUSTERS, STATS, metrics_app, render
from gatechat.gateway.metrics_names import BUCKETS
from gatechat.gateway.model import Resource, State

OTHERS = 'request_type="traditional_http",request_llm_model="",llm_model=""'


def histogram(name: str, series: str, below: int, total: int, sum: float) -> str:
    """As Envoy writes it, with everything from bound number ``below`` on."""
    name, tag = f"envoy_gatechat_{name}", f'series="{series}"'
    lines = [
        f'{name}_bucket{{{tag},le="{bound:.32g}"}} {total if number >= below else 0}'
        for number, (bound, _) in enumerate(BUCKETS)
    ]
    lines += [
        f'{name}_bucket{{{tag},le="+Inf"}} {total}',
        f"{name}_sum{{{tag}}} {sum}",
        f"{name}_count{{{tag}}} {total}",
    ]
    return "\n".join([f"# TYPE {name} histogram", *lines, ""])


def state(**kinds: dict[str, dict[str, Any]]) -> State:
    return State(
        9,
        {
            kind: {
                id: Resource(kind, id, value, 1, number)
                for number, (id, value) in enumerate(table.items(), 3)
            }
            for kind, table in kinds.items()
        },
    )


def lines_of(stats: str, of: State | None = None, clusters: str | None = None) -> list[str]:
    text = render(stats, clusters, of or State())
    return [line.removeprefix("apisix_") for line in text.splitlines() if not line.startswith("#")]


STATUS_CASES = [
    (
        "an answer of the upstream",
        "r1|s1|/a/*|a.example|jack|127.0.0.1:1980|200|-",
        'code="200",route="r1",matched_uri="/a/*",matched_host="a.example",service="s1",consumer="jack",'
        f'node="127.0.0.1",{OTHERS},response_source="upstream"',
    ),
    (
        "an answer of a plugin",
        "1||||||401|-",
        f'code="401",route="1",matched_uri="",matched_host="",service="",consumer="",node="",{OTHERS},'
        'response_source="apisix"',
    ),
    (
        "an upstream that cannot be reached",
        "1|||||127.0.0.1:1|502|UF,URX",
        'code="502",route="1",matched_uri="",matched_host="",service="",consumer="",node="127.0.0.1",'
        f'{OTHERS},response_source="nginx"',
    ),
    (
        "a client that went away",
        "1|||||[::1]:80|0|DC",
        f'code="499",route="1",matched_uri="",matched_host="",service="",consumer="",node="::1",{OTHERS},'
        'response_source="nginx"',
    ),
    (
        "names with everything",
        "a%7Cb%20%22%5C||||||200|-",
        'code="200",route="a|b \\"\\\\",matched_uri="",matched_host="",service="",consumer="",node="",'
        f'{OTHERS},response_source="apisix"',
    ),
]


@pytest.mark.parametrize(
    ("series", "labels"), [case[1:] for case in STATUS_CASES], ids=[case[0] for case in STATUS_CASES]
)
def test_http_status(series: str, labels: str) -> None:
    assert f"http_status{{{labels}}} 5" in lines_of(f'envoy_gatechat_http_status{{series="{series}"}} 5')


def test_nodes_that_differ_in_their_port_are_one_series() -> None:
    stats = "".join(
        f'envoy_gatechat_bandwidth_ingress{{series="1|||||10.0.0.1:{port}"}} 7\n' for port in (80, 81)
    )
    labels = f'type="ingress",route="1",service="",consumer="",node="10.0.0.1",{OTHERS}'
    assert f"bandwidth{{{labels}}} 14" in lines_of(stats)


def test_latency_has_apisixs_buckets() -> None:
    lines = lines_of(histogram("latency_upstream", "1|||||10.0.0.1:80", 2, 3, 12.5))
    labels = f'type="upstream",route="1",service="",consumer="",node="10.0.0.1",{OTHERS}'
    expected = [0, 0, *[3] * 14]
    bounds = [
        "1",
        "2",
        "5",
        "10",
        "20",
        "50",
        "100",
        "200",
        "500",
        "1000",
        "2000",
        "5000",
        "10000",
        "30000",
        "60000",
        "+Inf",
    ]
    assert [line for line in lines if line.startswith("http_latency")] == [
        *(
            f'http_latency_bucket{{{labels},le="{le}"}} {count}'
            for le, count in zip(bounds, expected, strict=True)
        ),
        f"http_latency_sum{{{labels}}} 12.5",
        f"http_latency_count{{{labels}}} 3",
    ]


def test_all_latency_of_a_request_without_an_upstream_is_the_gateways() -> None:
    lines = lines_of(histogram("latency_request", "1|||||", 0, 2, 1))
    counts = [line for line in lines if line.startswith("http_latency_count")]
    assert [re.findall('type="(.*?)"', line)[0] for line in counts] == ["request", "apisix"]


def test_disabled_labels_are_empty_and_their_series_one() -> None:
    disabled = {"http_status": ["node", "consumer"]}
    stats = (
        'envoy_gatechat_http_status{series="1||||jack|10.0.0.1:80|200|-"} 1\n'
        'envoy_gatechat_http_status{series="1||||anne|10.0.0.2:80|200|-"} 2\n'
        'envoy_gatechat_bandwidth_egress{series="1||||anne|10.0.0.2:80"} 3\n'
    )
    lines = lines_of(stats, state(plugin_metadata={"prometheus": {"disabled_labels": disabled}}))
    found = [line for line in lines if line.startswith(("http_status", "bandwidth"))]
    assert [line.rpartition(" ")[2] for line in found] == ["3", "3"]
    assert ['consumer=""' in line and 'node=""' in line for line in found] == [False, True]


def test_connections_and_requests_of_the_whole_gateway() -> None:
    stats = "\n".join(
        f'envoy_http_downstream_{name}{{envoy_http_conn_manager_prefix="gatechat"}} {value}'
        for name, value in (("rq_total", 70), ("cx_total", 9), ("cx_active", 5), ("rq_active", 2))
    )
    lines = lines_of(stats)
    assert "http_requests_total 70" in lines
    expected = {"accepted": 9, "active": 5, "handled": 9, "reading": 0, "waiting": 3, "writing": 2}
    for name, value in expected.items():
        assert f'nginx_http_current_connections{{state="{name}"}} {value}' in lines


def test_the_store_takes_etcds_place() -> None:
    lines = lines_of("", state(routes={"1": {}, "2": {}}, consumers={"jack": {}}))
    assert "etcd_reachable 1" in lines
    for key, index in {
        "routes": 4,
        "consumers": 3,
        "ssls": 0,
        "max_modify_index": 4,
        "x_etcd_index": 9,
    }.items():
        assert f'etcd_modify_indexes{{key="{key}"}} {index}' in lines


def host(address: str, port: int, *, name: str = "", **health: bool) -> dict[str, Any]:
    return {
        "address": {"socket_address": {"address": address, "port_value": port}},
        "hostname": name,
        "health_status": {"eds_health_status": "HEALTHY", **health},
    }


def test_upstream_status() -> None:
    checked: dict[str, Any] = {"checks": {"active": {}}}
    of = state(
        upstreams={
            "u": {"nodes": {"10.0.0.1:80": 1, "10.0.0.2": 1}, **checked},
            "unchecked": {"nodes": {"10.0.0.9:80": 1}},
        },
        routes={
            "r": {"upstream": {"nodes": [{"host": "api.example", "port": 8080, "weight": 1}], **checked}}
        },
    )
    clusters = [
        [host("10.0.0.1", 80), host("10.0.0.2", 80, failed_active_health_check=True)],
        [host("10.0.0.9", 80)],
        [host("192.0.2.7", 8080, name="api.example", failed_outlier_check=True)],
    ]
    text = json.dumps({"cluster_statuses": [{"host_statuses": hosts} for hosts in clusters]})
    assert [line for line in lines_of("", of, text) if line.startswith("upstream_status")] == [
        'upstream_status{name="/apisix/upstreams/u",ip="10.0.0.1",port="80"} 1',
        'upstream_status{name="/apisix/upstreams/u",ip="10.0.0.2",port="80"} 0',
        'upstream_status{name="/apisix/routes/r",ip="192.0.2.7",port="8080"} 0',
    ]


# Source: what the expressions of APISIX's docs/assets/other/json/apisix-grafana-dashboard.json name.
DASHBOARD = {
    "apisix_bandwidth": {"type", "service", "route"},
    "apisix_etcd_modify_indexes": {"key"},
    "apisix_etcd_reachable": set(),
    "apisix_http_latency_bucket": {"type", "service", "consumer", "node", "route", "le"},
    "apisix_http_requests_total": set(),
    "apisix_http_status": {"service", "route", "code", "consumer", "node"},
    "apisix_nginx_http_current_connections": {"state"},
    "apisix_nginx_metric_errors_total": set(),
}


def test_a_dashboard_made_for_apisix_finds_its_metrics_and_labels() -> None:
    stats = (
        'envoy_gatechat_http_status{series="1||||||200|-"} 1\n'
        'envoy_gatechat_bandwidth_egress{series="1|||||"} 1\n'
    ) + histogram("latency_request", "1|||||", 0, 1, 1)
    found: dict[str, set[str]] = {}
    for line in render(stats, None, State()).splitlines():
        if not line.startswith("#"):
            name = re.split("[{ ]", line)[0]
            found.setdefault(name, set()).update(re.findall(r'(\w+)="', line))
    for metric, labels in DASHBOARD.items():
        assert labels <= found[metric], metric


def _same(state: State) -> State:
    return state


def test_envoys_clusters_are_asked_for_only_where_there_are_checks() -> None:
    asked: list[str] = []

    async def admin_get(path: str) -> str:
        asked.append(path)
        return "{}" if path == CLUSTERS else ""

    for of in (State(), state(upstreams={"u": {"nodes": {}, "checks": {}}})):
        with TestClient(metrics_app(admin_get, partial(_same, of))) as client:
            assert client.get("/apisix/prometheus/metrics").status_code == 200
            assert client.get("/metrics").status_code == 404
            assert client.post("/apisix/prometheus/metrics").status_code == 404
    assert asked == [STATS, CLUSTERS, STATS]
