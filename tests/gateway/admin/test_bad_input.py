"""Each kind of bad input has an answer that says what is wrong, and is written nowhere."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gatechat.apisix.kinds import LARGEST_BODY
from tests.gateway.admin.memory import NODES, ROUTE, Admin


def _nested(depth: int) -> str:
    return json.dumps(ROUTE)[:-1] + ', "vars": ' + "[" * depth + "]" * depth + "}"


def _padded(size: int) -> str:
    text = json.dumps(ROUTE | {"desc": ""})
    return text[:-2] + "x" * (size - len(text)) + '"}'


BROKEN_BODIES: list[tuple[str, str | bytes, int, str]] = [
    ("JSON that stops early", '{"uri": "/hello"', 400, "invalid request body: "),
    ("JSON with a comma too much", '{"uri": "/hello",}', 400, "at line 1 column 18"),
    ("a body that is no JSON", "uri=/hello", 400, "invalid request body: "),
    ("a body that is an array", "[]", 400, "expected object"),
    ("a body that is a string", '"/hello"', 400, "expected object"),
    ("a body that is null", "null", 400, "expected object"),
    ("a field that is there twice", '{"uri": "/a", "uri": "/b"}', 400, '\\"uri\\" is there twice'),
    ("NaN", '{"uri": "/a", "priority": NaN}', 400, "NaN is not a JSON number"),
    ("infinity", '{"uri": "/a", "priority": -Infinity}', 400, "-Infinity is not a JSON number"),
    ("a number beyond all bounds", '{"uri": "/a", "priority": 1e999}', 400, "out of range"),
    ("an integer beyond all bounds", '{"priority": 1' + "0" * 5000 + "}", 400, "out of range"),
    ("bytes that are not UTF-8", b'{"uri": "/\xff"}', 400, "not UTF-8 at byte 11"),
    ("half a surrogate pair", '{"uri": "/\\ud800"}', 400, "surrogate"),
    ("a deep nest", _nested(200), 400, "too many nested data structures, at most 128"),
    ("a nest one too deep", "[" * 129 + "]" * 129, 400, "too many nested data structures, at most 128"),
    (
        "a nest of a hundred thousand",
        "[" * 100_000 + "]" * 100_000,
        400,
        "too many nested data structures, at most 128",
    ),
    (
        "a body over 1.5 MiB",
        _padded(LARGEST_BODY + 1),
        400,
        f"request size {LARGEST_BODY + 1} is greater than the maximum size {LARGEST_BODY} allowed",
    ),
    ("a body of 10 MB", _padded(10_000_000), 413, "is greater than the maximum size"),
]

BAD_ROUTES: list[tuple[str, dict[str, Any], str]] = [
    ("an unknown field", {"color": "red"}, "additional properties forbidden, found color"),
    (
        "an unknown field deep inside",
        {"upstream": NODES | {"color": 1}},
        'property "upstream" validation failed: ',
    ),
    (
        "a wrong type deep inside",
        {"upstream": NODES | {"checks": {"active": {"healthy": {"successes": "2"}}}}},
        'property "upstream" validation failed: property "checks" validation failed: property "active" '
        'validation failed: property "healthy" validation failed: property "successes" validation failed: '
        "wrong type: expected integer, got string",
    ),
    (
        "a weight that is a text",
        {"upstream": {"nodes": {"a:1": "1"}}},
        "wrong type: expected integer, got string",
    ),
    ("an unknown method", {"methods": ["GETT"]}, "matches none of the enum values"),
    ("an unknown plugin", {"plugins": {"nope": {}}}, "unknown plugin [nope]"),
    (
        "a plugin that is no object",
        {"plugins": {"key-auth": "blah"}},
        'invalid plugin conf "blah" for plugin [key-auth]',
    ),
    ("plugins that are no object", {"plugins": "key-auth"}, "wrong type: expected object, got string"),
    (
        "a plugin with a wrong field",
        {"plugins": {"key-auth": {"header": 7}}},
        "failed to check the configuration of plugin key-auth err: ",
    ),
    ("a host and hosts", {"host": "a", "hosts": ["b"]}, "only one of host or hosts is allowed"),
    (
        "a client address and addresses",
        {"remote_addr": "::1", "remote_addrs": ["::1"]},
        "only one of remote_addr or remote_addrs is allowed",
    ),
    ("a host that is none", {"host": "a b"}, "failed to match pattern"),
    (
        "an operator that is none",
        {"vars": [["arg_a", "=", "b"]]},
        "failed to validate the 'vars' expression: ",
    ),
    (
        "a label that is a list",
        {"labels": {"env": ["a"]}},
        'failed to validate env (matching ".*"): wrong type',
    ),
    (
        "a timeout of nothing",
        {"timeout": {"connect": 0, "send": 1, "read": 1}},
        "expected 0 to be greater than 0",
    ),
    ("a name too long", {"name": "n" * 257}, "string too long, expected at most 256, got 257"),
    ("the same uri twice", {"uris": ["/a", "/a"]}, "expected unique items but items 1 and 2 are equal"),
]

BAD_UPSTREAMS: list[tuple[str, dict[str, Any], str]] = [
    ("no nodes", {}, "value should match only one schema, but matches none"),
    ("chash without a key", NODES | {"type": "chash"}, "missing key"),
    (
        "chash on an unknown variable",
        NODES | {"type": "chash", "key": "sugar"},
        "failed to match pattern",
    ),
    (
        "chash on a bad header name",
        NODES | {"type": "chash", "hash_on": "header", "key": "$#"},
        "failed to match",
    ),
    (
        "an unknown algorithm",
        NODES | {"type": "magic"},
        "use one of roundrobin, chash, least_conn, ewma",
    ),
    ("a port of zero", {"nodes": {"127.0.0.1:0": 1}}, "invalid port 0"),
    ("a port too high", {"nodes": {"[::1]:65536": 1}}, "invalid port 65536"),
    (
        "a port too high in a list",
        {"nodes": [{"host": "a", "port": 65536, "weight": 1}]},
        "to be at most 65535",
    ),
    (
        "IPv6 without brackets",
        {"nodes": [{"host": "::1", "port": 80, "weight": 1}]},
        "IPv6 address must be enclosed with '[' and ']'",
    ),
    (
        "a rewritten host without one",
        NODES | {"pass_host": "rewrite"},
        "`upstream_host` can't be empty when `pass_host` is `rewrite`",
    ),
    ("retries below zero", NODES | {"retries": -1}, "expected -1 to be at least 0"),
    (
        "half a client certificate",
        NODES | {"tls": {"client_cert": "c" * 200}},
        'property "client_key" is required',
    ),
    (
        "a client certificate that is none",
        NODES | {"tls": {"client_cert": "c" * 200, "client_key": "k" * 200}},
        "failed to parse cert: ",
    ),
    (
        "checks without an active one",
        NODES | {"checks": {"passive": {}}},
        "object matches none of the required",
    ),
]


@pytest.mark.parametrize(
    ("name", "body", "status", "text"),
    BROKEN_BODIES,
    ids=[f"{name} is refused" for name, *_ in BROKEN_BODIES],
)
async def test_broken_bodies(name: str, body: str | bytes, status: int, text: str, admin: Admin) -> None:
    for method, path in (("PUT", "/routes/1"), ("POST", "/routes")):
        answer = await admin.send(method, path, body)
        assert (answer.status_code, next(iter(answer.json()))) == (status, "error_msg")
        assert text in answer.text
    assert admin.apply.state.revision == 0


async def test_broken_json_is_given_back(admin: Admin) -> None:
    assert (await admin.send("PUT", "/routes/1", '{"uri"')).json()["req_body"] == '{"uri"'


@pytest.mark.parametrize(
    ("name", "fields", "text"), BAD_ROUTES, ids=[f"a route with {name} is refused" for name, *_ in BAD_ROUTES]
)
async def test_bad_routes(name: str, fields: dict[str, Any], text: str, admin: Admin) -> None:
    route = ROUTE | fields
    if "uris" in fields:
        del route["uri"]
    answer = await admin.send("PUT", "/routes/1", route)
    assert answer.status_code == 400
    assert text in answer.json()["error_msg"]
    assert admin.apply.state.revision == 0


@pytest.mark.parametrize(
    ("name", "upstream", "text"),
    BAD_UPSTREAMS,
    ids=[f"an upstream with {name} is refused" for name, *_ in BAD_UPSTREAMS],
)
async def test_bad_upstreams(name: str, upstream: dict[str, Any], text: str, admin: Admin) -> None:
    for path, body in (
        ("/upstreams/1", upstream),
        ("/services/1", {"upstream": upstream}),
        ("/routes/1", {"uri": "/", "upstream": upstream}),
    ):
        answer = await admin.send("PUT", path, body)
        assert answer.status_code == 400
        assert text in answer.json()["error_msg"]
    assert admin.apply.state.revision == 0


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("path", ["/routes/a/b", "/routes/a%2Fb"])
async def test_an_id_with_a_slash_is_refused(method: str, path: str, admin: Admin) -> None:
    answer = await admin.send(method, path, ROUTE if method == "PUT" else None)
    assert answer.status_code == 400
    assert answer.json()["error_msg"].startswith("wrong route id: it has a slash")


@pytest.mark.parametrize("id", ["a b", "a@b", "x" * 65, "ä"])
async def test_an_id_that_apisix_does_not_allow_is_refused(id: str, admin: Admin) -> None:
    answer = await admin.send("PUT", f"/routes/{id}", ROUTE)
    assert answer.status_code == 400
    assert (
        'property "id" validation failed: object matches none of the required' in answer.json()["error_msg"]
    )


@pytest.mark.parametrize("id", ["a.b", "A-1_c", "x" * 64])
async def test_an_id_that_apisix_allows_is_taken(id: str, admin: Admin) -> None:
    assert (await admin.send("PUT", f"/routes/{id}", ROUTE)).status_code == 201


async def test_patches_do_not_nest_a_resource_deeper_than_a_body_may_be(admin: Admin) -> None:
    await admin.send("PUT", "/routes/1", ROUTE)
    for levels in (200, 5000):
        answer = await admin.send("PATCH", "/routes/1/upstream/tls" + "/x" * levels, "{}")
        assert (answer.status_code, answer.json()["error_msg"]) == (
            400,
            "the resource would have more than 128 levels",
        )


async def test_an_unknown_query_parameter_is_passed_over_as_in_apisix(admin: Admin) -> None:
    assert (await admin.send("PUT", "/routes/1?colour=red", ROUTE)).status_code == 201
    assert (await admin.send("GET", "/routes?colour=red")).json()["total"] == 1


async def test_a_line_break_inside_a_string_is_taken_as_apisix_takes_it(admin: Admin) -> None:
    answer = await admin.send("PUT", "/routes/1", '{"uri": "/", "plugins": {}, "desc": "two\nlines"}')
    assert answer.json()["value"]["desc"] == "two\nlines"


async def test_a_number_without_a_fraction_is_an_integer(admin: Admin) -> None:
    await admin.send("PUT", "/routes/1", '{"uri": "/", "priority": 3.0, "plugins": {}}')
    assert (await admin.send("GET", "/routes/1")).text.count('"priority":3,') == 1


async def test_an_error_of_ours_is_a_500_that_tells_nothing(
    admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: object) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(admin.apply, "write", fail)
    answer = await admin.send("PUT", "/routes/1", ROUTE)
    assert answer.status_code == 500
    assert "secret" not in answer.text
