"""Which route a request takes, on the real Envoy. Rows are (request, the id of the route that must answer).

Source of the expectations: APISIX's t/router/*.t and t/node/*.t, and its routers (radixtree_host_uri.lua,
lua-resty-radixtree).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.conftest import GatewayUnderTest

Request = tuple[str, str, Mapping[str, str]]


def get(path: str, host: str | None = None, **headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return ("GET", path, named | ({"host": host} if host else {}))


def post(path: str) -> Request:
    return ("POST", path, {})


CASES: dict[str, tuple[dict[str, dict[str, Any]], list[tuple[Request, str | None]]]] = {
    "an exact path is matched whole": (
        {"a": {"uri": "/hello"}},
        [
            (get("/hello"), "a"),
            (get("/hello?x=1"), "a"),
            (get("/hello/"), None),
            (get("/hell"), None),
            (get("/"), None),
        ],
    ),
    "an exact path comes before a prefix, and a longer prefix before a shorter": (
        {"all": {"uri": "/*"}, "foo": {"uri": "/foo/*"}, "bar": {"uri": "/foo/bar"}, "fo": {"uri": "/fo*"}},
        [
            (get("/foo/bar"), "bar"),
            (get("/foo/bar/x"), "foo"),
            (get("/foo/"), "foo"),
            (get("/foo"), "fo"),
            (get("/x"), "all"),
            (get("/"), "all"),
        ],
    ),
    "a prefix beats a priority that stands at a shorter prefix": (
        {"short": {"uri": "/a/*", "priority": 10}, "long": {"uri": "/a/b/*"}},
        [(get("/a/b/c"), "long"), (get("/a/c"), "short")],
    ),
    "of routes at the same path the one with the higher priority wins": (
        {"low": {"uri": "/p"}, "high": {"uri": "/p", "priority": 1}},
        [(get("/p"), "high")],
    ),
    "of equal priorities the first created wins": (
        {"z": {"uri": "/p"}, "a": {"uri": "/p"}},
        [(get("/p"), "z")],
    ),
    "a route may have several paths": (
        {"a": {"uris": ["/one", "/two/*"]}},
        [(get("/one"), "a"), (get("/two/x"), "a"), (get("/three"), None)],
    ),
    "a parameter stands for one segment": (
        {"a": {"uri": "/user/:id"}, "b": {"uri": "/user/:id/posts/:post"}},
        [
            (get("/user/7"), "a"),
            (get("/user/"), None),
            (get("/user/7/"), None),
            (get("/user/7/posts/x"), "b"),
            (get("/user/7/posts"), None),
        ],
    ),
    "a named rest stands for all segments that follow": (
        {"a": {"uri": "/files/*path"}, "b": {"uri": "/v/*path/end"}},
        [(get("/files/a/b"), "a"), (get("/files/"), "a"), (get("/v/x/y/end"), "b"), (get("/v/x/y"), None)],
    ),
    "a dot in a path with parameters is a dot": (
        {"a": {"uri": "/a.b/:id"}},
        [(get("/a.b/1"), "a"), (get("/aXb/1"), None)],
    ),
    "a colon inside of a segment means itself": (
        {"a": {"uri": "/file:list"}},
        [(get("/file:list"), "a"), (get("/file:other"), None)],
    ),
    "a path that the parameters do not fit goes on to the shorter prefix": (
        {"a": {"uri": "/user/:id"}, "all": {"uri": "/*"}},
        [(get("/user/1/2"), "all"), (get("/user/1"), "a")],
    ),
    "a literal segment is at the longer prefix than a parameter in its place": (
        {"a": {"uri": "/name/:name/foo"}, "b": {"uri": "/name/json/foo"}},
        [(get("/name/json/foo"), "b"), (get("/name/x/foo"), "a")],
    ),
    "a path is normalised before it is matched": (
        {"a": {"uri": "/a/b"}},
        [(get("/a//b"), "a"), (get("/a/./c/../b"), "a"), (get("/%61/b"), "a")],
    ),
    "a path with letters beyond ASCII is matched as its percent-encoding": (
        {"a": {"uri": "/grüße/*"}},
        [(get("/gr%C3%BC%C3%9Fe/x"), "a")],
    ),
    "methods are part of the match": (
        {"post": {"uri": "/m", "methods": ["POST", "PUT"]}, "all": {"uri": "/*"}},
        [(post("/m"), "post"), (get("/m"), "all")],
    ),
    "a method without a route is not found": (
        {"post": {"uri": "/m", "methods": ["POST"]}},
        [(post("/m"), "post"), (get("/m"), None)],
    ),
    "of an exact path a miss goes on to the prefixes": (
        {"a": {"uri": "/m", "methods": ["POST"]}, "b": {"uri": "/m*", "methods": ["GET"]}},
        [(get("/m"), "b"), (post("/m"), "a")],
    ),
    "an exact host comes before a wildcard, and that before none": (
        {
            "none": {"uri": "/h"},
            "wild": {"uri": "/h", "host": "*.foo.com"},
            "exact": {"uri": "/h", "host": "a.foo.com"},
            "deeper": {"uri": "/h", "hosts": ["*.b.foo.com", "other.org"]},
        },
        [
            (get("/h", "a.foo.com"), "exact"),
            (get("/h", "x.foo.com"), "wild"),
            (get("/h", "x.b.foo.com"), "deeper"),
            (get("/h", "other.org"), "deeper"),
            (get("/h", "foo.com"), "none"),
            (get("/h", "bar.com"), "none"),
        ],
    ),
    "a path that the host's routes do not have is looked for at the wider hosts": (
        {
            "a": {"uri": "/only", "host": "a.foo.com"},
            "b": {"uri": "/wild", "host": "*.foo.com"},
            "c": {"uri": "/*"},
        },
        [
            (get("/only", "a.foo.com"), "a"),
            (get("/wild", "a.foo.com"), "b"),
            (get("/rest", "a.foo.com"), "c"),
        ],
    ),
    "a host's prefix comes before an exact path of any host": (
        {"host": {"uri": "/*", "host": "foo.com"}, "any": {"uri": "/x"}},
        [(get("/x", "foo.com"), "host"), (get("/x", "bar.com"), "any")],
    ),
    "a host is matched without its port and whatever its case": (
        {"a": {"uri": "/h", "host": "Foo.com"}, "w": {"uri": "/w", "host": "*.foo.com"}},
        [
            (get("/h", "foo.com:8080"), "a"),
            (get("/h", "FOO.com"), "a"),
            (get("/h", "fOO.com:99"), "a"),
            (get("/w", "X.foo.com:1234"), "w"),
            (get("/h", "foo.com.org"), None),
        ],
    ),
    "a wildcard takes no host that is another's, however it is spelled": (
        {
            "exact": {"uri": "/*", "host": "x.foo.com"},
            "deeper": {"uri": "/*", "host": "*.b.foo.com"},
            "wild": {"uri": "/*", "host": "*.foo.com"},
            "star": {"uri": "/*", "host": "*"},
        },
        [
            (get("/h", "X.foo.com"), "exact"),
            (get("/h", "x.FOO.com:81"), "exact"),
            (get("/h", "y.B.foo.com"), "deeper"),
            (get("/h", "Y.foo.com:81"), "wild"),
            (get("/h", "Bar.org"), "star"),
            (get("/h", "[::1]:81"), "star"),
            (get("/h", "[::1]"), "star"),
        ],
    ),
    "nor does a wildcard without a dot": (
        {"exact": {"uri": "/*", "host": "x.foo.com"}, "wild": {"uri": "/*", "host": "*foo.com"}},
        [
            (get("/h", "X.foo.com:81"), "exact"),
            (get("/h", "BarFoo.com"), "wild"),
            (get("/h", "[::1]:81"), None),
        ],
    ),
    "a wildcard without a dot takes every host that ends so": (
        {"a": {"uri": "/h", "host": "*foo.com"}, "b": {"uri": "/h", "host": "*.foo.com"}, "c": {"uri": "/*"}},
        [
            (get("/h", "barfoo.com"), "a"),
            (get("/h", "foo.com"), "a"),
            (get("/h", "x.foo.com"), "b"),
            (get("/i", "x.foo.com"), "c"),
        ],
    ),
    "the host * is any host": (
        {"star": {"uri": "/h", "host": "*"}, "none": {"uri": "/*"}},
        [(get("/h", "x.org"), "star"), (get("/i", "x.org"), "none")],
    ),
    "an address or a network is part of the match": (
        {
            "lan": {"uri": "/r", "remote_addr": "10.0.0.0/8", "priority": 1},
            "six": {"uri": "/r", "remote_addrs": ["2001:db8::/32", "::2"], "priority": 1},
            "self": {"uri": "/r", "remote_addrs": ["127.0.0.1", "192.168.0.0/16"]},
        },
        [
            (get("/r"), "self"),
            (get("/r", x_real_ip="10.1.2.3"), "lan"),
            (get("/r", x_real_ip="2001:db8::7"), "six"),
            (get("/r", x_real_ip="::2"), "six"),
            (get("/r", x_real_ip="11.1.2.3"), None),
        ],
    ),
    "conditions are asked in the order of priority, and a miss goes on": (
        {
            "one": {"uri": "/v", "vars": [["arg_a", "==", "1"]], "priority": 2},
            "two": {"uri": "/v", "vars": [["http_x_tier", "==", "gold"]], "priority": 1},
            "all": {"uri": "/*"},
        },
        [
            (get("/v?a=1"), "one"),
            (get("/v?a=1", x_tier="gold"), "one"),
            (get("/v?a=2", x_tier="gold"), "two"),
            (get("/v"), "all"),
        ],
    ),
    "a conditional route that misses is not found when nothing else is there": (
        {"one": {"uri": "/v", "vars": [["arg_a", "==", "1"]]}},
        [(get("/v?a=1"), "one"), (get("/v"), None)],
    ),
    "conditions stand beside methods, addresses and parameters": (
        {
            "c": {
                "uri": "/v/:id",
                "methods": ["GET"],
                "remote_addr": "127.0.0.1",
                "vars": [["uri_param_id", "==", "7"]],
            },
            "all": {"uri": "/*"},
        },
        [
            (get("/v/7"), "c"),
            (get("/v/8"), "all"),
            (post("/v/7"), "all"),
            (get("/v/7", x_real_ip="10.0.0.1"), "all"),
        ],
    ),
    "a conditional route of a host goes on to the routes of any host, deeper paths included": (
        {
            "canary": {"uri": "/*", "host": "foo.com", "vars": [["cookie_beta", "==", "1"]]},
            "deep": {"uri": "/a/b/*"},
            "exact": {"uri": "/a/x"},
            "all": {"uri": "/*"},
        },
        [
            (get("/a/b/c", "foo.com", cookie="beta=1"), "canary"),
            (get("/a/b/c", "foo.com"), "deep"),
            (get("/a/x", "foo.com"), "exact"),
            (get("/q", "foo.com"), "all"),
            (get("/q", "bar.com", cookie="beta=1"), "all"),
        ],
    ),
    "a route with status 0 is not there": (
        {"off": {"uri": "/s", "status": 0}, "on": {"uri": "/s*", "status": 1}},
        [(get("/s"), "on")],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_requests_take_the_route_that_apisix_would_choose(gateway: GatewayUnderTest, name: str) -> None:
    routes, expected = CASES[name]
    for id, route in routes.items():
        upstream = {"nodes": gateway.nodes(), "pass_host": "rewrite", "upstream_host": f"{id}.route"}
        gateway.put(f"routes/{id}", {**route, "upstream": upstream})
    for (method, path, headers), wanted in expected:
        answer = gateway.client.request(method, path, headers=dict(headers))
        took = answer.json()["headers"]["host"].removesuffix(".route") if answer.status_code == 200 else None
        assert (took, answer.status_code) == (wanted, 200 if wanted else 404), (method, path, headers)


def test_a_request_that_no_route_wants_is_told_so_as_by_apisix(gateway: GatewayUnderTest) -> None:
    answer = gateway.client.get("/nowhere")
    assert answer.status_code == 404
    assert answer.json() == {"error_msg": "404 Route Not Found"}


def test_a_service_gives_its_routes_hosts_plugins_and_an_upstream(gateway: GatewayUnderTest) -> None:
    gateway.put("services/s", {"hosts": ["svc.com", "*.svc.org"], "upstream": {"nodes": gateway.nodes()}})
    gateway.put("routes/a", {"uri": "/a", "service_id": "s"})
    gateway.put("routes/b", {"uri": "/b", "service_id": "s", "host": "own.com"})
    got = {
        (path, host): gateway.client.get(path, headers={"host": host}).status_code
        for path in ("/a", "/b")
        for host in ("svc.com", "x.svc.org", "own.com")
    }
    assert [key for key, status in got.items() if status == 200] == [
        ("/a", "svc.com"),
        ("/a", "x.svc.org"),
        ("/b", "own.com"),
    ]
    gateway.put("services/s", {"hosts": ["new.com"], "upstream": {"nodes": gateway.nodes()}})
    assert gateway.client.get("/a", headers={"host": "new.com"}).status_code == 200
    assert gateway.client.get("/a", headers={"host": "svc.com"}).status_code == 404


def test_the_plugins_of_route_plugin_config_and_service_are_merged_in_this_order(
    gateway: GatewayUnderTest,
) -> None:
    def header(value: str) -> dict[str, Any]:
        return {"headers": {"set": {"x-from": value}}}

    gateway.put(
        "services/s",
        {
            "upstream": {"nodes": gateway.nodes()},
            "plugins": {"response-rewrite": header("service"), "proxy-rewrite": header("service")},
        },
    )
    gateway.put("plugin_configs/p", {"plugins": {"response-rewrite": header("config")}})
    gateway.put("routes/a", {"uri": "/a", "service_id": "s", "plugin_config_id": "p"})
    gateway.put(
        "routes/b",
        {
            "uri": "/b",
            "service_id": "s",
            "plugin_config_id": "p",
            "plugins": {"response-rewrite": header("route")},
        },
    )
    answers = {path: gateway.client.get(path) for path in ("/a", "/b")}
    assert {path: answer.headers["x-from"] for path, answer in answers.items()} == {
        "/a": "config",
        "/b": "route",
    }
    assert answers["/a"].json()["headers"]["x-from"] == "service"


@pytest.mark.parametrize(
    ("own", "of_service", "wanted"),
    [
        ({"upstream_id": "named"}, {"upstream": "inline"}, "named"),
        ({"upstream": "inline"}, {"upstream_id": "named"}, "inline"),
        ({}, {"upstream_id": "named"}, "named"),
        ({}, {"upstream": "inline"}, "inline"),
        ({"upstream": "inline", "upstream_id": "named"}, {}, "named"),
    ],
)
def test_the_nearest_upstream_is_used_and_an_id_before_an_inline_one(
    gateway: GatewayUnderTest, own: dict[str, Any], of_service: dict[str, Any], wanted: str
) -> None:
    def upstream(host: str) -> dict[str, Any]:
        return {"nodes": gateway.nodes(), "pass_host": "rewrite", "upstream_host": host}

    def filled(value: dict[str, Any]) -> dict[str, Any]:
        return {field: upstream("inline") if field == "upstream" else id for field, id in value.items()}

    gateway.put("upstreams/named", upstream("named"))
    gateway.put("services/s", filled(of_service))
    gateway.put("routes/a", {"uri": "/a", "service_id": "s", **filled(own)})
    assert gateway.client.get("/a").json()["headers"]["host"] == wanted


@pytest.mark.parametrize("host", ["guarded.org", "GUARDED.org", "guarded.org:81", "Guarded.Org:9999"])
@pytest.mark.parametrize("vars", [[], [["arg_a", "==", "1"]]])
def test_plugins_run_however_the_host_is_spelled(
    gateway: GatewayUnderTest, host: str, vars: list[list[str]]
) -> None:
    plugins = {"key-auth": {}, "response-rewrite": {"headers": {"set": {"x-ran": "1"}}}, "prometheus": {}}
    upstream = {"nodes": gateway.nodes()}
    route = {"uri": "/g", "host": "guarded.org", "plugins": plugins, "upstream": upstream}
    gateway.put("routes/g", {**route, **({"vars": vars} if vars else {})})
    gateway.put("consumers/jack", {"username": "jack", "plugins": {"key-auth": {"key": "sesame"}}})
    refused = gateway.client.get("/g?a=1", headers={"host": host})
    assert (refused.status_code, refused.headers.get("x-ran")) == (401, "1")
    answer = gateway.client.get("/g?a=1", headers={"host": host, "apikey": "sesame"})
    assert answer.status_code == 200
    assert answer.json()["headers"]["host"] == host
    assert answer.json()["headers"]["x-consumer-username"] == "jack"


CONDITIONS: list[tuple[str, Any, Request, Request | None]] = [
    ("==", [["arg_a", "==", "1"]], get("/v?a=1"), get("/v?a=2")),
    ("== without an operator", [["arg_a", "1"]], get("/v?a=1"), get("/v")),
    ("~=", [["arg_a", "~=", "1"]], get("/v"), get("/v?a=1")),
    (">", [["arg_a", ">", 9]], get("/v?a=10"), get("/v?a=9")),
    (">=", [["arg_a", ">=", 9]], get("/v?a=9"), get("/v?a=8.5")),
    ("<", [["arg_a", "<", 9]], get("/v?a=8.5"), get("/v?a=9")),
    ("<=", [["arg_a", "<=", 9]], get("/v?a=9"), get("/v?a=9.5")),
    ("~~", [["uri", "~~", "^/v/[a-z]+$"]], get("/v/abc"), get("/v/ABC")),
    ("~*", [["uri", "~*", "^/v/[a-z]+$"]], get("/v/ABC"), get("/v/1")),
    ("in", [["arg_a", "in", ["1", "2"]]], get("/v?a=2"), get("/v?a=3")),
    (
        "ipmatch",
        [["remote_addr", "ipmatch", ["10.0.0.0/8", "::1"]]],
        get("/v", x_real_ip="10.9.9.9"),
        get("/v"),
    ),
    ("!", [["arg_a", "!", "in", ["1", "2"]]], get("/v?a=3"), get("/v?a=1")),
    ("OR", ["OR", ["arg_a", "1"], ["arg_b", "1"]], get("/v?b=1"), get("/v?b=2")),
    ("!OR", ["!OR", ["arg_a", "1"], ["arg_b", "1"]], get("/v?b=2"), get("/v?b=1")),
    ("!AND", ["!AND", ["arg_a", "1"], ["arg_b", "1"]], get("/v?b=1"), get("/v?a=1&b=1")),
    (
        "AND and OR, nested",
        ["AND", ["arg_a", "1"], ["OR", ["arg_b", "1"], ["http_x_c", "1"]]],
        get("/v?a=1", x_c="1"),
        get("/v?a=1&b=2"),
    ),
    ("http_*", [["http_user_agent", "~~", "Fire"]], get("/v", user_agent="Firefox"), get("/v")),
    ("cookie_*", [["cookie_sid", "==", "7"]], get("/v", cookie="a=b; sid=7"), get("/v", cookie="sid=8")),
    ("uri", [["uri", "==", "/v/x"]], get("/v/x?a=1"), get("/v/y")),
    ("host", [["host", "==", "foo.com"]], get("/v", "FOO.com:81"), get("/v", "bar.com")),
    ("request_method", [["request_method", "==", "GET"]], get("/v"), post("/v")),
    ("remote_addr", [["remote_addr", "==", "127.0.0.1"]], get("/v"), get("/v", x_real_ip="10.0.0.1")),
    ("scheme", [["scheme", "==", "http"]], get("/v"), None),
    ("server_port", [["server_port", "==", "PORT"]], get("/v"), None),
    ("request_uri", [["request_uri", "==", "/v?a=1"]], get("/v?a=1"), get("/v")),
    ("a decoded argument", [["arg_a", "==", "ü 1"]], get("/v?a=%C3%BC+1"), get("/v?a=u")),
]


@pytest.mark.parametrize(
    ("vars_", "meets", "misses"), [row[1:] for row in CONDITIONS], ids=[row[0] for row in CONDITIONS]
)
def test_a_condition_decides(
    gateway: GatewayUnderTest, vars_: Any, meets: Request, misses: Request | None
) -> None:
    port = str(gateway.client.base_url.port)
    filled = [
        [port if item == "PORT" else item for item in rule] if isinstance(rule, list) else rule
        for rule in vars_
    ]
    gateway.put("routes/v", {"uri": "/v*", "vars": filled, "upstream": {"nodes": gateway.nodes()}})
    for request, status in ((meets, 200), (misses, 404)):
        if request is not None:
            method, path, headers = request
            assert gateway.client.request(method, path, headers=dict(headers)).status_code == status
