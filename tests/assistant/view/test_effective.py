"""A route in effect, and where each part came from."""

from __future__ import annotations

from typing import Any

import pytest

from gatechat.assistant.view.effective import Backend, consumer_plugins, effective, met_by, own_plugins
from tests.assistant.view.rig import configuration

KINDS: dict[str, Any] = {
    "services": {
        "s": {"hosts": ["S.com"], "plugins": {"cors": {"a": 1}, "key-auth": {}}, "upstream_id": "u"}
    },
    "plugin_configs": {"p": {"plugins": {"cors": {"a": 2}, "gzip": {}}}},
    "upstreams": {"u": {"nodes": {"10.0.0.1:80": 1}}, "list": {"nodes": [{"host": "a.b", "port": 81}]}},
    "global_rules": {"g": {"plugins": {"prometheus": {}, "ip-restriction": {"_meta": {"disable": True}}}}},
    "consumers": {"jack": {"username": "jack", "group_id": "gold", "plugins": {"limit-count": {"count": 9}}}},
    "consumer_groups": {"gold": {"plugins": {"limit-count": {"count": 5}, "gzip": {}}}},
}


def route(value: dict[str, Any], **kinds: Any) -> Any:
    return effective(configuration(routes={"r": value}, **(KINDS | kinds))).routes["r"]


@pytest.mark.parametrize(
    ("name", "value", "plugins"),
    [
        ("its own come first", {"service_id": "s", "plugins": {"cors": {}}}, {"cors": "routes/r"}),
        (
            "then the plugin config's",
            {"service_id": "s", "plugin_config_id": "p"},
            {"cors": "plugin_configs/p"},
        ),
        ("then the service's", {"service_id": "s"}, {"cors": "services/s", "key-auth": "services/s"}),
        ("numbers as ids", {"plugin_config_id": 7}, {"cors": "plugin_configs/7"}),
    ],
)
def test_of_a_plugin_in_several_places_the_nearest_counts(
    name: str, value: dict[str, Any], plugins: dict[str, str]
) -> None:
    kinds = {"plugin_configs": KINDS["plugin_configs"] | {"7": {"plugins": {"cors": {}}}}}
    found = {plugin: one.source for plugin, one in route(value, **kinds).plugins.items()}
    assert plugins.items() <= found.items()


@pytest.mark.parametrize(
    ("value", "service", "source", "nodes"),
    [
        ({"upstream_id": "list", "service_id": "s"}, "u", "upstreams/list", ("a.b:81",)),
        ({"upstream": {"nodes": {"x:1": 1}}, "service_id": "s"}, "u", "routes/r", ("x:1",)),
        ({"upstream": {"nodes": {"x:1": 1}}, "upstream_id": "u"}, "", "upstreams/u", ("10.0.0.1:80",)),
        ({"service_id": "s"}, "u", "upstreams/u", ("10.0.0.1:80",)),
        ({"upstream": {"service_name": "SHOP", "discovery_type": "dns"}}, "", "routes/r", ("SHOP@dns",)),
        ({}, "", "", ()),
    ],
)
def test_the_backend_is_the_nearest_and_an_id_before_an_inline_one(
    value: dict[str, Any], service: str, source: str, nodes: tuple[str, ...]
) -> None:
    backend: Backend = route(value).backend
    assert (backend.source, backend.nodes) == (source, nodes)


def test_hosts_come_from_the_service_unless_the_route_has_its_own() -> None:
    assert (route({"service_id": "s"}).hosts, route({"service_id": "s"}).hosts_from) == (
        ("s.com",),
        "services/s",
    )
    assert route({"service_id": "s", "host": "Own.com"}).hosts == ("own.com",)
    assert route({}).hosts_from == ""


def test_what_a_route_refers_to_and_is_not_there_is_named() -> None:
    found = route({"service_id": "gone", "plugin_config_id": "lost", "upstream_id": "away"})
    assert found.missing == ("services/gone", "plugin_configs/lost", "upstreams/away")


def test_global_rules_run_beside_and_what_is_switched_off_does_not_run() -> None:
    found = route({"plugins": {"gzip": {"_meta": {"disable": True}}, "cors": {}}})
    assert [one.name for one in found.running] == ["prometheus", "cors"]


