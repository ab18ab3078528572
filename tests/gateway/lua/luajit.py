"""Our Lua in a LuaJIT of its own, without Envoy."""

from __future__ import annotations

import json
from typing import Any

from lupa.luajit21 import LuaRuntime

from gatechat.gateway.model import JSON, State
from gatechat.gateway.plugins import lua_sources


class Lua:
    """Every library module, as Envoy gets it, with the consumers of ``state``."""

    def __init__(self, state: State | None = None) -> None:
        self.runtime = LuaRuntime(unpack_returned_tuples=True, encoding="latin-1")
        self.runtime.execute(lua_sources(state or State(), shm_path="/nowhere/counters")["both"])

    def function(self, text: str) -> Any:
        """The Lua function with this text; modules are there by their names without "gatechat."."""
        return self.runtime.eval(
            f"(function() local use = function(n) return require('gatechat.' .. n) end {text} end)()"
        )

    def call(self, text: str, *arguments: JSON) -> JSON:
        """``text`` is a Lua function of decoded JSON; its result comes back as JSON."""
        run = self.function(
            f"local run = {text} return function(given) local json = use 'json' "
            "return json.encode(run(unpack(json.decode(given), 1, 9))) end"
        )
        return json.loads(run(json.dumps(arguments)).encode("latin-1"))
