"""Programs: the plugins of a route in the form that lua/runtime.lua runs, as JSON text.

``{"s": scope, "g": entries of the global rules, "r": entries of the route}``, entries by falling priority,
or for a dispatcher ``{"d": [{"k": route key, "w": condition, "s": scope, "p": program}]}``. An entry is
``{"n": name, "o": priority, "p": phases, "c": configuration, "f": _meta.filter, "e": error body, "a": is
auth, "w": the resource it counts for}``. "m" of a program: requests are counted, say whose they are; "x": the
plugins of the route that are switched off; "b": the response says which node it is from. "u" of a dispatcher:
the numbers of those that may be upgraded to WebSocket, if there are any.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gatechat.gateway.model import JSON
from gatechat.gateway.plugin import Plugin
from gatechat.gateway.plugins.registry import plugin_of
from gatechat.gateway.plugins.vars import compile_vars

_RESPONSE_PHASES = {"header_filter", "body_filter"}
_NODE_VARIABLES = re.compile("upstream_addr|balancer_ip|balancer_port")


@dataclass(frozen=True)
class Program:
    """``key`` and ``text`` are the "k" and "p" of the filter context; an empty text: no Lua is needed.

    ``response``: it must run under the source "both". ``sets_host``: a plugin chooses the Host sent upstream.
    ``prometheus`` is that plugin's configuration, which is translated natively. ``node``: it wants to know
    which node of the upstream answered.
    """

    key: str
    text: str
    response: bool
    sets_host: bool
    prometheus: JSON | None = field(hash=False)
    source: JSON = field(repr=False, compare=False, default=None)
    node: bool = False


@dataclass(frozen=True)
class Candidate:
    """One route of a dispatcher. ``condition`` is what vars.py makes; None always holds.

    ``scope`` is needed where ``program`` is None and the condition reads ``uri_param_*`` or ``route_id``.
    ``websocket``: requests for it may be upgraded.
    """

    route_key: str
    condition: JSON | None
    program: Program | None
    scope: Mapping[str, JSON] = field(default_factory=dict)
    websocket: bool = False


def build_program(
    *, globals_: Sequence[Mapping[str, JSON]], plugins: Mapping[str, JSON], scope: Mapping[str, JSON]
) -> Program | None:
    """The program of a route whose ``plugins`` are merged already (service < plugin_config < route).

    ``scope``: route_id, route_name, service_id, service_name (strings), and ``uris``, the list of the
    route's patterns, when one has parameters. A plugin in two global rules runs in neither (source:
    merge_global_rules of APISIX). None when there is nothing to run.
    """
    global_plugins = _once(globals_)
    for name in plugins:
        if name in global_plugins and plugin_of(name).prefer_route and not _disabled(plugins[name]):
            del global_plugins[name]
    global_entries = entries_of(global_plugins, "global_rules")
    entries = entries_of(plugins, f"routes/{scope.get('route_id', '')}")
    prometheus = _active(plugins, "prometheus")
    if prometheus is None:
        prometheus = _active(global_plugins, "prometheus")
    runs = bool(global_entries or entries)
    response = any(responds(entry) for entry in [*global_entries, *entries])
    off = sorted(name for name, conf in plugins.items() if _disabled(conf))
    node = response and _NODE_VARIABLES.search(_dump([global_entries, entries])) is not None
    if not runs and prometheus is None:
        return None
    return _program(
        {
            "s": dict(scope),
            "g": global_entries,
            "r": entries,
            **({"x": off} if off else {}),
            **({"m": 1} if prometheus is not None else {}),
            **({"b": 1} if node else {}),
        }
        if runs
        else None,
        response=response,
        node=node,
        sets_host=any(
            plugin_of(name).sets_host(conf)
            for name, conf in [*global_plugins.items(), *plugins.items()]
            if not _disabled(conf)
        ),
        prometheus=prometheus,
    )


def build_dispatcher(candidates: Sequence[Candidate]) -> Program:
    """Runs the first candidate whose condition holds; when none does, the answer is APISIX's 404."""
    source = []
    for candidate in candidates:
        item: dict[str, JSON] = {"k": candidate.route_key}
        if candidate.condition is not None:
            item["w"] = candidate.condition
        if candidate.program is not None and candidate.program.text:
            item["p"] = candidate.program.source
        if candidate.scope:
            item["s"] = dict(candidate.scope)
        source.append(item)
    programs = [candidate.program for candidate in candidates if candidate.program is not None]
    upgraded = [number for number, candidate in enumerate(candidates, 1) if candidate.websocket]
    return _program(
        {"d": source, **({"u": upgraded} if upgraded else {})},
        response=any(program.response for program in programs),
        sets_host=any(program.sets_host for program in programs),
        prometheus=next((one.prometheus for one in programs if one.prometheus is not None), None),
    )


def entries_of(plugins: Mapping[str, JSON], owner: str, *, overlay: bool = False) -> list[dict[str, Any]]:
    """The entries of the plugins that run in Lua, in their order.

    ``owner`` is the resource ("consumers/jack") they belong to where their ``_meta.parent`` names no other.
    ``overlay``: they are a consumer's or group's, where a disabled plugin switches off the route's.
    """
    entries: list[dict[str, Any]] = []
    for name, conf in plugins.items():
        plugin = plugin_of(name)
        if _disabled(conf):
            if overlay and plugin.phases:
                entries.append({"n": name, "o": plugin.priority, "p": [], "off": True})
        elif plugin.phases and not (overlay and plugin.auth):
            entries.append(_entry(plugin, conf, owner))
    entries.sort(key=lambda entry: (-entry["o"], entry["n"]))
    return entries


def responds(entry: Mapping[str, Any]) -> bool:
    """Whether the entry has something to do when the response comes."""
    return not _RESPONSE_PHASES.isdisjoint(entry["p"])


def _entry(plugin: Plugin, conf: Mapping[str, JSON], owner: str) -> dict[str, Any]:
    meta = conf.get("_meta", {})
    bare = {name: value for name, value in conf.items() if name != "_meta"}
    entry: dict[str, Any] = {
        "n": plugin.name,
        "o": meta.get("priority", plugin.priority),
        "p": list(plugin.phases_of(bare)),
        "c": plugin.compile(bare),
    }
    if plugin.auth:
        entry["a"] = True
    if plugin.counts:
        entry["w"] = meta.get("parent", owner)
    if meta.get("filter"):
        entry["f"] = compile_vars(meta["filter"])
    if "error_response" in meta:
        body = meta["error_response"]
        entry["e"] = body if isinstance(body, str) else _dump(body) + "\n"
    return entry


def _program(
    source: JSON, *, response: bool, sets_host: bool, prometheus: JSON | None, node: bool = False
) -> Program:
    text = _dump(source) if source is not None else ""
    key = hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
    return Program(key, text, response, sets_host, prometheus, source, node)


def _dump(value: JSON) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def _disabled(conf: JSON) -> bool:
    return bool((conf.get("_meta") or {}).get("disable"))


def _active(plugins: Mapping[str, JSON], name: str) -> JSON | None:
    conf = plugins.get(name)
    return None if conf is None or _disabled(conf) else conf


def _once(rules: Sequence[Mapping[str, JSON]]) -> dict[str, JSON]:
    found: dict[str, JSON] = {}
    repeated = set()
    for rule in rules:
        for name, conf in rule.items():
            if name in found:
                repeated.add(name)
            found[name] = conf
    return {name: conf for name, conf in found.items() if name not in repeated}
