"""What explain_request says is what the gateway does: random configurations and requests, fixed seeds."""

from __future__ import annotations

import random
from contextlib import closing
from http.client import HTTPConnection
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from gatechat.assistant.admin_client import AdminClient
from gatechat.assistant.view.configuration import load
from gatechat.assistant.view.match import router
from gatechat.assistant.view.request import Request
from tests.conftest import ADMIN_KEY, GatewayUnderTest

ROUTES, REQUESTS = 14, 16
HOSTS: Final = ("a.com", "x.a.com", "*.a.com", "*.x.a.com", "*.com", "b.com", "A.com")
URIS: Final = (
    *("/", "/*", "/a", "/a/", "/a/*", "/a*", "/a/b", "/a/b/*", "/a/b/c", "/b*", "/ä", "/a.b", "/a/b%20c"),
    *("/a/:id", "/a/:id/c", "/:x/b", "/a/:id/*", "/:x", "/a/*/c", "/a/:id/:n"),
)
VARS: Final = (
    [["arg_n", "==", "1"]],
    [["arg_n", "==", 1]],
    [["arg_n", ">", "1"]],
    [["arg_n", "!", "==", "1"]],
    [["arg_n", "~=", "1"]],
    [["arg_n", "in", ["1", "2"]]],
    [["arg_m", "~~", "^x"]],
    [["http_x_kind", "~*", "^AB"]],
    [["http_x_kind", "==", "abc"], ["arg_n", "==", "1"]],
    ["OR", ["arg_n", "==", "2"], ["http_x_kind", "==", "abc"]],
    ["!AND", ["arg_n", "==", "1"], ["http_x_kind", "==", "abc"]],
    ["!OR", ["arg_n", "==", "1"], ["cookie_c", "==", "v"]],
    [["cookie_c", "==", "v"]],
    [["request_method", "in", ["GET", "PUT"]]],
    [["uri", "~~", "b$"]],
    [["host", "==", "a.com"]],
    [["uri_param_id", "==", "b"]],
    [["remote_addr", "ipmatch", ["127.0.0.0/8"]]],
    [["request_uri", "~~", "n=1"]],
)
PATHS: Final = (
    *("/", "/a", "/a/", "/a/b", "/a/b/", "/a/b/c", "/a/q/c", "/ab", "/b", "/q", "/q/b", "/A/b", "/%C3%A4"),
    *("/a/%62", "/a//b", "/a/./b", "/a/b/../c", "/a.b", "/aXb", "/a/b%20c", "/a/q/c/d", "/a/b/c/"),
)
QUERIES: Final = ("", "?n=1", "?n=2", "?n=1&m=xy", "?m=y", "?n", "?n=", "?n=1&n=2", "?n=%31")
ASKED: Final = ("", "a.com", "x.a.com", "y.x.a.com", "y.a.com", "b.com", "c.org", "A.Com", "a.com:8080")


def some_of(dice: random.Random, values: tuple[Any, ...]) -> list[Any]:
    return dice.sample(values, dice.choice((1, 1, 2)))


def a_route(dice: random.Random, number: int) -> dict[str, Any]:
    """Tells who answers by where it sends the client."""
    route: dict[str, Any] = {"plugins": {"redirect": {"uri": f"/answered-by/{number}"}}}
    uris = some_of(dice, URIS)
    route |= {"uris": uris} if len(uris) > 1 else {"uri": uris[0]}
    if dice.random() < 0.2:
        route["service_id"] = dice.choice("st")
    else:
        route["upstream_id"] = "u"
    if dice.random() < 0.4:
        hosts = some_of(dice, HOSTS)
        route |= {"hosts": hosts} if len(hosts) > 1 else {"host": hosts[0]}
    if dice.random() < 0.3:
        route["methods"] = dice.choice((["GET"], ["POST", "PUT"], ["GET", "HEAD"]))
    if dice.random() < 0.3:
        route["priority"] = dice.choice((-1, 1, 5))
    if dice.random() < 0.3:
        route["vars"] = dice.choice(VARS)
    if dice.random() < 0.15:
        route["remote_addrs"] = dice.choice((["127.0.0.1"], ["10.0.0.0/8", "::1"], ["127.0.0.0/8"]))
    if dice.random() < 0.1:
        route["status"] = 0
    if dice.random() < 0.1:
        route["plugin_config_id"] = "p"
    return route


def a_request(dice: random.Random) -> Request:
    headers = {}
    if dice.random() < 0.3:
        headers["x-kind"] = dice.choice(("abc", "ABC", "z"))
    if dice.random() < 0.2:
        headers["cookie"] = dice.choice(("c=v", "d=1; c=v", "c=w"))
    target = dice.choice(PATHS) + dice.choice(QUERIES)
    method = dice.choice(("GET", "GET", "GET", "POST", "HEAD"))
    return Request(method, target, dice.choice(ASKED), headers, "127.0.0.1", "http")


def answered_by(connection: HTTPConnection, request: Request, host: str) -> str | None:
    """The id of the route that answers, or None. The request goes out to the letter."""
    connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
    for name, value in {"host": request.host or host, "content-length": "0", **request.headers}.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    if answer.status == 302:
        return (answer.getheader("location") or "").rpartition("/")[2]
    assert (answer.status, b"Route Not Found" in body or request.method == "HEAD") == (404, True), body
    return None


@pytest.mark.parametrize("seed", range(24))
async def test_the_route_that_is_said_to_answer_does(gateway: GatewayUnderTest, seed: int) -> None:
    dice = random.Random(seed)
    gateway.put("upstreams/u", {"nodes": gateway.nodes()})
    gateway.put("plugin_configs/p", {"plugins": {"cors": {}}})
    gateway.put("services/s", {"upstream_id": "u", "hosts": some_of(dice, HOSTS)})
    gateway.put("services/t", {"upstream_id": "u"})
    routes = {str(number): a_route(dice, number) for number in range(ROUTES)}
    for id, route in routes.items():
        gateway.put(f"routes/{id}", route)
    admin = AdminClient(gateway.gateway.admin_url, ADMIN_KEY, 5)
    found = router(await load(admin))
    await admin.close()
    wrong = []
    with closing(HTTPConnection(urlsplit(gateway.gateway.proxy_url).netloc)) as connection:
        for request in [a_request(dice) for _ in range(REQUESTS)]:
            explained = found.explain(request)
            real = answered_by(connection, request, "no-such-host")
            if not explained.certain or explained.route != real:
                said = [(one.route, one.condition) for one in explained.possible]
                names = {real, *(one.route for one in explained.possible[:1])} - {None}
                wrong.append((request, f"said {said}, answered {real}", {n: routes[str(n)] for n in names}))
    assert not wrong
