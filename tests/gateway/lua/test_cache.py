from __future__ import annotations

from tests.gateway.lua.luajit import Lua

LUA = Lua()


def test_what_is_used_stays_and_the_rest_is_forgotten() -> None:
    body = """function()
      local cache = use('cache').new(10)
      cache:put('used', 1)
      for i = 1, 1000 do
        cache:put(i, i)
        cache:get('used')
      end
      local held = 0
      for i = 1, 1000 do
        if cache.young[i] or cache.old[i] then held = held + 1 end
      end
      local oldest, newest = cache:get(1) or 'gone', cache:get(1000)
      return { used = cache:get('used'), oldest = oldest, newest = newest, few = held <= 20 }
    end"""
    assert LUA.call(body) == {"used": 1, "oldest": "gone", "newest": 1000, "few": True}
