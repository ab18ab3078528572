"""A resource refers only to what is there, and what is referred to is not deleted."""

from __future__ import annotations

import pytest

from tests.gateway.admin.memory import NODES, Admin, Case, Step

CASES: list[Case] = [
    (
        f"a {kind} must not refer to {label} that is not there",
        [Step("PUT", f"/{kind}/1", body, 400, {"error_msg": f"failed to fetch {text}, response code: 404"})],
    )
    for kind, label, body, text in (
        (
            "routes",
            "an upstream",
            {"uri": "/", "upstream_id": 99},
            "upstream info by upstream id [99]",
        ),
        ("routes", "a service", {"uri": "/", "service_id": "no"}, "service info by service id [no]"),
        (
            "routes",
            "a plugin config",
            {"uri": "/", "upstream": NODES, "plugin_config_id": "no"},
            "plugin config info by plugin config id [no]",
        ),
        ("services", "an upstream", {"upstream_id": "no"}, "upstream info by upstream id [no]"),
        (
            "consumers",
            "a consumer group",
            {"username": "1", "group_id": "no"},
            "consumer group info by consumer group id [no]",
        ),
        (
            "upstreams",
            "a certificate",
            NODES | {"tls": {"client_cert_id": "no"}},
            "ssl info by ssl id [no]",
        ),
        (
            "routes",
            "a certificate",
            {"uri": "/", "upstream": NODES | {"tls": {"client_cert_id": "no"}}},
            "ssl info by ssl id [no]",
        ),
    )
] + [
    (
        "an upstream is not deleted while a route and then a service use it, unless forced",
        [
            Step("PUT", "/upstreams/1", NODES, 201),
            Step("PUT", "/services/1", {"upstream_id": 1}, 201),
            Step("PUT", "/routes/1", {"uri": "/", "upstream_id": "1"}, 201),
            Step(
                "DELETE",
                "/upstreams/1",
                None,
                400,
                {"error_msg": "can not delete this upstream, route [1] is still using it now"},
            ),
            Step("DELETE", "/routes/1", None, 200),
            Step(
                "DELETE",
                "/upstreams/1?force=anyvalue",
                None,
                400,
                {"error_msg": "can not delete this upstream, service [1] is still using it now"},
            ),
            Step("DELETE", "/upstreams/1?force=true", None, 200, {"deleted": "1"}),
        ],
    ),
    (
        "a service is not deleted while a route uses it",
        [
            Step("PUT", "/services/1", {"upstream": NODES}, 201),
            Step("PUT", "/routes/7", {"uri": "/", "service_id": 1}, 201),
            Step(
                "DELETE",
                "/services/1",
                None,
                400,
                {"error_msg": "can not delete this service directly, route [7] is still using it now"},
            ),
        ],
    ),
    (
        "a plugin config is not deleted while a route uses it",
        [
            Step("PUT", "/plugin_configs/1", {"plugins": {}}, 201),
            Step("PUT", "/routes/1", {"uri": "/", "upstream": NODES, "plugin_config_id": 1}, 201),
            Step(
                "DELETE",
                "/plugin_configs/1",
                None,
                400,
                {"error_msg": "can not delete this plugin config, route [1] is still using it now"},
            ),
        ],
    ),
    (
        "a consumer group is not deleted while a consumer is in it",
        [
            Step("PUT", "/consumer_groups/1", {"plugins": {}}, 201),
            Step("PUT", "/consumers", {"username": "jack", "group_id": "1"}, 201),
            Step(
                "DELETE",
                "/consumer_groups/1",
                None,
                400,
                {"error_msg": "can not delete this consumer group, consumer [jack] is still using it now"},
            ),
        ],
    ),
]


@pytest.mark.parametrize(("name", "steps"), CASES, ids=[name for name, _ in CASES])
async def test_references(name: str, steps: list[Step], admin: Admin) -> None:
    await admin.walk(steps)
