"""What becomes of the fields of an upstream, on the real Envoy."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from tests.conftest import GatewayUnderTest
from tests.gateway.traffic.servers import closed_port, http_server, raw_server

PAGES = {502: "502 Bad Gateway", 503: "503 Service Temporarily Unavailable", 504: "504 Gateway Time-out"}


def until(true: Callable[[], bool], seconds: float = 15) -> None:
    """Asks again and again; fails when it is still not so after ``seconds``."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come true"


def fails_as(gateway: GatewayUnderTest, path: str, status: int) -> None:
    answer = gateway.client.get(path)
    assert answer.status_code == status
    assert PAGES[status] in answer.text
    assert answer.headers["content-type"].startswith("text/html")


def ports(gateway: GatewayUnderTest, path: str, times: int, **headers: str) -> Counter[str]:
    """How often each upstream answered, by its name in ``nodes``."""
    return Counter(
        "127.0.0.1:{}".format(gateway.client.get(path, headers=headers).json()["port"]) for _ in range(times)
    )


# Nodes


@pytest.mark.parametrize("listed", [False, True])
def test_weights_share_the_traffic_whether_nodes_are_a_map_or_a_list(
    gateway: GatewayUnderTest, listed: bool
) -> None:
    nodes: Any = {gateway.upstream: 3, gateway.upstream2: 1}
    if listed:
        split = [(*address.split(":"), weight) for address, weight in nodes.items()]
        nodes = [{"host": host, "port": int(port), "weight": weight} for host, port, weight in split]
    gateway.put("routes/a", {"uri": "/a", "upstream": {"nodes": nodes}})
    assert ports(gateway, "/a", 40) == {gateway.upstream: 30, gateway.upstream2: 10}


def test_a_node_of_weight_0_gets_nothing_beside_others(gateway: GatewayUnderTest) -> None:
    gateway.put("routes/a", {"uri": "/a", "upstream": {"nodes": {gateway.upstream: 0, gateway.upstream2: 1}}})
    assert ports(gateway, "/a", 10) == {gateway.upstream2: 10}


def test_a_single_node_is_used_whatever_its_weight(gateway: GatewayUnderTest) -> None:
    gateway.put("routes/a", {"uri": "/a", "upstream": {"nodes": {gateway.upstream: 0}}})
    assert gateway.client.get("/a").status_code == 200


@pytest.mark.parametrize("nodes", [{}, []])
def test_an_upstream_without_nodes_is_a_503(gateway: GatewayUnderTest, nodes: Any) -> None:
    gateway.put("routes/a", {"uri": "/a", "upstream": {"nodes": nodes}})
    fails_as(gateway, "/a", 503)
    gateway.put("upstreams/u", {"nodes": nodes})
    gateway.put("routes/b", {"uri": "/b", "upstream_id": "u"})
    fails_as(gateway, "/b", 503)


def test_a_route_without_an_upstream_is_a_503_after_its_plugins(gateway: GatewayUnderTest) -> None:
    gateway.put(
        "routes/a", {"uri": "/a", "plugins": {"response-rewrite": {"headers": {"set": {"x-ran": "1"}}}}}
    )
    fails_as(gateway, "/a", 503)
    assert gateway.client.get("/a").headers["x-ran"] == "1"


def test_a_route_whose_upstream_was_deleted_by_force_is_a_502(gateway: GatewayUnderTest) -> None:
    gateway.put("upstreams/u", {"nodes": gateway.nodes()})
    gateway.put("routes/a", {"uri": "/a", "upstream_id": "u"})
    gateway.admin.delete("/apisix/admin/upstreams/u?force=true").raise_for_status()
    fails_as(gateway, "/a", 502)


def test_a_node_may_be_a_domain_name(gateway: GatewayUnderTest) -> None:
    port = int(gateway.upstream.split(":")[1])
    gateway.put("routes/a", {"uri": "/a", "upstream": {"nodes": {f"localhost:{port}": 1}}})
    assert gateway.client.get("/a").status_code == 200


def test_a_domain_name_that_nobody_knows_delays_no_other_change(gateway: GatewayUnderTest) -> None:
    gateway.put("routes/a", {"uri": "/a", "upstream": {"nodes": {"nobody.invalid:80": 1}}})
    started = time.monotonic()
    gateway.put("routes/b", {"uri": "/b", "upstream": {"nodes": gateway.nodes()}})
    assert gateway.client.get("/b").status_code == 200
    assert time.monotonic() - started < 2
    assert gateway.client.get("/a").status_code in (502, 503)


