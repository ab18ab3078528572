"""The judge judged: blocks of our own whose verdicts are known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.judge import script
from tests.judge.blocks import Block, Pattern, read_file
from tests.judge.expect import mismatches
from tests.judge.nginx_conf import NotPlain, read_locations
from tests.judge.settings import Keys, Unsupported, keys_of
from tests.judge.wire import Response

CHECKOUT = Path(__file__).with_name("testdata")
LUA: dict[str, tuple[str, str]] = {
    "say writes tables flat, nil and null by name": (
        'ngx.say(1.5, {"a", {"b"}}, nil, ngx.null, true)',
        "1.5abnilnulltrue\n",
    ),
    "exit ends the handler": ('ngx.say("a") ngx.exit(403) ngx.say("b")', "a\n"),
    "cjson keeps nulls and writes keys in order": (
        'local j = require("cjson") ngx.say(j.encode(j.decode([[{"b":[1,null],"a":{}}]])))',
        '{"a":{},"b":[1,null]}\n',
    ),
    "toolkit.json drops nulls and writes empty tables as arrays": (
        'local j = require("toolkit.json") ngx.say(j.encode({a = {}, b = j.decode([[{"x":null,"y":{}}]])}))',
        '{"a":[],"b":{"y":{}}}\n',
    ),
    "regular expressions capture": (
        'local m = ngx.re.match("k=12", [[(\\w)=(\\d+)]], "jo") ngx.say(m[2])',
        "12\n",
    ),
    "threads wait side by side": (
        """local function one() ngx.sleep(0.02) ngx.say("one") end
        local a, b = ngx.thread.spawn(one), ngx.thread.spawn(function() ngx.say("two") end)
        ngx.thread.wait(a) ngx.thread.wait(b)""",
        "two\none\n",
    ),
}


def _refused(*_: object) -> Response:
    raise ConnectionRefusedError


def _run(source: str) -> script.Answer:
    outside = script.Outside(CHECKOUT, _refused, lambda *_: ("{}", None))
    return script.run(source, "test", script.Request("GET", "/t?a=1", [("Host", "a.com")]), outside)


@pytest.mark.parametrize("name", LUA)
def test_lua_runs_as_in_openresty(name: str) -> None:
    source, body = LUA[name]

    answer = _run(source)

    assert (answer.outcome, answer.body) == ("done", body)


def test_a_module_of_apisix_itself_is_unsupported_by_name() -> None:
    answer = _run('pcall(require, "cjson") require("apisix.balancer")')

    assert (answer.outcome, answer.words) == ("unsupported", "the Lua module apisix.balancer")


def test_a_failed_request_gives_nil_and_why() -> None:
    answer = _run('ngx.say(require("resty.http").new():request_uri("http://127.0.0.1:1/"))')

    assert answer.body == "nilconnection refused\n"


def test_blocks_are_read_as_perl_evaluates_them() -> None:
    blocks = read_file(CHECKOUT, "t/self.t").blocks

    assert [block.number for block in blocks] == list(range(1, 10))
    assert blocks[0].name == "a route is made by the block's Lua"
    assert blocks[0].sections["request"] == "GET /t"
    assert blocks[2].sections["response_body"] == '{"error_msg":"404 Route Not Found"}\n'
    assert blocks[3].sections["pipelined_requests"] == ["GET /hello", "GET /none"]


def test_a_file_that_perl_cannot_run_is_refused_with_its_words(tmp_path: Path) -> None:
    (tmp_path / "bad.t").write_text("use t::APISIX; nothing(;")

    with pytest.raises(RuntimeError, match="syntax error"):
        read_file(tmp_path, "bad.t")


def test_lua_blocks_end_at_their_own_brace() -> None:
    [location] = read_locations(
        "location = /t { content_by_lua_block { local a = '}' --[[ } ]] x([=[}]=], {}) } }"
    )

    assert location.lua.strip() == "local a = '}' --[[ } ]] x([=[}]=], {})"
    assert location.answers("/t")
    assert not location.answers("/t/1")


def test_other_directives_need_an_nginx() -> None:
    with pytest.raises(NotPlain, match="proxy_pass"):
        read_locations("location /t { proxy_pass http://x; }")


def _block(**sections: object) -> Block:
    return Block(1, "", sections)  # type: ignore[arg-type]


def _answer(body: str, status: int = 200) -> Response:
    return Response(status, "", [("X-A", "1"), ("X-A", "2")], body, "")


DIFFERENCES: dict[str, tuple[Block, Response, int]] = {
    "status 200 is expected without saying": (_block(), _answer("", 404), 1),
    "a pattern is searched for": (_block(response_body=Pattern.of("^h.*o", "m")), _answer("a\nhello"), 0),
    "text must be equal to the last byte": (_block(response_body="hello"), _answer("hello\n"), 1),
    "values of a header are joined": (_block(response_headers="X-A: 1, 2\nX-B:\n!X-C"), _answer(""), 0),
    "wording of a schema error may differ": (
        _block(response_body='{"error_msg":"invalid configuration: a"}\n', error_code="400"),
        _answer('{"error_msg":"invalid configuration: b"}\n', 400),
        0,
    ),
    "a refusal is no success": (
        _block(response_body="passed\n"),
        _answer('{"error_msg":"invalid configuration"}'),
        1,
    ),
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_answers_are_compared_by_the_rules_of_test_nginx(name: str) -> None:
    block, answer, count = DIFFERENCES[name]

    assert len(mismatches(block, answer, 0, 1)) == count


def test_keys_come_from_the_settings() -> None:
    keys = "deployment: {admin: {admin_key: [{role: admin, key: a}, {role: viewer, key: v}]}}"

    assert keys_of(_block(yaml_config=keys)) == Keys("a", "v")
    assert keys_of(_block(yaml_config="apisix: {node_listen: 1984}")) == Keys()


def test_a_setting_that_we_do_not_have_is_named() -> None:
    with pytest.raises(Unsupported, match="plugins"):
        keys_of(_block(extra_yaml_config="plugins: [key-auth]"))


def test_a_file_is_played_block_by_block(judged: Callable[[Path, str], list[str]]) -> None:
    assert judged(CHECKOUT, "t/self.t") == [
        "passed",
        "passed",
        "passed",
        "passed",
        "failed",
        "not applicable",
        "not applicable",
        "declared difference",
        "declared difference",
    ]
