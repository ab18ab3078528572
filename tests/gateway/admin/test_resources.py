"""Writing and reading every kind of resource, as t/admin of APISIX does it."""

from __future__ import annotations

import pytest

from gatechat.gateway.admin.answers import WARNING
from tests.gateway.admin.memory import NODES, ROUTE, Admin, Case, Step

KEY_AUTH = {"key-auth": {"key": "one"}}
LIMIT = {"ip-restriction": {"whitelist": ["127.0.0.1"]}}
ADDED = "/routes/00000000000000000001"

CASES: list[Case] = [
    (
        "a route is created with 201, replaced with 200, read, deleted, and then gone",
        [
            Step("PUT", "/routes/1", ROUTE, 201, {"key": "/apisix/routes/1", "createdIndex": None}),
            Step("PUT", "/routes/1", ROUTE | {"desc": "new"}, 200, {"value": {"id": "1", "desc": "new"}}),
            Step("GET", "/routes/1", None, 200, {"createdIndex": 1, "modifiedIndex": 2}),
            Step("DELETE", "/routes/1", None, 200, {"deleted": "1", "key": "/apisix/routes/1"}),
            Step("GET", "/routes/1", None, 404, {"message": "Key not found", "error_msg": None}),
            Step("DELETE", "/routes/1", None, 404, {"message": "Key not found"}),
        ],
    ),
    (
        "a stored value has times and an id but no defaults",
        [
            Step(
                "PUT",
                "/routes/1",
                ROUTE,
                201,
                {
                    "value": ROUTE
                    | {"id": "1", "create_time": 1_700_000_000, "update_time": 1_700_000_000, "status": None}
                },
            )
        ],
    ),
    (
        "POST gives an id and PUT goes on with it",
        [
            Step("POST", "/routes", ROUTE, 201, {"value": {"id": "00000000000000000001"}}),
            Step("PUT", ADDED, ROUTE, 200, {"key": f"/apisix{ADDED}"}),
        ],
    ),
    (
        "the id may be in the body, as a number too, and must agree with the path",
        [
            Step(
                "PUT",
                "/upstreams",
                NODES | {"id": 7},
                201,
                {"key": "/apisix/upstreams/7", "value": {"id": 7}},
            ),
            Step("PUT", "/upstreams/7", NODES | {"id": 7}, 200, {"value": {"id": "7"}}),
            Step("PUT", "/upstreams/7", NODES | {"id": 8}, 400, {"error_msg": "wrong upstream id"}),
            Step("PUT", "/upstreams", NODES, 400, {"error_msg": "missing upstream id"}),
            Step("POST", "/upstreams/1", NODES, 400, {"error_msg": "wrong upstream id, do not need it"}),
            Step(
                "POST",
                "/upstreams",
                NODES | {"id": 9},
                400,
                {"error_msg": "wrong upstream id, do not need it"},
            ),
        ],
    ),
    (
        "a consumer is named by its username, and its path by nothing else",
        [
            Step("PUT", "/consumers", {"username": "jack"}, 201, {"key": "/apisix/consumers/jack"}),
            Step("PUT", "/consumers/jack", {"username": "jack"}, 200, {"value": {"id": None}}),
            Step("PUT", "/consumers/jill", {"username": "jack"}, 400, {"error_msg": "wrong username"}),
            Step("PUT", "/consumers", {"id": "jack"}, 400, 'property \\"username\\" is required'),
            Step("POST", "/consumers", "", 405, {"error_msg": "not supported `POST` method for consumer"}),
            Step(
                "PATCH",
                "/consumers/jack",
                {},
                405,
                {"error_msg": "not supported `PATCH` method for consumer"},
            ),
        ],
    ),
    (
        "a credential belongs to a consumer that is there and goes with it",
        [
            Step("GET", "/consumers/jack/credentials", None, 404, {"message": "Key not found"}),
            Step(
                "PUT",
                "/consumers/jack/credentials/c1",
                {"plugins": KEY_AUTH},
                404,
                {"error_msg": "consumer not found"},
            ),
            Step("PUT", "/consumers", {"username": "jack"}, 201),
            Step(
                "PUT",
                "/consumers/jack/credentials/c1",
                {"plugins": KEY_AUTH},
                201,
                {"key": "/apisix/consumers/jack/credentials/c1", "value": {"id": "c1"}},
            ),
            Step("PUT", "/consumers/jack/credentials", {"id": "c2"}, 201, {"value": {"id": "c2"}}),
            Step("PUT", "/consumers/jack/credentials", {}, 400, {"error_msg": "missing credential id"}),
            Step("GET", "/consumers/jack/credentials", None, 200, {"total": 2}),
            Step("GET", "/consumers", None, 200, {"total": 1}),
            Step("DELETE", "/consumers/jack", None, 200),
            Step("GET", "/consumers/jack/credentials/c1", None, 404, {"message": "Key not found"}),
        ],
    ),
    (
        "a credential takes one plugin, and one that authenticates",
        [
            Step("PUT", "/consumers", {"username": "jack"}, 201),
            Step(
                "PUT",
                "/consumers/jack/credentials/c1",
                {"plugins": LIMIT},
                400,
                {"error_msg": "only supports auth type plugins in consumer credential"},
            ),
            Step(
                "PUT",
                "/consumers/jack/credentials/c1",
                {"plugins": KEY_AUTH | LIMIT},
                400,
                "expect object to have at most 1 properties",
            ),
        ],
    ),
    (
        "no two consumers or credentials share a key, and the owner may keep it",
        [
            Step("PUT", "/consumers", {"username": "jack", "plugins": KEY_AUTH}, 201),
            Step("PUT", "/consumers", {"username": "jack", "plugins": KEY_AUTH}, 200),
            Step(
                "PUT",
                "/consumers",
                {"username": "jill", "plugins": KEY_AUTH},
                400,
                {"error_msg": "duplicate key of plugin key-auth found with consumer: jack"},
            ),
            Step(
                "PUT",
                "/consumers/jack/credentials/c1",
                {"plugins": KEY_AUTH},
                400,
                {"error_msg": "duplicate key of plugin key-auth found with consumer: jack"},
            ),
            Step("PUT", "/consumers", {"username": "jack"}, 200),
            Step("PUT", "/consumers/jack/credentials/c1", {"plugins": KEY_AUTH}, 201),
            Step("PUT", "/consumers/jack/credentials/c1", {"plugins": KEY_AUTH}, 200),
            Step(
                "PUT",
                "/consumers/jack/credentials/c2",
                {"plugins": KEY_AUTH},
                400,
                {"error_msg": "duplicate key of plugin key-auth found with credential: c1 of consumer: jack"},
            ),
        ],
    ),
    (
        "keys from the environment are not compared, as they are not known yet",
        [
            Step("PUT", "/consumers", {"username": "a", "plugins": {"key-auth": {"key": "$env://K"}}}, 201),
            Step("PUT", "/consumers", {"username": "b", "plugins": {"key-auth": {"key": "$env://K"}}}, 201),
        ],
    ),
    (
        "PATCH merges objects, replaces arrays, and null deletes",
        [
            Step("PUT", "/routes/1", ROUTE | {"methods": ["GET"], "desc": "old", "labels": {"a": "1"}}, 201),
            Step(
                "PATCH",
                "/routes/1",
                {
                    "methods": ["PUT"],
                    "desc": None,
                    "labels": {"b": "2"},
                    "upstream": {"nodes": {"127.0.0.1:1980": None, "127.0.0.2:80": 1}},
                },
                200,
                {
                    "value": {
                        "methods": ["PUT"],
                        "desc": None,
                        "labels": {"a": "1", "b": "2"},
                        "upstream": {
                            "nodes": {"127.0.0.1:1980": None, "127.0.0.2:80": 1},
                            "type": "roundrobin",
                        },
                        "uri": "/hello",
                    }
                },
            ),
        ],
    ),
    (
        "PATCH with an empty object replaces, as in Lua it is an empty array too",
        [
            Step("PUT", "/routes/1", ROUTE | {"plugins": LIMIT}, 201),
            Step("PATCH", "/routes/1", {"plugins": {}}, 200, {"value": {"plugins": {}}}),
            Step("GET", "/routes/1", None, 200, {"value": {"plugins": {"ip-restriction": None}}}),
        ],
    ),
    (
        "PATCH below a path sets what is there",
        [
            Step("PUT", "/routes/1", ROUTE, 201),
            Step("PATCH", "/routes/1/methods", '["POST"]', 200, {"value": {"methods": ["POST"]}}),
            Step("PATCH", "/routes/1/uri", '"/new"', 200, {"value": {"uri": "/new"}}),
            Step("PATCH", "/routes/1/enable_websocket", "false", 200, {"value": {"enable_websocket": False}}),
            Step(
                "PATCH",
                "/routes/1/upstream/nodes",
                {"a:1": 1},
                200,
                {"value": {"upstream": {"nodes": {"a:1": 1}}}},
            ),
            Step("PATCH", "/routes/1/labels/env", '"live"', 200, {"value": {"labels": {"env": "live"}}}),
            Step("PATCH", "/routes/1/", {"desc": "whole"}, 200, {"value": {"desc": "whole"}}),
            Step("PATCH", "/routes/1/uri/x", '"/new"', 400, {"error_msg": "invalid sub-path: /uri"}),
            Step("PATCH", "/routes/1/uri", "7", 400, "wrong type: expected string, got number"),
        ],
    ),
    (
        "PATCH says what is missing",
        [
            Step("PATCH", "/routes/1", {"desc": "x"}, 404, {"message": "Key not found"}),
            Step("PATCH", "/routes/1", None, 400, {"error_msg": "missing new configuration"}),
            Step("PATCH", "/routes", {}, 400, {"error_msg": "missing route id"}),
            Step("PATCH", "/routes/1", '"text"', 400, {"error_msg": "invalid configuration"}),
            Step("PATCH", "/secrets/vault", {}, 400, {"error_msg": "no secret id"}),
        ],
    ),
    (
        "a refused PATCH leaves the resource as it was",
        [
            Step("PUT", "/routes/1", ROUTE, 201),
            Step("PATCH", "/routes/1", {"upstream": {"nodes": "none"}}, 400),
            Step("GET", "/routes/1", None, 200, {"value": ROUTE, "modifiedIndex": 1}),
        ],
    ),
    (
        "times are not for PUT and POST to set",
        [
            Step(
                "PUT", "/routes/1", ROUTE | {"create_time": 1}, 400, "the property is forbidden:  create_time"
            ),
            Step(
                "POST",
                "/routes",
                ROUTE | {"upstream": NODES | {"update_time": 1}},
                400,
                "the property is forbidden:  upstream.update_time",
            ),
        ],
    ),
    (
        "a plugin may be in one global rule only",
        [
            Step("PUT", "/global_rules/1", {"plugins": LIMIT}, 201),
            Step("PUT", "/global_rules/1", {"plugins": LIMIT}, 200),
            Step(
                "PUT",
                "/global_rules/2",
                {"plugins": LIMIT},
                400,
                {"error_msg": "plugin 'ip-restriction' already exists in global rule with id '1'"},
            ),
            Step("PATCH", "/global_rules/1", {"plugins": {"ip-restriction": {"whitelist": ["::1"]}}}, 200),
        ],
    ),
    (
        "plugin configs and consumer groups are put, patched and not posted",
        [
            step
            for kind, title in (("plugin_configs", "plugin config"), ("consumer_groups", "consumer group"))
            for step in (
                Step("PUT", f"/{kind}/1", {"plugins": LIMIT}, 201, {"key": f"/apisix/{kind}/1"}),
                Step("PATCH", f"/{kind}/1", {"desc": "x"}, 200, {"value": {"desc": "x", "plugins": LIMIT}}),
                Step("PUT", f"/{kind}/1", {}, 400, 'property \\"plugins\\" is required'),
                Step("POST", f"/{kind}", {}, 405, {"error_msg": f"not supported `POST` method for {title}"}),
            )
        ],
    ),
    (
        "metadata belongs to a plugin that has some",
        [
            Step("PUT", "/plugin_metadata", {"k": 1}, 400, {"error_msg": "missing plugin name"}),
            Step("PUT", "/plugin_metadata/none", {"k": 1}, 400, {"error_msg": "invalid plugin name"}),
            Step("PUT", "/plugin_metadata/key-auth", {"k": 1}, 400, "has no metadata"),
            Step("DELETE", "/plugin_metadata/none", None, 404, {"message": "Key not found"}),
        ],
    ),
    (
        "unknown kinds and methods answer as APISIX does",
        [
            Step("PUT", "/routs/1", ROUTE, 404, {"error_msg": "Unsupported resource type: routs"}),
            Step("GET", "/credentials", None, 404, {"error_msg": "Unsupported resource type: credentials"}),
            Step("PUT", "/schema/route", {}, 404, {"error_msg": "not found"}),
            Step("DELETE", "/routes", None, 400, {"error_msg": "missing route id"}),
            Step("PUT", "/routes/1", None, 400, {"error_msg": "missing configurations"}),
        ],
    ),
]