def test_a_lower_priority_gets_traffic_only_when_no_higher_node_answers(gateway: GatewayUnderTest) -> None:
    with closed_port() as dead:
        host, port = gateway.upstream2.split(":")
        up_host, up_port = gateway.upstream.split(":")
        spare = {"host": host, "port": int(port), "weight": 1, "priority": -1}
        first = {"host": up_host, "port": int(up_port), "weight": 1}
        gateway.put("routes/a", {"uri": "/a", "upstream": {"nodes": [first, spare]}})
        assert ports(gateway, "/a", 10) == {gateway.upstream: 10}
        broken = {"host": "127.0.0.1", "port": int(dead.split(":")[1]), "weight": 1}
        gateway.put("routes/a", {"uri": "/a", "upstream": {"nodes": [broken, spare]}})
        assert ports(gateway, "/a", 10) == {gateway.upstream2: 10}


def test_a_change_of_nodes_is_served_when_put_returns(gateway: GatewayUnderTest) -> None:
    gateway.put("upstreams/u", {"nodes": {gateway.upstream: 1}})
    gateway.put("routes/a", {"uri": "/a", "upstream_id": "u"})
    for _ in range(5):
        for address in (gateway.upstream2, gateway.upstream):
            gateway.put("upstreams/u", {"nodes": {address: 1}})
            assert ports(gateway, "/a", 2) == {address: 2}


# Balancing


@pytest.mark.parametrize(
    ("hashing", "path", "headers"),
    [
        ({"key": "arg_id"}, "/a?id={}", {}),
        ({"key": "uri"}, "/a/{}", {}),
        ({"key": "request_uri"}, "/a?x={}", {}),
        ({"hash_on": "header", "key": "x-user"}, "/a", {"x-user": "{}"}),
        ({"hash_on": "cookie", "key": "sid"}, "/a", {"cookie": "sid={}"}),
        ({"hash_on": "vars_combinations", "key": "$arg_a$http_x_b"}, "/a?a={}", {"x-b": "{}"}),
        ({"key": "remote_addr"}, "/a", {"x-real-ip": "10.0.0.{}"}),
        ({"hash_on": "header", "key": "x-none"}, "/a", {"x-real-ip": "10.0.0.{}"}),
    ],
)
def test_chash_sends_equal_keys_to_one_node_and_different_ones_to_both(
    gateway: GatewayUnderTest, hashing: dict[str, str], path: str, headers: dict[str, str]
) -> None:
    nodes = {gateway.upstream: 1, gateway.upstream2: 1}
    gateway.put("routes/a", {"uri": "/a*", "upstream": {"type": "chash", "nodes": nodes, **hashing}})
    taken = []
    for key in range(24):
        filled = {name: value.format(key) for name, value in headers.items()}
        found = ports(gateway, path.format(key), 3, **filled)
        assert len(found) == 1, key
        taken += found
    assert len(set(taken)) == 2


def test_chash_on_the_consumer_hashes_what_key_auth_found(gateway: GatewayUnderTest) -> None:
    nodes = {gateway.upstream: 1, gateway.upstream2: 1}
    upstream = {"type": "chash", "hash_on": "consumer", "nodes": nodes}
    gateway.put("routes/a", {"uri": "/a", "plugins": {"key-auth": {}}, "upstream": upstream})
    for number in range(12):
        gateway.put(
            f"consumers/c{number}", {"username": f"c{number}", "plugins": {"key-auth": {"key": f"k{number}"}}}
        )
    taken = [ports(gateway, "/a", 3, apikey=f"k{number}") for number in range(12)]
    assert {len(found) for found in taken} == {1}
    assert len({address for found in taken for address in found}) == 2


@pytest.mark.parametrize("kind", ["least_conn", "ewma"])
def test_least_conn_and_ewma_use_both_nodes(gateway: GatewayUnderTest, kind: str) -> None:
    nodes = {gateway.upstream: 1, gateway.upstream2: 1}
    gateway.put("routes/a", {"uri": "/a", "upstream": {"type": kind, "nodes": nodes}})
    assert len(ports(gateway, "/a", 40)) == 2


