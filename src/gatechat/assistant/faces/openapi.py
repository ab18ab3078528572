"""/openapi.yaml and /openapi.json: the tables of operations and of tools as OpenAPI 3.1, for plugins and GPT
Actions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import yaml

from gatechat import __version__
from gatechat.assistant.faces import actions
from gatechat.assistant.operations import OPERATIONS, Operation, Parameter, Risk, examples
from gatechat.assistant.operations.schemas import components
from gatechat.assistant.operations.tool import Tool
from gatechat.assistant.operations.tools import TOOLS
from gatechat.assistant.settings import AssistantSettings

_JSON: Final = "application/json"
_TAGS: Final = {
    "Change": "Change the gateway safely: checked, shown, approved where needed, proven, undoable.",
    "Route": "Which requests go to which backend.",
    "Upstream": "Backend servers that routes and services share.",
    "Service": "What several routes have in common.",
    "Consumer": "Who calls through the gateway.",
    "Credential": "How a consumer proves who it is.",
    "Plugin": "What the gateway can do with a request.",
}


def document(settings: AssistantSettings) -> dict[str, Any]:
    """The whole document. It asks for a bearer token exactly when the assistant does."""
    by_name = {tool.name: tool for tool in TOOLS}
    tools = {name: by_name[tool] for name, tool in actions.ACTIONS.items()}
    paths: dict[str, dict[str, Any]] = {
        f"{actions.PREFIX}{name}": {"post": _action(name, tool, settings.example_backend)}
        for name, tool in tools.items()
    }
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _operation(
            operation, settings.example_backend
        )
    parts: dict[str, Any] = {
        "schemas": {**components(), "Told": _told(tools.values())},
        "responses": {
            "Refused": _response("Refused; error_msg says what to do.", "Error"),
            "Done": _response("Done.", "Told"),
            "Waiting": _response("A person must approve it first: give them page, then apply again.", "Told"),
        },
    }
    secured: dict[str, Any] = {}
    if settings.sign_in_required:
        parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        secured = {"security": [{"token": []}]}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "APISIX Admin API",
            "description": "Create and manage the routes, upstreams, services, consumers and plugins of an "
            f"API gateway: look first, then plan, then apply. Traffic goes through {settings.gateway_url}.",
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": settings.url}],
        **secured,
        "tags": [{"name": name, "description": words} for name, words in _TAGS.items()],
        "paths": paths,
        "components": parts,
    }


def as_json(settings: AssistantSettings) -> bytes:
    return json.dumps(document(settings), ensure_ascii=False, separators=(",", ":")).encode()


def as_yaml(settings: AssistantSettings) -> bytes:
    text: str = yaml.dump(
        document(settings),
        Dumper=_Plain,
        sort_keys=False,
        allow_unicode=True,
        width=120,
        default_flow_style=None,
    )
    return text.encode()


class _Plain(yaml.SafeDumper):
    """Writes everything out where it stands: an alias is more than some readers of OpenAPI understand."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _operation(operation: Operation, backend: str) -> dict[str, Any]:
    out: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": operation.words,
        "tags": [operation.tag],
    }
    if operation.risk is not Risk.READ:
        out["x-openai-isConsequential"] = True
    if operation.parameters:
        out["parameters"] = [_parameter(parameter) for parameter in operation.parameters]
    if operation.body is not None:
        content = {"schema": _ref(operation.body.schema), "example": operation.body.example(backend)}
        out["requestBody"] = {"required": True, "content": {_JSON: content}}
    answer = {_JSON: {"schema": _ref(operation.answer)}}
    out["responses"] = {
        **{
            str(code): {"description": words, "content": answer} for code, words in operation.statuses.items()
        },
        **({} if operation.risk is Risk.READ else {"202": {"$ref": "#/components/responses/Waiting"}}),
        "default": {"$ref": "#/components/responses/Refused"},
    }
    return out


_EXAMPLES: Final[Mapping[str, Callable[[str], dict[str, Any]]]] = {
    "plan": examples.plan,
    "explain": examples.explain,
}
_SINGLE: Final = frozenset({"string", "integer", "number", "boolean", "null"})


def _action(name: str, tool: Tool, backend: str) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": _open(tool.input_schema)}
    if name in _EXAMPLES:
        content["example"] = _EXAMPLES[name](backend)
    statuses = {"200": "Done", **({"202": "Waiting"} if "page" in tool.output_schema["properties"] else {})}
    responses = {**statuses, "default": "Refused"}
    return {
        "operationId": name,
        "summary": tool.title,
        "description": tool.words,
        "tags": ["Change"],
        "x-openai-isConsequential": tool.hints.destructive,
        "requestBody": {"required": True, "content": {_JSON: content}},
        "responses": {
            status: {"$ref": f"#/components/responses/{response}"} for status, response in responses.items()
        },
    }


def _told(tools: Iterable[Tool]) -> dict[str, Any]:
    """What faces/actions.py answers: words, and the single values of each tool's data."""
    words = {"type": "string", "description": "What was found or done, and how to go on."}
    values = {
        field: part
        for tool in tools
        for field, part in tool.output_schema["properties"].items()
        if _is_single(part)
    }
    return {"type": "object", "properties": {"message": words, **values}}


def _is_single(schema: Mapping[str, Any]) -> bool:
    kinds = schema.get("type", "object")
    return {kinds} <= _SINGLE if isinstance(kinds, str) else set(kinds) <= _SINGLE


def _open(schema: Any) -> Any:
    """A schema in which every object that may hold anything says so, as GPT Actions want it."""
    if isinstance(schema, list):
        return [_open(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    found = {name: _open(part) for name, part in schema.items()}
    if "enum" in found:
        return {"type": "string", **found}
    if found.get("type") == "object" and "properties" not in found:
        found = {"properties": {}, "additionalProperties": True, **found}
    return found


def _parameter(parameter: Parameter) -> dict[str, Any]:
    out: dict[str, Any] = {"name": parameter.name, "in": parameter.place, "description": parameter.words}
    if parameter.place == "path":
        out["required"] = True
    out["schema"] = dict(parameter.schema)
    if parameter.example is not None:
        out["example"] = parameter.example
    return out


def _response(words: str, schema: str) -> dict[str, Any]:
    return {"description": words, "content": {_JSON: {"schema": _ref(schema)}}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
