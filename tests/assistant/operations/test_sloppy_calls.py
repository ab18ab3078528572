"""What models write that is plausible and not quite right: it is understood, and said, or the error leads to
the right call in one step. Nothing is ignored.
"""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from gatechat.assistant.core import Core
from gatechat.assistant.principal import Principal, Role
from gatechat.assistant.settings import AssistantSettings
from tests.conftest import ADMIN_KEY, GatewayUnderTest

EDITOR = Principal("local", Role.EDITOR, "mcp")
UPSTREAM: Final = {"type": "roundrobin", "nodes": {"127.0.0.1:1": 1}}
ROUTE: Final = {"uri": "/new", "upstream": UPSTREAM}


def one(**operation: Any) -> dict[str, Any]:
    return {"reason": "a test", "operations": [operation]}


def create(**value: Any) -> dict[str, Any]:
    return one(action="create", kind="routes", value=ROUTE | value)


def merge(**value: Any) -> dict[str, Any]:
    return one(action="merge", kind="routes", id="1", value=value)


UNDERSTOOD = [
    ("a host with its scheme", "find", {"where": {"host": "https://b.com"}}, "as b.com"),
    ("plugins as a name", "describe", {"name": "plugins"}, "in the order in which they run"),
    (
        "a plugin of another kind",
        "find",
        {"kind": "services", "where": {"plugin": "key-auth"}},
        "written in routes/1",
    ),
    (
        "a probe by itself",
        "plan",
        {**merge(desc="x"), "probes": {"path": "/b", "status": 200}},
        "GET /b answers 200",
    ),
    ("a kind in the singular", "find", {"kind": "route"}, "2 routes."),
    ("a kind in capitals", "find", {"kind": "Consumer Groups"}, "0 consumer groups."),
    ("a label with a colon", "find", {"where": {"label": "tier:gold"}}, "label tier:gold as tier=gold"),
    ("labels as an object", "find", {"where": {"labels": {"tier": "gold"}}}, "1 of 2 routes"),
    ("plugins for plugin", "find", {"where": {"plugins": "key-auth"}}, "plugins as plugin"),
    ("uri for path", "find", {"where": {"uri": "/a/*"}}, "uri as path"),
    ("a status in another word", "find", {"where": {"status": "disabled"}}, "status disabled as off"),
    (
        "a state in another word",
        "find",
        {"where": {"holds": "no authentication"}},
        "1 of 2 routes: holds reach",
    ),
    ("all of them", "find", {"where": {"all": True}}, "2 routes."),
    ("a node for an upstream", "find", {"where": {"node": "127.0.0.1:1"}}, "2 of 2 routes"),
    ("a page as text", "find", {"page": "1"}, "2 routes."),
    ("a kind in the singular, of get", "get", {"kind": "route", "id": "1"}, "kind route as routes"),
    ("an id as a number", "get", {"kind": "routes", "id": 1}, "routes/1, as stored"),
    ("a name for an id", "get", {"kind": "routes", "name": "alpha"}, "name as id"),
    ("an id with its kind", "get", {"kind": "routes", "id": "routes/1"}, "routes/1, as stored"),
    ("one field", "get", {"kind": "routes", "id": "1", "fields": "plugins"}, "fields as a list of one"),
    ("a plugin for a name", "describe", {"plugin": "key-auth"}, "plugin as name"),
    ("a kind for a name", "describe", {"kind": "route"}, "routes. * is needed"),
    ("a path for a url", "explain_request", {"path": "/a/b"}, "Route 1 answers."),
    ("a method in small letters", "explain_request", {"url": "/a/b", "method": "get"}, "Route 1 answers."),
    ("a url for a path", "send_request", {"url": "/b"}, "Route 2 answers."),
    ("a limit as text", "history", {"limit": "5"}, "Nothing was changed"),
    ("a resource in the singular", "history", {"resource": "route/alpha"}, "Nothing was changed"),
    ("a kind in the singular, of plan", "plan", one(action="create", kind="route", value=ROUTE), "as routes"),
    (
        "an id as a number, of plan",
        "plan",
        one(action="merge", kind="routes", id=1, value={"desc": "x"}),
        "routes/1",
    ),
    (
        "resources as JSON text",
        "plan",
        one(action="create", kind="routes", value=json.dumps(ROUTE)),
        "in its text",
    ),
    (
        "operations as JSON text",
        "plan",
        {"reason": "a test", "operations": json.dumps(create()["operations"])},
        "JSON",
    ),
    ("one operation", "plan", {"reason": "a test", "operations": create()["operations"][0]}, "a list of one"),
    (
        "another name for value",
        "plan",
        one(action="create", kind="routes", resource=ROUTE),
        "resource as value",
    ),
    (
        "a label with a colon, of plan",
        "plan",
        one(action="merge", kind="routes", where={"label": "tier:gold"}, value={"desc": "x"}),
        "Selected: 1 route with label tier=gold",
    ),
    (
        "a whole resource with its times",
        "plan",
        one(
            action="replace",
            kind="routes",
            id="2",
            value={
                "id": "2",
                "create_time": 1,
                "update_time": 2,
                "uri": "/b",
                "upstream": UPSTREAM,
                "desc": "x",
            },
        ),
        '+ desc: "x"\nRisk',
    ),
    (
        "nodes as a list",
        "plan",
        one(action="create", kind="upstreams", value={"nodes": ["10.0.0.1"]}),
        "10.0.0.1:80",
    ),
    (
        "a limit without its key",
        "plan",
        create(plugins={"limit-count": {"count": 1, "time_window": 9}}),
        "waiting",
    ),
]

