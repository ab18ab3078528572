"""The Conference API's OpenAPI 3.1 document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gatechat import __version__

_FILTERS: dict[str, tuple[str, dict[str, Any]]] = {
    "dayno": (
        "Only what happens on this day of the conference.",
        {"type": "integer", "minimum": 1, "maximum": 3},
    ),
    "speakername": ("Only speakers with this in their name, in any case.", {"type": "string"}),
    "keyword": ("Only sessions with this in their title or text, in any case.", {"type": "string"}),
}
_COLLECTION: dict[str, Any] = {
    "type": "object",
    "required": ["collection"],
    "properties": {
        "collection": {
            "type": "object",
            "required": ["version", "href"],
            "properties": {
                "version": {"const": "1.0"},
                "href": {"type": "string", "format": "uri"},
                "links": {"type": "array", "items": {"type": "object"}},
                "items": {"type": "array", "items": {"type": "object"}},
                "error": {"type": "object"},
            },
        }
    },
}
_MEDIA = {"application/vnd.collection+json": {"schema": {"$ref": "#/components/schemas/Collection"}}}
_NOT_FOUND = {"description": "There is no such id.", "content": _MEDIA}
_BAD_REQUEST = {"description": "The message says what is wrong.", "content": _MEDIA}


@dataclass(frozen=True, slots=True)
class Operation:
    """One GET that answers a collection; ``filters`` are the query parameters it takes."""

    path: str
    id: str
    summary: str
    filters: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        responses: dict[str, Any] = {"200": {"description": "A collection.", "content": _MEDIA}}
        if "{id}" in self.path:
            responses["404"] = _NOT_FOUND
        if self.filters:
            responses["400"] = _BAD_REQUEST
        parameters = [{"$ref": "#/components/parameters/id"}] if "{id}" in self.path else []
        parameters += [{"$ref": f"#/components/parameters/{name}"} for name in self.filters]
        return {
            "operationId": self.id,
            "summary": self.summary,
            "parameters": parameters,
            "responses": responses,
        }


def _feedback() -> dict[str, Any]:
    body = {
        "type": "object",
        "required": ["rating"],
        "properties": {
            "rating": {"type": "integer", "minimum": 1, "maximum": 5},
            "comment": {"type": "string"},
        },
    }
    return {
        "operationId": "submitFeedback",
        "summary": "Feedback on a session",
        "parameters": [{"$ref": "#/components/parameters/id"}],
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {
            "201": {
                "description": "Thank you.",
                "content": {"application/json": {"schema": {"type": "object"}}},
            },
            "400": _BAD_REQUEST,
            "404": _NOT_FOUND,
        },
    }


def document(server: str, operations: list[Operation]) -> dict[str, Any]:
    """The document for an API that is reached at ``server``."""
    parameters: dict[str, Any] = {
        "id": {"name": "id", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1}}
    }
    for name, (text, schema) in _FILTERS.items():
        parameters[name] = {"name": name, "in": "query", "description": text, "schema": schema}
    paths: dict[str, Any] = {operation.path: {"get": operation.document()} for operation in operations}
    paths["/session/{id}/feedback"] = {"post": _feedback()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Conference API",
            "version": __version__,
            "description": "Speakers, sessions and topics of the Saltmarsh Conference, which we made up.",
        },
        "servers": [{"url": server}],
        "paths": paths,
        "components": {"schemas": {"Collection": _COLLECTION}, "parameters": parameters},
    }
