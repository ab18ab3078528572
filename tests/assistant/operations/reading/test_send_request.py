"""One request through the gateway: to it alone, short, and without secrets."""

from __future__ import annotations

from typing import Any

import pytest

from gatechat.assistant.change.policy import Policy
from tests.assistant.operations.reading.rig import Reader
from tests.conftest import GatewayUnderTest


def route(gateway: GatewayUnderTest, **more: Any) -> None:
    gateway.put("routes/echo", {"uri": "/*", "upstream": {"nodes": gateway.nodes()}, **more})


async def test_it_shows_what_came_back_and_names_the_route(core: Reader, gateway: GatewayUnderTest) -> None:
    route(gateway)
    outcome = await core.call("send_request", path="/hello?x=1", headers={"X-A": "b"})
    assert outcome.data == {"status": 200, "route": "echo"}
    assert "Route echo answers. (worked out from the configuration, not told by the gateway)" in outcome.text
    assert '"path":"/hello?x=1"' in outcome.text
    assert "content-type: application/json" in outcome.text


async def test_a_redirect_is_shown_and_not_followed(core: Reader, gateway: GatewayUnderTest) -> None:
    route(gateway, plugins={"redirect": {"uri": "http://169.254.169.254/", "ret_code": 302}})
    outcome = await core.call("send_request", path="/a")
    assert outcome.data["status"] == 302
    assert "location: http://169.254.169.254/" in outcome.text
    assert "(the redirect was not followed)" in outcome.text


@pytest.mark.parametrize(
    "path",
    [
        "//169.254.169.254/latest",
        "/@evil.com/",
        "/\\evil.com",
        "/a\r\nHost: evil.com\r\n\r\n",
        "/../../x",
        "/%0d%0aX: y",
    ],
)
async def test_no_path_leads_to_another_host(core: Reader, gateway: GatewayUnderTest, path: str) -> None:
    route(gateway)
    outcome = await core.call("send_request", path=path, headers={"Host": "named.example"})
    assert outcome.data["status"] in (200, 400)
    if outcome.data["status"] == 200:
        assert '"host":"named.example"' in outcome.text


@pytest.mark.parametrize(
    ("arguments", "in_words"),
    [
        ({"path": "http://169.254.169.254/"}, "must begin with /"),
        ({"path": "x"}, "must begin with /"),
        ({"path": "/", "method": "DELETE"}, "the policy allows GET, HEAD, OPTIONS"),
        ({"path": "/", "headers": {"Transfer-Encoding": "chunked"}}, "belongs to the connection"),
        ({"path": "/", "headers": {"X-A": "a\r\nHost: evil.com"}}, "its value cannot be one"),
        ({"path": "/", "headers": {"bad name": "a"}}, "is none"),
    ],
)
async def test_what_is_not_allowed_is_not_sent(
    core: Reader, arguments: dict[str, Any], in_words: str
) -> None:
    outcome = await core.call("send_request", **arguments)
    assert outcome.is_error
    assert in_words in outcome.text


async def test_the_policy_can_allow_more(core: Reader, gateway: GatewayUnderTest) -> None:
    route(gateway)
    core.policy = Policy(request_methods=frozenset({"POST"}))
    outcome = await core.call("send_request", path="/a", method="post", body="hello")
    assert '"body":"hello"' in outcome.text
    assert '"method":"POST"' in outcome.text


async def test_a_key_that_the_backend_sends_back_is_not_told(core: Reader, gateway: GatewayUnderTest) -> None:
    route(gateway, plugins={"key-auth": {}})
    gateway.put("consumers/jack", {"username": "jack"})
    gateway.put("consumers/jack/credentials/one", {"plugins": {"key-auth": {"key": "canary-4711"}}})
    outcome = await core.call("send_request", path="/a", headers={"apikey": "canary-4711"})
    assert outcome.data["status"] == 200
    assert "canary-4711" not in outcome.text


async def test_a_key_is_not_told_in_parts_either(core: Reader, gateway: GatewayUnderTest) -> None:
    secret = "s3cr3t-canary-of-the-backend"
    gateway_secret = {"proxy-rewrite": {"headers": {"set": {"X-Api-Key": secret}}}}
    route(gateway, plugins=gateway_secret)
    told = [await core.call("send_request", path="/a", show=show) for show in range(1, 400)]
    assert any("[redacted]" in outcome.text for outcome in told)
    assert not any(secret[:6] in outcome.text for outcome in told)


async def test_a_long_answer_is_cut_and_more_can_be_asked_for(
    core: Reader, gateway: GatewayUnderTest
) -> None:
    route(gateway)
    short = await core.call("send_request", path="/" + "x" * 3000)
    assert "these are the first 1500 characters" in short.text
    more = await core.call("send_request", path="/" + "x" * 3000, show=10000)
    assert "these are the first" not in more.text


async def test_a_gateway_that_is_away_is_said(core: Reader) -> None:
    object.__setattr__(core.settings, "gateway_url", "http://127.0.0.1:1")
    outcome = await core.call("send_request", path="/")
    assert outcome.is_error
    assert "does not answer" in outcome.text
