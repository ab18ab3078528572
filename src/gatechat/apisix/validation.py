"""JSON Schema validation that speaks as APISIX does, so that scripts which read its messages keep working."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import jsonschema_rs

ENV_REFERENCE = "$ENV://"
SECRET_REFERENCE = "$SECRET://"  # noqa: S105  the prefix of a reference, not a secret


def is_reference(value: object) -> bool:
    """Whether a value stands for one that is looked up later: ``$env://NAME`` or ``$secret://manager/id/key``."""
    return isinstance(value, str) and value.upper().startswith((ENV_REFERENCE, SECRET_REFERENCE))


class Validator:
    """A compiled JSON Schema (draft 7). A text may be a reference, whatever its form, as in APISIX."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._validator = jsonschema_rs.Draft7Validator(dict(schema), validate_formats=True)

    def error(self, value: object) -> str | None:
        """What is wrong with ``value``, None if nothing is; for instance
        ``property "uri" validation failed: wrong type: expected string, got number``.

        Of several errors the deepest is told: it is the one nearest to the cause.
        """
        if self._validator.is_valid(value):
            return None
        errors = [error for error in self._validator.iter_errors(value) if not _is_excused(error)]
        if not errors:
            return None
        return _words(max(errors, key=_nearness))


def _is_excused(error: jsonschema_rs.ValidationError) -> bool:
    """Whether a reference stands where a text is asked for, of which only the form is wrong."""
    kinds = jsonschema_rs.ValidationErrorKind
    of_form = kinds.Enum | kinds.Format | kinds.MaxLength | kinds.MinLength | kinds.Pattern
    return isinstance(error.kind, of_form) and is_reference(error.instance)


def _nearness(error: jsonschema_rs.ValidationError) -> tuple[int, bool]:
    kinds = jsonschema_rs.ValidationErrorKind
    vague = isinstance(error.kind, kinds.AnyOf | kinds.OneOfNotValid | kinds.OneOfMultipleValid | kinds.Not)
    return len(error.instance_path), not vague


def _words(error: jsonschema_rs.ValidationError, below: int = 0) -> str:
    """``below``: how many steps of the path to the value were said already."""
    return "".join(_where(error, below)) + _what(error)


def _where(error: jsonschema_rs.ValidationError, below: int) -> Iterator[str]:
    schema_path = list(error.schema_path)
    for step in error.instance_path[below:]:
        if isinstance(step, int):
            yield f"failed to validate item {step + 1}: "
            continue
        pattern = _matched_pattern(step, schema_path)
        if pattern is not None:
            yield f'failed to validate {step} (matching "{pattern}"): '
        else:
            yield f'property "{step}" validation failed: '


def _matched_pattern(name: str, schema_path: Sequence[str | int]) -> str | None:
    """The pattern of ``patternProperties`` that led to the property, if it is not one of ``properties``."""
    named = any(a == "properties" and b == name for a, b in pairwise(schema_path))
    if named or "patternProperties" not in schema_path:
        return None
    return str(schema_path[schema_path.index("patternProperties") + 1])


def _what(
    error: jsonschema_rs.ValidationError,
) -> str:  # one line per keyword, in the order of the specification
    kinds, kind = jsonschema_rs.ValidationErrorKind, error.kind
    value: Any = error.instance
    match kind:
        case kinds.Type():
            return f"wrong type: expected {' or '.join(kind.types)}, got {_type_name(value)}"
        case kinds.Enum():
            return f"matches none of the enum values: {_json(kind.options)}"
        case kinds.Required():
            return f'property "{kind.property}" is required'
        case kinds.AdditionalProperties():
            return f"additional properties forbidden, found {', '.join(kind.unexpected)}"
        case kinds.Minimum():
            return f"expected {_json(value)} to be at least {_json(kind.limit)}"
        case kinds.Maximum():
            return f"expected {_json(value)} to be at most {_json(kind.limit)}"
        case kinds.ExclusiveMinimum():
            return f"expected {_json(value)} to be greater than {_json(kind.limit)}"
        case kinds.ExclusiveMaximum():
            return f"expected {_json(value)} to be smaller than {_json(kind.limit)}"
        case kinds.MinLength():
            return f"string too short, expected at least {kind.limit}, got {len(value)}"
        case kinds.MaxLength():
            return f"string too long, expected at most {kind.limit}, got {len(value)}"
        case kinds.Pattern():
            return f'failed to match pattern "{_short(kind.pattern)}" with "{value}"'
        case kinds.MinItems():
            return f"expect array to have at least {kind.limit} items"
        case kinds.MaxItems():
            return f"expect array to have at most {kind.limit} items"
        case kinds.UniqueItems():
            return "expected unique items but {} and {} are equal".format(*_equal_items(value))
        case kinds.MinProperties():
            return f"expect object to have at least {kind.limit} properties"
        case kinds.MaxProperties():
            return f"expect object to have at most {kind.limit} properties"
        case kinds.Format():
            return f'expected a valid {kind.format}, got "{value}"'
        case kinds.AnyOf():
            return f"object matches none of the required: {_branches(error, kind.context)}"
        case kinds.OneOfNotValid():
            return f"value should match only one schema, but matches none: {_branches(error, kind.context)}"
        case kinds.OneOfMultipleValid():
            return "value should match only one schema, but matches several"
        case kinds.Not():
            return f"value wasn't supposed to match schema {_json(kind.schema)}"
        case _:
            return error.message


def _branches(
    parent: jsonschema_rs.ValidationError, context: Sequence[Sequence[jsonschema_rs.ValidationError]]
) -> str:
    """What each alternative misses, each thing once; one for another type of value is not what was meant."""
    nearest = [max(errors, key=_nearness) for errors in context if errors]
    depth = len(parent.instance_path)
    meant = [
        error
        for error in nearest
        if len(error.instance_path) > depth
        or not isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Type)
    ]
    return " or ".join(dict.fromkeys(_words(error, depth) for error in meant or nearest))


def _short(pattern: str) -> str:
    return pattern if len(pattern) <= 120 else f"{pattern[:60]}…"


def _equal_items(items: Sequence[object]) -> tuple[str, str]:
    seen: dict[str, int] = {}
    for number, item in enumerate(items, start=1):
        first = seen.setdefault(_json(item), number)
        if first != number:
            return f"items {first}", str(number)
    return "some", "others"  # equal as JSON numbers, written differently (1 and 1.0)


def _type_name(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
