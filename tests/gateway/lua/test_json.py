from __future__ import annotations

import pytest
from lupa.luajit21 import LuaError

from gatechat.gateway.model import JSON
from tests.gateway.lua.luajit import Lua

LUA = Lua()


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        [[], {}],
        {"a": [1, -2.5, 1e20, True, False, None, "x"]},
        {'quote"': "back\\slash / \b\f\n\r\t \x01 \x7f"},
        {"é": "日本 😀"},
        {"deep": [[[{"x": [0]}]]]},
    ],
)
def test_what_is_read_is_written_again(value: JSON) -> None:
    assert LUA.call("function(value) return value end", value) == value


@pytest.mark.parametrize(
    "text", ["", "{", '{"a"}', '{"a":1,}', "[1,]", "nul", '"\\q"', '"open', "1 2", "[1 2]", "-"]
)
def test_bad_json_is_an_error(text: str) -> None:
    decode = LUA.function("return function(text) return use('json').decode(text) end")
    with pytest.raises(LuaError, match="bad JSON"):
        decode(text)


def test_what_is_no_json_is_not_written() -> None:
    encode = LUA.function("return function() return use('json').encode({ x = print }) end")
    with pytest.raises(LuaError, match="cannot write a function"):
        encode()
