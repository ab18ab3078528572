from __future__ import annotations

from tests.gateway.lua.luajit import Lua

LUA = Lua()


def test_blocks_are_read_anew_and_nothing_comes_twice() -> None:
    ids = LUA.call(
        "function() local ids = {} for i = 1, 1000 do ids[i] = use('random').hex(16) end return ids end"
    )
    assert len(set(ids)) == 1000
    assert {len(id) for id in ids} == {32}


def test_a_number_below_a_limit() -> None:
    body = "function() local seen = {} for i = 1, 500 do seen[i] = use('random').below(7) end return seen end"
    assert set(LUA.call(body)) == set(range(7))
