"""Whether plugin configurations are right: the schema, then what the schema cannot say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, TypeAlias

from gatechat.apisix.validation import Validator
from gatechat.gateway.model import JSON, Refused, State
from gatechat.gateway.plugin import Plugin
from gatechat.gateway.plugins.registry import REGISTRY
from gatechat.gateway.plugins.vars import compile_vars

Side: TypeAlias = Literal["route", "consumer", "metadata"]

META: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "disable": {"type": "boolean", "description": "The plugin stays configured but does not run."},
        "error_response": {
            "oneOf": [{"type": "string"}, {"type": "object"}],
            "description": "The body of every answer from 400 on that the plugin gives.",
        },
        "priority": {"type": "integer", "description": "The place among the plugins, instead of its own."},
        "filter": {"type": "array", "description": "A condition (vars) under which the plugin runs."},
    },
    "additionalProperties": False,
}
"""Source: APISIX's plugin_injected_schema, without pre_function (Lua code in the configuration)."""


def plugin_schema(plugin: Plugin, side: Side) -> dict[str, Any]:
    """The JSON Schema of a plugin's configuration on one side, with the ``_meta`` that every plugin has."""
    if side == "metadata":
        if plugin.metadata_schema is None:
            raise Refused(f"plugin [{plugin.name}] has no metadata")
        return dict(plugin.metadata_schema)
    schema = plugin.schema
    if side == "consumer" and plugin.consumer_schema is not None:
        schema = plugin.consumer_schema
    return {**schema, "properties": {**schema.get("properties", {}), "_meta": META}}


@cache
def _validator(name: str, side: Side) -> Validator:
    return Validator(plugin_schema(REGISTRY[name], side))


def check_plugins(plugins: Mapping[str, JSON], where: str, side: Side) -> None:
    """Raises Refused with APISIX's texts for the first configuration that is wrong.

    ``where`` names the resource and is put before the text; leave it empty for APISIX's bare words.
    """
    for name, conf in plugins.items():
        try:
            _check_one(name, conf, side)
        except Refused as refused:
            raise Refused(f"{where}: {refused.message}" if where else refused.message) from None


def _check_one(name: str, conf: JSON, side: Side) -> None:
    if not isinstance(conf, dict):
        raise Refused(f"invalid plugin conf {json.dumps(conf)} for plugin [{name}]")
    plugin = REGISTRY.get(name)
    if plugin is None:
        raise Refused(f"unknown plugin [{name}]")
    meta = conf.get("_meta")
    if isinstance(meta, dict) and "pre_function" in meta:
        raise Refused(f"plugin {name}: _meta.pre_function is Lua for OpenResty, which is not what runs here")
    failed = f"failed to check the configuration of plugin {name} err: "
    error = _validator(name, side).error(conf)
    if error is not None:
        if isinstance(meta, dict) and meta.get("disable") is True:
            return
        raise Refused(failed + error)
    if side == "route" or (side == "consumer" and plugin.consumer_schema is None):
        try:
            plugin.check(conf)
        except Refused as refused:
            raise Refused(failed + refused.message) from None
    if meta:
        _check_meta(plugin, meta, side)


def _check_meta(plugin: Plugin, meta: Mapping[str, JSON], side: Side) -> None:
    if side == "consumer" and plugin.auth:
        text = f"_meta.{next(iter(meta))} has no effect on a consumer's side; set it where the plugin runs"
        raise Refused(f"plugin {plugin.name}: {text}")
    if "filter" in meta:
        if not plugin.phases:
            raise Refused(
                f"plugin {plugin.name}: _meta.filter has no effect: Envoy runs it without conditions"
            )
        compile_vars(meta["filter"])


def check_duplicate_keys(
    state: State, plugins: Mapping[str, JSON], consumer: str, credential: str | None = None
) -> None:
    """Refuse a consumer or credential whose auth key another one has already.

    ``consumer`` is the username, ``credential`` the credential's own id ("c1") when one is written. A key
    of the same consumer is no duplicate for the consumer itself; a credential only does not collide with
    itself.
    Source: check_duplicate_key of APISIX's consumer.lua.
    """
    for name, conf in plugins.items():
        plugin = REGISTRY.get(name)
        if plugin is None or plugin.consumer_key is None or not isinstance(conf, dict):
            continue
        key = conf.get(plugin.consumer_key)
        if not isinstance(key, str) or key.lower().startswith(("$env://", "$secret://")):
            continue
        for kind in ("consumers", "credentials"):
            for resource in state.all(kind).values():
                other = resource.value.get("plugins", {}).get(name)
                if not other or other.get(plugin.consumer_key) != key:
                    continue
                owner, _, rest = resource.id.partition("/")
                owner_credential = rest.rpartition("/")[2] or None
                if owner == consumer and credential in (None, owner_credential):
                    continue
                found = f"consumer: {owner}"
                if owner_credential:
                    found = f"credential: {owner_credential} of {found}"
                raise Refused(f"duplicate {plugin.consumer_key} of plugin {name} found with {found}")
