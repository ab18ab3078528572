"""Which route answers, told from outside."""

from __future__ import annotations

import pytest

from gatechat.assistant.operations.reading.explain_request import read_request
from gatechat.assistant.problem import Problem
from tests.assistant.operations.reading.rig import Reader
from tests.conftest import GatewayUnderTest


async def test_the_route_that_answers_with_what_runs_on_it_and_what_nearly_did(
    core: Reader, gateway: GatewayUnderTest
) -> None:
    upstream = {"nodes": gateway.nodes()}
    gateway.put("routes/all", {"uri": "/*", "upstream": upstream})
    gateway.put("routes/talks", {"uri": "/talks/*", "upstream": upstream, "plugins": {"key-auth": {}}})
    gateway.put("routes/post", {"uri": "/talks/1", "methods": ["POST"], "upstream": upstream})
    outcome = await core.call("explain_request", url="/talks/1?x=1")
    assert outcome.text.startswith("Route talks answers.")
    assert "1. talks | /talks/* | key-auth" in outcome.text
    assert "- post: takes POST, not GET" in outcome.text
    assert "- all: would take it too, but talks comes first: /talks/* is the longer prefix" in outcome.text
    assert outcome.data == {"route": "talks", "certain": True, "possible": ["talks"]}


async def test_none_answers_and_what_would_make_one(core: Reader, gateway: GatewayUnderTest) -> None:
    gateway.put("routes/talks", {"uri": "/talks/*", "upstream": {"nodes": gateway.nodes()}})
    outcome = await core.call("explain_request", url="http://api.example.com/talks")
    assert outcome.text.startswith("No route answers: the client gets 404 Route Not Found.")
    assert "add /talks to its uris" in outcome.text
    assert outcome.data == {"route": None, "certain": True, "possible": []}


async def test_what_is_not_known_is_said_with_what_depends_on_it(
    core: Reader, gateway: GatewayUnderTest
) -> None:
    upstream = {"nodes": gateway.nodes()}
    gateway.put("routes/lan", {"uri": "/a", "remote_addr": "10.0.0.0/8", "upstream": upstream})
    outcome = await core.call("explain_request", url="/a")
    assert outcome.data == {"route": None, "certain": False, "possible": ["lan"]}
    assert "IF the client is one of the clients in 10.0.0.0/8" in outcome.text
    known = await core.call("explain_request", url="/a", client="10.1.1.1")
    assert known.data["route"] == "lan"


async def test_a_secret_in_a_condition_is_not_told(core: Reader, gateway: GatewayUnderTest) -> None:
    condition = ["http_x_api_key", "==", "canary-4711"]
    gateway.put("routes/1", {"uri": "/a", "vars": [condition], "upstream": {"nodes": gateway.nodes()}})
    outcome = await core.call("explain_request", url="/a")
    assert "http_x_api_key" in outcome.text
    assert "canary-4711" not in outcome.text


@pytest.mark.parametrize(
    ("url", "target", "host"),
    [
        ("/a b/ü?x=1#f", "/a%20b/%C3%BC?x=1", ""),
        ("https://user:pw@Foo.com:8443/a?b", "/a?b", "Foo.com:8443"),
        ("http://foo.com", "/", "foo.com"),
        ("//evil.com/a", "//evil.com/a", ""),
    ],
)
def test_a_url_is_read_as_a_request(url: str, target: str, host: str) -> None:
    request = read_request(url, "get", {}, None)
    assert (request.method, request.target, request.host) == ("GET", target, host)


@pytest.mark.parametrize("url", ["foo.com/a", "ftp://foo.com/a", "", "http:///a"])
def test_what_is_no_url_is_an_error(url: str) -> None:
    with pytest.raises(Problem, match="give a path that begins with /"):
        read_request(url, "GET", {}, None)