@pytest.mark.parametrize(("name", "steps"), CASES, ids=[name for name, _ in CASES])
async def test_resources(name: str, steps: list[Step], admin: Admin) -> None:
    await admin.walk(steps)


async def test_replacing_keeps_create_time_and_renews_update_time(admin: Admin) -> None:
    await admin.send("PUT", "/routes/1", ROUTE)
    for method, body in (("PUT", ROUTE), ("PATCH", {"desc": "x"}), ("PATCH", {"desc": "y"})):
        admin.clock.seconds += 10
        value = (await admin.send(method, "/routes/1", body)).json()["value"]
        assert (value["create_time"], value["update_time"]) == (1_700_000_000, int(admin.clock.seconds))


async def test_a_patch_may_set_update_time(admin: Admin) -> None:
    await admin.send("PUT", "/routes/1", ROUTE)
    value = (await admin.send("PATCH", "/routes/1", {"update_time": 1_600_000_000})).json()["value"]
    assert value["update_time"] == 1_600_000_000


async def test_a_ttl_is_an_expiry_and_the_next_write_without_one_ends_it(admin: Admin) -> None:
    await admin.send("PUT", "/routes/1?ttl=10", ROUTE)
    assert admin.apply.state.all("routes")["1"].expires_at == admin.clock.seconds + 10
    await admin.send("PATCH", "/routes/1", {"desc": "x"})
    assert admin.apply.state.all("routes")["1"].expires_at is None


