from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from gatechat.assistant.change import addresses
from gatechat.assistant.change.addresses import Address, Addresses, all_networks, literal, places, resolve

NAMES = {
    "evil.example": "169.254.169.254",
    "admin.example": "127.0.0.1",
    "good.example": "203.0.113.7",
    "inside.example": "10.1.2.3",
    "six.example": "::ffff:169.254.169.254",
}


async def known(name: str) -> tuple[Address, ...]:
    found = literal(NAMES[name]) if name in NAMES else None
    return (found,) if found is not None else ()


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("169.254.43518", "169.254.169.254"),
        ("[::ffff:169.254.169.254]", "169.254.169.254"),
        ("::ffff:a9fe:a9fe", "169.254.169.254"),
        ("64:ff9b::a9fe:a9fe", "169.254.169.254"),
        ("2002:a9fe:a9fe::1", "169.254.169.254"),
        ("::a9fe:a9fe", "169.254.169.254"),
        ("fe80::1%eth0", "fe80::1"),
        ("１２７.0.0.1", "127.0.0.1"),
        ("127。0。0。1", "127.0.0.1"),
        ("127.0.0.1.", "127.0.0.1"),
        ("::1", "::1"),
        ("0", "0.0.0.0"),
    ],
)
def test_an_address_is_recognised_however_it_is_written(written: str, address: str) -> None:
    assert literal(written) == ip_address(address)


@pytest.mark.parametrize("name", ["localhost", "256.1.1.1", "1.2.3.4.5", "09.1.1.1", "a.b", "", "1.2.3.4 x"])
def test_a_name_is_no_address(name: str) -> None:
    assert literal(name) is None


@pytest.mark.parametrize(
    ("host", "port", "why"),
    [
        ("169.254.169.254", 80, "metadata"),
        ("169.254.1.1", None, "metadata"),
        ("2852039166", 80, "metadata"),
        ("0xa9.0xfe.0xa9.0xfe", 80, "metadata"),
        ("[::ffff:169.254.169.254]", 80, "metadata"),
        ("fe80::1", 80, "metadata"),
        ("fd00:ec2::254", 80, "metadata"),
        ("100.100.100.200", 80, "metadata"),
        ("metadata.google.internal.", 80, "metadata"),
        ("METADATA.google.internal", 80, "metadata"),
        ("evil.example", 80, "evil.example is 169.254.169.254"),
        ("six.example", 80, "metadata"),
        ("0.0.0.0", 80, "no address to connect to"),
        ("::", 80, "no address to connect to"),
        ("224.0.0.1", 80, "no address of one machine"),
        ("localhost", 9180, "the Admin API"),
        ("api.localhost", 9180, "the Admin API"),
        ("127.0.0.1", 9180, "the Admin API"),
        ("127.9.9.9", 9180, "the Admin API"),
        ("::1", 9180, "the Admin API"),
        ("2130706433", 9180, "the Admin API"),
        ("admin.example", 9180, "the Admin API"),
        ("127.0.0.1", 9090, "control API"),
        ("127.0.0.1", 2379, "etcd"),
        ("good.example", 2379, "etcd"),
        ("etcd", 2380, "etcd"),
        ("10.0.0.9", 9090, "on the machine of https://10.0.0.9:7443"),
        ("169.254.169.254:", 80, "no host"),
        ("169.254.169.254:x", None, "no host"),
        ("127.0.0.1:0x23dc", 80, "no host"),
        ("127.0.0.1 ", 9180, "the Admin API"),
        ("localhost..", 9180, "the Admin API"),
        ("unix:/var/run/docker.sock", 80, "no host"),
        ("good.example\\@evil.example", 80, "no host"),
        ("169%2e254%2e169%2e254", 80, "no host"),
        ("169.254.169\u00ad.254", 80, "no host"),
        ("", 80, "no host"),
        ("*", 80, "no host"),
        ("admin.example", 7000, "http://127.0.0.1:7000"),
        ("localhost", 7000, "http://127.0.0.1:7000"),
        ("10.0.0.9", 7443, "https://10.0.0.9:7443"),
        ("203.0.113.7", 443, "https://good.example"),
        ("apisix", 7001, "controls the gateway"),
        ("127.0.0.1", 7443, "https://10.0.0.9:7443"),
    ],
)
async def test_what_gives_away_the_gateway_is_refused(host: str, port: int | None, why: str) -> None:
    own = ("http://127.0.0.1:7000", "https://10.0.0.9:7443", "https://good.example", "http://apisix:7001")
    rules = Addresses(own=own)
    assert why in (await rules.refusal(host, port, known) or "")


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("127.0.0.1", 5080),
        ("10.0.0.9", 80),
        ("good.example", 80),
        ("unknown.example", 80),
        ("203.0.113.7", 9180),
        ("a_container-1", 80),
        ("münchen.example", 80),
        ("$env://BACKEND", None),
    ],
)
async def test_backends_are_let_through(host: str, port: int) -> None:
    rules = Addresses(own=("http://127.0.0.1:7000",))
    assert await rules.refusal(host, port, known) is None


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("10.1.9.9", True),
        ("inside.example", True),
        ("api.corp.example", True),
        ("good.example", False),
        ("203.0.113.7", False),
        ("unknown.example", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("$env://BACKEND", False),
        ("$secret://vault/1/backend/host", False),
    ],
)
async def test_a_policy_may_narrow_upstreams_to_networks_and_hosts(host: str, allowed: bool) -> None:
    rules = Addresses(networks=all_networks(["10.1.0.0/16"]), hosts=("*.corp.example",))
    assert (await rules.refusal(host, 80, known) is None) is allowed


