"""Compares an answer with what a block expects, by the rules of Test::Nginx."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .blocks import Block, Pattern, Value
from .wire import Response

CHECKED = (
    "response_body",
    "response_body_like",
    "response_body_unlike",
    "response_headers",
    "response_headers_like",
    "raw_response_headers_like",
    "raw_response_headers_unlike",
    "response_headers_raw_like",
    "error_code",
    "error_code_like",
)
LOGS = ("error_log", "grep_error_log", "access_log", "error_log_like", "shutdown_error_log")

REFUSALS = (
    r"invalid configuration",
    r"failed to check the configuration of plugin [\w-]+",
    r"failed to check the configuration of (?:global_rule|plugin)",
    r"failed to validate the 'vars' expression",
    r"property \W*[\w.]+\W* validation failed",
    r"the property is forbidden",
)
"""How APISIX begins the text of a refusal; what follows is a schema library's wording and need not agree."""


WORDING = re.compile(
    r"string too (?:short|long)|object matches none|value should match only one schema|wrong type: expected"
    r"|expect array to have|matches none of the enum|is required|additional properties forbidden"
    r"|failed to match pattern|then clause did not match|failed to validate item|validation failed"
)
"""What APISIX's schema library says."""


@dataclass(frozen=True)
class Mismatch:
    what: str
    expected: str
    got: str

    def __str__(self) -> str:
        return f"{self.what}: expected {self.expected!r}, got {self.got!r}"


def is_judged(block: Block) -> bool:
    """Whether an answer is checked at all, or only what APISIX wrote to its log."""
    return any(name in block.sections for name in CHECKED) or not any(name in block.sections for name in LOGS)


def mismatches(
    block: Block, answer: Response, index: int, count: int, refusals: Sequence[str] = ()
) -> list[Mismatch]:
    """What differs in the answer to request ``index`` of ``count``.

    ``refusals`` are schema errors that the block's script was given: their wording may appear in the body.
    """
    found = [*_status(block, answer, index, count)]
    for name, wanted in (
        ("response_body", True),
        ("response_body_like", True),
        ("response_body_unlike", False),
    ):
        value = _at(block.sections.get(name), index, count)
        if value is None:
            continue
        pattern = value if isinstance(value, Pattern) else None
        if pattern is None and name != "response_body":
            pattern = Pattern.of(str(value).rstrip("\n"), "s")
        if pattern is None:
            agrees = str(value) == answer.body
        else:
            agrees = (pattern.regex.search(answer.body) is not None) == wanted
        if not agrees and wanted:
            agrees = _same_refusal(value, answer.body, refusals)
        if not agrees:
            found.append(Mismatch(name, pattern.regex.pattern if pattern else str(value), answer.body))
    return [*found, *_headers(block, answer, index, count)]


def _status(block: Block, answer: Response, index: int, count: int) -> list[Mismatch]:
    like = _at(block.sections.get("error_code_like"), index, count)
    if like is not None:
        pattern = like if isinstance(like, Pattern) else Pattern.of(str(like).strip())
        agrees, expected = pattern.regex.search(str(answer.status)) is not None, pattern.regex.pattern
    else:
        expected = str(_at(block.sections.get("error_code"), index, count) or "200").strip()
        agrees = expected == str(answer.status)
    return [] if agrees else [Mismatch("status", expected, f"{answer.status} {answer.body[:300]}")]


def _headers(block: Block, answer: Response, index: int, count: int) -> list[Mismatch]:
    found = []
    for name in ("response_headers", "response_headers_like"):
        for line in _lines(_at(block.sections.get(name), index, count)):
            if line.startswith("!"):
                header, expected = line[1:].strip(), ""
            else:
                header, _, expected = (part.strip() for part in line.partition(":"))
            got = answer.header(header) or ""
            if name == "response_headers":
                agrees = _as_list(got) == _as_list(expected)
            else:
                agrees = re.fullmatch(expected, got) is not None
            if not agrees:
                found.append(Mismatch(f"header {header}", expected, got))
    for name, wanted in (
        ("raw_response_headers_like", True),
        ("response_headers_raw_like", True),
        ("raw_response_headers_unlike", False),
    ):
        value = _at(block.sections.get(name), index, count)
        if value is not None:
            pattern = value if isinstance(value, Pattern) else Pattern.of(str(value).strip(), "s")
            if (pattern.regex.search(answer.head) is not None) != wanted:
                found.append(Mismatch(name, pattern.regex.pattern, answer.head))
    return found


def _as_list(value: str) -> list[str]:
    """A header's values; on one line or several, with a space after the comma or not, they mean the same."""
    return [part.strip() for part in value.split(",")]


def _lines(value: Value) -> list[str]:
    return [line for line in value.splitlines() if line.strip()] if isinstance(value, str) else []


def _at(value: Value, index: int, count: int) -> Value:
    if isinstance(value, list):
        return value[index] if index < len(value) else None
    return value if count == 1 or index == 0 or isinstance(value, str | Pattern) else None


def _same_refusal(expected: Value, got: str, refusals: Sequence[str]) -> bool:
    text = expected.regex.pattern.replace("\\", "") if isinstance(expected, Pattern) else str(expected)
    if any(_begins(refusal, text) and _begins(refusal, got) for refusal in REFUSALS):
        return True
    if WORDING.search(text) and any(_begins(refusal, got) for refusal in REFUSALS):
        return True
    if not refusals or not any(refusal in got for refusal in refusals):
        return False
    if isinstance(expected, Pattern):
        return True
    shape = "(.+)".join(re.escape(part) for part in _without(got, refusals))
    match = re.fullmatch(shape, text, re.S)
    success = {"done", "passed", "ok", "valid"}
    return match is not None and success.isdisjoint(match.groups())


def _begins(refusal: str, text: str) -> bool:
    return re.search(refusal, text) is not None


def _without(text: str, refusals: Sequence[str]) -> list[str]:
    parts = [text]
    for refusal in refusals:
        parts = [piece for part in parts for piece in part.split(refusal)]
    return parts
