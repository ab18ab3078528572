"""The JSON of a request body, decoded so strictly that no two readers can understand it differently."""

from __future__ import annotations

import json
import math
from itertools import chain
from typing import Any, Final, NoReturn

DEEPEST: Final = 128
"""Levels of nesting. APISIX takes 1000; no real configuration has twenty."""

MISSING: Final = object()
"""There was no body, as opposed to the body ``null``."""

_LARGEST_INTEGER: Final = 2**53
_DEEP: Final = f"too many nested data structures, at most {DEEPEST}"


class NotJson(ValueError):
    """The body is no JSON text; the message says where it is broken. ``text``: what it is, if it can be
    shown.
    """

    def __init__(self, reason: str, text: str | None = None) -> None:
        super().__init__(reason)
        self.text = text


def decode_json(body: bytes) -> Any:
    """The JSON value of a body, MISSING if it is empty. Raises NotJson.

    Stricter than APISIX, which takes NaN and, of two values under one name, the last: both are mistakes here.
    As lenient as APISIX with line breaks inside strings.
    """
    if not body:
        return MISSING
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise NotJson(f"not UTF-8 at byte {error.start + 1}") from error
    try:
        value = json.loads(
            text,
            strict=False,
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_float=_number,
            parse_int=_integer,
        )
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise NotJson(f"{error.msg} at line {error.lineno} column {error.colno}", text) from error
    except UnicodeEncodeError as error:
        raise NotJson("half of a \\u surrogate pair in a string", text) from error
    except ValueError as error:
        raise NotJson(str(error), text) from error
    except RecursionError as error:
        raise NotJson(_DEEP) from error
    if is_deep(value):
        raise NotJson(_DEEP)
    return value


def is_deep(value: Any) -> bool:
    """Whether a value is nested in more than DEEPEST levels."""
    level = [value]
    for _ in range(DEEPEST):
        objects = [item.values() for item in level if isinstance(item, dict)]
        arrays = [item for item in level if isinstance(item, list)]
        level = [inner for container in chain(objects, arrays) for inner in container]
    return any(isinstance(item, dict | list) for item in level)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f'"{twice}" is there twice in one object')
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _number(text: str) -> float | int:
    """1.0 is the integer 1, as it is in Lua and for JSON Schema."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:40]} is out of range")
    return int(number) if number.is_integer() and abs(number) <= _LARGEST_INTEGER else number


def _integer(text: str) -> int:
    if len(text) > 17 or abs(int(text)) > _LARGEST_INTEGER:
        raise ValueError(f"the number {text[:40]} is out of range")
    return int(text)