async def test_etcd_is_let_through_where_the_policy_lists_it() -> None:
    rules = Addresses(networks=all_networks(["203.0.113.0/24"]), hosts=("inside.example",))
    assert await rules.refusal("203.0.113.7", 2379, known) is None
    assert await rules.refusal("inside.example", 2379, known) is None


async def test_every_address_of_this_machine_is_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "_is_here", lambda address: str(address) == "192.0.2.5")
    rules = Addresses(own=("http://127.0.0.1:7000",))
    assert "the Admin API" in (await rules.refusal("192.0.2.5", 9180, known) or "")
    assert "http://127.0.0.1:7000" in (await rules.refusal("192.0.2.5", 7000, known) or "")
    assert await rules.refusal("192.0.2.6", 9180, known) is None


@pytest.mark.parametrize(
    ("address", "here"), [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("198.51.100.9", False)]
)
def test_an_address_that_can_be_bound_is_of_this_machine(address: str, here: bool) -> None:
    assert addresses._is_here(ip_address(address)) is here


async def test_a_listed_name_that_points_to_metadata_is_refused_all_the_same() -> None:
    rules = Addresses(hosts=("*.example",))
    assert "metadata" in (await rules.refusal("evil.example", 80, known) or "")


async def test_a_name_that_does_not_resolve_has_no_addresses() -> None:
    assert await resolve("does-not-exist.invalid") == ()
    assert ip_address("127.0.0.1") in await resolve("localhost")


