"""Nothing is taken and ignored: each property of each schema changes what Envoy is told, or is refused, or is
declared to have no effect, or only describes.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from gatechat.apisix.kinds import KINDS
from gatechat.apisix.schemas import SCHEMAS
from gatechat.apisix.schemas import UPSTREAM as UPSTREAM_SCHEMA
from gatechat.gateway import metrics
from gatechat.gateway.admin.checks import check
from gatechat.gateway.model import Refused, Resource, State
from gatechat.gateway.plugins import REGISTRY
from gatechat.gateway.plugins.registry import lua_of
from gatechat.gateway.translate import DIFFERS, Translator
from tests.gateway.traffic.test_tls import Pair, self_signed
from tests.gateway.translate.resources import OPTIONS

Value = dict[str, Any]
NODES: Value = {"nodes": {"127.0.0.1:1980": 1, "127.0.0.1:1981": 1}}
LISTED: Value = {"nodes": [{"host": "127.0.0.1", "port": 1980, "weight": 2}, {"host": "::1", "weight": 1}]}
LISTED["nodes"][1]["host"] = "[::1]"
TIMEOUT: Value = {"timeout": {"connect": 60, "send": 60, "read": 60}}
HTTPS: Value = NODES | {"scheme": "https"}
CHASH: Value = NODES | {"type": "chash", "key": "uri"}
CHECKED: Value = NODES | {"checks": {"active": {}}}
PASSIVE: Value = NODES | {"checks": {"active": {}, "passive": {}}}
CHECKED_TLS: Value = NODES | {"checks": {"active": {"type": "https", "host": "a.test"}}}
TRUSTED = {"type": "client"}
PLUGIN = {"cors": {}}
LUA = "function(vars) return true end"

DESCRIBES = {"id", "name", "desc", "labels", "create_time", "update_time"}
"""Shown again and, of routes and services, printed by plugins; nothing else comes of them."""

UPSTREAM: dict[str, tuple[Value, Any]] = {
    "nodes": (NODES, {"127.0.0.1:1982": 1}),
    "nodes.host": (LISTED, "127.0.0.2"),
    "nodes.port": (LISTED, 1982),
    "nodes.weight": (LISTED, 3),
    "nodes.priority": (LISTED, -1),
    "retries": (NODES, 0),
    "retry_timeout": (NODES, 3),
    "timeout": (NODES, {"connect": 1, "send": 1, "read": 1}),
    "timeout.connect": (NODES | TIMEOUT, 1),
    "timeout.read": (NODES | TIMEOUT, 1),
    "tls": (HTTPS, {"verify": True}),
    "tls.client_cert_id": (HTTPS, "c"),
    "tls.client_cert": (HTTPS, "PAIR"),
    "tls.client_key": (HTTPS, "PAIR"),
    "tls.verify": (HTTPS, True),
    "keepalive_pool": (NODES, {}),
    "keepalive_pool.idle_timeout": (NODES, 5),
    "keepalive_pool.requests": (NODES, 5),
    "type": (NODES, "least_conn"),
    "hash_on": (CHASH, "header"),
    "key": (CHASH, "arg_id"),
    "scheme": (NODES, "grpc"),
    "pass_host": (NODES, "node"),
    "upstream_host": (NODES | {"pass_host": "rewrite", "upstream_host": "a.test"}, "b.test"),
    "checks": (NODES, {"active": {}}),
    "checks.active": (NODES, {}),
    "checks.active.type": (CHECKED, "tcp"),
    "checks.active.timeout": (CHECKED, 2),
    "checks.active.host": (CHECKED, "b.test"),
    "checks.active.port": (CHECKED, 81),
    "checks.active.http_method": (CHECKED, "HEAD"),
    "checks.active.http_path": (CHECKED, "/status"),
    "checks.active.http_req_body": (NODES | {"checks": {"active": {"http_method": "POST"}}}, "ping"),
    "checks.active.https_verify_certificate": (CHECKED_TLS, False),
    "checks.active.req_headers": (CHECKED, ["X-A: b"]),
    "checks.active.healthy": (CHECKED, {"interval": 2}),
    "checks.active.healthy.interval": (CHECKED, 2),
    "checks.active.healthy.successes": (CHECKED, 3),
    "checks.active.unhealthy": (CHECKED, {"interval": 2}),
    "checks.active.unhealthy.interval": (CHECKED, 2),
    "checks.active.unhealthy.http_statuses": (CHECKED, [500]),
    "checks.active.unhealthy.http_failures": (CHECKED, 1),
    "checks.active.unhealthy.tcp_failures": (CHECKED, 1),
    "checks.active.unhealthy.timeouts": (CHECKED, 1),
    "checks.passive": (CHECKED, {}),
    "checks.passive.unhealthy": (PASSIVE, {"http_failures": 1}),
    "checks.passive.unhealthy.http_statuses": (PASSIVE, [500]),
    "checks.passive.unhealthy.tcp_failures": (PASSIVE, 1),
    "checks.passive.unhealthy.timeouts": (
        NODES | {"checks": {"active": {}, "passive": {"unhealthy": {"tcp_failures": 0}}}},
        1,
    ),
    "checks.passive.unhealthy.http_failures": (PASSIVE, 1),
}
UPSTREAM_REFUSED: dict[str, Any] = {
    "discovery_type": "dns",
    "discovery_args": {},
    "discovery_args.namespace_id": "a",
    "discovery_args.group_name": "a",
    "service_name": "a",
}
UPSTREAM_DECLARED: dict[str, tuple[Value, Any]] = {
    "nodes.metadata": (LISTED, {"zone": "a"}),
    "timeout.send": (NODES | TIMEOUT, 1),
    "keepalive_pool.size": (NODES | {"keepalive_pool": {}}, 5),
    "checks.active.concurrency": (CHECKED, 1),
    "checks.active.healthy.http_statuses": (CHECKED, [201]),
    "checks.passive.type": (PASSIVE, "tcp"),
    "checks.passive.healthy": (PASSIVE, {"successes": 1}),
    "checks.passive.healthy.http_statuses": (PASSIVE, [201]),
    "checks.passive.healthy.successes": (PASSIVE, 1),
}

ROUTE: Value = {"uri": "/a", "upstream": NODES}
CLIENT: Value = {"type": "client", "cert": "PAIR", "key": "PAIR"}
EFFECT: dict[str, dict[str, tuple[Value, Any]]] = {
    "upstreams": UPSTREAM,
    "routes": {
        "uri": (ROUTE, "/b"),
        "uris": ({"uris": ["/a"], "upstream": NODES}, ["/a", "/b"]),
        "priority": (ROUTE | {"methods": ["GET"]}, 5),
        "methods": (ROUTE, ["GET"]),
        "host": (ROUTE, "a.test"),
        "hosts": (ROUTE, ["a.test"]),
        "remote_addr": (ROUTE, "10.0.0.1"),
        "remote_addrs": (ROUTE, ["10.0.0.1"]),
        "timeout": (ROUTE, {"connect": 1, "send": 1, "read": 1}),
        "timeout.connect": (ROUTE | TIMEOUT, 1),
        "timeout.read": (ROUTE | TIMEOUT, 1),
        "vars": (ROUTE, [["arg_a", "==", "1"]]),
        "plugins": (ROUTE, PLUGIN),
        "plugin_config_id": (ROUTE, "p"),
        "upstream": ({"uri": "/a", "plugins": {}}, NODES),
        "service_id": (ROUTE, "s"),
        "upstream_id": (ROUTE, "u"),
        "enable_websocket": (ROUTE, True),
        "status": (ROUTE, 0),
    },
    "services": {
        "plugins": ({"upstream": NODES}, PLUGIN),
        "upstream": ({}, NODES),
        "upstream_id": ({}, "u"),
        "enable_websocket": ({"upstream": NODES}, True),
        "hosts": ({"upstream": NODES}, ["a.test"]),
    },
    "consumers": {
        "username": ({"username": "jack", "plugins": {"key-auth": {"key": "k"}}}, "anne"),
        "group_id": ({"username": "jack"}, "g"),
        "plugins": ({"username": "jack"}, PLUGIN),
        "labels": ({"username": "jack"}, {"custom_id": "7"}),
    },
    "credentials": {"plugins": ({}, {"key-auth": {"key": "k"}})},
    "consumer_groups": {"plugins": ({"plugins": {}}, PLUGIN)},
    "plugin_configs": {"plugins": ({"plugins": {}}, PLUGIN)},
    "global_rules": {"plugins": ({"plugins": {}}, PLUGIN)},
    "ssls": {"cert": (CLIENT, "OTHER"), "key": (CLIENT, "OTHER")},
}
REFUSED: dict[str, dict[str, Any]] = {
    "upstreams": UPSTREAM_REFUSED,
    "routes": {
        "filter_func": LUA,
        "script": LUA,
        "script_id": "1",
    },
    "services": {
        "script": LUA,
    },
    "ssls": {
        "type": "server",
        "certs": ["PAIR"],
        "keys": ["PAIR"],
        "client": {"ca": "PAIR"},
        "client.ca": "PAIR",
        "client.depth": 1,
        "client.skip_mtls_uri_regex": ["a"],
        "ssl_protocols": ["TLSv1.2"],
        "status": 0,
    },
}
DECLARED: dict[str, dict[str, tuple[Value, Any]]] = {
    "upstreams": UPSTREAM_DECLARED,
    "routes": {
        "timeout.send": (ROUTE | TIMEOUT, 1),
    },
    "ssls": {"sni": (CLIENT, "a.test"), "snis": (CLIENT, ["a.test"])},
}
KINDS_SHOWN = [kind for kind in KINDS if kind in EFFECT]
WHOLLY_REFUSED = {"protos", "secrets", "stream_routes"}
CHECKED_ELSEWHERE = {"plugin_metadata"}
"""By the schemas of the plugins, below."""


def properties(schema: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """The dotted paths of all properties. An item of a list has the path of its list."""
    for name, inner in schema.get("properties", {}).items():
        yield f"{path}{name}"
        if inner is not UPSTREAM_SCHEMA:  # the same within a route or a service as alone
            yield from properties(inner, f"{path}{name}.")
    for place in ("items", "anyOf", "oneOf"):
        inner = schema.get(place, ())
        for one in inner if isinstance(inner, list) else [inner] if inner else ():
            yield from properties(one, path)


def put(value: Value, path: str, item: Any) -> Value:
    """A copy of ``value`` with ``item`` at ``path``; of a list, in the first of its items."""
    changed = copy.deepcopy(value)
    place: Any = changed
    *parents, last = path.split(".")
    for name in parents:
        place = place.setdefault(name, {})
        place = place[0] if isinstance(place, list) else place
    place[last] = item
    return changed


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pair]:
    folder = tmp_path_factory.mktemp("pairs")
    return {"PAIR": self_signed(folder, "a.test"), "OTHER": self_signed(folder, "b.test")}


def filled(value: Any, pairs: Mapping[str, Pair], name: str = "") -> Any:
    """PAIR and OTHER stand for PEM texts, of the key in a field whose name has "key" in it."""
    if isinstance(value, dict):
        return {field: filled(item, pairs, field) for field, item in value.items()}
    if isinstance(value, list):
        return [filled(item, pairs, name) for item in value]
    if value in ("PAIR", "OTHER"):
        return (pairs[value].key if "key" in name else pairs[value].certificate).read_text()
    return value


def state(kind: str, value: Value, pairs: Mapping[str, Pair]) -> State:
    """``value`` and all that it, or anything else, may refer to."""
    around: dict[str, dict[str, Value]] = {
        "upstreams": {"u": {"nodes": {"127.0.0.1:2000": 1}}, "other": NODES},
        "services": {"s": {"hosts": ["s.test"]}, "other": {"upstream": NODES}},
        "plugin_configs": {"p": {"plugins": PLUGIN}, "other": {"plugins": {}}},
        "consumer_groups": {"g": {"plugins": PLUGIN}},
        "consumers": {"owner": {"username": "owner"}},
        "ssls": {"c": CLIENT, "other": CLIENT},
        "routes": {
            "users": {"uri": "/users", "upstream_id": "other"},
            "of_service": {"uri": "/service", "service_id": "other"},
            "with_config": {"uri": "/config", "upstream_id": "u", "plugin_config_id": "other"},
            "shows": {"uri": "/tls", "upstream": HTTPS | {"tls": {"client_cert_id": "other"}}},
            "beside": {"uri": "/a", "methods": ["GET"], "priority": 1, "upstream_id": "u"},
        },
    }
    id = {"consumers": value.get("username"), "credentials": "owner/credentials/other"}.get(kind, "other")
    around.setdefault(kind, {})[id or ""] = value
    return State(
        1,
        {
            plural: {id: Resource(plural, id, filled(one, pairs), 1, 1) for id, one in resources.items()}
            for plural, resources in around.items()
        },
    )


def accept(kind: str, value: Value, pairs: Mapping[str, Pair]) -> None:
    needs_id = kind not in ("consumers", "credentials")
    whole = filled(value, pairs) | ({"id": "other"} if needs_id else {})
    id = "owner/credentials/other" if kind == "credentials" else "other"
    check(KINDS[kind], id, whole, state(kind, {"username": "x"} if kind == "consumers" else {}, pairs))


def bytes_of(kind: str, value: Value, pairs: Mapping[str, Pair]) -> dict[str, dict[str, bytes]]:
    snapshot = Translator(OPTIONS).compile(state(kind, value, pairs))
    return {url: dict(resources) for url, resources in snapshot.resources.items()}


def rows(table: Mapping[str, Mapping[str, Any]]) -> list[Any]:
    return [pytest.param(kind, path, id=f"{kind}: {path}") for kind in table for path in table[kind]]


def test_each_kind_is_accounted_for() -> None:
    assert {*KINDS_SHOWN, *WHOLLY_REFUSED, *CHECKED_ELSEWHERE} == set(KINDS)


@pytest.mark.parametrize("kind", KINDS_SHOWN)
def test_each_property_is_accounted_for(kind: str) -> None:
    schema = KINDS[kind].schema
    assert schema is not None
    accounted = [*EFFECT[kind], *REFUSED.get(kind, ()), *DECLARED.get(kind, ())]
    assert len(set(accounted)) == len(accounted)
    described = {path for path in properties(SCHEMAS[schema]) if path.split(".")[-1] in DESCRIBES}
    assert set(accounted) | described == set(properties(SCHEMAS[schema]))


@pytest.mark.parametrize(("kind", "path"), rows(EFFECT))
def test_it_changes_what_envoy_is_told(kind: str, path: str, pairs: dict[str, Pair]) -> None:
    base, item = EFFECT[kind][path]
    changed = put(base, path, item)
    if path.endswith(("client_cert", "client_key")):  # one does not come without the other
        changed = put(put(base, f"{path.rpartition('.')[0]}.client_cert", item), path, item)
        changed = put(changed, f"{path.rpartition('.')[0]}.client_key", item)
    if kind != "ssls":
        accept(kind, changed, pairs)
    assert bytes_of(kind, changed, pairs) != bytes_of(kind, base, pairs)


@pytest.mark.parametrize(("kind", "path"), rows(REFUSED))
def test_it_is_refused_by_its_name(kind: str, path: str, pairs: dict[str, Pair]) -> None:
    base = {"upstreams": NODES, "routes": ROUTE, "services": {"upstream": NODES}, "ssls": CLIENT}[kind]
    changed = put(base, path, REFUSED[kind][path])
    if "discovery_args" in path:  # the schema wants these three together
        changed |= {"service_name": "a", "discovery_type": "dns"}
        del changed["nodes"]
    if path.startswith("client."):
        changed = put(changed, "client.ca", "PAIR")
    if path == "type":
        changed = put(changed, "sni", "a.test")
    with pytest.raises(Refused) as refused:
        accept(kind, changed, pairs)
    assert refused.value.status == 400
    named = [path, path.partition(".")[0], "service_name", "discovery_type"]
    assert any(name in refused.value.message for name in named)


@pytest.mark.parametrize(("kind", "path"), rows(DECLARED))
def test_it_changes_nothing_and_the_documentation_says_so(
    kind: str, path: str, pairs: dict[str, Pair]
) -> None:
    base, item = DECLARED[kind][path]
    accept(kind, put(base, path, item), pairs)
    assert bytes_of(kind, put(base, path, item), pairs) == bytes_of(kind, base, pairs)
    *_, parent, name = ["", *path.split(".")]
    told = " ".join(f"{one.field} {one.text}" for one in DIFFERS)
    assert name in told or f".{parent}`" in told


@pytest.mark.parametrize("name", REGISTRY)
def test_each_property_of_a_plugin_is_read_and_named_in_its_test(name: str) -> None:
    plugin = REGISTRY[name]
    own = [inspect.getsource(method) for method in vars(type(plugin)).values() if inspect.isfunction(method)]
    module = inspect.getmodule(type(plugin))
    helpers = [inspect.getsource(it) for it in vars(module).values() if inspect.isfunction(it)]
    helpers.append(inspect.getsource(metrics))  # it reads the metadata of prometheus
    code = " ".join([lua_of(plugin) or "", *own, *helpers])
    file = name.replace("-", "_")
    tests = (Path(__file__).parent / "plugins" / f"test_{file}.py").read_text()
    for schema in (plugin.schema, plugin.consumer_schema, plugin.metadata_schema):
        for path in properties(schema or {}):
            last = path.split(".")[-1]
            assert last in code, f"{path} is read nowhere"
            assert last in tests, f"{path} is in no test"
