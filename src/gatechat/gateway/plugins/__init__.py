"""The gateway's plugins: which there are, checks of configurations, and the programs for Envoy's Lua."""

from gatechat.gateway.plugins.bundle import lua_sources
from gatechat.gateway.plugins.checks import check_duplicate_keys, check_plugins, plugin_schema
from gatechat.gateway.plugins.program import Candidate, Program, build_dispatcher, build_program
from gatechat.gateway.plugins.registry import REGISTRY
from gatechat.gateway.plugins.vars import all_of, compile_vars, ip_in, matches, one_of

__all__ = [
    "REGISTRY",
    "Candidate",
    "Program",
    "all_of",
    "build_dispatcher",
    "build_program",
    "check_duplicate_keys",
    "check_plugins",
    "compile_vars",
    "ip_in",
    "lua_sources",
    "matches",
    "one_of",
    "plugin_schema",
]
