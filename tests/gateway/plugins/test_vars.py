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


@pytest.mark.parametrize(
    "name", ["post_arg.a", "post_arg_a", "graphql_name", "upstream_addr", "request_time", "ssl_client_s_dn"]
)
def test_refuses_a_variable_that_would_never_have_a_value(name: str) -> None:
    with pytest.raises(Refused, match=f"the variable {name} has no effect in the embedded gateway"):
        compile_vars(["OR", ["arg_a", "1"], [[name, "==", "1"]]])


@pytest.mark.parametrize(
    "name", ["upstream_status", "request_uri", "upstream_uri", "request_method", "my_own"]
)
def test_takes_the_variables_that_there_are_and_names_that_nobody_knows(name: str) -> None:
    compile_vars([[name, "==", "1"]])


def test_the_translators_helpers_refuse_too() -> None:
    with pytest.raises(Refused, match="invalid ip address"):
        ip_in("remote_addr", ["10.0.0.0/40"])
    with pytest.raises(Refused, match="regular expression"):
        matches("uri", "(")
