"""``vars`` as lua-resty-expr evaluates them, or why that cannot be known."""

from __future__ import annotations

from typing import Any

import pytest

from gatechat.assistant.view.conditions import ask, in_networks
from gatechat.assistant.view.request import Request

REQUEST = Request(
    "GET", "/a/b?n=07&a=1&flag", "Foo.com:81", {"x-tier": "gold", "cookie": 's=1; t="2"'}, "10.1.2.3"
)


@pytest.mark.parametrize(
    ("vars", "holds"),
    [
        ([], True),
        ([["arg_a", "==", "1"]], True),
        ([["arg_a", "==", 1]], True),
        ([["arg_a", "1"]], True),
        ([["http_x_tier", "GOLD"]], True),
        ([["arg_n", "==", "7"]], False),
        ([["arg_n", "==", 7]], True),
        ([["arg_n", ">", 6], ["arg_n", "<=", "7"]], True),
        ([["arg_z", "<", 6]], False),
        ([["arg_z", "~=", "x"]], True),
        ([["arg_z", "==", None]], True),
        ([["arg_flag", "==", "true"]], False),
        ([["arg_flag", "==", True]], True),
        ([["http_x_tier", "!", "==", "tin"]], True),
        ([["http_x_tier", "~~", "^g.l"]], True),
        ([["http_x_tier", "~~", "^G"]], False),
        ([["http_x_tier", "~*", "^G"]], True),
        ([["http_x_tier", "in", ["tin", "gold"]]], True),
        ([["arg_n", "in", [7]]], False),
        ([["http_x_tier", "has", "gold"]], False),
        ([["remote_addr", "ipmatch", ["10.0.0.0/8", "::1"]]], True),
        ([["remote_addr", "ipmatch", "11.0.0.0/8"]], False),
        ([["cookie_s", "==", "1"], ["cookie_t", "==", "2"]], True),
        ([["host", "==", "foo.com"], ["http_host", "==", "Foo.com:81"]], True),
        ([["uri", "==", "/a/b"], ["request_uri", "~~", "flag$"]], True),
        (["OR", ["arg_a", "==", "2"], ["arg_a", "==", "1"]], True),
        (["AND", ["arg_a", "==", "2"], ["arg_a", "==", "1"]], False),
        (["!OR", ["arg_a", "==", "2"], ["arg_a", "==", "3"]], True),
        (["!AND", ["arg_a", "==", "1"], ["arg_n", "==", 7]], False),
        ([["OR", ["arg_a", "==", "2"], ["arg_n", "==", 7]], ["arg_a", "==", "1"]], True),
        ([["consumer_name", "==", None]], True),
    ],
)
def test_they_hold_or_do_not(vars: Any, holds: bool) -> None:
    assert ask(vars, REQUEST).holds is holds


@pytest.mark.parametrize(
    ("vars", "why"),
    [
        ([["geoip_country", "==", "DE"]], "geoip_country, which is not known here"),
        ([["scheme", "==", "https"]], "scheme, which is not known here"),
        ([["uri", "~~", "(?<open"]], "cannot be worked out here"),
        ([["uri", "=~", "/a"]], "is no condition"),
        (["uri", "==", "/a"], "not wrapped in brackets"),
        ({"a": 1}, "no list"),
        (["OR", ["arg_a", "==", "2"], ["scheme", "==", "https"]], "scheme"),
        (["!AND", ["arg_a", "==", "1"], ["scheme", "==", "https"]], "scheme"),
        ([["remote_addr", "ipmatch", ["nonsense"]]], "cannot be worked out here"),
    ],
)
def test_what_cannot_be_known_is_said(vars: Any, why: str) -> None:
    verdict = ask(vars, REQUEST)
    assert verdict.holds is None
    assert why in verdict.why


def test_what_is_settled_does_not_wait_for_what_is_unknown() -> None:
    unknown = ["scheme", "==", "https"]
    assert ask([unknown, ["arg_a", "==", "2"]], REQUEST).holds is False
    assert ask(["OR", unknown, ["arg_a", "==", "1"]], REQUEST).holds is True


def test_why_it_does_not_hold_names_what_was_there() -> None:
    assert ask([["arg_a", "==", "2"]], REQUEST).why == '["arg_a", "==", "2"] does not hold: arg_a is "1"'
    assert ask([["arg_z", "==", "2"]], REQUEST).why.endswith("arg_z is not there")


def test_a_regular_expression_that_never_ends_is_given_up() -> None:
    hungry = Request("GET", "/" + "a" * 60)
    assert ask([["uri", "~~", r"^/(a+)+(?=b)$"]], hungry).holds is not True


def test_an_address_is_compared_by_its_network() -> None:
    assert in_networks("::1", ["::/64"]) is True
    assert in_networks("no address", ["::/64"]) is False
