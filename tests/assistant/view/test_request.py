"""Paths and variables as a router sees them."""

from __future__ import annotations

import pytest

from gatechat.assistant.view.request import UNKNOWN, Request, Value


@pytest.mark.parametrize(
    ("sent", "decoded", "encoded"),
    [
        ("/a/b", "/a/b", "/a/b"),
        ("/a//b/./c/../d", "/a/b/d", "/a/b/d"),
        ("/a/", "/a/", "/a/"),
        ("/a/b/..", "/a/", "/a/"),
        ("/a/.", "/a/", "/a/"),
        ("/../x", "/x", "/x"),
        ("/%61%2d", "/a-", "/a-"),
        ("/a%20b", "/a b", "/a%20b"),
        ("/gr%C3%BC", "/grü", "/gr%C3%BC"),
        ("/?a=/b/../c", "/", "/"),
        ("", "/", "/"),
    ],
)
def test_a_path_is_normalised_as_each_gateway_does(sent: str, decoded: str, encoded: str) -> None:
    request = Request("GET", sent)
    assert (request.path, request.encoded_path) == (decoded, encoded)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("arg_a", "1 2"),
        ("arg_b", "x"),
        ("arg_none", None),
        ("http_x_y", "z"),
        ("http_accept", None),
        ("is_args", "?"),
        ("args", "a=1+2&b=x&b=y"),
        ("host", "a.b"),
        ("request_method", "GET"),
        ("remote_addr", UNKNOWN),
        ("server_port", UNKNOWN),
        ("uri_param_id", UNKNOWN),
        ("route_id", None),
    ],
)
def test_variables_are_there_not_there_or_not_known(name: str, value: Value) -> None:
    assert Request("GET", "/p?a=1+2&b=x&b=y", "A.b:1", {"x-y": "z"}).variable(name) == value
