"""POST /configs/validate: a whole configuration is checked, every error is told, nothing is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from gatechat.apisix.bodies import MISSING
from gatechat.apisix.kinds import KINDS, Kind
from gatechat.apisix.schemas import PLUGIN_LIST
from gatechat.apisix.validation import Validator
from gatechat.gateway.admin.bodies import BadBody, decode_json
from gatechat.gateway.admin.checks import check
from gatechat.gateway.model import JSON, Refused, State

_VERSION = "_conf_version"


def decode_configuration(body: bytes, content_type: str) -> dict[str, JSON]:
    """The object in a JSON or (content type application/yaml) YAML body."""
    if not body:
        raise BadBody("empty request body")
    value = _decode_yaml(body) if content_type.startswith("application/yaml") else decode_json(body)
    if value is MISSING or not isinstance(value, dict):
        raise BadBody("expected an object of resource kinds, each with a list of resources")
    return value


def _decode_yaml(body: bytes) -> JSON:
    try:
        return yaml.safe_load(body)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise BadBody(f"invalid yaml request body: {' '.join(str(error).split())}") from error


def configuration_errors(config: Mapping[str, JSON], state: State) -> list[dict[str, Any]]:
    """One object per error: resource_type and error, for a resource also resource_id and index (from 0).

    References between resources are not checked, as they may be in another part of the configuration.
    """
    return [error for name, value in config.items() for error in _errors_under(name, value, state)]


def _errors_under(name: str, value: JSON, state: State) -> Iterator[dict[str, Any]]:
    kind_name = name.removesuffix(_VERSION)
    if kind_name != "plugins" and (kind_name not in KINDS or kind_name == "credentials"):
        yield {"resource_type": name, "error": f"unknown resource type; there are: {', '.join(KINDS)}"}
    elif name.endswith(_VERSION):
        if not isinstance(value, int | float) or isinstance(value, bool):
            yield {"resource_type": kind_name, "error": f"{name} must be a number"}
    elif kind_name == "plugins":
        wrong = Validator(PLUGIN_LIST).error(value)
        if wrong:
            yield {"resource_type": name, "error": wrong}
    elif not isinstance(value, list):
        yield {"resource_type": name, "error": "must be an array of resources"}
    else:
        yield from _errors_in(KINDS[kind_name], value, state)


def _errors_in(kind: Kind, items: list[JSON], state: State) -> Iterator[dict[str, Any]]:
    seen: set[str] = set()
    for index, item in enumerate(items):
        fields = item if isinstance(item, dict) else {}
        where = {
            "resource_type": kind.plural,
            "resource_id": fields.get("id") or fields.get("username") or "",
            "index": index,
        }
        try:
            _check(kind, item, state)
        except Refused as error:
            yield {**where, "error": error.message}
        duplicate = _duplicate(kind, fields, seen)
        if duplicate:
            yield {**where, "error": duplicate}


def _check(kind: Kind, item: JSON, state: State) -> None:
    if not isinstance(item, dict):
        raise Refused("invalid configuration: wrong type: expected object")
    id = item.get("id")
    if kind.plural == "consumers" and isinstance(id, str) and "/credentials/" in id:
        check(KINDS["credentials"], id, item, state, references=False)
        return
    if kind.plural == "secrets" and "/" not in str(id):
        raise Refused(f"invalid secret id: {id}")
    conf = {k: v for k, v in item.items() if k != "id"} if kind.identity == "path" else item
    check(kind, str(id) if id is not None else None, conf, state, references=False)


def _duplicate(kind: Kind, fields: Mapping[str, JSON], seen: set[str]) -> str | None:
    by_name = kind.identity == "username" and "id" not in fields
    identifier = fields.get("username") if by_name else fields.get("id")
    if identifier is None:
        return None
    known = str(identifier) in seen
    seen.add(str(identifier))
    what = "username" if by_name else "credential id" if kind.identity == "username" else "id"
    return f"found duplicate {what} {identifier} in {kind.plural}" if known else None
