"""GET of plugins and schemas: what validates is what is served."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from gatechat.apisix.schemas import SCHEMAS
from gatechat.gateway.admin.answers import answer
from gatechat.gateway.model import JSON, Refused
from gatechat.gateway.plugin import Plugin
from gatechat.gateway.plugins import REGISTRY, plugin_schema


def plugin_names(request: Request) -> Response:
    """GET /plugins/list: the names, highest priority first."""
    subsystem = request.query_params.get("subsystem", "http")
    if subsystem not in ("http", "stream"):
        return PlainTextResponse("invalid subsystem passed", 400, media_type="application/json")
    plugins = REGISTRY.values() if subsystem == "http" else ()
    return answer([plugin.name for plugin in sorted(plugins, key=lambda it: (-it.priority, it.name))])


def plugin_answer(name: str | None, request: Request) -> JSON:
    """GET /plugins/{name} and /schema/plugins/{name}; with ``?all=true``, every attribute of every plugin."""
    query = request.query_params
    subsystem = query.get("subsystem", "http")
    if subsystem not in ("http", "stream"):
        raise Refused(f"unsupported subsystem: {subsystem}")
    found = REGISTRY if subsystem == "http" else {}
    if query.get("all") == "true":
        return {plugin.name: _attributes(plugin) for plugin in found.values()}
    plugin = found.get(name or "")
    if plugin is None:
        raise Refused(f"plugin not found in subsystem {subsystem}", 404)
    if query.get("schema_type") != "consumer":
        return plugin_schema(plugin, "route")
    if plugin.consumer_schema is None:
        raise Refused("not found schema")
    return plugin_schema(plugin, "consumer")


def kind_schema(name: str | None) -> JSON:
    """GET /schema/{kind}, by the kind's name in the singular."""
    schema = SCHEMAS.get(name or "")
    if schema is None:
        raise Refused(f"not found schema: {name or ''}; there are: {', '.join(SCHEMAS)}")
    return schema


def _attributes(plugin: Plugin) -> dict[str, Any]:
    attributes = {
        "version": plugin.version,
        "priority": plugin.priority,
        "schema": plugin_schema(plugin, "route"),
        "metadata_schema": plugin.metadata_schema,
        "consumer_schema": plugin.consumer_schema,
        "type": "auth" if plugin.auth else None,
    }
    return {name: value for name, value in attributes.items() if value is not None}
