"""What a JSON Schema of the gateway says of a value: every error, with its path and what would be right."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import jsonschema_rs

from gatechat.apisix.validation import is_reference
from gatechat.assistant.change.catalogue import Plugin, Schema
from gatechat.assistant.change.model import JSON, Problem, Target
from gatechat.assistant.change.words import instead, listed

_KINDS = jsonschema_rs.ValidationErrorKind
ADVICE: Final = (
    'write "[enter]" to have a person enter it on the plan\'s page, "[generate]" to have one made and shown '
    "to them, or a reference ($env://NAME, $secret://manager/id/key)"
)


def plugin_errors(
    target: Target, plugin: Plugin, conf: JSON, where: str, side: str, before: JSON
) -> list[Problem]:
    schema = plugin.consumer if side == "consumer" and plugin.consumer is not None else plugin.schema
    if not isinstance(conf, dict):
        return [Problem(target, where, "takes an object", conf, "write {} for a plugin without settings")]
    found = errors(target, schema, conf, where, before)
    return found


def errors(target: Target, schema: Schema, value: JSON, where: str, before: JSON) -> list[Problem]:
    """Every error of ``value``, and the fields that the gateway would silently ignore."""
    validator = _validator(schema)
    found: list[Problem] = []
    for error in validator.iter_errors(filled_in(schema, value)) if validator is not None else ():
        found += _problems(target, schema, error, where)
    unknown = {problem.path for problem in found}
    for path, problem in _ignored(target, schema, value, where, before):
        if path not in unknown:
            found.append(problem)
    return found


def filled_in(schema: Schema, value: JSON) -> JSON:
    """``value`` as APISIX looks at it: with the defaults of absent fields, filled in before conditions are
    looked at, and with {} as an empty list, of which Lua writes no other.

    Without them "if policy is redis, redis_host is needed" holds for a limit-count without a policy.
    """
    if value == {} and schema.get("type") == "array":
        return []
    properties, items = schema.get("properties"), schema.get("items")
    if isinstance(value, dict) and isinstance(properties, dict):
        needed = schema.get("required") or ()
        defaults = {
            name: filled_in(part, part["default"])
            for name, part in properties.items()
            if isinstance(part, dict) and "default" in part and name not in value and name not in needed
        }
        return defaults | {name: filled_in(properties.get(name) or {}, part) for name, part in value.items()}
    if isinstance(value, list) and isinstance(items, dict):
        return [filled_in(items, part) for part in value]
    return value


_compiled: dict[int, tuple[Schema, jsonschema_rs.Draft7Validator | None]] = {}
"""By the identity of the schema, which is kept with it so that it stays its own."""
_MOST_COMPILED: Final = 500


def _validator(schema: Schema) -> jsonschema_rs.Draft7Validator | None:
    """None for a schema that only APISIX can read (a pattern of PCRE): then the gateway alone judges."""
    found = _compiled.get(id(schema))
    if found is None:
        try:
            made = jsonschema_rs.Draft7Validator(dict(schema), validate_formats=True)
        except (jsonschema_rs.ValidationError, ValueError):
            made = None
        if len(_compiled) >= _MOST_COMPILED:
            _compiled.clear()
        found = _compiled[id(schema)] = (schema, made)
    return found[1]


def _problems(
    target: Target, schema: Schema, error: jsonschema_rs.ValidationError, where: str
) -> Iterator[Problem]:
    kind, value = error.kind, error.instance
    if is_reference(value) and isinstance(
        kind, _KINDS.Enum | _KINDS.Format | _KINDS.MaxLength | _KINDS.MinLength | _KINDS.Pattern
    ):
        return
    at = ".".join([where, *map(str, error.instance_path)])
    match kind:
        case _KINDS.AdditionalProperties():
            known = _properties_at(schema, error.schema_path)
            for name in kind.unexpected:
                yield Problem(target, f"{at}.{name}", "there is no such field", fix=instead(name, known))
        case _KINDS.Required():
            yield Problem(target, f"{at}.{kind.property}", "is needed", fix=_needed(kind.property))
        case _KINDS.Enum():
            options = [str(it) for it in kind.options]
            fix = instead(str(value), options)
            allowed = f"allowed are {listed(options)}"
            yield Problem(
                target, at, f"is none of its values; {allowed}", value, fix if "did you" in fix else allowed
            )
        case _KINDS.Type():
            types = " or ".join(kind.types)
            yield Problem(
                target, at, f"must be {types}, not {_type(value)}", value, _of_type(kind.types, value)
            )
        case _KINDS.AnyOf() | _KINDS.OneOfNotValid():
            yield from _alternatives(target, schema, error, where, at)
        case _KINDS.OneOfMultipleValid():
            yield Problem(
                target, at, "says the same in several ways that exclude each other", fix="keep one of them"
            )
        case _KINDS.Not():
            yield Problem(target, at, "has fields that exclude each other", fix="keep one of them")
        case _:
            yield Problem(target, at, _sentence(error.message, value), value)


def _alternatives(
    target: Target, schema: Schema, error: jsonschema_rs.ValidationError, where: str, at: str
) -> Iterator[Problem]:
    kind = error.kind
    context = kind.context if isinstance(kind, _KINDS.AnyOf | _KINDS.OneOfNotValid) else []
    needed: list[list[str]] = []
    deeper: list[Problem] = []
    depth = len(error.instance_path)
    for branch in context:
        missing = [it.kind.property for it in branch if isinstance(it.kind, _KINDS.Required)]
        for inner in branch:
            if len(inner.instance_path) > depth and not isinstance(inner.kind, _KINDS.Type):
                deeper += list(_problems(target, schema, inner, where))
        if missing:
            needed.append(missing)
    if deeper and not needed:
        yield from _first_of_each(deeper)
    elif needed:
        least = min(map(len, needed))
        ways = dict.fromkeys(" and ".join(missing) for missing in needed if len(missing) == least)
        yield Problem(
            target,
            at,
            f"needs {' or '.join(ways)}",
            fix="give one of them" if len(ways) > 1 else _needed(next(iter(ways))),
        )
    else:
        yield Problem(target, at, _sentence(error.message, error.instance), error.instance)


def _first_of_each(problems: Sequence[Problem]) -> list[Problem]:
    return list({problem.path: problem for problem in reversed(problems)}.values())[::-1]


def _needed(name: str) -> str:
    secret = name in ("key", "secret") or re.search(r"password|secret|token|private_key", name)
    return ADVICE if secret else f"give {name}"


def _type(value: JSON) -> str:
    names = {
        dict: "an object",
        list: "a list",
        str: "a text",
        bool: "true or false",
        int: "a number",
        float: "a number",
    }
    return "null" if value is None else names.get(type(value), "that")


def _of_type(types: Sequence[str], value: JSON) -> str:
    if isinstance(value, str) and {"integer", "number"} & set(types) and re.fullmatch(r"-?\d+", value):
        return f"write {value} without quotes"
    if "array" in types and not isinstance(value, dict | list):
        return "write it as a list: [ … ]"
    return ""


def _sentence(message: str, value: JSON) -> str:
    """The validator's words, without the value in front of them."""
    shown = json.dumps(value, ensure_ascii=False)
    text = message.removeprefix(shown).strip() if not isinstance(value, dict | list) else message
    return text if len(text) <= 200 else f"{text[:200]}…"


