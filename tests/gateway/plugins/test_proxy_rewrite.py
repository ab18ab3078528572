from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gatechat.gateway.model import Refused
from gatechat.gateway.plugins import REGISTRY, check_plugins
from tests.gateway.plugins.traffic import Traffic, program

# what it is, configuration, what follows the route's path, path that the upstream gets ("PATH": the route's)
PATHS: list[tuple[str, dict[str, Any], str, str]] = [
    ("a new path", {"uri": "/test/add"}, "?a=1", "/test/add?a=1"),
    ("a new path with a query of its own", {"uri": "/test?x=1"}, "?a=1", "/test?x=1&a=1"),
    ("a new path with a query, none asked", {"uri": "/test?x=1"}, "", "/test?x=1"),
    ("variables", {"uri": "/$arg_b/${arg_a ?? none}$uri"}, "?b=2", "/2/nonePATH?b=2"),
    ("a variable that is not there", {"uri": "/y/$arg_c/x"}, "", "/y//x"),
    ("a mark in a variable begins no query", {"uri": "/$arg_a"}, "?a=x%3Fy", "/x%253Fy?a=x%3Fy"),
    ("what a variable brings is encoded", {"uri": "/$arg_a"}, "?a=x%20%0d%0ay", "/x%20%0D%0Ay?a=x%20%0d%0ay"),
    ("by regex", {"regex_uri": ["^/[0-9]+/(.*)/(.*)$", "/$2/${1}x"]}, "/a/b?q=1", "/b/ax?q=1"),
    (
        "the first regex that matches",
        {"regex_uri": ["^/none", "/1", "/b$", "/2", "/b", "/3"]},
        "/b",
        "PATH/2",
    ),
    ("no regex matches", {"regex_uri": ["^/none", "/1"]}, "/b", "PATH/b"),
    ("a regex brings a query", {"regex_uri": ["^/[0-9]+/(.*)$", "/x?y=$1"]}, "/a?q=1", "/x?y=a&q=1"),
    (
        "a mark in the path begins no query",
        {"regex_uri": ["^/[0-9]+/(.*)$", "/$1"]},
        "/a%3Fb?q=1",
        "/a%3Fb?q=1",
    ),
    ("uri comes before regex_uri", {"uri": "/u", "regex_uri": [".*", "/r"]}, "", "/u"),
    (
        "the path is encoded anew",
        {"headers": {"X": "1"}},
        "/%61%20b%22%E4%BD%A0?c=%20",
        "PATH/a%20b%22%E4%BD%A0?c=%20",
    ),
    (
        "the path as it came",
        {"use_real_request_uri_unsafe": True, "headers": {"X": "1"}},
        "/%61%20b?c=%20",
        "PATH/%61%20b?c=%20",
    ),
    (
        "a regex on the path as it came",
        {"use_real_request_uri_unsafe": True, "regex_uri": ["^/[0-9]+/(.*)$", "/$1"]},
        "/%61b?c=1",
        "/%61b?c=1",
    ),
    (
        "a new path keeps the query as it came",
        {"use_real_request_uri_unsafe": True, "uri": "/u?x=1"},
        "/b?c=%20",
        "/u?x=1&c=%20",
    ),
]
# what it is, headers, what the upstream gets under those names
HEADERS: list[tuple[str, dict[str, Any], dict[str, str | None]]] = [
    ("set without saying so", {"X-Api": "v2", "X-Number": 1.0}, {"x-api": "v2", "x-number": "1"}),
    ("set replaces", {"set": {"X-Old": "new"}}, {"x-old": "new"}),
    ("set takes several values", {"set": {"X-Old": ["1", "2"]}}, {"x-old": "1,2"}),
    ("add keeps what is there", {"add": {"X-Old": "new"}}, {"x-old": "old,new"}),
    ("add takes several values", {"add": {"X-New": ["1", 2]}}, {"x-new": "1,2"}),
    ("remove", {"remove": ["x-old"]}, {"x-old": None}),
    (
        "add, then set, then remove",
        {"add": {"X-A": "1", "X-B": "1"}, "set": {"X-A": "2"}, "remove": ["X-B"]},
        {"x-a": "2", "x-b": None},
    ),
    (
        "whom it comes from",
        {"set": {"X-Forwarded-For": "9.9.9.9"}},
        {"x-forwarded-for": "9.9.9.9, 127.0.0.1"},
    ),
    ("variables", {"set": {"X-V": "$remote_addr-${http_x_old}-$none"}}, {"x-v": "127.0.0.1-old-"}),
    ("an escaped variable", {"set": {"X-V": r"\$uri"}}, {"x-v": r"\$uri"}),
    ("captures", {"set": {"X-V": "$1/${2}/$3", "X-W": "v$1$uri"}}, {"x-v": "c/d/", "x-w": "vcPATH/c/d"}),
]


