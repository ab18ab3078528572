"""Upstreams, probes and requests that lead where credentials or the gateway's own controls are."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.attacks import rig
from tests.conftest import Echo, GatewayUnderTest

REFUSED = "may not be made to connect there"
METADATA = "169.254.169.254"


class Names:
    """What names mean on this machine: what a test says, and for all others what they meant before."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.addresses: dict[str, str] = {}
        self._real = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self)

    def __call__(self, host: Any, port: Any, *more: Any, **other: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if isinstance(name, str) and name.endswith(".test"):
            if name not in self.addresses:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            return self._real(self.addresses[name], port, *more, **other)
        return self._real(host, port, *more, **other)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    known = Names(monkeypatch)
    known.addresses = {
        "metadata.test": METADATA,
        "admin.test": "127.0.0.1",
        "six.test": "::ffff:169.254.169.254",
        "good.test": "203.0.113.7",
    }
    return known


HOSTS = [
    ("169.254.169.254", 80),
    ("169.254.169.254.", 80),
    ("2852039166", 80),
    ("0xa9fea9fe", 80),
    ("0251.0376.0251.0376", 80),
    ("169.254.43518", 80),
    ("[::ffff:169.254.169.254]", 80),
    ("[::ffff:a9fe:a9fe]", 80),
    ("[64:ff9b::a9fe:a9fe]", 80),
    ("[fd00:ec2::254]", 80),
    ("[fe80::1]", 80),
    ("metadata.google.internal", 80),
    ("metadata.test", 80),
    ("METADATA.test.", 80),
    ("six.test", 80),
    ("0.0.0.0", 80),
    ("0", 80),
    ("[::]", 80),
    ("localhost", 9180),
    ("LocalHost.", 9180),
    ("127.0.0.1", 9180),
    ("127.1", 9180),
    ("2130706433", 9180),
    ("[::1]", 9180),
    ("[::ffff:127.0.0.1]", 9180),
    ("admin.test", 9180),
    ("localhost", 9090),
    ("localhost", 2379),
    ("etcd", 2379),
    ("169.254.169.254:", 80),
    ("good.test@169.254.169.254", 80),
]


def resources(host: str, port: int) -> dict[str, dict[str, Any]]:
    """Every way in which a route can be made to lead there."""
    here = {"type": "roundrobin", "nodes": {f"{host}:{port}": 1}}
    listed = {"type": "roundrobin", "nodes": [{"host": host, "port": port, "weight": 1}]}
    good = {"type": "roundrobin", "nodes": {"good.test:80": 1}}
    probed = {"active": {"type": "http", "http_path": "/", "host": host, "port": port}}
    split = {"rules": [{"weighted_upstreams": [{"upstream": here, "weight": 1}]}]}
    url = f"http://{host}:{port}/x"
    plugins: dict[str, Any] = {
        "forward-auth": {"uri": url},
        "proxy-mirror": {"host": f"http://{host}:{port}"},
        "http-logger": {"uri": url},
        "openid-connect": {"discovery": url, "client_id": "c", "client_secret": "$env://S"},
        "opa": {"host": url, "policy": "p"},
        "ai-proxy": {"provider": "openai", "override": {"endpoint": url}},
        "elasticsearch-logger": {"endpoint_addrs": [url], "field": {"index": "i"}},
        "aws-lambda": {"function_uri": url},
        "kafka-logger": {"brokers": [{"host": host, "port": port}], "kafka_topic": "t"},
        "rocketmq-logger": {"nameserver_list": [f"{host}:{port}"], "topic": "t"},
        "tcp-logger": {"host": host, "port": port},
        "limit-count": {
            "count": 1,
            "time_window": 1,
            "policy": "redis",
            "redis_host": host,
            "redis_port": port,
        },
        "traffic-split": split,
    }
    return {
        "nodes as a map": {"upstream": here},
        "nodes as a list": {"upstream": listed},
        "a health check": {"upstream": good | {"checks": probed}},
        "dns discovery": {
            "upstream": {"type": "roundrobin", "discovery_type": "dns", "service_name": f"{host}:{port}"}
        },
        **{name: {"upstream": good, "plugins": {name: conf}} for name, conf in plugins.items()},
    }


@pytest.mark.parametrize(("host", "port"), HOSTS)
async def test_no_way_of_writing_an_address_leads_there(
    gateway: GatewayUnderTest, tmp_path: Path, names: Names, host: str, port: int
) -> None:
    async with rig.target(gateway, tmp_path) as target, target.mcp() as client:
        for number, (what, value) in enumerate(resources(host, port).items()):
            route = {"uri": "/evil", **value}
            operation = {"action": "create", "kind": "routes", "id": f"e{number}", "value": route}
            planned = await client.call_tool("plan", {"reason": "a test", "operations": [operation]})
            assert planned.is_error, what
            assert REFUSED in rig.said(planned), (what, rig.said(planned))
            put = await target.http.put(f"/apisix/admin/routes/e{number}", json=route)
            assert put.status_code in (400, 403), what
        upstream = resources(host, port)["nodes as a map"]["upstream"]
        put = await target.http.put("/apisix/admin/upstreams/e", json=upstream)
        assert put.status_code in (400, 403)
    assert target.routes() == set()
    assert gateway.admin.get("/apisix/admin/upstreams/e").status_code == 404


@pytest.mark.parametrize(
    "url",
    [
        "//169.254.169.254/",
        "HTTP://169.254.169.254/",
        "http://169.254.169.254:80@good.test/",
        "http://good.test@169.254.169.254/",
        "http://169.254.169.254\\@good.test/",
        "http://169.254.169.254#@good.test/",
        "http://169.254.169.254?@good.test/",
        "http://169%2e254%2e169%2e254/",
        "http://[169.254.169.254]/",
        "http://１６９.254.169.254/",
        "http://169。254。169。254/",
        "http:///169.254.169.254/",
        " http://169.254.169.254/",
        "http://169.254.\n169.254/",
        "http://metadata.test/",
    ],
)
async def test_no_way_of_writing_a_url_leads_there(
    gateway: GatewayUnderTest, tmp_path: Path, names: Names, url: str
) -> None:
    value = {"uri": "/e", "plugins": {"forward-auth": {"uri": url}}}
    async with rig.target(gateway, tmp_path) as target, target.mcp() as client:
        operation = {"action": "create", "kind": "routes", "id": "e", "value": value}
        planned = await client.call_tool("plan", {"reason": "a test", "operations": [operation]})
        assert REFUSED in rig.said(planned)


async def test_the_admin_api_in_use_is_refused_on_whatever_port(
    gateway: GatewayUnderTest, tmp_path: Path, names: Names
) -> None:
    async with rig.target(gateway, tmp_path) as target, target.mcp() as client:
        own = int(gateway.gateway.admin_url.rpartition(":")[2])
        for host in ("127.0.0.1", "localhost", "admin.test", "[::1]", "2130706433"):
            for port in (own, target.port):
                route = {"uri": "/e", **resources(host, port)["nodes as a map"]}
                operation = {"action": "create", "kind": "routes", "id": "e", "value": route}
                planned = await client.call_tool("plan", {"reason": "a test", "operations": [operation]})
                assert REFUSED in rig.said(planned), (host, port)
                put = await target.http.put("/apisix/admin/routes/e", json=route)
                assert (put.status_code, REFUSED in put.text) == (400, True)
    assert target.routes() == set()


@pytest.mark.parametrize("now", [METADATA, "127.0.0.1", "::1"])
async def test_a_name_that_means_another_address_when_it_is_applied_is_looked_at_again(
    gateway: GatewayUnderTest, tmp_path: Path, names: Names, now: str
) -> None:
    names.addresses["rebinds.test"] = "203.0.113.7"
    route = {"uri": "/e", "upstream": {"type": "roundrobin", "nodes": {"rebinds.test:9180": 1}}}
    async with (
        rig.target(gateway, tmp_path, 'mode = "ask-always"') as target,
        target.mcp() as client,
        target.browser() as owner,
    ):
        operation = {"action": "create", "kind": "routes", "id": "e", "value": route}
        plans = [await rig.planned(client, operation)]
        put = await target.http.put("/apisix/admin/routes/e", json=route)
        plans.append(put.json()["plan"])
        for plan in plans:
            await owner.post(f"/plans/{plan}/approve", data=await target.form(owner, plan))
        names.addresses["rebinds.test"] = now
        for plan in plans:
            applied = await client.call_tool("apply", {"plan": plan})
            assert applied.is_error
            assert "a name leads elsewhere" in rig.said(applied)
            assert REFUSED in rig.said(applied)
        names.addresses["rebinds.test"] = "203.0.113.7"
        again = await client.call_tool("apply", {"plan": plans[0]})
        assert (again.is_error, "stale" in rig.said(again)) == (True, True)
    assert target.routes() == set()


async def test_a_name_that_rebinds_is_refused_where_it_is_undone_to(
    gateway: GatewayUnderTest, tmp_path: Path, names: Names
) -> None:
    names.addresses["rebinds.test"] = "203.0.113.7"
    gateway.put("upstreams/u", {"type": "roundrobin", "nodes": {"rebinds.test:9180": 1}})
    async with rig.target(gateway, tmp_path, 'mode = "never-ask"') as target, target.mcp() as client:
        operation = {
            "action": "replace",
            "kind": "upstreams",
            "id": "u",
            "value": {"type": "roundrobin", "nodes": {"good.test:80": 1}},
        }
        plan = await rig.planned(client, operation)
        assert not (await client.call_tool("apply", {"plan": plan})).is_error
        names.addresses["rebinds.test"] = METADATA
        undone = await client.call_tool("undo", {"change": plan})
        assert undone.is_error
        assert REFUSED in rig.said(undone)
    assert "good.test:80" in gateway.admin.get("/apisix/admin/upstreams/u").text


# Requests that the assistant itself sends


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[Any]]]:
    """A server that nobody is to reach, and who reached it."""
    reached: list[Any] = []

    class Counts(ThreadingHTTPServer):
        def verify_request(self, request: Any, client_address: Any) -> bool:
            reached.append(client_address)
            return True

    server = Counts(("127.0.0.1", 0), Echo)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}", reached
    server.shutdown()
    server.server_close()