def test_least_conn_avoids_the_node_that_is_busy(gateway: GatewayUnderTest) -> None:
    asked, release = threading.Event(), threading.Event()

    def slow(request: BaseHTTPRequestHandler) -> tuple[int, str]:
        asked.set()
        release.wait(20)
        return 200, json.dumps({"port": request.server.server_address[1]})  # type: ignore[index]

    with http_server(slow) as busy:
        nodes = {busy: 1, gateway.upstream: 1}
        gateway.put("routes/a", {"uri": "/a", "upstream": {"type": "least_conn", "nodes": nodes}})
        clients: list[threading.Thread] = []
        while not asked.wait(0.2):
            assert len(clients) < 50, "the other node is asked each time"
            clients.append(threading.Thread(target=lambda: gateway.client.get("/a", timeout=30)))
            clients[-1].start()
        assert ports(gateway, "/a", 10) == {gateway.upstream: 10}
        release.set()
        for client in clients:
            client.join()


# Host


@pytest.mark.parametrize(
    ("fields", "host"),
    [
        ({}, "client.org:81"),
        ({"pass_host": "pass"}, "client.org:81"),
        ({"pass_host": "node"}, "{node}"),
        ({"pass_host": "rewrite", "upstream_host": "other.org"}, "other.org"),
    ],
)
def test_pass_host_says_which_host_the_upstream_is_sent(
    gateway: GatewayUnderTest, fields: dict[str, str], host: str
) -> None:
    for name, upstream in (
        ("inline", {"upstream": {"nodes": gateway.nodes(), **fields}}),
        ("named", {"upstream_id": "u"}),
    ):
        gateway.put("upstreams/u", {"nodes": gateway.nodes(), **fields})
        gateway.put(f"routes/{name}", {"uri": f"/{name}", **upstream})
        got = gateway.client.get(f"/{name}", headers={"host": "client.org:81"}).json()["headers"]["host"]
        assert got == host.format(node=gateway.upstream)


def test_pass_host_node_sends_the_domain_name_of_the_node(gateway: GatewayUnderTest) -> None:
    node = f"localhost:{gateway.upstream.split(':')[1]}"
    gateway.put("routes/a", {"uri": "/a", "upstream": {"pass_host": "node", "nodes": {node: 1}}})
    assert gateway.client.get("/a").json()["headers"]["host"] == node


# Failures, timeouts, retries


def test_an_upstream_that_refuses_is_a_502(gateway: GatewayUnderTest) -> None:
    with closed_port() as dead:
        gateway.put("routes/a", {"uri": "/a", "upstream": {"nodes": {dead: 1}}})
        fails_as(gateway, "/a", 502)


def test_an_upstream_that_hangs_up_is_a_502(gateway: GatewayUnderTest) -> None:
    with raw_server(lambda connection: connection.recv(65536) and None) as rude:
        gateway.put("routes/a", {"uri": "/a", "upstream": {"nodes": {rude: 1}}})
        fails_as(gateway, "/a", 502)


def test_an_upstream_that_talks_nonsense_is_a_502(gateway: GatewayUnderTest) -> None:
    def nonsense(connection: Any) -> None:
        connection.recv(65536)
        connection.sendall(b"what?\r\n\r\n")

    with raw_server(nonsense) as rude:
        gateway.put("routes/a", {"uri": "/a", "upstream": {"nodes": {rude: 1}}})
        fails_as(gateway, "/a", 502)


@pytest.mark.parametrize("where", ["route", "upstream", "route over upstream"])
def test_an_upstream_that_is_silent_longer_than_read_is_a_504(gateway: GatewayUnderTest, where: str) -> None:
    short, long = {"connect": 1, "send": 1, "read": 0.3}, {"connect": 9, "send": 9, "read": 9}
    of_route = {} if where == "upstream" else {"timeout": short}
    of_upstream = {"upstream": {"timeout": short}, "route over upstream": {"timeout": long}}.get(where, {})
    release = threading.Event()
    with http_server(lambda request: (200 if release.wait(20) else 500, "late")) as silent:
        gateway.put("routes/a", {"uri": "/a", **of_route, "upstream": {"nodes": {silent: 1}, **of_upstream}})
        started = time.monotonic()
        fails_as(gateway, "/a", 504)
        assert time.monotonic() - started < 5
        release.set()


