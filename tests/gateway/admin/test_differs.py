"""What has no effect on the embedded gateway's traffic is refused, with the field and the reason."""

from __future__ import annotations

from typing import Any

import pytest

from gatechat.gateway.admin.differs import UNSUPPORTED
from tests.gateway.admin.memory import NODES, ROUTE, Admin

LUA = "function(vars) return true end"
DISCOVERY = {"service_name": "a", "discovery_type": "dns"}
VAULT = {"uri": "http://127.0.0.1:8200", "prefix": "kv", "token": "t"}
PEM = "p" * 200

CASES: list[tuple[str, str, dict[str, Any], str]] = [
    ("filter_func", "/routes/1", ROUTE | {"filter_func": LUA}, 'property "filter_func" has no effect'),
    ("a route's script", "/routes/1", ROUTE | {"script": LUA}, 'property "script" has no effect'),
    ("a route's script_id", "/routes/1", ROUTE | {"script_id": 1}, 'property "script_id" has no effect'),
    ("a service's script", "/services/1", {"script": LUA}, 'property "script" has no effect'),
    ("service discovery", "/upstreams/1", DISCOVERY, 'property "discovery_type" has no effect'),
    (
        "service discovery inside a route",
        "/routes/1",
        {"uri": "/", "upstream": DISCOVERY},
        '"upstream.discovery_type"',
    ),
    ("a TCP upstream", "/upstreams/1", NODES | {"scheme": "tcp"}, 'property "scheme" "tcp" has no effect'),
    (
        "a health check with PURGE",
        "/upstreams/1",
        NODES | {"checks": {"active": {"http_method": "PURGE"}}},
        'property "checks.active.http_method" "PURGE" has no effect',
    ),
    (
        "a health check with CONNECT",
        "/routes/1",
        {"uri": "/", "upstream": NODES | {"checks": {"active": {"http_method": "CONNECT"}}}},
        'property "upstream.checks.active.http_method" "CONNECT" has no effect',
    ),
    ("an unknown algorithm", "/upstreams/1", NODES | {"type": "magic"}, 'there is no algorithm "magic"'),
    (
        "a condition on the body",
        "/routes/1",
        ROUTE | {"vars": ["OR", ["arg_a", "==", "b"], [["post_arg.model", "==", "x"]]]},
        "the variable post_arg.model has no effect in the embedded gateway: this is decided before",
    ),
    (
        "a condition of a plugin on the node",
        "/routes/1",
        ROUTE | {"plugins": {"cors": {"_meta": {"filter": [["upstream_addr", "==", "b"]]}}}},
        "the variable upstream_addr has no effect in the embedded gateway: Envoy does not know it",
    ),
    (
        "counting by the time that a request took",
        "/routes/1",
        ROUTE | {"plugins": {"limit-count": {"count": 1, "time_window": 1, "key": "request_time"}}},
        "the variable request_time has no effect",
    ),
    (
        "counting by several, of which one is not known",
        "/routes/1",
        ROUTE
        | {
            "plugins": {
                "limit-count": {
                    "count": 1,
                    "time_window": 1,
                    "key": "$host $remote_user",
                    "key_type": "var_combination",
                }
            }
        },
        "the variable remote_user has no effect",
    ),
    (
        "a rule that counts by what is not known",
        "/routes/1",
        ROUTE
        | {"plugins": {"limit-count": {"rules": [{"count": 1, "time_window": 1, "key": "$remote_user"}]}}},
        "the variable remote_user has no effect",
    ),
    (
        "a condition for counting",
        "/global_rules/1",
        {"plugins": {"prometheus": {"_meta": {"filter": [["arg_a", "==", "b"]]}}}},
        "plugin prometheus: _meta.filter has no effect",
    ),
    (
        "settings of how a consumer's key runs",
        "/consumers/a",
        {"username": "a", "plugins": {"key-auth": {"key": "k", "_meta": {"disable": True}}}},
        "plugin key-auth: _meta.disable has no effect on a consumer's side",
    ),
    (
        "a host from the environment",
        "/routes/1",
        ROUTE | {"hosts": ["$env://HOST"]},
        'property "hosts.0": a reference to the environment ($env://) has no effect',
    ),
    (
        "a number beyond Envoy's",
        "/routes/1",
        {"uri": "/", "upstream": NODES | {"retries": 2**31}},
        'property "upstream.retries": 2147483648 is too large in the embedded gateway',
    ),
    (
        "a cost decoration of GraphQL",
        "/services/1/graphql_cost_decorations/1",
        {"field_path": "Query"},
        "graphql_cost_decorations have no effect",
    ),
    (
        "a server's certificate",
        "/ssls/1",
        {"cert": PEM, "key": PEM, "sni": "a.com"},
        'property "type" "server"',
    ),
    ("a proto", "/protos/1", {"content": "x"}, "protos have no effect"),
    ("a secret", "/secrets/vault/1", VAULT, "secrets have no effect"),
    ("a secret of an unknown manager", "/secrets/mystery/1", VAULT, "invalid secret manager: mystery"),
    ("a wrong secret", "/secrets/vault/1", {"uri": "/get"}, "invalid configuration: "),
    ("a stream route", "/stream_routes/1", {}, "stream mode is disabled, can not add stream routes"),
    (
        "a secret manager's secret",
        "/consumers",
        {"username": "j", "plugins": {"key-auth": {"key": "$secret://vault/1/j/key"}}},
        'property "plugins.key-auth.key": a reference to a secret manager',
    ),
]


@pytest.mark.parametrize(
    ("name", "path", "body", "text"), CASES, ids=[f"{name} is refused" for name, *_ in CASES]
)
async def test_refused(name: str, path: str, body: dict[str, Any], text: str, admin: Admin) -> None:
    answer = await admin.send("PUT", path, body)
    assert answer.status_code == 400
    assert text in answer.json()["error_msg"]
    assert admin.apply.state.revision == 0


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
async def test_stream_routes_are_off_for_every_write(method: str, admin: Admin) -> None:
    path = "/stream_routes" if method == "POST" else "/stream_routes/1"
    answer = await admin.send(method, path, {} if method != "DELETE" else None)
    assert answer.json() == {"error_msg": "stream mode is disabled, can not add stream routes"}


async def test_the_four_balancers_and_schemes_of_http_are_taken(admin: Admin) -> None:
    for number, fields in enumerate(
        [
            {"type": "roundrobin", "scheme": "http"},
            {"type": "least_conn", "scheme": "https"},
            {"type": "ewma", "scheme": "grpc"},
            {"type": "chash", "key": "arg_id", "scheme": "grpcs"},
            {"type": "chash", "hash_on": "consumer"},
            {"type": "chash", "hash_on": "vars_combinations", "key": "$uri$arg_id"},
        ]
    ):
        assert (await admin.send("PUT", f"/upstreams/{number}", NODES | fields)).status_code == 201


def test_every_difference_says_why() -> None:
    for rule in UNSUPPORTED:
        assert rule.kinds
        assert rule.why
