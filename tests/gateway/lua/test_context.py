"""The ctx that plugins are given, over a handle that stands in for Envoy's."""

from __future__ import annotations

from typing import Any

import pytest
from lupa.luajit21 import LuaError

from gatechat.gateway.model import JSON
from tests.gateway.lua.luajit import Lua

LUA = Lua()

HANDLE = """
local function fields_of(given)
  local fields = {}
  for name, value in pairs(given) do fields[name:lower()] = value end
  local function set(name, value) fields[name:lower()] = value end
  return {
    get = function(_, name) return fields[name:lower()] end,
    getAtIndex = function(_, name) return fields[name:lower()] end,
    replace = function(_, name, value) set(name, value) end,
    add = function(_, name, value)
      local before = fields[name:lower()]
      set(name, before and before .. ',' .. value or value)
    end,
    remove = function(_, name) set(name, nil) end,
    all = fields,
  }
end
local function handle_of(given)
  local fields = fields_of(given)
  local stream = {
    downstreamDirectRemoteAddress = function() return '10.0.0.9:4711' end,
    downstreamLocalAddress = function() return '[::1]:9080' end,
    protocol = function() return 'HTTP/2' end,
    requestedServerName = function() return 'api.example.org' end,
  }
  return {
    headers = function() return fields end,
    streamInfo = function() return stream end,
    connection = function() return { ssl = function() return nil end } end,
    timestamp = function() return 1700000000123 end,
  }
end
"""

REQUEST = {
    ":method": "GET",
    ":path": "/a%20b/7?x=1&y=two%20words&x=3",
    ":authority": "API.example.org:9080",
    "cookie": 'one=1; two="2"; three=a=b',
    "x-some-thing": "value",
    "content-type": "text/plain",
}


def of(body: str, request: dict[str, str] | None = None, *arguments: JSON) -> JSON:
    """The JSON of what ``body``, a Lua block that knows ``ctx`` and ``...``, returns."""
    text = f"""(function()
      {HANDLE}
      return function(request, ...)
        local ctx = use('context').new(handle_of(request))
        ctx.scope = {{ route_id = 'r1', route_name = 'the route', uris = {{ '/a b/:id', '/a%20b/:id' }} }}
        {body}
      end
    end)()"""
    return LUA.call(text, {**REQUEST, **(request or {})}, *arguments)


VARIABLES: list[tuple[str, JSON]] = [
    ("uri", "/a b/7"),
    ("document_uri", "/a b/7"),
    ("request_uri", "/a b/7?x=1&y=two%20words&x=3"),
    ("real_request_uri", "/a%20b/7?x=1&y=two%20words&x=3"),
    ("upstream_uri", "/a%20b/7?x=1&y=two%20words&x=3"),
    ("args", "x=1&y=two%20words&x=3"),
    ("is_args", "?"),
    ("arg_x", "1"),
    ("arg_y", "two words"),
    ("arg_z", None),
    ("host", "api.example.org"),
    ("http_host", "API.example.org:9080"),
    ("http_x_some_thing", "value"),
    ("http_nothing", None),
    ("cookie_one", "1"),
    ("cookie_two", "2"),
    ("cookie_three", "a=b"),
    ("cookie_four", None),
    ("request_method", "GET"),
    ("content_type", "text/plain"),
    ("remote_addr", "10.0.0.9"),
    ("remote_port", "4711"),
    ("server_addr", "::1"),
    ("server_port", "9080"),
    ("server_protocol", "HTTP/2.0"),
    ("scheme", "http"),
    ("ssl_server_name", "api.example.org"),
    ("route_id", "r1"),
    ("route_name", "the route"),
    ("service_id", None),
    ("consumer_name", None),
    ("uri_param_id", "7"),
    ("uri_param_other", None),
    ("msec", "1700000000.123"),
    ("status", None),
    ("no_such_variable", None),
]


@pytest.mark.parametrize(("name", "value"), VARIABLES, ids=[name for name, _ in VARIABLES])
def test_variables(name: str, value: JSON) -> None:
    assert of("return { ctx:var((...)) }", None, name) == ([value] if value is not None else {})


def test_the_address_is_the_one_that_the_listener_wrote_down() -> None:
    assert of("return ctx:var 'remote_addr'", {"x-gatechat-addr": "2001:db8::1"}) == "2001:db8::1"


def test_a_request_id_stays_the_same() -> None:
    first, second = of("return { ctx:var 'request_id', ctx:var 'request_id' }")
    assert first == second
    assert len(first) == 32


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("plain", "plain"),
        ("/x$uri/$arg_x", "/x/a b/7/1"),
        ("${arg_x}0", "10"),
        ("[$arg_none]", "[]"),
        ("${arg_none ?? other}", "other"),
        ("${arg_x ?? other}", "1"),
        (r"\$uri", r"\$uri"),
        ("100$", "100$"),
        ("$ {x}", "$ {x}"),
        ("${}", "${}"),
    ],
)
def test_templates(template: str, text: str) -> None:
    assert of("return (ctx:resolve((...)))", None, template) == text


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ({"x": "2"}, "/a%20b/7?x=2"),
        ({}, "/a%20b/7"),
        ("raw=1", "/a%20b/7?raw=1"),
    ],
)
def test_arguments_are_replaced_here_and_upstream(arguments: JSON, path: str) -> None:
    assert of("ctx:set_args((...)) return { ctx:path(), ctx:upstream_path() }", None, arguments) == [
        path,
        path,
    ]


def test_the_path_upstream_is_not_the_clients() -> None:
    body = "ctx:set_path('/new?y=1') ctx:set_args({ x = '2' }) return { ctx:upstream_path(), ctx:var 'uri' }"
    assert of(body) == ["/new?x=2", "/a b/7"]


def test_headers() -> None:
    body = """
      ctx:set_header('X-A', '1') ctx:add_header('X-A', '2') ctx:set_header('X-B', 3)
      ctx:set_header('x-some-thing', nil) ctx:set_header('Host', 'other')
      local gone = ctx:header('x-some-thing') or '-'
      return { ctx:header('x-a'), ctx:header('X-B'), gone, ctx:header('Host') }"""
    assert of(body) == ["1,2", "3", "-", "other"]


@pytest.mark.parametrize("call", ["ctx:status()", "ctx:response_header('a')", "ctx:set_response_body('a')"])
def test_the_response_is_not_there_before_it_comes(call: str) -> None:
    with pytest.raises(LuaError, match="there is no response yet"):
        of(f"{call} return true")


@pytest.mark.parametrize("call", ["ctx:header('a')", "ctx:args()", "ctx:set_path('/')"])
def test_the_request_is_gone_in_the_response(call: str) -> None:
    answer: dict[str, Any] = {":status": "200"}
    with pytest.raises(LuaError, match="list what you need in _vars"):
        of(f"ctx:release() ctx:respond_with(handle_of((...))) {call} return true", None, answer)


@pytest.mark.parametrize(
    ("method", "status", "has"),
    [
        ("GET", "200", True),
        ("HEAD", "200", False),
        ("GET", "204", False),
        ("GET", "304", False),
        ("GET", "101", False),
    ],
)
def test_which_responses_have_a_body(method: str, status: str, has: bool) -> None:
    body = "ctx:set_method('POST') ctx:release() ctx:respond_with(handle_of((...))) return ctx:has_body()"
    assert of(body, {":method": method}, {":status": status}) is has
