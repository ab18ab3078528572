from __future__ import annotations

import random
from importlib.resources import files

from gatechat.gateway.model import State
from gatechat.gateway.plugins import lua_sources
from tests.gateway.lua.luajit import Lua
from tests.gateway.plugins.traffic import state


def test_a_program_that_ends_with_the_request_has_no_response_part() -> None:
    sources = lua_sources(State(), shm_path="/x")
    assert "function envoy_on_response" not in sources["request"]
    assert "function envoy_on_response" in sources["both"]


def test_a_consumer_with_a_response_plugin_brings_every_program_into_the_response() -> None:
    quiet = state(consumers={"jack": {"username": "jack", "plugins": {"key-auth": {"key": "k"}}}})
    loud = state(consumer_groups={"g": {"plugins": {"request-id": {}}}})
    assert "function envoy_on_response" not in lua_sources(quiet, shm_path="/x")["request"]
    assert "function envoy_on_response" in lua_sources(loud, shm_path="/x")["request"]


def test_no_text_in_a_consumer_can_end_its_quotation() -> None:
    key = 'a]]b]=]c"\\\n\r[[é😀]==]'
    lua = Lua(state(consumers={"jack": {"username": "jack", "plugins": {"key-auth": {"key": key}}}}))
    found = lua.call("function(key) return use('consumers').find('key-auth', key).username end", key)
    assert found == "jack"


def test_the_same_state_in_another_order_is_the_same_text() -> None:
    consumers = {f"c{i}": {"username": f"c{i}", "plugins": {"key-auth": {"key": f"k{i}"}}} for i in range(20)}
    shuffled = random.Random(7).sample(sorted(consumers), 20)
    assert lua_sources(state(consumers=consumers), shm_path="/x") == lua_sources(
        state(consumers={name: consumers[name] for name in shuffled}), shm_path="/x"
    )


def test_plugin_metadata_reaches_the_plugins() -> None:
    lua = Lua(state(plugin_metadata={"cors": {"allow_origins": {"k": "http://a"}}}))
    assert lua.call("function() return use('metadata').cors.allow_origins.k end") == "http://a"


def test_every_module_compiles_under_its_own_name_with_the_lines_of_its_file() -> None:
    lua = Lua()
    lua.runtime.execute("for name in pairs(package.preload) do require(name) end")
    source = (files("gatechat.gateway") / "lua" / "json.lua").read_text().splitlines()
    where = lua.function(
        "return function() local at = debug.getinfo(use('json').decode, 'S') "
        "return at.source .. at.linedefined end"
    )
    name, _, line = where().partition("json")
    assert name == "=gatechat."
    assert "decode" in source[int(line) - 1]
