"""A body is JSON to every reader, or it is none."""

from __future__ import annotations

from typing import Any

import pytest

from gatechat.apisix.bodies import DEEPEST, MISSING, NotJson, decode_json

GOOD: dict[str, tuple[bytes, Any]] = {
    "nothing": (b"", MISSING),
    "null": (b"null", None),
    "1.0 is an integer in Lua": (b"1.0", 1),
    "a fraction": (b"1.5", 1.5),
    "the largest integer that Lua holds exactly": (b"9007199254740992", 2**53),
    "a line break in a text": (b'"a\nb"', "a\nb"),
    "a whole surrogate pair": (b'"\\ud83d\\ude00"', "\U0001f600"),
    "as deep as it may be": (b"[" * DEEPEST + b"]" * DEEPEST, None),
}
BAD: dict[str, tuple[bytes, str]] = {
    "half an object": (b"{", "line 1 column 2"),
    "two values": (b"1 2", "Extra data"),
    "no UTF-8": (b'"\xff"', "not UTF-8 at byte 2"),
    "a name that is there twice": (b'{"a": 1, "a": 2}', '"a" is there twice'),
    "a number that is none": (b"NaN", "NaN is not a JSON number"),
    "a number beyond all bounds": (b"1e999", "out of range"),
    "an integer that Lua would round": (b"9007199254740993", "out of range"),
    "half a surrogate pair": (b'"\\ud83d"', "surrogate"),
    "deeper than it may be": (b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1), "too many nested"),
    "deeper than a stack": (b"[" * 100_000, "too many nested"),
}


@pytest.mark.parametrize("name", GOOD)
def test_it_is_decoded(name: str) -> None:
    body, wanted = GOOD[name]
    assert wanted is None or decode_json(body) == wanted


@pytest.mark.parametrize("name", BAD)
def test_it_is_refused_with_the_reason(name: str) -> None:
    body, words = BAD[name]
    with pytest.raises(NotJson, match=words):
        decode_json(body)
