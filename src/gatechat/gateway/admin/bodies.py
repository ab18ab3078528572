"""Request bodies: read up to a limit and decoded strictly, every kind of bad input with its own answer."""

from __future__ import annotations

import json
import math
from itertools import chain
from typing import Final, NoReturn

from starlette.requests import Request

from gatechat.apisix.kinds import LARGEST_BODY
from gatechat.gateway.model import JSON, Refused

TOO_LARGE_TO_READ: Final = 4 * 1024 * 1024
"""Bytes. Over LARGEST_BODY the answer is APISIX's 400; over this it is a 413 and no more is read."""

DEEPEST: Final = 128
"""Levels of nesting. APISIX takes 1000; no real configuration has twenty."""

MISSING: Final = object()
"""There was no body, as opposed to the body ``null``."""

_LARGEST_INTEGER: Final = 2**53
_DEEP: Final = f"too many nested data structures, at most {DEEPEST}"


class BadBody(Refused):
    """The body is not a JSON text. APISIX gives it back under ``req_body``."""

    def __init__(self, reason: str, text: str | None = None) -> None:
        super().__init__(f"invalid request body: {reason}")
        self.text = text


async def read_body(request: Request) -> bytes:
    """The bytes of the body; Refused 400 over LARGEST_BODY, 413 over TOO_LARGE_TO_READ."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > TOO_LARGE_TO_READ:
        raise _too_large(int(declared))
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > TOO_LARGE_TO_READ:
            raise _too_large(size)
        if size <= LARGEST_BODY:
            chunks.append(chunk)
    if size > LARGEST_BODY:
        raise _too_large(size)
    return b"".join(chunks)


def _too_large(size: int) -> Refused:
    text = (
        f"invalid request body: request size {size} is greater than the maximum size {LARGEST_BODY} allowed"
    )
    return Refused(text, 413 if size > TOO_LARGE_TO_READ else 400)


def decode_json(body: bytes) -> JSON:
    """The JSON value of a body, MISSING if it is empty. Refused says where it is broken.

    Stricter than APISIX, which takes NaN and, of two values under one name, the last: both are mistakes here.
    As lenient as APISIX with line breaks inside strings.
    """
    if not body:
        return MISSING
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise BadBody(f"not UTF-8 at byte {error.start + 1}") from error
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
        raise BadBody(f"{error.msg} at line {error.lineno} column {error.colno}", text) from error
    except UnicodeEncodeError as error:
        raise BadBody("half of a \\u surrogate pair in a string", text) from error
    except ValueError as error:
        raise BadBody(str(error), text) from error
    except RecursionError as error:
        raise BadBody(_DEEP) from error
    if is_deep(value):
        raise BadBody(_DEEP)
    return value


def is_deep(value: JSON) -> bool:
    """Whether a value is nested in more than DEEPEST levels."""
    level = [value]
    for _ in range(DEEPEST):
        objects = [item.values() for item in level if isinstance(item, dict)]
        arrays = [item for item in level if isinstance(item, list)]
        level = [inner for container in chain(objects, arrays) for inner in container]
    return any(isinstance(item, dict | list) for item in level)


def _object(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
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
