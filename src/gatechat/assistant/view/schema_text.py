"""A JSON Schema in short: a line for each field, for somebody who must fill it in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from gatechat.assistant.view import text

_SET_BY_THE_GATEWAY: Final = frozenset({"_meta", "disable", "create_time", "update_time", "_service_name"})
_LONGEST_WORDS: Final = 90
_LONGEST_VALUE: Final = 60


def lines(schema: Mapping[str, Any], depth: int = 2, indent: str = "") -> Iterator[str]:
    """``name*: type =default {values} min..max - words``; "*" is needed, "!" is a secret.

    Those that are needed come first, then by name: APISIX tells them in another order each time. Fields of
    fields are shown down to ``depth``; deeper ones are "{…}".
    """
    needed = _texts(schema.get("required"))
    secret = {path.split(".")[0] for path in _texts(schema.get("encrypt_fields"))}
    for name, field in sorted(_fields(schema).items(), key=lambda pair: (pair[0] not in needed, pair[0])):
        if name in _SET_BY_THE_GATEWAY or not isinstance(field, Mapping):
            continue
        marks = ("*" if name in needed else "") + ("!" if name in secret else "")
        inner, brackets = _inner(field)
        nested = bool(_fields(inner))
        shown = f"{brackets[0]}{_kind(inner) if brackets[0] else _kind(field)}{brackets[1]}"
        hidden = " {…}" if nested and depth <= 1 else ""
        yield text.line(
            f"{indent}{name}{marks}: {shown}{_limits(field)}{hidden}{_words(field)}".rstrip(), 400
        )
        if nested and depth > 1:
            yield from (f"{indent}  {line}" for line in lines(inner, depth - 1))
    yield from (f"{indent}{rule}" for rule in _rules(schema))


def at(schema: Mapping[str, Any], path: str) -> Mapping[str, Any] | None:
    """The schema of a field, by its dotted path through objects and lists; None if there is none."""
    here = schema
    for name in path.split(".") if path else ():
        inner, _ = _inner(here)
        below = _fields(inner).get(name) or _fields(here).get(name)
        if not isinstance(below, Mapping):
            return None
        here = below
    return _inner(here)[0]


def _fields(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Its properties, and those that only some of its variants have."""
    found: dict[str, Any] = {}
    properties = schema.get("properties")
    if isinstance(properties, Mapping):
        found |= properties
    for variant in _variants(schema):
        for name, field in _fields(variant).items():
            if isinstance(field, Mapping) and _tells(field):
                found.setdefault(name, field)
    return found


def _tells(field: Mapping[str, Any]) -> bool:
    return bool({"type", "oneOf", "anyOf", "enum"} & field.keys())


def _variants(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for word in ("allOf", "anyOf", "oneOf"):
        several = schema.get(word)
        yield from (one for one in several if isinstance(one, Mapping)) if isinstance(several, list) else ()
    for word in ("then", "else"):
        if isinstance(schema.get(word), Mapping):
            yield schema[word]
    dependencies = schema.get("dependencies")
    for one in dependencies.values() if isinstance(dependencies, Mapping) else ():
        if isinstance(one, Mapping):
            yield one


def _inner(field: Mapping[str, Any]) -> tuple[Mapping[str, Any], tuple[str, str]]:
    """What is inside of a list, or of a map with free names, with the brackets to show it in."""
    items = field.get("items")
    if isinstance(items, Mapping):
        return items, ("[", "]")
    for word in ("additionalProperties", "patternProperties"):
        values = field.get(word)
        if word == "patternProperties" and isinstance(values, Mapping):
            values = next(iter(values.values()), None)
        if isinstance(values, Mapping) and values and not isinstance(field.get("properties"), Mapping):
            return values, ("{name: ", "}")
    return field, ("", "")


def _kind(field: Mapping[str, Any]) -> str:
    kind = field.get("type")
    if isinstance(kind, str):
        return kind
    if isinstance(kind, list):
        return "|".join(map(str, kind))
    several = [
        one for word in ("anyOf", "oneOf") for one in field.get(word) or () if isinstance(one, Mapping)
    ]
    kinds = dict.fromkeys(_kind(one) for one in several)
    return "|".join(kinds) or ("object" if "properties" in field else "any")


def _limits(field: Mapping[str, Any]) -> str:
    found = ""
    values = field.get("enum")
    inner = _inner(field)[0]
    if not isinstance(values, list) and isinstance(inner.get("enum"), list):
        values = inner["enum"]
    if isinstance(values, list):
        found += f" {{{'|'.join(map(str, values))}}}"
    if "default" in field:
        written = json.dumps(field["default"], ensure_ascii=False)
        found += f" ={written}" if len(written) <= _LONGEST_VALUE else " =…"
    low = field.get("minimum", field.get("exclusiveMinimum"))
    high = field.get("maximum", field.get("exclusiveMaximum"))
    if low is not None or high is not None:
        above = ">" if "exclusiveMinimum" in field else ""
        found += f" {above}{'' if low is None else low}..{'' if high is None else high}"
    pattern = field.get("pattern")
    if isinstance(pattern, str) and len(pattern) <= _LONGEST_VALUE:
        found += f" /{pattern}/"
    return found


def _words(field: Mapping[str, Any]) -> str:
    words = field.get("description") or field.get("title")
    return f" - {text.line(str(words), _LONGEST_WORDS)}" if words else ""


def _rules(schema: Mapping[str, Any]) -> Iterator[str]:
    """Which fields must or must not stand together."""
    for word, begin in (("oneOf", "exactly one of"), ("anyOf", "at least one of")):
        several = schema.get(word)
        ways = [_texts(one.get("required")) for one in several or () if isinstance(one, Mapping)]
        ways = [way for way in ways if way]
        if len(ways) > 1:
            yield f"{begin}: {' | '.join(' + '.join(way) for way in ways)}"
    condition = schema.get("if")
    then = schema.get("then")
    if isinstance(condition, Mapping) and isinstance(then, Mapping) and _texts(then.get("required")):
        yield f"if {_when(condition)}: needs {', '.join(_texts(then.get('required')))}"
    otherwise = schema.get("else")
    if isinstance(otherwise, Mapping) and isinstance(otherwise.get("if"), Mapping):
        yield from _rules(otherwise)


def _when(condition: Mapping[str, Any]) -> str:
    properties = condition.get("properties")
    found = []
    for name, field in properties.items() if isinstance(properties, Mapping) else ():
        values = (
            field.get("enum", [field["const"]] if "const" in field else [])
            if isinstance(field, Mapping)
            else []
        )
        found.append(f"{name} is {' or '.join(map(str, values))}" if values else f"{name} is so")
    return " and ".join(found) or "so"


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, Sequence) else []