@pytest.mark.parametrize(
    ("kind", "value", "found"),
    [
        ("upstreams", {"nodes": {"a:1": 1, "b": 1}}, {("a", 1), ("b", 80)}),
        ("upstreams", {"nodes": {"[::1]:9180": 1}}, {("::1", 9180)}),
        ("upstreams", {"scheme": "https", "nodes": [{"host": "a", "weight": 1}]}, {("a", 443)}),
        (
            "upstreams",
            {"nodes": {"a:1": 1}, "checks": {"active": {"host": "h", "port": 9180}}},
            {("a", 1), ("h", 9180), ("a", 9180)},
        ),
        ("upstreams", {"service_name": "x.internal:53", "discovery_type": "dns"}, {("x.internal", 53)}),
        ("routes", {"upstream": {"nodes": {"a:1": 1}}}, {("a", 1)}),
        ("services", {"upstream": {"nodes": {"a:1": 1}}}, {("a", 1)}),
        ("stream_routes", {"upstream": {"nodes": {"a:1": 1}}}, {("a", 1)}),
        (
            "routes",
            {
                "plugins": {
                    "traffic-split": {
                        "rules": [{"weighted_upstreams": [{"upstream": {"nodes": {"a:1": 1}}}]}]
                    }
                }
            },
            {("a", 1)},
        ),
        ("routes", {"plugins": {"forward-auth": {"uri": "http://h:8/x"}}}, {("h", 8)}),
        ("routes", {"plugins": {"http-logger": {"uri": "https://h/x"}}}, {("h", 443)}),
        ("routes", {"plugins": {"proxy-mirror": {"host": "http://h:9"}}}, {("h", 9)}),
        ("routes", {"plugins": {"limit-count": {"redis_host": "r", "redis_port": 6379}}}, {("r", 6379)}),
        (
            "routes",
            {"plugins": {"limit-count": {"redis_cluster_nodes": ["r:1", "r:2"]}}},
            {("r", 1), ("r", 2)},
        ),
        ("routes", {"plugins": {"kafka-logger": {"brokers": [{"host": "k", "port": 9092}]}}}, {("k", 9092)}),
        ("routes", {"plugins": {"kafka-logger": {"broker_list": {"k": 9092}}}}, {("k", 9092)}),
        ("routes", {"plugins": {"syslog": {"host": "s", "port": 514}}}, {("s", 514)}),
        ("routes", {"plugins": {"ldap-auth": {"ldap_uri": "l:389"}}}, {("l", 389)}),
        ("routes", {"plugins": {"clickhouse-logger": {"endpoint_addrs": ["http://c:8123"]}}}, {("c", 8123)}),
        (
            "routes",
            {"plugins": {"openid-connect": {"discovery": "https://idp/x", "redirect_uri": "http://app/x"}}},
            {("idp", 443)},
        ),
        ("routes", {"plugins": {"rocketmq-logger": {"nameserver_list": ["r:9876"]}}}, {("r", 9876)}),
        ("routes", {"plugins": {"forward-auth": {"uri": "//h/x"}}}, {("h", None)}),
        ("routes", {"plugins": {"forward-auth": {"uri": "HTTP://h:8/"}}}, {("h", 8)}),
        ("routes", {"plugins": {"forward-auth": {"uri": "http://me:pw@h:8/"}}}, {("h", 8)}),
        (
            "routes",
            {"plugins": {"forward-auth": {"uri": "http://bad:80@good/"}}},
            {("good", 80), ("bad", 80)},
        ),
        (
            "routes",
            {"plugins": {"forward-auth": {"uri": "http://bad\\@good/"}}},
            {("http://bad\\@good/", None)},
        ),
        ("routes", {"plugins": {"forward-auth": {"uri": "http://[bad]/"}}}, {("http://[bad]/", None)}),
        (
            "routes",
            {"plugins": {"forward-auth": {"uri": "http://bad:99999/"}}},
            {("http://bad:99999/", None)},
        ),
        ("routes", {"plugins": {"forward-auth": {"uri": "http:///bad/"}}}, {("http:///bad/", None)}),
        ("routes", {"plugins": {"opa": {"host": "http://h:8181"}}}, {("h", 8181)}),
        (
            "routes",
            {"plugins": {"http-logger": {"uri": "http://h/", "log_format": {"to": "$scheme://$host/"}}}},
            {("h", 80)},
        ),
        (
            "routes",
            {
                "plugins": {
                    "openid-connect": {"proxy_opts": {"http_proxy": "http://p:3128", "no_proxy": "a,b"}}
                }
            },
            {("p", 3128)},
        ),
        ("routes", {"plugins": {"proxy-rewrite": {"host": "h", "uri": "//x"}}}, set()),
        ("routes", {"plugins": {"ai-proxy": {"override": {"endpoint": "https://h/v1"}}}}, {("h", 443)}),
        ("routes", {"plugins": {"cors": {"allow_origins": "http://page"}}}, set()),
        ("routes", {"plugins": {"redirect": {"uri": "https://elsewhere/"}}}, set()),
        ("plugin_metadata", {"tcp": {"host": "t", "port": 1}}, {("t", 1)}),
        ("secrets", {"uri": "http://vault:8200"}, {("vault", 8200)}),
        ("consumers", {"plugins": {"wolf-rbac": {"server": "http://w:1"}}}, {("w", 1)}),
    ],
)
def test_every_place_that_a_gateway_connects_to_is_found(
    kind: str, value: dict[str, Any], found: set[Any]
) -> None:
    assert {(it.host, it.port) for it in places(kind, value, "error-log-logger")} == found
