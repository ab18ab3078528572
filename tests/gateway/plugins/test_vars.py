"""What is no condition; what conditions mean is tested in lua/test_expr.py."""

from __future__ import annotations

import pytest

from gatechat.gateway.model import JSON, Refused
from gatechat.gateway.plugins import compile_vars, ip_in, matches


@pytest.mark.parametrize(
    ("vars_", "reason"),
    [
        ("arg_a", "must be a list"),
        (["arg_a", "==", "1"], "rule should be wrapped inside brackets"),
        ([[]], "rule too short"),
        (["OR", ["a", "1"]], "rule too short"),
        ([["a", "like", "1"]], "invalid operator 'like'"),
        ([["a", "?", "==", "1"]], "bad 'not' expression"),
        ([["a"]], "invalid expression"),
        ([["a", "==", "1", "2", "3"]], "invalid expression"),
        ([["a", "~~", "("]], "regular expression"),
        ([["a", "~~", 1]], "must be a regular expression"),
        ([["a", "ipmatch", "10.0.0.300"]], "invalid ip address"),
        ([["a", "ipmatch", []]], "invalid ip address"),
        (["AND", "a", ["b", "1"]], "must be a list"),
    ],
)
def test_refuses_what_is_no_condition(vars_: JSON, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        compile_vars(vars_)


def test_the_translators_helpers_refuse_too() -> None:
    with pytest.raises(Refused, match="invalid ip address"):
        ip_in("remote_addr", ["10.0.0.0/40"])
    with pytest.raises(Refused, match="regular expression"):
        matches("uri", "(")
