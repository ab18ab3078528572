"""/openapi.yaml and /openapi.json: the table of operations as OpenAPI 3.1, for plugins and GPT Actions."""

from __future__ import annotations

import json
from typing import Any, Final

import yaml

from gatechat import __version__
from gatechat.assistant.operations import OPERATIONS, Operation, Parameter, Risk
from gatechat.assistant.operations.schemas import components
from gatechat.assistant.settings import AssistantSettings

_JSON: Final = "application/json"
_TAGS: Final = {
    "Route": "Which requests go to which backend.",
    "Upstream": "Backend servers that routes and services share.",
    "Service": "What several routes have in common.",
    "Consumer": "Who calls through the gateway.",
    "Credential": "How a consumer proves who it is.",
    "Plugin": "What the gateway can do with a request.",
}


def document(settings: AssistantSettings) -> dict[str, Any]:
    """The whole document. It asks for a bearer token exactly when the assistant does."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _operation(
            operation, settings.example_backend
        )
    refused = {
        "description": "Refused; error_msg says what to do.",
        "content": {_JSON: {"schema": _ref("Error")}},
    }
    parts: dict[str, Any] = {"schemas": components(), "responses": {"Refused": refused}}
    secured: dict[str, Any] = {}
    if settings.sign_in_required:
        parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        secured = {"security": [{"token": []}]}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "APISIX Admin API",
            "description": "Create and manage the routes, upstreams, services, consumers and plugins of an "
            f"API gateway. Traffic goes through {settings.gateway_url}.",
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
        "default": {"$ref": "#/components/responses/Refused"},
    }
    return out


def _parameter(parameter: Parameter) -> dict[str, Any]:
    out: dict[str, Any] = {"name": parameter.name, "in": parameter.place, "description": parameter.words}
    if parameter.place == "path":
        out["required"] = True
    out["schema"] = dict(parameter.schema)
    if parameter.example is not None:
        out["example"] = parameter.example
    return out


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
