"""Plugins and schemas as the Admin API shows them."""

from __future__ import annotations

import pytest

from gatechat.apisix.schemas import SCHEMAS
from gatechat.apisix.secret_fields import PLUGIN_SECRETS
from gatechat.gateway.plugins import REGISTRY, plugin_schema
from tests.gateway.admin.memory import ROUTE, Admin, Case, Step

CASES: list[Case] = [
    (
        "a plugin that is not there is a 404",
        [
            Step("GET", "/plugins/asdf", None, 404, {"error_msg": "plugin not found in subsystem http"}),
            Step("GET", "/plugins", None, 404, {"error_msg": "plugin not found in subsystem http"}),
            Step("GET", "/schema/plugins/no-exist", None, 404),
            Step("GET", "/plugins/key-auth?subsystem=stream", None, 404, "subsystem stream"),
            Step(
                "GET",
                "/plugins/key-auth?subsystem=asdf",
                None,
                400,
                {"error_msg": "unsupported subsystem: asdf"},
            ),
            Step("GET", "/plugins/list?subsystem=asdf", None, 400, "invalid subsystem passed"),
            Step("GET", "/plugins/list?subsystem=stream", None, 200, "[]"),
        ],
    ),
    (
        "a plugin's schema is shown for routes and for consumers",
        [
            Step("GET", "/schema/plugins/key-auth", None, 200, plugin_schema(REGISTRY["key-auth"], "route")),
            Step("GET", "/plugins/key-auth", None, 200, '"_meta"'),
            Step("GET", "/plugins/key-auth?schema_type=consumer", None, 200, {"required": ["key"]}),
            Step(
                "GET",
                "/plugins/ip-restriction?schema_type=consumer",
                None,
                400,
                {"error_msg": "not found schema"},
            ),
        ],
    ),
    (
        "all plugins are shown with their attributes",
        [
            Step(
                "GET",
                "/plugins?all=true",
                None,
                200,
                {"key-auth": {"type": "auth", "priority": 2500, "version": 0.1}},
            )
        ],
    ),
    (
        "every kind's schema is shown, under the name that APISIX gives it",
        [Step("GET", f"/schema/{name}", None, 200, schema) for name, schema in SCHEMAS.items()]
        + [Step("GET", "/schema/nope", None, 400, "not found schema: nope")],
    ),
    (
        "a resource is checked against its schema and written nowhere",
        [
            Step("POST", "/schema/validate/routes", ROUTE, 200, ""),
            Step(
                "POST",
                "/schema/validate/routes",
                {"uri": 1, "upstream": {}},
                400,
                {"error_msg": 'property "uri" validation failed: wrong type: expected string, got number'},
            ),
            Step("POST", "/schema/validate/nope", {}, 404, {"error_msg": "Unsupported resource type: nope"}),
            Step("POST", "/schema/validate/secrets", {}, 404, "Unsupported resource type"),
            Step("POST", "/schema/validate/routes", "{", 400, "invalid request body: "),
            Step("GET", "/routes", None, 200, {"total": 0}),
        ],
    ),
    (
        "plugins are reloaded with PUT only",
        [
            Step("PUT", "/plugins/reload", None, 200, "done"),
            Step(
                "GET", "/plugins/reload", None, 405, "please use PUT method to reload the plugins, GET method"
            ),
        ],
    ),
]


@pytest.mark.parametrize(("name", "steps"), CASES, ids=[name for name, _ in CASES])
async def test_catalogue(name: str, steps: list[Step], admin: Admin) -> None:
    await admin.walk(steps)


async def test_plugins_are_listed_by_falling_priority(admin: Admin) -> None:
    names = (await admin.send("GET", "/plugins/list")).json()
    assert sorted(names) == sorted(REGISTRY)
    priorities = [REGISTRY[name].priority for name in names]
    assert priorities == sorted(priorities, reverse=True)


def test_the_secret_fields_that_a_plugin_names_are_those_that_the_assistant_hides() -> None:
    for name, plugin in REGISTRY.items():
        assert set(plugin.encrypt_fields) <= set(PLUGIN_SECRETS.get(name, ())), name
