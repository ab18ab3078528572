from __future__ import annotations

import json
from collections.abc import AsyncIterator
from ipaddress import ip_address
from typing import Any

import pytest
import pytest_asyncio

from gatechat.assistant.admin_client import AdminClient, Answer
from gatechat.assistant.change.addresses import Address
from gatechat.assistant.change.catalogue import Catalogues
from gatechat.assistant.change.check import Checker
from gatechat.assistant.change.model import Problem
from gatechat.assistant.change.policy import Policy
from gatechat.assistant.change.redact import ENTER, GENERATE, Redactor
from gatechat.assistant.change.references import references
from gatechat.assistant.change.resolve import Operation, after, resolve
from gatechat.assistant.problem import Problem as Failure
from tests.assistant.change.planning import Kinds, configuration, operation
from tests.conftest import ADMIN_KEY, GatewayUnderTest

UP = {"upstream": {"nodes": {"10.0.0.1:80": 1}}}


async def known(name: str) -> tuple[Address, ...]:
    return (ip_address("169.254.169.254"),) if name == "evil.example" else ()


@pytest_asyncio.fixture
async def admin(gateway: GatewayUnderTest) -> AsyncIterator[AdminClient]:
    client = AdminClient(gateway.gateway.admin_url, ADMIN_KEY, 10)
    yield client
    await client.close()


async def told(
    admin: Any, operations: list[Operation], kinds: Kinds | None = None, **more: Any
) -> list[Problem]:
    before = configuration(kinds or {})
    found = resolve(operations, before, Redactor())
    catalogue = await Catalogues(admin).get()
    checker = Checker(admin, Policy(), known)
    by_schema = checker.by_schema(found.edits, catalogue)
    checked = await checker.problems(found.edits, after(before, found.edits), by_schema, **more)
    return [*found.problems, *checked]


def route(**more: Any) -> Operation:
    return operation("create", "routes", "r", {"uri": "/a", **UP, **more})


def consumer(conf: Any) -> Operation:
    return operation("create", "consumers", "jack", {"plugins": {"key-auth": conf}})


CASES: list[tuple[Operation, str, str, Any, str]] = [
    (route(upstrem_id="1"), "routes/r.upstrem_id", "no such field", None, 'did you mean "upstream_id"?'),
    (route(plugins={"key-auht": {}}), "routes/r.plugins.key-auht", "has no plugin", "key-auht", '"key-auth"'),
    (
        route(plugins={"limit-count": {"cuont": 1}}),
        "routes/r.plugins.limit-count.cuont",
        "ignore it",
        None,
        '"count"',
    ),
    (
        route(plugins={"limit-count": {"count": 1, "time_window": 1, "rejected_code": 99}}),
        "routes/r.plugins.limit-count.rejected_code",
        "less than the minimum of 200",
        99,
        "",
    ),
    (route(methods=["GETT"]), "routes/r.methods.0", "allowed are GET, POST", "GETT", 'did you mean "GET"?'),
    (route(priority="high"), "routes/r.priority", "must be integer, not a text", "high", ""),
    (route(priority="10"), "routes/r.priority", "must be integer", "10", "write 10 without quotes"),
    (route(methods="GET"), "routes/r.methods", "must be array", "GET", "write it as a list"),
    (route(plugins={"cors": "on"}), "routes/r.plugins.cors", "takes an object", "on", "write {}"),
    (
        operation("create", "routes", "r", {"uri": "/a"}),
        "routes/r",
        "needs plugins or upstream",
        None,
        "one of them",
    ),
    (
        operation("create", "upstreams", "u", {"nodes": {"a:1": 1}, "scheme": "htps"}),
        "upstreams/u.scheme",
        "is none of its values",
        "htps",
        'did you mean "https"?',
    ),
    (consumer({}), "consumers/jack.plugins.key-auth.key", "is needed", None, "[generate]"),
    (
        consumer({"key": "hunter2"}),
        "consumers/jack.plugins.key-auth.key",
        "plain text",
        "[redacted]",
        "$env://",
    ),
    (
        operation("create", "plugin_metadata", "promtheus", {}),
        "plugin_metadata/promtheus",
        "has no plugin",
        "promtheus",
        '"prometheus"',
    ),
    (
        route(upstream={"nodes": {"169.254.169.254:80": 1}}),
        "routes/r.upstream.nodes.169.254.169.254:80",
        "metadata",
        "169.254.169.254",
        "",
    ),
    (
        route(upstream={"nodes": {"localhost:9180": 1}}),
        "routes/r.upstream.nodes.localhost:9180",
        "Admin API",
        "localhost",
        "",
    ),
    (
        route(upstream={"nodes": {"evil.example:80": 1}}),
        "routes/r.upstream.nodes.evil.example:80",
        "metadata",
        "evil.example",
        "",
    ),
    (
        route(upstream={"nodes": {"10.0.0.1:80": 1}, "checks": {"active": {"host": "2852039166"}}}),
        "routes/r.upstream.checks.active.host",
        "metadata",
        "2852039166",
        "",
    ),
    (route(filter_func="function(vars) return true end"), "routes/r.filter_func", "forbidden", None, ""),
    (
        operation("create", "routes", "r", {"uri": "/a", "host": "a", "hosts": ["b"], **UP}),
        "routes/r",
        "exclude each other",
        None,
        "keep one",
    ),
    (route(vars=[["arg_a", "=~", "x"]]), "routes/r", "", None, ""),
    (route(labels={"a": "b c"}), "routes/r.labels.a", "does not match", "b c", ""),
]