KEY: dict[str, Any] = {"key-auth": {}}


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("nothing asks", {}, "no authentication plugin"),
        ("a plugin asks", {"plugins": KEY}, ""),
        ("the service's plugin asks", {"service_id": "s"}, ""),
        (
            "it is switched off",
            {"plugins": {"key-auth": {"_meta": {"disable": True}}}},
            "no authentication plugin",
        ),
        (
            "the service's is switched off by the route",
            {"service_id": "s", "plugins": {"key-auth": {"_meta": {"disable": True}}}},
            "no authentication plugin",
        ),
        (
            "strangers have a name",
            {"plugins": {"key-auth": {"anonymous_consumer": "anon"}}},
            "key-auth lets strangers in as anonymous_consumer",
        ),
        (
            "only some are asked",
            {"plugins": {"jwt-auth": {"_meta": {"filter": [["arg_a", "==", "1"]]}}}},
            "jwt-auth asks only some requests (_meta.filter)",
        ),
        (
            "strangers pass",
            {"plugins": {"openid-connect": {"unauth_action": "pass"}}},
            "openid-connect lets strangers pass (unauth_action)",
        ),
        (
            "one way in of several is open",
            {"plugins": {"multi-auth": {"auth_plugins": [{"key-auth": {"anonymous_consumer": "a"}}]}}},
            "multi-auth lets strangers in as anonymous_consumer",
        ),
        ("a second plugin asks all", {"plugins": {"jwt-auth": {"anonymous_consumer": "a"}, "opa": {}}}, ""),
        ("the route is off", {"status": 0}, ""),
        ("a limit is no authentication", {"plugins": {"limit-count": {}}}, "no authentication plugin"),
    ],
)
def test_whether_a_request_without_credentials_gets_through(
    name: str, value: dict[str, Any], why: str
) -> None:
    assert route(value).open == why


def test_a_global_rule_can_be_what_asks() -> None:
    assert route({}, global_rules={"g": {"plugins": KEY}}).open == ""


@pytest.mark.parametrize(
    ("plugins", "limited"),
    [
        ({"limit-count": {}}, True),
        ({"limit-req": {"_meta": {"disable": True}}}, False),
        ({"workflow": {"rules": [{"actions": [["limit-count", {}]]}]}}, True),
        ({"workflow": {"rules": [{"actions": [["return", {"code": 403}]]}]}}, False),
        ({"api-breaker": {}}, False),
    ],
)
def test_whether_a_rate_is_limited(plugins: dict[str, Any], limited: bool) -> None:
    assert bool(route({"plugins": plugins}).limits) is limited


def test_a_consumer_brings_its_own_plugins_before_its_groups() -> None:
    found = consumer_plugins(configuration(**KINDS), "jack")
    assert {name: (one.source, one.conf) for name, one in found.items()} == {
        "limit-count": ("consumers/jack", {"count": 9}),
        "gzip": ("consumer_groups/gold", {}),
    }
    assert consumer_plugins(configuration(), "nobody") == {}


def test_a_consumers_plugin_comes_before_the_routes_unless_that_has_run_by_then() -> None:
    routes = {
        "r": {
            "uri": "/r",
            "plugins": {
                "key-auth": {},
                "limit-count": {"count": 1},
                "proxy-rewrite": {"uri": "/route"},
                "cors": {},
            },
        }
    }
    plugins = {
        "limit-count": {"count": 2},
        "proxy-rewrite": {"uri": "/jack"},
        "redirect": {"uri": "/jack"},
        "cors": {"_meta": {"disable": True}},
    }
    here = configuration(routes=routes, consumers={"jack": {"username": "jack", "plugins": plugins}})
    found = met_by(effective(here).route("r"), here, "jack")
    assert {name: one.source for name, one in found.items()} == {
        "key-auth": "routes/r",
        "limit-count": "consumers/jack",
        "proxy-rewrite": "routes/r",
        "redirect": "consumers/jack",
    }


def test_every_place_of_a_plugin_is_found() -> None:
    places = {(kind, id) for name, kind, id in own_plugins(configuration(**KINDS)) if name == "limit-count"}
    assert places == {("consumers", "jack"), ("consumer_groups", "gold")}
