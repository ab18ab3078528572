from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gatechat.gateway.model import Refused
from gatechat.gateway.plugins import check_plugins
from tests.gateway.plugins.traffic import Traffic, program

# what it is, configuration, path asked below the route, status, Location ("PATH" is the route's path)
CASES: list[tuple[str, dict[str, Any], str, int, str | None]] = [
    ("302 unless told otherwise", {"uri": "/test/add"}, "", 302, "/test/add"),
    ("a variable", {"uri": "$uri/test", "ret_code": 301}, "", 301, "PATH/test"),
    ("a variable in braces", {"uri": "/a${arg_name}c"}, "?name=json", 302, "/ajsonc"),
    ("a dollar before a variable", {"uri": "/foo$$uri"}, "", 302, "/foo$PATH"),
    ("an escaped variable", {"uri": r"\$uri/foo$uri\$uri/bar"}, "", 302, r"\$uri/fooPATH\$uri/bar"),
    ("a variable that is not there", {"uri": "$uri/$bad_var/bar"}, "", 302, "PATH//bar"),
    ("any status", {"uri": "/x", "ret_code": 200}, "", 200, "/x"),
    (
        "by regex",
        {"regex_uri": ["^/([0-9]+)/(.*)", "http://$2.test/$1"]},
        "/abc",
        302,
        "http://abc.test/NUMBER",
    ),
    ("a path that the regex has not", {"regex_uri": ["^/x", "/y"]}, "", 200, None),
    (
        "an encoded address by regex",
        {"regex_uri": ["^/[0-9]+/(.*)", "/$1"], "encode_uri": True},
        "/bar%22%E4%BD%A0%20x",
        302,
        "/bar%22%E4%BD%A0%20x",
    ),
    (
        "an encoded address keeps its query",
        {"uri": "/a b?c=d e", "encode_uri": True},
        "",
        302,
        "/a%20b?c=d e",
    ),
    ("the query is appended", {"uri": "$uri", "append_query_string": True}, "?a=1&b=2", 302, "PATH?a=1&b=2"),
    (
        "the query is added to one",
        {"uri": "$uri?type=string", "append_query_string": True},
        "?name=json",
        302,
        "PATH?type=string&name=json",
    ),
    ("no query to append", {"uri": "$uri", "append_query_string": True}, "", 302, "PATH"),
    ("a line break stays encoded", {"uri": "$uri"}, "/a%0d%0aX:y", 302, "PATH/a%0D%0AX:y"),
    ("https", {"http_to_https": True}, "?a=1", 301, "https://127.0.0.1PATH?a=1"),
    (
        "https for a status of one's own",
        {"http_to_https": True, "ret_code": 302},
        "",
        301,
        "https://127.0.0.1PATH",
    ),
    ("no https when told so", {"http_to_https": False}, "", 200, None),
]


@pytest.fixture(scope="module")
def traffic(serve: Callable[..., Traffic]) -> Traffic:
    return serve({f"/{i}": program({"redirect": case[1]}) for i, case in reversed(list(enumerate(CASES)))})


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case[0] for case in CASES])
def test_sends_elsewhere(traffic: Traffic, number: int) -> None:
    _, _, below, status, location = CASES[number]
    answer = traffic.get(f"/{number}{below}")
    assert answer.status_code == status
    path = f"/{number}"
    expected = location and location.replace("PATH", path).replace("NUMBER", str(number))
    assert answer.headers.get("location") == expected


HTTPS = next(i for i, case in enumerate(CASES) if case[0] == "https")


@pytest.mark.parametrize(("method", "status"), [("GET", 301), ("HEAD", 301), ("POST", 308), ("DELETE", 308)])
def test_https_keeps_a_method_with_a_body(traffic: Traffic, method: str, status: int) -> None:
    answer = traffic.client.request(method, f"/{HTTPS}", headers={"host": "foo.example:9080"})
    assert answer.status_code == status
    assert answer.headers["location"] == f"https://foo.example/{HTTPS}"


def test_what_came_by_https_to_the_proxy_before_is_not_sent_there_again(traffic: Traffic) -> None:
    assert traffic.get(f"/{HTTPS}", x_forwarded_proto="https").status_code == 200


@pytest.mark.parametrize(
    ("conf", "reason"),
    [
        ({}, ""),
        ({"uri": "/a", "http_to_https": True}, ""),
        ({"uri": "/a", "regex_uri": ["a", "b"]}, ""),
        ({"uri": "a"}, "uri"),
        ({"uri": "/a", "ret_code": 199}, "ret_code"),
        ({"regex_uri": ["^/a"]}, "regex_uri"),
        ({"regex_uri": ["^/(a", "/b"]}, r"invalid regex_uri \(\^/\(a, /b\), err:"),
        (
            {"http_to_https": True, "append_query_string": True},
            "only one of `http_to_https` and `append_query_string` can be configured.",
        ),
    ],
)
def test_refuses_a_wrong_configuration(conf: dict[str, Any], reason: str) -> None:
    with pytest.raises(
        Refused, match=f"failed to check the configuration of plugin redirect err: .*{reason}"
    ):
        check_plugins({"redirect": conf}, "", "route")