def test_read_is_about_silence_and_not_about_the_whole_answer(gateway: GatewayUnderTest) -> None:
    def drip(connection: Any) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n")
        pause = threading.Event()
        for letter in b"slow":
            pause.wait(0.4)
            connection.sendall(bytes([letter]))

    with raw_server(drip) as slow:
        timeout = {"connect": 1, "send": 1, "read": 1}
        gateway.put("routes/a", {"uri": "/a", "timeout": timeout, "upstream": {"nodes": {slow: 1}}})
        assert gateway.client.get("/a").text == "slow"


def test_the_next_node_is_tried_when_one_refuses(gateway: GatewayUnderTest) -> None:
    with closed_port() as dead:
        gateway.put("routes/a", {"uri": "/a", "upstream": {"nodes": {dead: 1, gateway.upstream: 1}}})
        assert ports(gateway, "/a", 10) == {gateway.upstream: 10}
        gateway.put(
            "routes/a", {"uri": "/a", "upstream": {"nodes": {dead: 1, gateway.upstream: 1}, "retries": 0}}
        )
        statuses = Counter(gateway.client.get("/a").status_code for _ in range(10))
        assert statuses == {200: 5, 502: 5}


def test_the_next_node_is_tried_when_one_is_silent(gateway: GatewayUnderTest) -> None:
    release = threading.Event()
    with http_server(lambda request: (200 if release.wait(20) else 500, "late")) as silent:
        timeout = {"connect": 1, "send": 1, "read": 0.3}
        upstream = {"nodes": {silent: 1, gateway.upstream: 1}, "timeout": timeout}
        gateway.put("routes/a", {"uri": "/a", "upstream": upstream})
        assert ports(gateway, "/a", 4) == {gateway.upstream: 4}
        release.set()


def test_a_post_that_may_have_been_done_is_not_done_again(gateway: GatewayUnderTest) -> None:
    seen: list[bytes] = []

    def take_and_hang_up(connection: Any) -> None:
        seen.append(connection.recv(65536))

    with ExitStack() as stack:
        nodes = {stack.enter_context(raw_server(take_and_hang_up)): 1 for _ in range(3)}
        gateway.put("routes/a", {"uri": "/a", "upstream": {"nodes": nodes}})
        assert gateway.client.post("/a", content=b"x").status_code == 502
        assert len(seen) == 1


@pytest.mark.parametrize(("fields", "tries"), [({}, 4), ({"retries": 1}, 2), ({"retries": 0}, 1)])
def test_retries_says_how_many_more_nodes_are_tried(
    gateway: GatewayUnderTest, fields: dict[str, int], tries: int
) -> None:
    seen: list[bytes] = []

    def take_and_hang_up(connection: Any) -> None:
        seen.append(connection.recv(65536))

    with ExitStack() as stack:
        nodes = {stack.enter_context(raw_server(take_and_hang_up)): 1 for _ in range(4)}
        gateway.put("routes/a", {"uri": "/a", "upstream": {"nodes": nodes, **fields}})
        fails_as(gateway, "/a", 502)
        assert len(seen) == tries


def test_retry_timeout_ends_the_tries(gateway: GatewayUnderTest) -> None:
    asked: list[str] = []
    release = threading.Event()

    def silent(request: BaseHTTPRequestHandler) -> tuple[int, str]:
        asked.append(request.path)
        return (200 if release.wait(20) else 500, "late")

    with ExitStack() as stack:
        nodes = {stack.enter_context(http_server(silent)): 1 for _ in range(6)}
        timeout = {"connect": 1, "send": 1, "read": 1}
        upstream = {"nodes": nodes, "timeout": timeout, "retry_timeout": 1}
        gateway.put("routes/a", {"uri": "/a", "upstream": upstream})
        fails_as(gateway, "/a", 504)
        assert 1 < len(asked) < 6
        release.set()


def test_a_node_that_does_not_let_in_within_connect_is_a_504(gateway: GatewayUnderTest) -> None:
    with ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(2):  # a backlog of 0 lets one connection wait; Linux drops what comes after it
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        node = f"127.0.0.1:{full.getsockname()[1]}"
        timeout = {"connect": 0.3, "send": 9, "read": 9}
        gateway.put("routes/a", {"uri": "/a", "timeout": timeout, "upstream": {"nodes": {node: 1}}})
        started = time.monotonic()
        fails_as(gateway, "/a", 504)
        assert time.monotonic() - started < 3


