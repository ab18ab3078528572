"""GET of many: filters by name, label, uri and reference, then pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from urllib.parse import parse_qsl

import jsonschema_rs
from starlette.datastructures import QueryParams
from starlette.responses import PlainTextResponse, Response

from gatechat.apisix.kinds import PAGE_SIZES, Kind
from gatechat.gateway.admin.answers import answer, many
from gatechat.gateway.model import JSON, Resource


def listed(kind: Kind, resources: Iterable[Resource], query: QueryParams) -> Response:
    """The resources that pass every filter, ordered by key; with pages, ordered by when they were made."""
    passes = _filters(kind, query)
    found = [
        resource for resource in sorted(resources, key=lambda it: it.id) if all(p(resource) for p in passes)
    ]
    page, size = _number(query.get("page")), _number(query.get("page_size"))
    shown: Sequence[Resource] = found
    if page is not None and size is not None:
        if size not in PAGE_SIZES:
            text = f"page_size must be between {PAGE_SIZES.start} and {PAGE_SIZES.stop - 1}"
            return PlainTextResponse(text, 400, media_type="application/json")
        start = (max(page, 1) - 1) * size
        shown = sorted(found, key=lambda resource: resource.created_index)[start : start + size]
    return answer(many(shown, len(found)), X_API_VERSION="v3")


def _filters(kind: Kind, query: QueryParams) -> list[Callable[[Resource], bool]]:
    filters: list[Callable[[Resource], bool]] = []
    if "name" in query:
        has_name = _search(query["name"])
        filters.append(lambda resource: has_name(resource.value.get("name")))
    if "label" in query:
        label = query["label"]
        filters.append(lambda resource: label in (resource.value.get("labels") or {}))
    if "uri" in query:
        has_uri = _search(query["uri"])
        filters.append(
            lambda resource: any(
                has_uri(uri) for uri in (resource.value.get("uri"), *(resource.value.get("uris") or ()))
            )
        )
    wanted = {
        field: text
        for field, text in parse_qsl(query.get("filter", ""), keep_blank_values=True)
        if field in kind.filters
    }
    for field, text in wanted.items():
        filters.append(lambda resource, field=field, text=text: _same(resource.value.get(field), text))  # type: ignore[misc]
    return filters


def _same(value: JSON, text: str) -> bool:
    return value is not None and str(value) == text


def _search(pattern: str) -> Callable[[JSON], bool]:
    """Whether a regular expression is found in a text; a broken expression is found nowhere, as in APISIX.

    The engine is the linear one of jsonschema-rs: no expression in a query can stop the gateway.
    """
    try:
        validator = jsonschema_rs.Draft7Validator(
            {"type": "string", "pattern": pattern}, pattern_options=jsonschema_rs.RegexOptions()
        )
    except (ValueError, jsonschema_rs.ValidationError):
        return lambda _: False
    return validator.is_valid


def _number(text: str | None) -> int | None:
    try:
        return int(float(text)) if text is not None else None
    except (ValueError, OverflowError):
        return None
