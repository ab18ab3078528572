from __future__ import annotations

from typing import Any

import pytest

from gatechat.gateway.model import JSON
from gatechat.gateway.plugins import all_of, compile_vars, ip_in, matches, one_of
from tests.gateway.lua.luajit import Lua

LUA = Lua()
RUN = """function(condition, given)
  return use('expr').compile(condition)({ var = function(_, name) return given[name] end })
end"""


def holds(condition: JSON, **given: Any) -> bool:
    return bool(LUA.call(RUN, condition, given))


TABLE: list[tuple[str, JSON, dict[str, Any], bool]] = [
    ("nothing always holds", [], {}, True),
    ("equal", [["arg_a", "==", "1"]], {"arg_a": "1"}, True),
    ("equal to what is not there", [["arg_a", "==", "1"]], {}, False),
    ("equal to null: not there", [["arg_a", "==", None]], {}, True),
    ("two items mean equal", [["arg_a", "x"]], {"arg_a": "x"}, True),
    ("equal to a number", [["arg_a", "==", 1]], {"arg_a": "1.0"}, True),
    ("equal to a number, given a word", [["arg_a", "==", 1]], {"arg_a": "one"}, False),
    ("unequal", [["arg_a", "~=", "1"]], {"arg_a": "2"}, True),
    ("unequal, not there", [["arg_a", "~=", "1"]], {}, True),
    ("unequal to a number, given a word", [["arg_a", "~=", 1]], {"arg_a": "one"}, True),
    ("greater, as numbers", [["arg_a", ">", 9]], {"arg_a": "10"}, True),
    ("greater, text on both sides", [["arg_a", ">", "9"]], {"arg_a": "10"}, True),
    ("greater than a word", [["arg_a", ">", "x"]], {"arg_a": "10"}, False),
    ("greater or equal", [["arg_a", ">=", 10]], {"arg_a": "10"}, True),
    ("less", [["arg_a", "<", 10]], {"arg_a": "10"}, False),
    ("less or equal", [["arg_a", "<=", 10]], {"arg_a": "10"}, True),
    ("a pattern", [["uri", "~~", "^/v[0-9]+/"]], {"uri": "/v12/x"}, True),
    ("a pattern, not there", [["uri", "~~", ".*"]], {}, False),
    ("a pattern minds case", [["uri", "~~", "^/A"]], {"uri": "/a"}, False),
    ("a pattern that ignores case", [["uri", "~*", "^/A"]], {"uri": "/a"}, True),
    ("one of", [["arg_a", "in", ["1", "2"]]], {"arg_a": "2"}, True),
    ("one of numbers is never text", [["arg_a", "in", [1, 2]]], {"arg_a": "2"}, False),
    ("operators in capitals", [["arg_a", "IN", ["2"]]], {"arg_a": "2"}, True),
    ("has an element", [["fields", "has", "owner"]], {"fields": ["repo", "owner"]}, True),
    ("text has no elements", [["fields", "has", "owner"]], {"fields": "owner"}, False),
    ("an address", [["remote_addr", "ipmatch", "127.0.0.1"]], {"remote_addr": "127.0.0.1"}, True),
    ("an address in networks", [["a", "ipmatch", ["10.0.0.0/8", "fe80::/32"]]], {"a": "fe80::1"}, True),
    ("an address in none", [["a", "ipmatch", ["10.0.0.0/8"]]], {"a": "11.0.0.1"}, False),
    ("not", [["arg_a", "!", "==", "1"]], {"arg_a": "1"}, False),
    ("not in", [["arg_a", "!", "in", ["1"]]], {}, True),
    ("all of several", [["a", "==", "1"], ["b", "==", "2"]], {"a": "1", "b": "3"}, False),
    ("OR", ["OR", ["a", "==", "1"], ["b", "==", "2"]], {"b": "2"}, True),
    ("!OR", ["!OR", ["a", "==", "1"], ["b", "==", "2"]], {"b": "2"}, False),
    ("!AND", ["!AND", ["a", "==", "1"], ["b", "==", "2"]], {"b": "2"}, True),
    (
        "nested",
        ["AND", ["a", ">", 0], ["OR", ["b", "==", "x"], ["!OR", ["a", "<", 5], ["b", "y"]]]],
        {"a": "7"},
        True,
    ),
]


@pytest.mark.parametrize(
    ("vars_", "given", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_conditions_as_lua_resty_expr(vars_: JSON, given: dict[str, Any], expected: bool) -> None:
    assert holds(compile_vars(vars_), **given) is expected


def test_conditions_that_the_translator_makes() -> None:
    condition = all_of(
        [
            one_of("request_method", ["GET"]),
            ip_in("remote_addr", ["10.0.0.0/8"]),
            matches("uri", "^/u/[^/]+$"),
        ]
    )
    given = {"request_method": "GET", "remote_addr": "10.1.1.1", "uri": "/u/1"}
    assert holds(condition, **given)
    assert not holds(condition, **given | {"uri": "/u/1/2"})


def test_the_variables_of_a_condition_are_known() -> None:
    condition = compile_vars([["arg_a", "1"], ["OR", ["http_b", "2"], ["uri", "~~", "x"]]])
    assert LUA.call("function(c) return use('expr').variables(c) end", condition) == [
        "arg_a",
        "http_b",
        "uri",
    ]