PATHS = [
    "http://{0}/x",
    "//{0}/x",
    "\\\\{0}\\x",
    "/\\{0}/x",
    "@{0}/x",
    "/x HTTP/1.1\r\nHost: {0}\r\n\r\n",
    "/x\r\nHost: {0}",
    "/x\nX: y",
    "/x#@{0}",
    "/x\u2028Host: {0}",
]


@pytest.mark.parametrize("path", PATHS)
async def test_a_request_reaches_the_gateway_and_nobody_else(
    gateway: GatewayUnderTest, tmp_path: Path, elsewhere: tuple[str, list[Any]], path: str
) -> None:
    there, reached = elsewhere
    gateway.put("routes/all", {"uri": "/*", "upstream": {"type": "roundrobin", "nodes": gateway.nodes()}})
    path = path.format(there)
    async with rig.target(gateway, tmp_path) as target, target.mcp() as client:
        sent = await client.call_tool("send_request", {"path": path})
        if not sent.is_error:
            echoed = json.loads(rig.said(sent).partition("\n\n")[2].rpartition("\n</gateway-data>")[0])
            assert "x" not in echoed["headers"], "no header was smuggled in"
            assert there not in echoed["headers"]["host"]
        made = await client.call_tool(
            "plan",
            {
                "reason": "a test",
                "operations": [{"action": "merge", "kind": "routes", "id": "all", "value": {"desc": "x"}}],
                "probes": [{"path": path, "required": True}],
            },
        )
        if not made.is_error:
            await client.call_tool("apply", {"plan": (made.structured_content or {})["plan"]})
    assert reached == []