@pytest.mark.parametrize(("wanted", "path", "message", "value", "fix"), CASES)
async def test_an_error_names_its_field_what_was_wrong_and_what_would_be_right(
    admin: AdminClient, wanted: Operation, path: str, message: str, value: Any, fix: str
) -> None:
    found = await told(admin, [wanted])
    at = [it for it in found if it.path == path]
    assert at, found
    assert any(message in it.message and it.value == value and fix in it.fix for it in at), at


async def test_every_error_of_every_resource_is_told_at_once(admin: AdminClient) -> None:
    found = await told(
        admin,
        [
            operation(
                "create", "routes", "a", {"uri": 1, "plugins": {"nope": {}, "cors": {"max_age": "x"}}, **UP}
            ),
            operation("create", "upstreams", "b", {"nodes": {"a:1": "x"}, "retries": -1}),
            operation("create", "routes", "c", {"uri": "/c", "upstream_id": "zzz"}),
        ],
    )
    paths = {it.path for it in found}
    assert {
        "routes/a.uri",
        "routes/a.plugins.nope",
        "routes/a.plugins.cors.max_age",
        "upstreams/b.retries",
        "routes/c.upstream_id",
    } <= paths


async def test_the_gateway_is_asked_what_no_schema_says(admin: AdminClient) -> None:
    wrong = {"proxy-rewrite": {"regex_uri": ["^/(", "/x"]}, "cors": {"max_age": "x"}}
    found = await told(admin, [route(plugins=wrong)])
    assert {it.path for it in found} >= {"routes/r.plugins.cors.max_age"}
    assert any("regex_uri" in it.message for it in found)


@pytest.mark.parametrize("marker", [ENTER, GENERATE, "$env://KEY"])
async def test_a_secret_to_come_is_no_error(admin: AdminClient, marker: str) -> None:
    found = await told(admin, [operation("create", "consumers", "jack", {"plugins": {"basic-auth": {}}})])
    assert found
    if marker != "$env://KEY":  # the embedded gateway itself refuses references
        assert await told(admin, [consumer({"key": marker})]) == []


@pytest.mark.parametrize("marker", [ENTER, GENERATE])
@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("labels.db", {"labels": {"db": "MARKER"}}),
        (
            "plugins.response-rewrite.headers.set.X-Any",
            {"plugins": {"response-rewrite": {"headers": {"set": {"X-Any": "MARKER"}}}}},
        ),
    ],
)
async def test_no_person_is_asked_for_a_secret_that_all_could_read(
    admin: AdminClient, path: str, value: dict[str, Any], marker: str
) -> None:
    asked = json.loads(json.dumps(value).replace("MARKER", marker))
    found = await told(admin, [route(**asked)], secrets_allowed=True)
    assert [it.path for it in found if "no secret field" in it.message] == [f"routes/r.{path}"]


