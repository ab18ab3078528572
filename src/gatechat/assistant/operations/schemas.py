"""The schemas of resources as documents show them: derived from what validates them, made short, with words.

What a model cannot use is left out: patterns of addresses, rules over several fields (said in words
instead), Lua code and fields of other protocols. Parts that occur often are shared by $ref.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gatechat.apisix.schemas import CONSUMER, CREDENTIAL, ID, IP, ROUTE, SERVICE, UPSTREAM, Schema
from gatechat.assistant.operations.schema_words import WORDS

_LEFT_OUT: Final = frozenset({"script", "script_id", "filter_func", "discovery_args", "metadata", "tls"})
_SET_BY_GATEWAY: Final = frozenset({"create_time", "update_time"})
_RULES: Final = frozenset(
    {"allOf", "oneOf", "not", "dependencies", "pattern", "uniqueItems", "additionalProperties"}
)
"""Left out of what documents show. The gateway still keeps to them, and its answer says which was broken."""
_SHAPE: Final = frozenset({"type", "enum", "items", "properties", "additionalProperties", "$ref", "anyOf"})
"""What a change says of a field; the rest is said where the field itself is."""

_KINDS: Final[Mapping[str, Schema]] = {
    "Route": ROUTE,
    "Upstream": UPSTREAM,
    "Service": SERVICE,
    "Consumer": CONSUMER,
    "Credential": CREDENTIAL,
}
_PATCHED: Final = ("Route", "Upstream", "Service")
_UPSTREAM_PARTS: Final[Mapping[str, Schema]] = UPSTREAM["properties"]
_PARTS: Final[Mapping[str, Schema]] = {
    "Id": ID,
    "Labels": _UPSTREAM_PARTS["labels"],
    "Nodes": _UPSTREAM_PARTS["nodes"],
    "Timeout": _UPSTREAM_PARTS["timeout"],
    "HealthChecks": _UPSTREAM_PARTS["checks"],
}

_PLUGINS: Final[Schema] = {
    "type": "object",
    "properties": {},
    "additionalProperties": {"type": ["object", "null"]},
    "description": WORDS["Plugins"],
    "examples": [{"key-auth": {}, "limit-count": {"count": 10, "time_window": 60, "key": "remote_addr"}}],
}
_ANSWERS: Final[Mapping[str, Schema]] = {
    "Deleted": {
        "type": "object",
        "properties": {
            "deleted": {"type": "string", "description": "How many were deleted."},
            "key": {"type": "string"},
        },
    },
    "PluginNames": {"type": "array", "items": {"type": "string"}},
    "PluginSchema": {
        "type": "object",
        "properties": {"type": {"type": "string"}, "properties": {"type": "object", "properties": {}}},
        "description": "A JSON Schema.",
    },
    "Error": {
        "type": "object",
        "properties": {"error_msg": {"type": "string", "description": "What was wrong and what to do."}},
        "required": ["error_msg"],
    },
}


def components() -> dict[str, Schema]:
    """Every schema that the table of operations names, and what those refer to."""
    found: dict[str, Schema] = {}
    for name, source in _KINDS.items():
        found[name] = _short(source, name)
        if name in _PATCHED:
            found[f"{name}Change"] = _change(found[name])
        found[f"{name}Entry"] = _entry(name)
        found[f"{name}List"] = _list(name)
    found |= {name: _short(source, name) for name, source in _PARTS.items()}
    return {**found, "Plugins": _PLUGINS, **_ANSWERS}


def _short(source: Schema, name: str) -> Schema:
    """``source`` without rules, its common parts by $ref. ``name`` ("Route.uri") finds its words."""
    if source.get("anyOf") == IP:
        return _worded({"type": "string"}, name)
    out: Schema = {}
    for key, value in source.items():
        if key == "properties":
            out[key] = {
                field: _field(field, part, name) for field, part in value.items() if field not in _LEFT_OUT
            }
        elif key == "patternProperties":
            out |= {"properties": {}, "additionalProperties": _nullable(_short(value[".*"], f"{name}.*"))}
        elif key == "items":
            out[key] = _short(value, f"{name}[]")
        elif key == "anyOf":
            choices = [_short(choice, f"{name}|") for choice in value if "type" in choice]
            out |= {key: choices} if choices else {}
        elif key not in _RULES:
            out[key] = value
    if out.get("type") == "array":
        out.setdefault("items", {})
    return _worded(out, name)


def _field(field: str, source: Schema, parent: str) -> Schema:
    if field in _SET_BY_GATEWAY:
        return {"type": "integer", "readOnly": True}
    name = f"{parent}.{field}"
    if field == "plugins":
        return _worded(_ref("Plugins"), name)
    if field == "id":
        return _ref("Id")
    if source is UPSTREAM:
        return _worded(_ref("Upstream"), name)
    part = next((part for part, schema in _PARTS.items() if schema is source), None)
    return _short(source, name) if part is None else _worded(_ref(part), name)


def _worded(schema: Schema, name: str) -> Schema:
    words = WORDS.get(name)
    return schema if words is None else {**schema, "description": words}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _entry(name: str) -> Schema:
    index = {"type": "integer"}
    fields = {"key": {"type": "string"}, "value": _ref(name), "createdIndex": index, "modifiedIndex": index}
    return {"type": "object", "properties": fields}


def _list(name: str) -> Schema:
    entries = {"type": "array", "items": _ref(f"{name}Entry")}
    return {"type": "object", "properties": {"total": {"type": "integer"}, "list": entries}}


def _change(whole: Schema) -> Schema:
    """``whole`` as a merge patch: any part of it, with null for what is to go."""
    fields = {
        field: _nullable({key: value for key, value in part.items() if key in _SHAPE})
        for field, part in whole["properties"].items()
        if field not in _SET_BY_GATEWAY and field != "id"
    }
    words = "Only the fields to change; null removes one. The schema without Change says what each means."
    return {"type": "object", "properties": fields, "description": words}


def _nullable(schema: Schema) -> Schema:
    if "type" in schema and "enum" not in schema:
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}