@pytest.fixture(scope="module")
def traffic(serve: Callable[..., Traffic]) -> Traffic:
    routes: dict[str, dict[str, Any]] = {f"/{i}/": case[1] for i, case in enumerate(PATHS)}
    routes |= {f"/{i}": case[1] for i, case in reversed(list(enumerate(PATHS)))}
    captures = {"regex_uri": ["^/headers/[0-9]+/(.*)/(.*)$", "/x"]}
    headers: dict[str, dict[str, Any]] = {
        f"/headers/{i}/": {"headers": case[1], **captures} for i, case in enumerate(HEADERS)
    }
    others = {
        "/host": {"host": "new.example:8080"},
        "/method": {"method": "POST"},
        "/hosts": {"headers": {"Host": "h.x"}},
    }
    return serve(
        {path: program({"proxy-rewrite": conf}) for path, conf in (headers | others | routes).items()}
    )


@pytest.mark.parametrize("number", range(len(PATHS)), ids=[case[0] for case in PATHS])
def test_the_upstream_gets_another_path(traffic: Traffic, number: int) -> None:
    _, _, below, expected = PATHS[number]
    answer = traffic.get(f"/{number}{below}")
    assert answer.json()["path"] == expected.replace("PATH", f"/{number}")


@pytest.mark.parametrize("number", range(len(HEADERS)), ids=[case[0] for case in HEADERS])
def test_the_upstream_gets_other_headers(traffic: Traffic, number: int) -> None:
    _, _, expected = HEADERS[number]
    answer = traffic.get(f"/headers/{number}/c/d", x_old="old").json()["headers"]
    path = f"/headers/{number}"
    assert {name: answer.get(name) for name in expected} == {
        name: text and text.replace("PATH", path) for name, text in expected.items()
    }


def test_the_upstream_gets_another_host(traffic: Traffic) -> None:
    assert traffic.get("/host").json()["headers"]["host"] == "new.example:8080"
    assert traffic.get("/hosts").json()["headers"]["host"] == "h.x"


def test_the_upstream_gets_another_method(traffic: Traffic) -> None:
    assert traffic.get("/method").json()["method"] == "POST"


@pytest.mark.parametrize(
    ("conf", "sets"),
    [
        ({"host": "a"}, True),
        ({"headers": {"HOST": "a"}}, True),
        ({"headers": {"set": {"host": "a"}}}, True),
        ({"headers": {"remove": ["host"]}}, False),
        ({"uri": "/"}, False),
    ],
)
def test_says_that_it_sets_the_host(conf: dict[str, Any], sets: bool) -> None:
    assert REGISTRY["proxy-rewrite"].sets_host(conf) is sets


@pytest.mark.parametrize(
    ("conf", "reason"),
    [
        ({}, ""),
        ({"uri": "home"}, "uri"),
        ({"uri": "/" + 4096 * "a"}, "uri"),
        ({"method": "GETT"}, "method"),
        ({"host": "a/b"}, "host"),
        ({"host": "a:123456"}, "host"),
        ({"regex_uri": ["^/a"]}, "regex_uri"),
        ({"regex_uri": ["^/a", "/b", "^/c"]}, "The length of regex_uri should be an even number"),
        ({"regex_uri": ["^/a", "/b", "^/(c", "/d"]}, r"invalid regex_uri\(\^/\(c, /d\): "),
        ({"regex_uri": ["^/a", "/$`1"]}, "invalid capturing variable name found in"),
        ({"headers": {}}, "headers"),
        ({"headers": {"set": {}}}, "headers"),
        ({"headers": {"set": {"X": True}}}, "headers"),
        ({"headers": {"X-\u4f60": "a"}}, "invalid field character in header"),
        ({"headers": {"X": "\u4f60"}}, "invalid value character in header"),
        ({"headers": {"remove": ["a:b"]}}, "headers"),
        ({"uri": "/a", "scheme": "https"}, 'set "scheme" on the upstream'),
    ],
)
def test_refuses_a_wrong_configuration(conf: dict[str, Any], reason: str) -> None:
    with pytest.raises(
        Refused, match=f"failed to check the configuration of plugin proxy-rewrite err: .*{reason}"
    ):
        check_plugins({"proxy-rewrite": conf}, "", "route")
