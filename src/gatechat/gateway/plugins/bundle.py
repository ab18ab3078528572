"""The Lua that Envoy is given: the runtime, the plugins and the consumers, in one text per source name."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from gatechat.gateway.model import JSON, State
from gatechat.gateway.plugins.program import entries_of, responds
from gatechat.gateway.plugins.registry import REGISTRY, lua_of, plugin_of


def lua_sources(state: State, *, shm_path: str) -> Mapping[str, str]:
    """The texts for the Lua filter's ``source_codes``.

    "request" is for programs that end with the request, "both" for those with ``response``. ``shm_path`` is
    the file of the counters that all workers share. A consumer's plugin that has something to do with the
    response makes "request" come into the response too: routes are not built anew when a consumer changes.
    """
    consumers = _consumers(state)
    metadata = {name: resource.value for name, resource in state.all("plugin_metadata").items()}
    overlays = [*consumers["consumers"].values(), *consumers["groups"].values()]
    late = any(responds(entry) for overlay in overlays for entry in overlay.get("plugins", ()))
    common = "".join(
        [
            _data("settings", {"shm_path": shm_path}),
            _data("metadata", metadata),
            _data("data", consumers),
            _code(),
            _ON_REQUEST,
        ]
    )
    both = common + _ON_RESPONSE
    return {"request": both if late else common, "both": both}


_ON_REQUEST = """\
local runtime
function envoy_on_request(handle)
  if not runtime then
    local there, result = pcall(require, "gatechat.runtime")
    if not there then
      handle:logErr("gatechat: " .. tostring(result))
      handle:respond({ [":status"] = "500" }, "")
    end
    runtime = result
  end
  return runtime.on_request(handle)
end
"""
"""An error that got out of this would let the request pass; ``respond`` does not return."""
_ON_RESPONSE = """\
function envoy_on_response(handle)
  if runtime then return runtime.on_response(handle) end
end
"""


@cache
def _code() -> str:
    folder = files("gatechat.gateway") / "lua"
    library = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".lua")), key=lambda file: file.name
    )
    parts = [_module(file.name.removesuffix(".lua"), file.read_text()) for file in library]
    texts = {plugin.name: lua_of(plugin) for plugin in REGISTRY.values()}
    parts += [_module(f"plugins.{name}", text) for name, text in texts.items() if text is not None]
    runs = [name for name, text in texts.items() if text is not None]
    parts.append(_module("plugins", _PLUGINS % ", ".join(f"[{json.dumps(name)}] = true" for name in runs)))
    return "".join(parts)


_PLUGINS = """\
local there = { %s }
return setmetatable({}, { __index = function(all, name)
  local code = there[name] and require("gatechat.plugins." .. name) or nil
  all[name] = code
  return code
end })
"""
"""name -> the plugin's functions."""
_COMMENT = re.compile(r"^--\[\[(?s:.*?)\]\]|^[ \t]*--(?!\[\[).*$|^[ \t]+", re.MULTILINE)
"""Comments that are lines of their own, and indentation."""


def _module(name: str, text: str) -> str:
    """A module with a chunk name of its own, so that errors in the log name its file and line.

    It is compiled when it is first required: Envoy loads the text into a Lua state for each worker, source
    and filter chain, most of which never need most of it.
    """
    text = _quote(_COMMENT.sub(lambda found: "\n" * found[0].count("\n"), text))
    return (
        f"package.preload['gatechat.{name}'] = function(...)\n"
        f"return assert(loadstring({text}, '=gatechat.{name}'))(...)\nend\n"
    )


def _data(name: str, value: JSON) -> str:
    """A module that returns ``value``, which travels as JSON."""
    text = json.dumps(value, separators=(",", ":"), sort_keys=True)
    decoded = f"require('gatechat.json').decode({_quote(text)})"
    return f"package.preload['gatechat.{name}'] = function()\nreturn {decoded}\nend\n"


def _quote(text: str) -> str:
    """A Lua long string, whose closing mark is one that the text has not."""
    mark = ""
    while f"]{mark}]" in text + "]":
        mark += "="
    return f"[{mark}[\n{text}]{mark}]"


def _consumers(state: State) -> dict[str, dict[str, dict[str, JSON]]]:
    """{"consumers": name -> record, "groups": id -> record, "keys": plugin -> key -> [name, credential]}"""
    consumers: dict[str, dict[str, JSON]] = {}
    keys: dict[str, dict[str, JSON]] = {}
    for name, resource in sorted(state.all("consumers").items()):
        value = resource.value
        record: dict[str, JSON] = {"username": value.get("username", name)}
        if "group_id" in value:
            record["group_id"] = str(value["group_id"])
        if "custom_id" in value.get("labels", {}):
            record["custom_id"] = value["labels"]["custom_id"]
        if plugins := entries_of(value.get("plugins", {}), f"consumers/{name}", overlay=True):
            record["plugins"] = plugins
        consumers[name] = record
        _add_keys(keys, value.get("plugins", {}), [name])
    for path, resource in sorted(state.all("credentials").items()):
        owner, _, credential = path.partition("/credentials/")
        if owner in consumers:
            _add_keys(keys, resource.value.get("plugins", {}), [owner, credential])
    groups = {
        id: {"plugins": entries_of(resource.value.get("plugins", {}), f"consumer_groups/{id}", overlay=True)}
        for id, resource in sorted(state.all("consumer_groups").items())
    }
    return {"consumers": consumers, "groups": groups, "keys": keys}


def _add_keys(keys: dict[str, dict[str, JSON]], plugins: Mapping[str, JSON], owner: list[str]) -> None:
    for name, conf in plugins.items():
        field = plugin_of(name).consumer_key
        # An unresolved reference must not become a key that a client could send.
        if (
            field
            and isinstance(conf.get(field), str)
            and not conf[field].lower().startswith(("$env://", "$secret://"))
        ):
            keys.setdefault(name, {})[conf[field]] = owner