REFUSED = [
    (
        "a state of another kind",
        "find",
        {"kind": "upstreams", "where": {"holds": "no rate limit"}},
        "said of routes",
    ),
    ("a client that is none", "explain_request", {"url": "/a", "client": "jack"}, "give an IP address"),
    (
        "a deletion with a value",
        "plan",
        one(action="delete", kind="routes", id="1", value={"desc": "x"}),
        "takes none",
    ),
    (
        "an unknown key of a probe",
        "plan",
        {**merge(desc="x"), "probes": [{"url": "/b"}]},
        "there are: contains",
    ),
    ("an unknown kind", "find", {"kind": "rule"}, "There are routes, services"),
    ("plugins as a kind", "find", {"kind": "plugins"}, "describe"),
    ("a filter outside of where", "find", {"label": "tier=gold"}, 'it goes into where: {"label": …}'),
    ("a state outside of where", "find", {"holds": "unused"}, 'it goes into where: {"holds": …}'),
    ("where as text", "find", {"where": "key-auth"}, 'give filters by name: {"plugin": "key-auth"}'),
    ("a limit", "find", {"limit": 5}, "it shows 20 a page"),
    (
        "a filter that the kind has not",
        "find",
        {"kind": "consumers", "where": {"path": "/"}},
        "works for routes",
    ),
    ("an unknown filter", "find", {"where": {"colour": "red"}}, "There are text, id, name"),
    ("get without a kind", "get", {"id": "1"}, "kind: is needed"),
    ("a misspelt name", "get", {"kind": "routes", "id": "alfa"}, "Did you mean alpha?"),
    ("a misspelt view", "get", {"kind": "routes", "id": "1", "view": "effective"}, "did you mean in effect?"),
    ("a plugin written otherwise", "describe", {"name": "KeyAuth"}, "Did you mean key-auth?"),
    ("a misspelt field", "describe", {"name": "key-auth", "field": "headers"}, "did you mean header?"),
    ("a host as an argument", "explain_request", {"url": "/a", "host": "b.com"}, 'headers: {"Host"'),
    (
        "a url without its scheme",
        "explain_request",
        {"url": "b.com/a"},
        "begins with /, or a whole http:// URL",
    ),
    ("another host", "send_request", {"path": "http://b.com/a"}, "to the gateway and nowhere else"),
    ("a method that changes", "send_request", {"path": "/a", "method": "delete"}, "the policy allows GET"),
    ("a bare name", "history", {"resource": "alpha"}, "write it like routes/1"),
    ("kind and id", "history", {"kind": "routes", "id": "1"}, 'resource: "routes/1"'),
    ("too long a watch", "traffic", {"seconds": 60}, "maximum of 30"),
    ("minutes", "traffic", {"minutes": 5}, "seconds: 0 is all since the gateway started"),
    ("an update", "plan", one(action="update", kind="routes", id="1", value={}), "merge changes the fields"),
    ("YAML", "plan", one(action="create", kind="routes", value="uri: /y"), "give it as a JSON object"),
    (
        "a name beside the operation",
        "plan",
        one(action="delete", kind="routes", name="alpha"),
        "give it as id",
    ),
    ("ids", "plan", one(action="delete", kind="routes", ids=["1", "2"]), 'where: {"id": ["1", "2"]}'),
    (
        "a list of ids",
        "plan",
        one(action="delete", kind="routes", id=["1", "2"]),
        'where: {"id": ["1", "2"]}',
    ),
    ("a deletion of nothing named", "plan", one(action="delete", kind="routes"), "a selection (where)"),
    ("an empty selection", "plan", one(action="delete", kind="routes", where={}), '{"all": true}'),
    ("a star for an id", "plan", one(action="delete", kind="routes", id="*"), "There are 2: 1, 2"),
    ("an unknown kind, of plan", "plan", one(action="delete", kind="rule", id="1"), "none of its values"),
    ("plugins as a list", "plan", create(plugins=["key-auth"]), "plugins: must be object, not a list"),
    ("methods in small letters", "plan", create(methods=["get"]), 'did you mean "GET"?'),
    ("a path with a query", "plan", create(uri="/x?y=1"), "asks for one"),
    ("a path without its slash", "plan", create(uris=["b.com/x"]), "a path begins with /"),
    ("one method", "plan", create(methods="GET"), "write it as a list"),
    ("an unknown field", "plan", create(backend="a:1"), "there is no such field"),
    ("a misspelt plugin", "plan", merge(plugins={"keyauth": {}}), 'did you mean "key-auth"?'),
    ("a plugin that is not there", "plan", create(plugins={"traffic-split": {}}), "there are: cors,"),
    ("a status in words", "plan", merge(status="off"), "allowed are 1, 0"),
    ("an upstream that is not there", "plan", merge(upstream_id="pool"), "there is no upstreams/pool"),
    ("no reason", "plan", {"operations": create()["operations"]}, "reason: is needed"),
    ("an operation without its list", "plan", {"reason": "x", "action": "delete"}, "it goes into operations"),
    ("a consent", "plan", {**create(), "confirm": True}, "a person does, on its page"),
    ("a consent, of apply", "apply", {"plan": "x", "force": True}, "a person does, on its page"),
    (
        "a key in plain text",
        "plan",
        one(
            action="create",
            kind="consumers",
            value={"username": "jo", "plugins": {"key-auth": {"key": "s3cr3t-x"}}},
        ),
        '"[generate]" to have one made',
    ),
    ("a plan that is not there", "apply", {"id": "x"}, "there is no plan x; `history` lists the newest"),
]