async def test_secrets_in_plain_text_pass_where_the_policy_allows_them(admin: AdminClient) -> None:
    assert await told(admin, [consumer({"key": "hunter2"})], secrets_allowed=True) == []


async def test_a_secret_that_is_there_already_is_not_new(admin: AdminClient) -> None:
    here = {"consumers": {"jack": {"username": "jack", "plugins": {"key-auth": {"key": "one"}}}}}
    assert await told(admin, [operation("merge", "consumers", "jack", {"desc": "x"})], here) == []


async def test_no_error_tells_a_secret(admin: AdminClient) -> None:
    conf = {"key": ["canary-in-a-list"]}
    found = await told(admin, [consumer(conf), route(plugins={"custom": {"password": "canary-2"}})])
    assert found
    assert "canary" not in str(found)


async def test_what_was_there_and_is_unknown_is_left_alone(admin: AdminClient) -> None:
    plugins = {"cors": {"allow_origin": "x"}}
    here = {"routes": {"r": {"uri": "/a", "plugins": plugins, **UP}}}
    assert await told(admin, [operation("merge", "routes", "r", {"desc": "x"})], here) == []


async def test_what_the_gateway_judges_itself_is_not_asked_twice(admin: AdminClient) -> None:
    assert await told(admin, [route(priority="high")], ask=False) == []


@pytest.mark.parametrize(
    ("wanted", "missed"),
    [
        pytest.param(operation("merge", "ssls", "t", {"status": 0}), [], id="merged"),
        pytest.param(
            operation("replace", "ssls", "t", {"snis": ["b.example"], "cert": "c"}),
            [],
            id="replaced with its own certificate, as undo does",
        ),
        pytest.param(
            operation("replace", "ssls", "t", {"snis": ["a.example"], "cert": "d"}),
            ["ssls/t"],
            id="replaced with another certificate",
        ),
        pytest.param(
            operation("create", "ssls", "n", {"sni": "n.example", "cert": "c"}), ["ssls/n"], id="new"
        ),
    ],
)
async def test_the_private_key_that_no_admin_api_shows_is_missed_only_where_it_is_needed(
    admin: AdminClient, wanted: Operation, missed: list[str]
) -> None:
    here = {"ssls": {"t": {"snis": ["a.example"], "cert": "c"}}}
    problems = await told(admin, [wanted], here)
    assert [problem.path for problem in problems if "key" in problem.message] == missed


SHARED: Kinds = {
    "upstreams": {"u": {}, "w": {}},
    "services": {"s": {"upstream_id": "u"}},
    "consumer_groups": {"g": {}},
    "consumers": {"jack": {"group_id": "g"}},
    "routes": {
        "1": {"service_id": "s"},
        "2": {"plugins": {"traffic-split": {"rules": [{"weighted_upstreams": [{"upstream_id": "w"}]}]}}},
    },
}


@pytest.mark.parametrize(
    ("operations", "path", "message"),
    [
        ([operation("delete", "upstreams", "u")], "upstreams/u", "services/s would still use it"),
        ([operation("delete", "upstreams", "w")], "upstreams/w", "routes/2 would still use it"),
        ([operation("delete", "services", "s")], "services/s", "routes/1 would still use it"),
        (
            [operation("delete", "consumer_groups", "g")],
            "consumer_groups/g",
            "consumers/jack would still use it",
        ),
        ([operation("delete", "services", "s"), operation("delete", "routes", "1")], None, ""),
        (
            [operation("delete", "services", "s"), operation("merge", "routes", "1", {"service_id": None})],
            None,
            "",
        ),
        (
            [operation("create", "credentials", "jil/credentials/c", {})],
            "credentials/jil/credentials/c",
            "there is no consumer jil",
        ),
        (
            [
                operation("create", "consumers", "jil", {}),
                operation("create", "credentials", "jil/credentials/c", {}),
            ],
            None,
            "",
        ),
    ],
)
def test_references_hold_after_the_plan(operations: list[Operation], path: str | None, message: str) -> None:
    before = configuration(SHARED)
    found = resolve(operations, before, Redactor())
    problems = references(found.edits, after(before, found.edits))
    if path is None:
        assert not problems
    else:
        assert [it.path for it in problems] == [path]
        assert message in problems[0].message