@pytest.mark.parametrize(
    ("ttl", "text"),
    [
        ("soon", "should be a number"),
        ("nan", "should be a number"),
        ("0", "greater than 0"),
        ("-1", "greater than 0"),
    ],
)
async def test_a_ttl_that_is_no_time_is_refused(ttl: str, text: str, admin: Admin) -> None:
    answer = await admin.send("PUT", f"/routes/1?ttl={ttl}", ROUTE)
    assert answer.status_code == 400
    assert answer.json()["error_msg"].startswith("invalid argument ttl: ")
    assert text in answer.text


@pytest.mark.parametrize(
    ("method", "body", "status"), [("PUT", ROUTE, 200), ("PATCH", {"desc": "x"}, 200), ("DELETE", None, 200)]
)
async def test_a_write_that_envoy_did_not_acknowledge_in_time_says_so(
    method: str, body: object, status: int, admin: Admin
) -> None:
    answer = await admin.send("PUT", "/routes/1", ROUTE)
    assert WARNING not in answer.headers
    admin.apply.acknowledges = False
    answer = await admin.send(method, "/routes/1", body)
    assert answer.status_code == status
    assert "did not acknowledge" in answer.headers[WARNING]


async def test_answers_end_with_a_newline_and_name_the_version(admin: Admin) -> None:
    answer = await admin.send("PUT", "/routes/1", ROUTE)
    assert answer.text.endswith("}\n")
    assert answer.headers["X-API-VERSION"] == "v3"
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Server"] == "APISIX/3.18.0"
