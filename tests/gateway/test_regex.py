"""What is refused, and the tree; what trees match is tested in lua/test_regex.py."""

from __future__ import annotations

import pytest

from gatechat.gateway.model import Refused
from gatechat.gateway.regex import compile_regex


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(a", "unterminated subpattern"),
        ("a**", "multiple repeat"),
        (r"\p{L}", "Unicode property"),
        (r"a\Kb", "keep out"),
        ("(?R)", "recursion"),
        ("(?|a|b)", "branch reset"),
        ("(*SKIP)a", "verb"),
        ("a(?i)b", "inside the pattern"),
        ("(?<=a+)b", "fixed-width"),
        ("[é]", "more than one byte"),
        (r"\x{263a}", "more than one byte"),
        ("a" * 5000, "longer than"),
        ("(" * 2000 + ")" * 2000, "regular expression"),
    ],
)
def test_refuses_what_it_cannot_run(pattern: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason.replace("(", r"\(")):
        compile_regex(pattern)


def test_the_tree() -> None:
    assert compile_regex("^/(?<id>[a-c]+?)x|é$") == {
        "n": 1,
        "names": {"id": 1},
        "x": [
            "alt",
            [
                "seq",
                ["at", "start"],
                ["lit", "/"],
                ["group", 1, ["repeat", 1, -1, "lazy", ["set", 97, 99]]],
                ["lit", "x"],
            ],
            ["seq", ["bytes", 195, 169], ["at", "last line end"]],
        ],
    }