@pytest.fixture
async def core(gateway: GatewayUnderTest) -> Any:
    labels = {"tier": "gold"}
    gateway.put("routes/1", {"uri": "/a/*", "name": "alpha", "labels": labels, "upstream": UPSTREAM, **_KEY})
    gateway.put("routes/2", {"uri": "/b", "upstream": UPSTREAM})
    app = gateway.gateway
    made = Core(AssistantSettings(admin_url=app.admin_url, admin_key=ADMIN_KEY, gateway_url=app.proxy_url))
    yield made
    await made.close()


_KEY: Final = {"plugins": {"key-auth": {}}}


def rows(cases: list[tuple[str, str, dict[str, Any], str]]) -> Any:
    return [pytest.param(tool, arguments, says, id=words) for words, tool, arguments, says in cases]


@pytest.mark.parametrize(("tool", "arguments", "says"), rows(UNDERSTOOD))
async def test_understood(core: Core, tool: str, arguments: dict[str, Any], says: str) -> None:
    outcome = await core.call(tool, arguments, EDITOR)
    assert not outcome.is_error, outcome.text
    assert says in outcome.text


@pytest.mark.parametrize(("tool", "arguments", "says"), rows(REFUSED))
async def test_refused_with_the_way_on(core: Core, tool: str, arguments: dict[str, Any], says: str) -> None:
    outcome = await core.call(tool, arguments, EDITOR)
    assert outcome.is_error, outcome.text
    assert says in outcome.text