def test_an_answer_with_an_error_status_is_the_clients(gateway: GatewayUnderTest) -> None:
    gateway.put("routes/a", {"uri": "/a", "upstream": {"nodes": {gateway.upstream: 1, gateway.upstream2: 1}}})
    answer = gateway.client.get("/a", headers={"x-reply-status": "503"})
    assert answer.status_code == 503
    assert answer.json()["path"] == "/a"


# Connections


def test_keepalive_pool_requests_bounds_how_long_a_connection_is_used(gateway: GatewayUnderTest) -> None:
    connections = []

    def remember(request: BaseHTTPRequestHandler) -> tuple[int, str]:
        connections.append(request.client_address)
        return 200, ""

    with http_server(remember) as server:
        pool = {"size": 4, "idle_timeout": 60, "requests": 2}
        gateway.put("routes/a", {"uri": "/a", "upstream": {"nodes": {server: 1}, "keepalive_pool": pool}})
        for _ in range(6):
            gateway.client.get("/a")
    assert Counter(Counter(connections).values()) == {2: 3}


def test_keepalive_pool_idle_timeout_closes_a_connection_that_nobody_uses(gateway: GatewayUnderTest) -> None:
    closed = threading.Event()

    def answer_once(connection: Any) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        if connection.recv(65536) == b"":
            closed.set()

    with raw_server(answer_once) as server:
        pool = {"idle_timeout": 0.2}
        gateway.put("routes/a", {"uri": "/a", "upstream": {"nodes": {server: 1}, "keepalive_pool": pool}})
        assert gateway.client.get("/a").status_code == 200
        assert closed.wait(10)


def test_a_websocket_is_opened_only_where_it_is_enabled(gateway: GatewayUnderTest) -> None:
    def accept(connection: Any) -> None:
        request = connection.recv(65536).decode().lower()
        if "upgrade: websocket" in request:
            connection.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"
            )
            connection.sendall(connection.recv(65536))
        else:
            connection.sendall(b"HTTP/1.1 426 Upgrade Required\r\ncontent-length: 0\r\n\r\n")

    with raw_server(accept) as server:
        gateway.put("routes/on", {"uri": "/on", "enable_websocket": True, "upstream": {"nodes": {server: 1}}})
        gateway.put("routes/off", {"uri": "/off", "upstream": {"nodes": {server: 1}}})
        gateway.put("services/s", {"enable_websocket": True, "upstream": {"nodes": {server: 1}}})
        gateway.put("routes/svc", {"uri": "/svc", "service_id": "s"})
        for value, enabled in (("yes", True), ("no", False)):
            route = {"uri": "/if", "vars": [["arg_ws", "==", value]], "enable_websocket": enabled}
            gateway.put(f"routes/{value}", {**route, "upstream": {"nodes": {server: 1}}})
            route = {"uri": f"/{value}", "host": "ws.example", "enable_websocket": enabled}
            gateway.put(f"routes/host-{value}", {**route, "upstream": {"nodes": {server: 1}}})
        both = {"uri": "/both", "host": "ws.example", "vars": [["arg_ws", "==", "yes"]]}
        gateway.put("routes/both", {**both, "enable_websocket": True, "upstream": {"nodes": {server: 1}}})
        upgrade = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
        upgrade["host"] = "WS.example:81"
        url = gateway.client.base_url
        for path, status in (
            ("/on", 101),
            ("/svc", 101),
            ("/off", 403),
            ("/if?ws=yes", 101),
            ("/if?ws=no", 403),
            ("/if", 404),
            ("/yes", 101),
            ("/no", 403),
            ("/both?ws=yes", 101),
            ("/both", 404),
        ):
            connection = http.client.HTTPConnection(url.host, url.port, timeout=10)
            connection.request("GET", path, headers=upgrade)
            answer = connection.getresponse()
            assert (path, answer.status) == (path, status)
            if status == 101:
                connection.sock.sendall(b"ping")
                assert answer.fp.read(4) == b"ping"
            connection.close()