class OldApisix:
    """Before 3.17: no /configs/validate. ``asked`` are the paths; every resource named "bad" is refused."""

    def __init__(self, admin: AdminClient, status: int = 404) -> None:
        self._admin = admin
        self._status = status
        self.asked: list[str] = []

    async def send(self, method: str, target: bytes, headers: dict[str, str], body: bytes = b"") -> Answer:
        path = target.decode().removeprefix("/apisix/admin/")
        if method == "GET":
            return await self._admin.send(method, target, headers, body)
        self.asked.append(path)
        if path == "configs/validate":
            return Answer(self._status, {}, b'{"error_msg":"Unsupported resource type: configs"}')
        if json.loads(body).get("name") == "bad":
            text = b'{"error_msg":"property \\"name\\" validation failed: it is bad"}'
            return Answer(400, {}, text)
        return Answer(200, {}, b"")


@pytest.mark.parametrize("status", [404, 400])
async def test_an_older_apisix_is_asked_about_one_resource_at_a_time(admin: AdminClient, status: int) -> None:
    old = OldApisix(admin, status)
    bad = operation("create", "routes", "x", {"name": "bad", "uri": "/x", **UP})
    (problem,) = await told(old, [route(), bad])
    assert old.asked == ["configs/validate", "schema/validate/routes", "schema/validate/routes"]
    assert (problem.path, problem.target and problem.target.id) == ("routes/x.name", "x")


class LooksForCertificates:
    """As APISIX 3.18: /configs/validate looks a client certificate up, which no other reference is."""

    def __init__(self, admin: AdminClient) -> None:
        self._admin = admin

    async def send(self, method: str, target: bytes, headers: dict[str, str], body: bytes = b"") -> Answer:
        if method == "GET":
            return await self._admin.send(method, target, headers, body)
        words = "failed to fetch ssl info by ssl id [own], response code: 404"
        error = {"resource_type": "upstreams", "resource_id": "u", "index": 0, "error": words}
        return Answer(400, {}, json.dumps({"errors": [error]}).encode())


@pytest.mark.parametrize(
    ("made", "missing"),
    [
        pytest.param(
            [operation("create", "ssls", "own", {"type": "client", "cert": ENTER})], set(), id="made too"
        ),
        pytest.param([], {"upstreams/u.tls.client_cert_id"}, id="not there"),
    ],
)
async def test_a_certificate_that_the_plan_makes_is_not_missed(
    admin: AdminClient, made: list[Operation], missing: set[str]
) -> None:
    tls = {"client_cert_id": "own"}
    wants = operation("create", "upstreams", "u", {"nodes": {"10.0.0.1:443": 1}, "tls": tls})
    problems = await told(LooksForCertificates(admin), [*made, wants])
    assert {it.path for it in problems if it.target and it.target.kind == "upstreams"} == missing


class ForViewers:
    """As APISIX answers a key of its role viewer: what is no GET is refused, also a mere check."""

    def __init__(self, admin: AdminClient) -> None:
        self._admin = admin

    async def send(self, method: str, target: bytes, headers: dict[str, str], body: bytes = b"") -> Answer:
        if method == "GET":
            return await self._admin.send(method, target, headers, body)
        words = {"description": "invalid method for role viewer", "error_msg": "failed to check token"}
        return Answer(401, {}, json.dumps(words).encode())


async def test_an_admin_key_that_may_only_read_is_said(admin: AdminClient) -> None:
    (problem,) = await told(ForViewers(admin), [route()])
    assert "refuses the assistant's admin key for writing" in problem.message
    assert "role admin" in problem.fix


class Broken:
    async def send(self, method: str, target: bytes, headers: dict[str, str], body: bytes = b"") -> Answer:
        return Answer(401, {}, b"{}")


async def test_a_wrong_admin_key_is_said() -> None:
    with pytest.raises(Failure, match="admin key"):
        await Catalogues(Broken()).get()


async def test_the_catalogue_is_what_the_gateway_tells(admin: AdminClient) -> None:
    catalogues = Catalogues(admin)
    catalogue = await catalogues.get()
    assert catalogue.plugins["key-auth"].signs_in
    assert catalogue.plugins["key-auth"].consumer is not None
    assert "uri" in catalogue.kinds["routes"]["properties"]
    assert await catalogues.get() is catalogue
