from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.gateway.plugins.traffic import Traffic, program, state

CONSUMERS = state(
    consumers={
        "jack": {
            "username": "jack",
            "labels": {"custom_id": "c-9"},
            "plugins": {"key-auth": {"key": "jacks"}},
        },
        "anne": {"username": "anne"},
        "guest": {"username": "guest"},
        "unset": {"username": "unset", "plugins": {"key-auth": {"key": "$ENV://NOT_SET"}}},
    },
    credentials={
        "anne/credentials/one": {"plugins": {"key-auth": {"key": "annes-first"}}},
        "anne/credentials/two": {"plugins": {"key-auth": {"key": "annes-second"}}},
        "nobody/credentials/x": {"plugins": {"key-auth": {"key": "stray"}}},
    },
)


@pytest.fixture(scope="module")
def traffic(serve: Callable[..., Traffic]) -> Traffic:
    routes = {
        "/default": {},
        "/named": {"header": "Authorization", "query": "token", "realm": "my realm"},
        "/hidden": {"hide_credentials": True},
        "/anonymous": {"anonymous_consumer": "guest"},
        "/anonymous-hidden": {"anonymous_consumer": "guest", "hide_credentials": True},
        "/anonymous-lost": {"anonymous_consumer": "nobody"},
    }
    return serve({path: program({"key-auth": conf}) for path, conf in routes.items()}, CONSUMERS)


@pytest.mark.parametrize(
    ("path", "headers", "message"),
    [
        ("/default", {}, "Missing API key in request"),
        ("/default", {"apikey": "wrong"}, "Invalid API key in request"),
        ("/default?apikey=wrong", {}, "Invalid API key in request"),
        ("/default?apikey", {}, "Invalid API key in request"),
        ("/default?apikey=jacks&apikey=jacks", {}, "Invalid API key in request"),
        ("/default?apikey=jacks", {"apikey": "wrong"}, "Invalid API key in request"),
        ("/default", {"apikey": "stray"}, "Invalid API key in request"),
        ("/default", {"apikey": "$ENV://NOT_SET"}, "Invalid API key in request"),
        ("/named", {"apikey": "jacks"}, "Missing API key in request"),
        ("/anonymous-lost", {}, "Invalid user authorization"),
    ],
)
def test_without_a_right_key_the_answer_is_401(
    traffic: Traffic, path: str, headers: dict[str, str], message: str
) -> None:
    answer = traffic.get(path, **headers)
    assert answer.status_code == 401
    assert answer.json() == {"message": message}
    realm = "my realm" if path == "/named" else "key"
    assert answer.headers["www-authenticate"] == f'apikey realm="{realm}"'


@pytest.mark.parametrize(
    ("path", "headers", "who"),
    [
        ("/default", {"apikey": "jacks"}, ("jack", None, "c-9")),
        ("/default?apikey=jacks", {}, ("jack", None, "c-9")),
        ("/default", {"apikey": "annes-first"}, ("anne", "one", None)),
        ("/default", {"apikey": "annes-second"}, ("anne", "two", None)),
        ("/named", {"authorization": "jacks"}, ("jack", None, "c-9")),
        ("/named?token=jacks", {}, ("jack", None, "c-9")),
        ("/anonymous", {}, ("guest", None, None)),
        ("/anonymous", {"apikey": "wrong"}, ("guest", None, None)),
        ("/anonymous", {"apikey": "jacks"}, ("jack", None, "c-9")),
    ],
)
def test_the_upstream_learns_who_it_was(
    traffic: Traffic, path: str, headers: dict[str, str], who: tuple[str | None, ...]
) -> None:
    lies = {"x_consumer_username": "root", "x_credential_identifier": "root", "x_consumer_custom_id": "root"}
    seen = traffic.get(path, **headers, **lies).json()["headers"]
    names = ("x-consumer-username", "x-credential-identifier", "x-consumer-custom-id")
    assert tuple(seen.get(name) for name in names) == who


@pytest.mark.parametrize(
    ("path", "headers", "path_upstream"),
    [
        ("/hidden?a=1", {"apikey": "jacks"}, "/hidden?a=1"),
        ("/hidden?apikey=jacks&b=x%20y", {}, "/hidden?b=x%20y"),
        ("/hidden?apikey=jacks", {}, "/hidden"),
        ("/anonymous-hidden?apikey=wrong&a=1", {"apikey": "wrong"}, "/anonymous-hidden?a=1"),
    ],
)
def test_a_hidden_key_does_not_reach_the_upstream(
    traffic: Traffic, path: str, headers: dict[str, str], path_upstream: str
) -> None:
    seen = traffic.get(path, **headers).json()
    assert "apikey" not in seen["headers"]
    assert seen["path"] == path_upstream


def test_a_key_that_is_not_hidden_does(traffic: Traffic) -> None:
    assert traffic.get("/default", apikey="jacks").json()["headers"]["apikey"] == "jacks"


def test_no_key_is_logged(traffic: Traffic) -> None:
    traffic.get("/default", apikey="wrong")
    assert not any("wrong" in line or "jacks" in line for line in traffic.log)
