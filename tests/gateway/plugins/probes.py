"""Plugins for tests of the runtime: each writes down which of its functions ran, and does what it is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from gatechat.gateway.plugin import Plugin
from gatechat.gateway.plugins import REGISTRY, bundle, registry

LUA = """
local function note(conf, ctx, phase)
  if conf.weight then ctx.shared.weight = string.rep(tostring(ctx), conf.weight / 16) end
  if conf.weighs == phase then
    for _ = 1, 3 do collectgarbage() end  -- the first rounds run the finalizers of Envoy's objects
    ctx:respond(200, { kilobytes = collectgarbage('count') })
  end
  ctx.shared.trace = (ctx.shared.trace or '') .. conf.name .. '.' .. phase .. ' '
  if conf.fails == phase then error('broken on purpose') end
  if conf.replies == phase then ctx:respond(conf.status or 403, conf.body, conf.headers) end
end
local function on_request(phase)
  return function(conf, ctx)
    if conf.early then ctx:set_response_header('x-early', conf.early) end
    note(conf, ctx, phase)
    ctx:set_header('x-trace', ctx.shared.trace)
  end
end
return {
  rewrite = on_request('rewrite'), access = on_request('access'),
  header_filter = function(conf, ctx)
    note(conf, ctx, 'header_filter')
    ctx:set_response_header('x-trace', ctx.shared.trace)
    for _, name in ipairs(conf.show or {}) do
      ctx:set_response_header('x-' .. name:gsub('_', '-'), tostring(ctx:var(name)))
    end
    if conf.new_body then ctx:set_response_body(conf.new_body) end
  end,
  body_filter = function(conf, ctx, body)
    note(conf, ctx, 'body_filter')
    return conf.name .. '(' .. body .. ')'
  end,
}
"""


def _probe(title: str, place: int, functions: tuple[str, ...]) -> Plugin:
    class Probe(Plugin):
        name = title
        priority = place
        phases = functions
        schema: Mapping[str, object] = {"type": "object", "properties": {"name": {"default": title}}}
        docs = ""

    return Probe()


PROBES = {
    probe.name: probe
    for probe in (
        _probe("first", 9003, ("rewrite", "access", "header_filter")),
        _probe("second", 9002, ("rewrite", "access", "header_filter")),
        _probe("early", 9001, ("rewrite", "header_filter")),
        _probe("plain", 9000, ("rewrite", "access")),
        _probe("body", 100, ("body_filter",)),
        _probe("body2", 99, ("body_filter", "header_filter")),
    )
}


@contextmanager
def installed() -> Iterator[None]:
    """The probes are among the plugins."""
    table = {**REGISTRY, **PROBES}
    with pytest.MonkeyPatch.context() as patch:
        for module in (registry, bundle):
            patch.setattr(module, "REGISTRY", table)
        patch.setattr(
            bundle, "lua_of", lambda plugin: LUA if plugin.name in PROBES else registry.lua_of(plugin)
        )
        bundle._code.cache_clear()
        yield
    bundle._code.cache_clear()
