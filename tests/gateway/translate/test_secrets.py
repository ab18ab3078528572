"""References to the environment."""

from __future__ import annotations

from typing import Any

import pytest

from gatechat.gateway.translate.secrets import resolve

ENVIRONMENT = {"KEY": "sesame", "JSON": '{"a": "from a", "n": 7}', "EMPTY": ""}


@pytest.mark.parametrize(
    ("value", "resolved"),
    [
        ("$env://KEY", "sesame"),
        ("$ENV://KEY", "sesame"),
        ("$env://EMPTY", ""),
        ("$env://JSON/a", "from a"),
        ("$env://JSON/n", "7"),
        ("$env://JSON/missing", "$env://JSON/missing"),
        ("$env://KEY/a", "$env://KEY/a"),
        ("$env://NOWHERE", "$env://NOWHERE"),
        ("a $env://KEY inside", "a $env://KEY inside"),
        ({"deep": [{"key": "$env://KEY"}, 1, None]}, {"deep": [{"key": "sesame"}, 1, None]}),
    ],
)
def test_a_reference_is_replaced_by_what_the_environment_has(value: Any, resolved: Any) -> None:
    assert resolve(value, ENVIRONMENT) == resolved


def test_what_has_no_reference_is_not_copied() -> None:
    value = {"a": [1, {"b": "c"}]}
    assert resolve(value, ENVIRONMENT) is value
