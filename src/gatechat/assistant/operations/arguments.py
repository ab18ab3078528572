"""Arguments of a tool, checked before it runs. Every error at once, each with what would be right."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import jsonschema_rs

_KINDS = jsonschema_rs.ValidationErrorKind
_LONGEST_VALUE = 60


class Arguments:
    """A tool's input schema, compiled."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = dict(schema)
        self._validator = jsonschema_rs.Draft202012Validator(self._schema)

    def errors(self, arguments: Mapping[str, Any]) -> list[str]:
        """What is wrong, for instance ``lable: there is no such argument; did you mean label?``"""
        given = dict(arguments)
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
                    yield f"{_where([*path, name])}: there is no such argument; {_nearest(name, known)}"
            case _KINDS.Required():
                yield f"{_where([*path, kind.property])}: is needed"
            case _KINDS.Enum():
                near = _nearest(str(error.instance), [str(option) for option in kind.options])
                yield f"{_where(path)}: {_short(error.instance)} is none of its values; {near}"
            case _KINDS.Type():
                yield f"{_where(path)}: takes {' or '.join(kind.types)}, not {_short(error.instance)}"
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