def _properties_at(schema: Schema, path: Sequence[str | int]) -> list[str]:
    place: Any = schema
    for step in list(path)[:-1]:
        place = place[step]
    return list(place.get("properties", ())) if isinstance(place, dict) else []


def _ignored(
    target: Target, schema: Schema, value: JSON, where: str, before: JSON
) -> Iterator[tuple[str, Problem]]:
    """Fields that the schema neither names nor forbids: APISIX takes them, and does nothing with them.

    What stands there already unchanged is left alone.
    """
    if not isinstance(value, dict):
        if isinstance(value, list) and isinstance(schema.get("items"), dict):
            for number, part in enumerate(value):
                yield from _ignored(target, schema["items"], part, f"{where}.{number}", None)
        return
    known, open_ = _known_fields(schema)
    old = before if isinstance(before, dict) else {}
    for name, part in value.items():
        inner = known.get(name)
        path = f"{where}.{name}"
        if isinstance(inner, Mapping):
            yield from _ignored(target, inner, part, path, old.get(name))
        elif known and not open_ and name not in ("_meta", "disable") and old.get(name, _ABSENT) != part:
            yield path, Problem(target, path, _IGNORED, fix=instead(name, known))


_ABSENT: Final = object()
_IGNORED: Final = "there is no such field: the gateway would ignore it"


def malformed(problems: Sequence[Problem]) -> bool:
    """Whether a value has not the shape that the rest of the code may rely on."""
    return any(problem.message != _IGNORED for problem in problems)


def _known_fields(schema: Schema) -> tuple[dict[str, Any], bool]:
    """The fields named anywhere in a schema of an object, and whether others are meant to be taken."""
    known: dict[str, Any] = {}
    open_ = bool(schema.get("additionalProperties") or schema.get("patternProperties"))
    properties = schema.get("properties")
    if isinstance(properties, dict):
        known |= properties
    nested = [
        part
        for key in ("allOf", "anyOf", "oneOf")
        for part in schema.get(key) or ()
        if isinstance(part, dict)
    ]
    nested += [schema[key] for key in ("if", "then", "else", "not") if isinstance(schema.get(key), dict)]
    dependencies = schema.get("dependencies")
    if isinstance(dependencies, dict):
        nested += [part for part in dependencies.values() if isinstance(part, dict)]
    if "$ref" in schema:
        open_ = True
    for part in nested:
        more, also_open = _known_fields(part)
        known = more | known
        open_ = open_ or also_open
    return known, open_
