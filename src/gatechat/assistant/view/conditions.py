"""A route's ``vars``, asked of a request: they hold, they do not, or it cannot be known.

Source: lua-resty-expr (v1.lua), including what it takes for granted: a text never equals a number, ``has``
wants a list, ["AND"|"OR"|"!AND"|"!OR", condition…] may stand wherever a condition may.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import jsonschema_rs

from gatechat.assistant.view.configuration import JSON
from gatechat.assistant.view.request import UNKNOWN, Request, Value

LOGIC: Final = ("AND", "OR", "!AND", "!OR")
_MOST_STEPS: Final = 50_000
"""Of a regular expression; one that needs more is not known."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """``holds`` is None when it cannot be known; ``why`` says what decided, or what would have to be
    known."""

    holds: bool | None
    why: str


TRUE: Final = Verdict(True, "")


def ask(vars: JSON, request: Request) -> Verdict:
    """Whether ``vars`` holds for the request."""
    if not isinstance(vars, list):
        return Verdict(None, "its vars are no list")
    if not vars:
        return TRUE
    if not isinstance(vars[0], list) and str(vars[0]).upper() not in LOGIC:
        return Verdict(None, "its vars are not wrapped in brackets")
    return _rule(vars, request)


def _rule(rule: JSON, request: Request) -> Verdict:
    if not isinstance(rule, list) or not rule:
        return Verdict(None, f"{_shown(rule)} is no condition")
    if isinstance(rule[0], list):
        return _all([_rule(part, request) for part in rule])
    logic = str(rule[0]).upper()
    if logic not in LOGIC:
        return _comparison(rule, request)
    parts = [_rule(part, request) for part in rule[1:]]
    if logic == "AND":
        return _all(parts)
    if logic == "OR":
        return _any(parts)
    return _not(_all(parts) if logic == "!AND" else _any(parts), rule)


def _all(parts: list[Verdict]) -> Verdict:
    for wanted in (False, None):
        found = [part for part in parts if part.holds is wanted]
        if found:
            return Verdict(wanted, found[0].why if wanted is False else " and ".join(_whys(found)))
    return TRUE


def _any(parts: list[Verdict]) -> Verdict:
    if any(part.holds for part in parts):
        return TRUE
    open_ = [part for part in parts if part.holds is None]
    return Verdict(None if open_ else False, " and ".join(_whys(open_ or parts)))


def _not(verdict: Verdict, rule: JSON) -> Verdict:
    if verdict.holds is None:
        return verdict
    return TRUE if not verdict.holds else Verdict(False, f"{_shown(rule)} does not hold")


def _whys(parts: list[Verdict]) -> list[str]:
    return list(dict.fromkeys(part.why for part in parts))


def _comparison(rule: list[JSON], request: Request) -> Verdict:
    negated = len(rule) == 4 and rule[1] == "!"
    name, right = rule[0], rule[-1]
    if len(rule) == 2 and str(right).lower() not in _OPERATORS:
        operator, right = "==", str(right).lower()  # the old short form
    elif len(rule) in (2, 3) or negated:
        operator = str(rule[2 if negated else 1]).lower()
        right = None if len(rule) == 2 else right
    else:
        return Verdict(None, f"{_shown(rule)} is no condition")
    compare = _OPERATORS.get(operator)
    if compare is None or not isinstance(name, str):
        return Verdict(None, f"{_shown(rule)} is no condition")
    left = request.variable(name)
    if left is UNKNOWN:
        return Verdict(None, f"{_shown(rule)} depends on {name}, which is not known here")
    holds = compare(left, right)
    if holds is None:
        return Verdict(None, f"{_shown(rule)} cannot be worked out here")
    if holds is not negated:
        return TRUE
    return Verdict(False, f"{_shown(rule)} does not hold: {name} {_is(left)}")


def _shown(rule: JSON) -> str:
    return json.dumps(rule, ensure_ascii=False)


def _is(left: Value) -> str:
    if left is None:
        return "is not there"
    return "has no value" if left is True else f"is {json.dumps(left, ensure_ascii=False)}"


def _equal(left: Value, right: JSON) -> bool:
    if isinstance(right, int | float) and not isinstance(right, bool):
        number = _number(left)
        return number is not None and number == right
    return type(left) is type(right) and left == right


def _number(value: JSON) -> float | None:
    """As Lua's tonumber reads it."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return float(value)
    text = str(value).strip(" \t\n\r\f\v")
    try:
        if text.lower().lstrip("+-").startswith("0x"):
            return float.fromhex(text)
        return float(text) if "_" not in text else None
    except (ValueError, OverflowError):
        return None


def _ordered(compare: Callable[[float, float], bool]) -> Callable[[Value, JSON], bool | None]:
    def holds(left: Value, right: JSON) -> bool | None:
        first, second = _number(left), _number(right)
        return first is not None and second is not None and compare(first, second)

    return holds


def _found(left: Value, pattern: JSON, flags: str = "") -> bool | None:
    if left is None:
        return False
    if not isinstance(pattern, str) or not isinstance(left, str):
        return None
    validator = _regex(flags + pattern)
    return None if validator is None else validator.is_valid(left)


@lru_cache(maxsize=4096)
def _regex(pattern: str) -> jsonschema_rs.Validator | None:
    """Bounded in time, unlike Python's own. None for what only PCRE understands."""
    options = jsonschema_rs.FancyRegexOptions(backtrack_limit=_MOST_STEPS)
    try:
        return jsonschema_rs.validator_for({"pattern": pattern}, pattern_options=options)
    except jsonschema_rs.ValidationError:
        return None


def matches(pattern: str, text: str) -> bool | None:
    """Whether the regular expression is found in the text; None when it cannot be worked out here."""
    return _found(text, pattern)


def _in(left: Value, right: JSON) -> bool:
    return isinstance(right, list) and any(type(left) is type(one) and left == one for one in right)


def _in_networks(left: Value, right: JSON) -> bool | None:
    return in_networks(left, right if isinstance(right, list) else [right])


def in_networks(address: Value, networks: list[JSON]) -> bool | None:
    """Whether the address is in one of them; None when one of the networks is none."""
    try:
        known = ipaddress.ip_address(str(address))
    except ValueError:
        return False
    try:
        return any(known in _network(str(network)) for network in networks)
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(text, strict=False)


_OPERATORS: Final[dict[str, Callable[[Value, JSON], bool | None]]] = {
    "==": _equal,
    "~=": lambda left, right: not _equal(left, right),
    ">": _ordered(lambda a, b: a > b),
    ">=": _ordered(lambda a, b: a >= b),
    "<": _ordered(lambda a, b: a < b),
    "<=": _ordered(lambda a, b: a <= b),
    "~~": _found,
    "~*": lambda left, pattern: _found(left, pattern, "(?i)"),
    "in": _in,
    "has": lambda left, right: False,  # no variable of a request is a list
    "ipmatch": _in_networks,
}
