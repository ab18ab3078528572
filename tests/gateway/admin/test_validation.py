"""POST /configs/validate: every error at once, nothing written."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateway.admin.memory import KEY, NODES, ROUTE, Admin

CASES: list[tuple[str, Any, list[dict[str, Any]]]] = [
    ("nothing", {}, []),
    (
        "right resources of several kinds",
        {
            "routes": [ROUTE | {"id": "r1"}, ROUTE],
            "services": [{"id": "s", "upstream": NODES}],
            "upstreams": [NODES | {"id": "u"}],
            "consumers": [
                {"username": "jack", "plugins": {"key-auth": {"key": "one"}}},
                {"id": "jack/credentials/c1", "plugins": {"key-auth": {"key": "two"}}},
            ],
            "global_rules": [{"id": 1, "plugins": {}}],
            "plugins": [{"name": "key-auth"}],
            "routes_conf_version": 3,
        },
        [],
    ),
    ("a reference to what may come later", {"routes": [{"uri": "/", "upstream_id": "later"}]}, []),
    (
        "two wrong routes",
        {"routes": [{"id": "r1", "uri": 123}, {"id": "r2", "uri": 456}]},
        [
            {"resource_type": "routes", "resource_id": "r1", "index": 0},
            {"resource_type": "routes", "resource_id": "r2", "index": 1},
        ],
    ),
    (
        "an id that is there twice",
        {"routes": [ROUTE | {"id": "r1"}, ROUTE | {"id": "r1"}]},
        [{"resource_type": "routes", "index": 1, "error": "found duplicate id r1 in routes"}],
    ),
    (
        "a username that is there twice",
        {"consumers": [{"username": "jack"}, {"username": "jack"}]},
        [{"resource_id": "jack", "index": 1, "error": "found duplicate username jack in consumers"}],
    ),
    (
        "a credential that is there twice",
        {"consumers": [{"id": "j/credentials/a", "plugins": {}}, {"id": "j/credentials/a", "plugins": {}}]},
        [{"index": 1, "error": "found duplicate credential id j/credentials/a in consumers"}],
    ),
    (
        "chash without a key",
        {"upstreams": [NODES | {"id": "u", "type": "chash"}], "routes": [ROUTE]},
        [{"resource_type": "upstreams", "resource_id": "u", "index": 0, "error": "missing key"}],
    ),
    (
        "upstreams that Envoy cannot do",
        {
            "upstreams": [
                NODES | {"id": "u", "type": "chash", "key": "remote_port"},
                NODES | {"id": "v", "type": "magic"},
                {"id": "w", "nodes": {"127.0.0.1:80:80": 1}},
            ],
        },
        [{"resource_type": "upstreams", "resource_id": id} for id in ("u", "v", "w")],
    ),
    (
        "a certificate that may come later",
        {"upstreams": [NODES | {"id": "u", "scheme": "https", "tls": {"client_cert_id": "later"}}]},
        [],
    ),
    (
        "an unknown plugin",
        {"routes": [ROUTE | {"plugins": {"nope": {}}}]},
        [{"resource_type": "routes", "resource_id": "", "index": 0, "error": "unknown plugin [nope]"}],
    ),
    (
        "a field without effect",
        {"routes": [ROUTE | {"filter_func": "function(vars) return true end"}]},
        [{"resource_type": "routes", "index": 0}],
    ),
    (
        "things that are no resources",
        {"routes": [1], "services": {"id": "s"}, "upstreams_conf_version": "new", "rules": [], "plugins": 1},
        [
            {"resource_type": "routes", "index": 0},
            {"resource_type": "services", "error": "must be an array of resources"},
            {"resource_type": "upstreams", "error": "upstreams_conf_version must be a number"},
            {"resource_type": "rules"},
            {"resource_type": "plugins"},
        ],
    ),
    (
        "a secret without its manager",
        {"secrets": [{"id": "1"}]},
        [{"resource_type": "secrets", "error": "invalid secret id: 1"}],
    ),
]


@pytest.mark.parametrize(("name", "config", "errors"), CASES, ids=[name for name, *_ in CASES])
async def test_configurations(name: str, config: Any, errors: list[dict[str, Any]], admin: Admin) -> None:
    answer = await admin.send("POST", "/configs/validate", config)
    if not errors:
        assert (answer.status_code, answer.json()) == (200, {})
        return
    assert answer.status_code == 400
    assert answer.json()["error_msg"] == "Configuration validation failed"
    told = answer.json()["errors"]
    assert len(told) == len(errors), told
    for one, expected in zip(told, errors, strict=True):
        assert one["error"]
        assert expected.items() <= one.items()
    assert admin.apply.state.revision == 0


@pytest.mark.parametrize(
    ("name", "body", "text"),
    [
        ("no body", "", "invalid request body: empty request body"),
        ("no JSON", "not json", "invalid request body: "),
        ("no object", "[]", "invalid request body: expected an object"),
    ],
)
async def test_what_is_no_configuration_is_refused(name: str, body: str, text: str, admin: Admin) -> None:
    answer = await admin.send("POST", "/configs/validate", body)
    assert answer.status_code == 400
    assert text in answer.json()["error_msg"]


@pytest.mark.parametrize(
    ("body", "status"),
    [("routes:\n  - uri: /a\n    plugins: {}\n", 200), ("routes: [", 400), ("routes:\n  - uri: 7\n", 400)],
)
async def test_a_configuration_may_be_yaml(body: str, status: int, admin: Admin) -> None:
    headers = {"Content-Type": "application/yaml", "X-API-KEY": KEY}
    answer = await admin.send("POST", "/configs/validate", body, headers)
    assert answer.status_code == status


async def test_a_key_that_a_stored_consumer_has_is_an_error(admin: Admin) -> None:
    consumer = {"username": "jack", "plugins": {"key-auth": {"key": "one"}}}
    await admin.send("PUT", "/consumers", consumer)
    answer = await admin.send("POST", "/configs/validate", {"consumers": [consumer | {"username": "jill"}]})
    assert "duplicate key of plugin key-auth" in answer.json()["errors"][0]["error"]
