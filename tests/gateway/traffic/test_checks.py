"""Health checks on the real Envoy: who gets no traffic, and when it comes back."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from tests.conftest import GatewayUnderTest
from tests.gateway.traffic.servers import closed_port, http_server
from tests.gateway.traffic.test_upstreams import ports, until

Answer = tuple[int, str]


def active(**more: Any) -> dict[str, Any]:
    return {"active": {"http_path": "/status", "healthy": {"interval": 1, "successes": 1}, **more}}


class Node:
    """A server whose answers can be changed: ``health`` of /status, ``status`` of the rest."""

    def __init__(self) -> None:
        self.health = self.status = 200
        self.hosts: set[str] = set()

    def answer(self, request: BaseHTTPRequestHandler) -> Answer:
        if request.path == "/status":
            self.hosts.add(request.headers["host"])
            return self.health, ""
        return self.status, json.dumps({"port": request.server.server_address[1]})  # type: ignore[index]


def test_a_node_that_fails_its_checks_gets_no_traffic_until_it_passes_them(gateway: GatewayUnderTest) -> None:
    node = Node()
    with http_server(node.answer) as sick:
        nodes = {sick: 1, gateway.upstream: 1}
        unhealthy = {"interval": 1, "http_failures": 1}
        gateway.put(
            "routes/a", {"uri": "/a", "upstream": {"nodes": nodes, "checks": active(unhealthy=unhealthy)}}
        )
        until(lambda: len(ports(gateway, "/a", 10)) == 2)
        node.health = 500
        until(lambda: set(ports(gateway, "/a", 10)) == {gateway.upstream})
        node.health = 200
        until(lambda: len(ports(gateway, "/a", 10)) == 2)
        assert node.hosts == {"127.0.0.1"}


def test_when_every_node_is_sick_all_get_traffic(gateway: GatewayUnderTest) -> None:
    one, two = Node(), Node()
    one.health = two.health = 500
    with http_server(one.answer) as first, http_server(two.answer) as second:
        gateway.put(
            "routes/a", {"uri": "/a", "upstream": {"nodes": {first: 1, second: 1}, "checks": active()}}
        )
        until(lambda: bool(one.hosts and two.hosts))
        assert len(ports(gateway, "/a", 10)) == 2


def test_a_status_that_is_in_neither_list_says_nothing_against_a_node(gateway: GatewayUnderTest) -> None:
    node = Node()
    node.health = 401
    with http_server(node.answer) as server:
        gateway.put(
            "routes/a",
            {"uri": "/a", "upstream": {"nodes": {server: 1, gateway.upstream: 1}, "checks": active()}},
        )
        until(lambda: bool(node.hosts))
        until(lambda: len(ports(gateway, "/a", 10)) == 2)


@pytest.mark.parametrize("kind", ["http", "tcp"])
def test_a_node_that_nobody_listens_at_gets_no_traffic(gateway: GatewayUnderTest, kind: str) -> None:
    with closed_port() as dead:
        upstream = {"nodes": {dead: 1, gateway.upstream: 1}, "retries": 0, "checks": active(type=kind)}
        gateway.put("routes/a", {"uri": "/a", "upstream": upstream})
        until(lambda: [gateway.client.get("/a").status_code for _ in range(8)] == [200] * 8)


def test_checks_may_ask_another_host_and_port(gateway: GatewayUnderTest) -> None:
    node = Node()
    with http_server(node.answer) as checked:
        checks = active(port=int(checked.split(":")[1]), host="check.org")
        gateway.put("routes/a", {"uri": "/a", "upstream": {"nodes": gateway.nodes(), "checks": checks}})
        until(lambda: node.hosts == {"check.org"})


def test_checks_send_the_method_headers_and_body_that_they_are_told(gateway: GatewayUnderTest) -> None:
    seen: list[tuple[str, str, str, int]] = []

    def note(request: BaseHTTPRequestHandler) -> Answer:
        headers = request.headers
        seen.append(
            (request.command, headers["x-check"], headers["user-agent"], int(headers["content-length"]))
        )
        return 200, ""

    with http_server(note) as node:
        headers = ["X-Check: a:100%", "User-Agent: checker"]
        checks = active(http_method="POST", http_req_body="ping", req_headers=headers)
        gateway.put("routes/a", {"uri": "/a", "upstream": {"nodes": {node: 1}, "checks": checks}})
        until(lambda: bool(seen))
    assert seen[0] == ("POST", "a:100%", "checker", 4)


def test_a_check_that_a_node_is_silent_to_fails_after_its_timeout(gateway: GatewayUnderTest) -> None:
    release = threading.Event()

    def answer(request: BaseHTTPRequestHandler) -> Answer:
        if request.path == "/status":
            release.wait(20)
        return 200, json.dumps({"port": request.server.server_address[1]})  # type: ignore[index]

    with http_server(answer) as silent:
        checks = active(timeout=0.2, unhealthy={"timeouts": 1})
        upstream = {"nodes": {silent: 1, gateway.upstream: 1}, "checks": checks}
        gateway.put("routes/a", {"uri": "/a", "upstream": upstream})
        until(lambda: set(ports(gateway, "/a", 10)) == {gateway.upstream})
        release.set()


def test_a_node_is_put_aside_for_connections_that_fail_where_checks_are_passive_too(
    gateway: GatewayUnderTest,
) -> None:
    checked = int(gateway.upstream.split(":")[1])
    with closed_port() as dead:
        checks = active(port=checked, healthy={"interval": 60, "successes": 1})
        checks["passive"] = {"unhealthy": {"tcp_failures": 2}}
        upstream = {"nodes": {dead: 1, gateway.upstream: 1}, "retries": 0, "checks": checks}
        gateway.put("routes/a", {"uri": "/a", "upstream": upstream})
        until(lambda: [gateway.client.get("/a").status_code for _ in range(8)] == [200] * 8)


def test_checks_of_a_node_that_hangs_delay_no_change(gateway: GatewayUnderTest) -> None:
    nodes = {"10.255.255.1:80": 1, gateway.upstream: 1}
    started = time.monotonic()
    gateway.put("routes/a", {"uri": "/a", "upstream": {"nodes": nodes, "checks": active(timeout=10)}})
    gateway.put("routes/b", {"uri": "/b", "upstream": {"nodes": gateway.nodes()}})
    assert gateway.client.get("/b").status_code == 200
    assert time.monotonic() - started < 3


def test_a_node_is_put_aside_for_its_answers_where_checks_are_passive_too(gateway: GatewayUnderTest) -> None:
    node = Node()
    node.status = 503
    with http_server(node.answer) as sick:
        checks = {
            **active(healthy={"interval": 60, "successes": 1}),
            "passive": {"unhealthy": {"http_failures": 2}},
        }
        upstream = {"nodes": {sick: 1, gateway.upstream: 1}, "checks": checks}
        gateway.put("routes/a", {"uri": "/a", "upstream": upstream})
        until(lambda: [gateway.client.get("/a").status_code for _ in range(8)] == [200] * 8)


def test_an_answer_that_is_not_listed_puts_no_node_aside(gateway: GatewayUnderTest) -> None:
    node = Node()
    node.status = 502
    with http_server(node.answer) as server:
        checks = {**active(), "passive": {"unhealthy": {"http_failures": 1, "http_statuses": [500]}}}
        gateway.put(
            "routes/a",
            {"uri": "/a", "upstream": {"nodes": {server: 1, gateway.upstream: 1}, "checks": checks}},
        )
        until(lambda: len({gateway.client.get("/a").status_code for _ in range(8)}) == 2)
        assert [gateway.client.get("/a").status_code for _ in range(20)].count(502) == 10
