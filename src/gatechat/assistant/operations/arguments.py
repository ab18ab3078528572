"""Arguments of a tool, read before it runs: what can only mean one thing is understood, and said; of what
cannot be, every error is told at once, each with what would be right. Nothing is ignored.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final

import jsonschema_rs

from gatechat.apisix.kinds import KINDS

_KINDS = jsonschema_rs.ValidationErrorKind
_LONGEST_VALUE = 60
_BY_OTHER_NAMES: Final[Mapping[str, str]] = {
    name.replace("_", ""): plural
    for plural, kind in KINDS.items()
    for name in (plural, plural.removesuffix("s"), kind.title.replace(" ", "_"))
}
"""Kinds by what people write: "route", "Routes", "plugin-config", "consumer group"."""


def kind_of(word: str) -> str | None:
    """The kind that a word means, whatever its number, case and blanks; None: none."""
    return _BY_OTHER_NAMES.get(word.lower().replace("-", "").replace("_", "").replace(" ", ""))


@dataclass(frozen=True, slots=True)
class Words:
    """How a tool's arguments are also called. ``also``: another name -> the argument that it means.
    ``instead``: a name that there is not, or one of a wrong type -> what to do. Names below others are
    written "operations.id".
    """

    also: Mapping[str, str] = field(default_factory=dict)
    instead: Mapping[str, str] = field(default_factory=dict)


class Arguments:
    """A tool's input schema, compiled."""

    def __init__(self, schema: Mapping[str, Any], words: Words | None = None) -> None:
        self._schema = dict(schema)
        self._said = words or Words()
        self._validator = jsonschema_rs.Draft202012Validator(self._schema)

    def understood(self, arguments: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """The arguments as the schema has them, and what was read otherwise than it was written."""
        notes: list[str] = []
        read: dict[str, Any] = _Reading(self._said, notes).value(dict(arguments), self._schema, ())
        return read, list(dict.fromkeys(notes))

    def errors(self, arguments: Mapping[str, Any]) -> list[str]:
        """What is wrong, for instance ``lable: there is no such argument; did you mean label?``"""
        given = dict(arguments)
        try:
            json.dumps(given, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            return ["a text holds half of a \\u surrogate pair; write the whole character"]
        return list(
            dict.fromkeys(
                words for error in self._validator.iter_errors(given) for words in self._words(error)
            )
        )

    def _words(self, error: jsonschema_rs.ValidationError) -> Iterator[str]:
        path, kind = list(error.instance_path), error.kind
        match kind:
            case _KINDS.AdditionalProperties():
                known = self._properties(error.schema_path)
                for name in kind.unexpected:
                    advice = self._said.instead.get(_named([*path, name])) or _nearest(name, known)
                    yield f"{_where([*path, name])}: there is no such argument; {advice}"
            case _KINDS.Required():
                yield f"{_where([*path, kind.property])}: is needed"
            case _KINDS.Enum():
                options = [str(option) for option in kind.options]
                advice = self._said.instead.get(_named(path)) or _nearest(str(error.instance), options)
                yield f"{_where(path)}: {_short(error.instance)} is none of its values; {advice}"
            case _KINDS.Type():
                instead = self._said.instead.get(_named(path))
                advice = f"; {instead}" if instead else ""
                yield f"{_where(path)}: takes {' or '.join(kind.types)}, not {_short(error.instance)}{advice}"
            case _KINDS.AnyOf() | _KINDS.OneOfNotValid():
                nearest = [
                    max(errors, key=lambda e: len(e.instance_path)) for errors in kind.context if errors
                ]
                yield " or ".join(dict.fromkeys(words for branch in nearest for words in self._words(branch)))
            case _:
                yield f"{_where(path)}: {error.message}"

    def _properties(self, schema_path: Sequence[str | int]) -> list[str]:
        """The names that the object takes in which an unknown one was found."""
        schema: Any = self._schema
        for step in list(schema_path)[:-1]:
            schema = schema[step]
        return list(schema.get("properties", ()))


@dataclass
class _Reading:
    """Brings a value into the form that its schema has, where there is only one way to."""

    words: Words
    notes: list[str]

    def value(self, value: Any, schema: Mapping[str, Any], path: tuple[str | int, ...]) -> Any:
        kinds = schema.get("type")
        wanted = kinds if isinstance(kinds, str) else None
        value = self._of_type(value, wanted, schema, path)
        if isinstance(value, str) and "enum" in schema and value not in schema["enum"]:
            return self._said(path, value, _option(value, schema["enum"]))
        if isinstance(value, dict) and wanted == "object":
            return self._object(value, schema.get("properties", {}), path)
        if isinstance(value, list) and isinstance(schema.get("items"), Mapping):
            return [self.value(part, schema["items"], (*path, n)) for n, part in enumerate(value)]
        return value

    def _of_type(
        self, value: Any, wanted: str | None, schema: Mapping[str, Any], path: tuple[str | int, ...]
    ) -> Any:
        match wanted, value:
            case "string", int() if not isinstance(value, bool):
                return str(value)
            case "integer", str() if value.isascii() and value.isdigit():
                return int(value)
            case "boolean", "true" | "false":
                return value == "true"
            case (("object" | "array"), str()):
                parsed = _json(value)
                if isinstance(parsed, dict if wanted == "object" else list):
                    self.notes.append(f"{_where(path)} as the JSON in its text")
                    return parsed
        items = schema.get("items")
        if wanted == "array" and isinstance(items, Mapping) and not isinstance(value, list):
            kind = "object" if isinstance(value, dict) else "string" if isinstance(value, str) else None
            if kind is not None and items.get("type") == kind:
                self.notes.append(f"{_where(path)} as a list of one")
                return [value]
        return value

    def _object(
        self, value: Mapping[str, Any], known: Mapping[str, Any], path: tuple[str | int, ...]
    ) -> dict[str, Any]:
        read: dict[str, Any] = {}
        for name, part in value.items():
            meant = self.words.also.get(_named([*path, name]))
            if meant is None or name in known or meant not in known or {meant} & (value.keys() | read.keys()):
                meant = name
            else:
                self.notes.append(f"{name} as {meant}")
            read[meant] = self.value(part, known[meant], (*path, meant)) if meant in known else part
        return read

    def _said(self, path: tuple[str | int, ...], value: str, meant: str | None) -> str:
        if meant is None:
            return value
        if meant.lower() != value.lower():
            self.notes.append(f"{_where(path)} {value} as {meant}")
        return meant


def _option(value: str, options: Sequence[Any]) -> str | None:
    """The one option that is written otherwise."""
    same = [option for option in options if isinstance(option, str) and option.lower() == value.lower()]
    kind = kind_of(value)
    return same[0] if same else kind if kind in options else None


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _named(path: Sequence[str | int]) -> str:
    return ".".join(step for step in path if isinstance(step, str))


def _where(path: Sequence[str | int]) -> str:
    words = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return words.removeprefix(".") or "the arguments"


def _nearest(word: str, known: Sequence[str]) -> str:
    near = get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]}?"
    return f"it takes {', '.join(known)}" if known else "it takes none"


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"