@pytest.mark.parametrize(
    "headers",
    [
        {"x": "y\r\nHost: {0}"},
        {"x\r\nHost: {0}\r\ny": "z"},
        {"Host": "{0}\r\nX: y"},
        {"content-length": "5"},
        {"transfer-encoding": "chunked"},
        {"connection": "upgrade"},
        {"proxy-authorization": "x"},
        {"x": "\u2028"},
    ],
)
async def test_a_header_that_belongs_to_the_connection_is_refused(
    gateway: GatewayUnderTest, tmp_path: Path, elsewhere: tuple[str, list[Any]], headers: dict[str, str]
) -> None:
    there, reached = elsewhere
    said = {name.format(there): value.format(there) for name, value in headers.items()}
    async with rig.target(gateway, tmp_path) as target, target.mcp() as client:
        assert (await client.call_tool("send_request", {"path": "/x", "headers": said})).is_error
        probes = [{"path": "/x", "headers": said}]
        operation = {"action": "create", "kind": "upstreams", "id": "u", "value": target.upstream()}
        made = await client.call_tool(
            "plan", {"reason": "a test", "operations": [operation], "probes": probes}
        )
        assert made.is_error
        assert "headers" in rig.said(made)
    assert reached == []


async def test_a_host_header_chooses_a_route_and_no_machine(
    gateway: GatewayUnderTest, tmp_path: Path, elsewhere: tuple[str, list[Any]]
) -> None:
    there, reached = elsewhere
    async with rig.target(gateway, tmp_path) as target, target.mcp() as client:
        sent = await client.call_tool("send_request", {"path": "/x", "headers": {"Host": there}})
        assert ": 404 in" in rig.said(sent)
    assert reached == []


async def test_a_redirect_is_shown_and_not_followed_and_no_proxy_is_used(
    gateway: GatewayUnderTest,
    tmp_path: Path,
    elsewhere: tuple[str, list[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there, reached = elsewhere
    gateway.put(
        "routes/r", {"uri": "/r", "plugins": {"redirect": {"uri": f"http://{there}/x", "ret_code": 302}}}
    )
    async with rig.target(gateway, tmp_path) as target, target.mcp() as client:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://{there}")
        sent = rig.said(await client.call_tool("send_request", {"path": "/r"}))
        assert f"location: http://{there}/x" in sent
        assert "was not followed" in sent
    assert reached == []


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "post", "CONNECT", "TRACE", "BREW"])
async def test_a_request_that_may_change_something_is_refused(
    gateway: GatewayUnderTest, tmp_path: Path, method: str
) -> None:
    async with rig.target(gateway, tmp_path) as target, target.mcp() as client:
        sent = await client.call_tool("send_request", {"path": "/x", "method": method})
        assert sent.is_error
