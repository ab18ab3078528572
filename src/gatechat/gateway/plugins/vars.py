"""Conditions: lua-resty-expr (``vars``, ``_meta.filter``) into the form that lua/expr.lua runs.

``["and" | "or" | "nand" | "nor", condition…]`` or ``[operator, variable, value]`` with a fourth ``true``
when negated.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

from gatechat.gateway.model import JSON, Refused
from gatechat.gateway.regex import compile_regex

_LOGIC = {"OR": "or", "!OR": "nor", "AND": "and", "!AND": "nand"}
_BODY = ("post_arg", "graphql_")
_NOT_TOLD = re.compile(
    r"upstream_(addr|bytes_\w+|cache_status|connect_time|header_time|host|response_\w+|unresolved_host)"
    r"|(geoip|llm_|proxy_protocol_|sent_trailer_|ssl_client_|tcpinfo_)\w*"
    r"|balancer_(ip|port)|(body_)?bytes_sent|connection(_requests|_time)?|proxy_(host|port|add_x_forwarded_for)"
    r"|request(_body|_body_file|_completion|_filename|_length|_time)?|remote_user|resp_body|server_name"
    r"|document_root|realpath_root|gzip_ratio|hostname|limit_rate|nginx_version|pid|pipe"
)
"""Variables of nginx and APISIX that lua/context.lua has not."""
_OPERATORS = {"==", "~=", ">", ">=", "<", "<=", "~~", "~*", "in", "has", "ipmatch"}


def compile_vars(vars: JSON) -> JSON:
    """The condition that ``vars`` means; an empty list always holds. Refused as lua-resty-expr does."""
    if not isinstance(vars, list):
        raise _bad("it must be a list")
    if not vars:
        return ["and"]
    if not isinstance(vars[0], list) and str(vars[0]).upper() not in _LOGIC:
        raise _bad("rule should be wrapped inside brackets")
    return _rule(vars)


def refuse_unknown_variable(name: str) -> None:
    """Raises Refused for a variable that has a value in APISIX and would never have one here."""
    useless = f"the variable {name} has no effect in the embedded gateway"
    if name.startswith(_BODY):
        raise Refused(f"{useless}: this is decided before the request's body is read")
    if _NOT_TOLD.fullmatch(name):
        raise Refused(f"{useless}: Envoy does not know it")


def all_of(conditions: Sequence[JSON]) -> JSON:
    return ["and", *conditions]


def one_of(variable: str, values: Sequence[str]) -> JSON:
    return ["in", variable, list(values)]


def ip_in(variable: str, networks: Sequence[str]) -> JSON:
    """Raises Refused for what is neither an address nor a network."""
    return ["ipmatch", variable, [_network(text) for text in networks]]


def matches(variable: str, pattern: str) -> JSON:
    """Raises Refused for a pattern that lua/regex.lua cannot run."""
    return ["~~", variable, compile_regex(pattern)]


def _bad(why: str) -> Refused:
    return Refused(f"failed to validate the 'vars' expression: {why}")


def _rule(rule: JSON) -> JSON:
    if not isinstance(rule, list):
        raise _bad(f"a condition must be a list, not {rule!r}")
    if not rule:
        raise _bad("rule too short")
    if isinstance(rule[0], list):
        return ["and", *map(_rule, rule)]
    logic = _LOGIC.get(str(rule[0]).upper())
    if logic:
        if len(rule) <= 2:
            raise _bad("rule too short")
        return [logic, *map(_rule, rule[1:])]
    return _comparison(rule)


def _comparison(rule: list[JSON]) -> JSON:
    negated = len(rule) == 4
    if negated and rule[1] != "!":
        raise _bad("bad 'not' expression")
    if len(rule) > 4 or len(rule) < 2:
        raise _bad("invalid expression")
    if len(rule) == 2:
        variable, operator, value = _short(*rule)
    else:
        variable, operator, value = rule[0], rule[-2], rule[-1]
    if not isinstance(variable, str) or not isinstance(operator, str):
        raise _bad("invalid expression")
    operator = operator.lower()
    if operator not in _OPERATORS:
        raise _bad(f"invalid operator '{operator}'")
    try:
        refuse_unknown_variable(variable)
    except Refused as refused:
        raise _bad(refused.message) from None
    compiled = [operator, variable, _right_side(operator, value)]
    return [*compiled, True] if negated else compiled


def _short(variable: JSON, second: JSON) -> tuple[JSON, JSON, JSON]:
    """``[variable, value]``, or ``[variable, operator]`` against nothing."""
    if isinstance(second, bool) or not isinstance(second, str | int | float):
        raise _bad("invalid expression")
    text = str(second)
    return (variable, text, None) if text.lower() in _OPERATORS else (variable, "==", text.lower())


def _right_side(operator: str, value: JSON) -> JSON:
    if operator in ("~~", "~*"):
        if not isinstance(value, str):
            raise _bad(f"the right side of '{operator}' must be a regular expression")
        try:
            return compile_regex(value, ignore_case=operator == "~*")
        except Refused as refused:
            raise _bad(refused.message) from None
    if operator == "ipmatch":
        networks = value if isinstance(value, list) else [value]
        if not networks or networks == [""]:
            raise _bad("invalid ip address")
        return [_network(text) for text in networks]
    return value


def _network(text: JSON) -> str:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise _bad(f"invalid ip address: {text}") from None
    return str(text)
