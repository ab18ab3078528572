from __future__ import annotations

import pytest

from gatechat.gateway.model import JSON
from tests.gateway.lua.luajit import Lua

LUA = Lua()


@pytest.mark.parametrize(
    ("query", "arguments"),
    [
        ("a=1&b=x%20y&c=x+y", {"a": "1", "b": "x y", "c": "x y"}),
        ("a&b=", {"a": True, "b": ""}),
        ("a=1&a=2&a=3", {"a": ["1", "2", "3"]}),
        ("=1&&a=b=c", {"a": "b=c"}),
        ("a=%zz%4", {"a": "%zz%4"}),
        ("", {}),
    ],
)
def test_arguments_are_read_as_nginx_reads_them(query: str, arguments: JSON) -> None:
    assert LUA.call("function(query) return use('uri').decode_args(query) end", query) == arguments


def test_more_than_a_hundred_arguments_are_not_looked_at() -> None:
    query = "&".join(f"a{i}=1" for i in range(150))
    assert len(LUA.call("function(query) return use('uri').decode_args(query) end", query)) == 100


def test_arguments_are_written_in_the_order_of_their_names() -> None:
    arguments = {"b": "x y", "a": ["1", "2"], "c": True, "d": "ü&"}
    written = LUA.call("function(arguments) return use('uri').encode_args(arguments) end", arguments)
    assert written == "a=1&a=2&b=x%20y&c&d=%C3%BC%26"


@pytest.mark.parametrize(
    ("patterns", "path", "found"),
    [
        (["/user/:id"], "/user/42", {"id": "42"}),
        (["/user/:id/post/:post"], "/user/4%202/post/x", {"id": "4 2", "post": "x"}),
        (["/files/*rest"], "/files/a/b.txt", {"rest": "a/b.txt"}),
        (["/files/*"], "/files/a/b.txt", {":ext": "a/b.txt"}),
        (["/a/:x", "/b/:y"], "/b/1", {"y": "1"}),
        (["/a.b/:x"], "/aXb/1", {}),
    ],
)
def test_parameters_of_a_path(patterns: list[str], path: str, found: JSON) -> None:
    assert (
        LUA.call("function(patterns, path) return use('uri').params(patterns, path) end", patterns, path)
        == found
    )
