"""Which route answers, asked of the configuration alone and of a real gateway: both say the same."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import Any

import pytest

from gatechat.assistant.admin_client import AdminClient
from gatechat.assistant.view.configuration import Configuration, load
from gatechat.assistant.view.match import Explanation, router
from gatechat.assistant.view.request import Request
from tests.assistant.view.rig import configuration
from tests.conftest import ADMIN_KEY, GatewayUnderTest


def explained(routes: Mapping[str, Mapping[str, Any]], request: Request) -> Explanation:
    return router(configuration(routes=routes)).explain(request)


def get(target: str, host: str = "", **more: Any) -> Request:
    return Request("GET", target, host, **more)


# Against the real gateway -----------------------------------------------------------------------------------

_PATHS = ["/", "/a", "/a/", "/a/b", "/a/b/c", "/ab", "/a/7", "/a/7/x", "/b.c/d", "/A"]
_URIS = [
    "/*",
    "/a",
    "/a*",
    "/a/*",
    "/a/b",
    "/a/b/*",
    "/a/:id",
    "/a/:id/x",
    "/b.c/*",
    "/a/*/c",
    "/:any",
    "/a/",
]
_HOSTS = [
    "foo.com",
    "x.foo.com",
    "y.x.foo.com",
    "bar.org",
    "barfoo.com",
    "foo.com.org",
    "Foo.com:81",
    "X.foo.com",
]
_PATTERNS = ["foo.com", "*.foo.com", "*.x.foo.com", "bar.org", "FOO.com", "*", "*foo.com", "x.foo.com"]
_VARS: list[list[Any]] = [
    [["arg_a", "==", "1"]],
    [["arg_a", "~=", "1"]],
    [["arg_n", ">", 5]],
    [["arg_n", "==", 7]],
    [["http_x_tier", "in", ["gold", "silver"]]],
    [["http_x_tier", "~*", "^GOL"]],
    [["cookie_beta", "==", "1"]],
    ["OR", ["arg_a", "==", "1"], ["http_x_tier", "==", "gold"]],
    ["!AND", ["arg_a", "==", "1"], ["arg_n", "has", "7"]],
    [["arg_a", "!", "in", ["1", "2"]]],
    [["remote_addr", "ipmatch", ["127.0.0.0/8"]]],
    [["uri", "~~", "/b"], ["request_method", "==", "GET"]],
]
_QUERIES = ["", "?a=1", "?a=2&n=7", "?n=6", "?a", "?a=1&n=07"]


def _random_route(rng: random.Random) -> dict[str, Any]:
    uris = rng.sample(_URIS, rng.choice([1, 1, 2]))
    route: dict[str, Any] = {"uris": uris} if len(uris) > 1 else {"uri": uris[0]}
    if rng.random() < 0.45:
        route["hosts"] = rng.sample(_PATTERNS, rng.choice([1, 1, 2]))
    if rng.random() < 0.3:
        route["methods"] = rng.sample(["GET", "POST", "PUT"], rng.choice([1, 2]))
    if rng.random() < 0.3:
        route["priority"] = rng.choice([-1, 1, 2])
    if rng.random() < 0.35:
        route["vars"] = rng.choice(_VARS)
    if rng.random() < 0.1:
        route["remote_addr"] = rng.choice(["127.0.0.1", "10.0.0.0/8"])
    if rng.random() < 0.1:
        route["status"] = 0
    return route


def _random_request(rng: random.Random) -> Request:
    headers = {}
    if rng.random() < 0.4:
        headers["x-tier"] = rng.choice(["gold", "silver", "Golden", "tin"])
    if rng.random() < 0.3:
        headers["cookie"] = rng.choice(["beta=1", "x=y; beta=1", "beta=0"])
    target = rng.choice(_PATHS) + rng.choice(_QUERIES)
    method = rng.choice(["GET", "GET", "POST"])
    return Request(method, target, rng.choice(_HOSTS), headers, "127.0.0.1", "http")


@pytest.mark.parametrize("seed", range(12))
def test_the_route_that_answers_is_the_one_explained(gateway: GatewayUnderTest, seed: int) -> None:
    rng = random.Random(seed)
    gateway.put("services/s", {"hosts": ["foo.com", "*.x.foo.com"]})
    for id in rng.sample(range(100), 10):
        route = _random_route(rng)
        if rng.random() < 0.15:
            route["service_id"] = "s"
        upstream = {"nodes": gateway.nodes(), "pass_host": "rewrite", "upstream_host": f"{id}.route"}
        gateway.put(f"routes/{id}", {**route, "upstream": upstream})
    now = router(_read(gateway))
    for _ in range(40):
        request = _random_request(rng)
        headers = {**request.headers, "host": request.host}
        answer = gateway.client.request(request.method, request.target, headers=headers)
        took = answer.json()["headers"]["host"].removesuffix(".route") if answer.status_code == 200 else None
        explanation = now.explain(request)
        assert (explanation.route, explanation.certain) == (took, True), (request, explanation)


def _read(gateway: GatewayUnderTest) -> Configuration:
    async def read() -> Configuration:
        admin = AdminClient(gateway.gateway.admin_url, ADMIN_KEY, 30)
        try:
            return await load(admin)
        finally:
            await admin.close()

    return asyncio.run(read())


# As APISIX has it -------------------------------------------------------------------------------------------

ROUTES = {
    "user": {"uri": "/user/:id"},
    "files": {"uri": "/files/*"},
    "slow": {"uri": "/p", "methods": ["POST"]},
    "high": {"uri": "/q", "priority": 3},
    "low": {"uri": "/q"},
    "host": {"uri": "/h", "hosts": ["a.com", "*.b.com"]},
    "off": {"uri": "/off", "status": 0},
    "middle": {"uri": "/m/*/end"},
    "inside": {"uri": "/star*x"},
    "case": {"uri": "/Case"},
    "lan": {"uri": "/lan", "remote_addr": "10.0.0.0/8"},
    "lua": {"uri": "/lua", "filter_func": "function(vars) return true end"},
    "behind-lua": {"uri": "/lua*"},
    "var": {"uri": "/v", "vars": [["arg_x", "==", "1"]]},
}


@pytest.mark.parametrize(
    ("name", "request_", "route", "in_words"),
    [
        ("a colon means itself", get("/user/7"), None, "radixtree_uri_with_parameter"),
        ("a colon means itself, literally", get("/user/:id"), "user", ""),
        ("below a prefix", get("/files/a/b?x=1"), "files", ""),
        ("a prefix without what follows it", get("/files"), None, "add /files to its uris"),
        ("a slash too many", get("/q/"), None, "slash at the end"),
        ("the wrong method", get("/p"), None, "takes POST, not GET"),
        ("a higher priority", get("/q"), "high", "its priority 3 is higher than 0"),
        ("no host was said", get("/h"), None, "no host was named"),
        ("the wrong host", get("/h", "c.com"), None, "takes a.com, *.b.com only, not c.com"),
        ("a host of a wildcard", get("/h", "x.b.com:8080"), "host", ""),
        ("a route that is off", get("/off"), None, "switched off"),
        ("a rest in the middle", get("/m/x/y/end"), "middle", ""),
        (
            "a rest in the middle that does not end so",
            get("/m/x/y"),
            None,
            "does not fit the whole of /m/x/y",
        ),
        ("a star inside of a segment is a rest", get("/star/anything"), "inside", ""),
        ("capitals", get("/case"), None, "letters count as they are written"),
        (
            "two letters have changed places",
            get("/flies/a"),
            None,
            "/files/* does not take /flies/a: flies is nearly files",
        ),
        ("a letter too many", get("/filess/a"), None, "filess is nearly files"),
        ("another letter", get("/miles/a"), None, "miles is nearly files"),
        ("another client", get("/lan", address="11.0.0.1"), None, "clients in 10.0.0.0/8 only"),
        ("dots and double slashes", get("/files//./x/../y"), "files", ""),
        ("encoded letters", get("/%66iles/x"), "files", ""),
        ("an exact path takes nothing below it", get("/q/below"), None, "/q/* takes those below it"),
        ("a condition", get("/v?x=1"), "var", ""),
        ("a condition that fails", get("/v?x=2"), None, 'arg_x is "2"'),
        ("a condition on what is not there", get("/v"), None, "arg_x is not there"),
    ],
)
def test_it_says_which_route_answers_and_why_others_do_not(
    name: str, request_: Request, route: str | None, in_words: str
) -> None:
    found = explained(ROUTES, request_)
    assert (found.route, found.certain) == (route, True)
    assert in_words in " ".join(miss.why for miss in found.misses)


@pytest.mark.parametrize("path", ["/fields/a", "/fi/a", "/files/a/", "/user/x/y"])
def test_another_word_is_no_misspelling(path: str) -> None:
    assert "nearly" not in " ".join(miss.why for miss in explained(ROUTES, get(path)).misses)


@pytest.mark.parametrize(
    ("name", "request_", "possible"),
    [
        (
            "an address that is not known",
            get("/lan"),
            [("lan", "the client is one of the clients in 10.0.0.0/8")],
        ),
        (
            "code that is not run here",
            get("/lua"),
            [("lua", "its filter_func (Lua) lets the request through"), ("behind-lua", "")],
        ),
    ],
)
def test_what_cannot_be_known_is_said_and_what_comes_after_is_named(
    name: str, request_: Request, possible: list[tuple[str, str]]
) -> None:
    found = explained(ROUTES, request_)
    assert [(one.route, one.condition) for one in found.possible] == possible
    assert (found.route, found.certain) == (None, False)


def test_it_says_which_router_is_taken_for_granted() -> None:
    assert "radixtree_host_uri" in " ".join(explained(ROUTES, get("/q")).assumed)


def test_ten_thousand_routes_are_explained_at_once() -> None:
    routes = {f"r{n}": {"uri": f"/api/{n}/*", "host": f"h{n % 100}.com"} for n in range(10_000)}
    ready = router(configuration(routes=routes))
    found = ready.explain(get("/api/777/x", "h77.com"))
    assert found.route == "r777"
