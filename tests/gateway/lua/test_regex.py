from __future__ import annotations

import pytest
from lupa.luajit21 import LuaError

from gatechat.gateway.regex import compile_regex
from tests.gateway.lua.luajit import Lua

LUA = Lua()

FIND = """function(tree, text)
  local first, last, found = use('regex').new(tree):find(text)
  if not first then return false end
  local groups = setmetatable({}, use('json').array)
  for i = 1, #found do groups[i] = found[i] end
  return { from = first - 1, to = last, groups = groups, whole = found[0] }
end"""


def find(pattern: str, text: str, *, ignore_case: bool = False) -> list[str | bool] | None:
    """The leftmost match and its groups as text, False for a group that took no part; None: no match."""
    found = LUA.call(FIND, compile_regex(pattern, ignore_case=ignore_case), text)
    return [found["whole"], *found["groups"]] if found else None


MATCHES = [
    ("a literal", "foo", "xfoox", ["foo"]),
    ("bytes that are no ASCII", "é+", "caféé", ["é"]),
    ("a dot is no newline", "a.c", "a\nc", None),
    ("(?s): a dot is everything", "(?s)a.c", "a\nc", ["a\nc"]),
    ("greedy takes the most", "<.*>", "<a><b>", ["<a><b>"]),
    ("lazy takes the least", "<.*?>", "<a><b>", ["<a>"]),
    ("possessive gives nothing back", "a*+a", "aaa", None),
    ("an atomic group gives nothing back", "(?>a|ab)c", "abc", None),
    ("a counted repeat", r"^\d{2,3}$", "1234", None),
    ("a counted repeat that fits", r"^\d{2,3}$", "123", ["123"]),
    ("a brace that is no repeat", "a{,2}", "a{,2}", ["a{,2}"]),
    ("the first alternative wins", "a|ab", "ab", ["a"]),
    ("groups", r"^/(\w+)/(\w+)?$", "/user/", ["/user/", "user", False]),
    ("the last round of a group counts", "(?:(a)|b)+", "ab", ["ab", "a"]),
    ("a named group as PCRE writes it", "(?<id>[0-9]+)", "n42", ["42", "42"]),
    ("a named group in quotes", "(?'id'[0-9]+)", "n42", ["42", "42"]),
    ("a back reference", r"(a|b)\1", "abb", ["bb", "b"]),
    ("a back reference by name", r"(?<x>a|b)\k<x>", "abb", ["bb", "b"]),
    ("a relative back reference", r"(a)(b)\g{-1}", "abb", ["abb", "a", "b"]),
    ("look-ahead", "foo(?=bar)", "foobar", ["foo"]),
    ("negative look-ahead", "^(?!admin)", "admin", None),
    ("look-behind", "(?<=a)b", "ab", ["b"]),
    ("negative look-behind", "(?<!a)b", "ab", None),
    ("a condition on a group", "^(<)?a(?(1)>|!)$", "<a>", ["<a>", "<"]),
    ("a POSIX class", "^[[:alpha:]]+$", "Abc", ["Abc"]),
    ("a negated POSIX class", "[[:^digit:]]", "1a", ["a"]),
    ("a bracket first in a class", "[]x]", "]", ["]"]),
    ("(?i) at the start", "(?i)Abc[d-f]", "aBCE", ["aBCE"]),
    ("ignoring case in one group", "(?i:a)b", "Ab", ["Ab"]),
    (r"\z is the very end", r"a\z", "a\n", None),
    (r"\Z is before a last newline too", r"a\Z", "a\n", ["a"]),
    ("$ is before a last newline too", "a$", "a\n", ["a"]),
    ("(?m): lines", "(?m)^b$", "a\nb\nc", ["b"]),
    (r"\b is the edge of a word", r"\bcat\b", "a cat.", ["cat"]),
    (r"\h is a space or tab", r"a\hb", "a\tb", ["a\tb"]),
    (r"\R is any newline", r"a\Rb", "a\r\nb", ["a\r\nb"]),
    (r"\Q quotes", r"\Qa.b\E+", "a.bb", ["a.bb"]),
    (r"\x{} is a byte", r"\x{41}", "A", ["A"]),
    ("(?x) ignores spaces", "(?x) a b  # a comment", "ab", ["ab"]),
    ("an empty match", "x*", "abc", [""]),
    ("a loop over nothing ends", "(?:a*)*b", "aab", ["aab"]),
]


@pytest.mark.parametrize(
    ("pattern", "text", "expected"), [case[1:] for case in MATCHES], ids=[case[0] for case in MATCHES]
)
def test_matches_as_pcre_does(pattern: str, text: str, expected: list[str | bool] | None) -> None:
    assert find(pattern, text) == expected


def test_ignores_case_when_told() -> None:
    assert find("^h[A-C]", "HB", ignore_case=True) == ["HB"]


def test_an_exploding_pattern_is_an_error_not_a_miss() -> None:
    with pytest.raises(LuaError, match="needs more than"):
        find("^(a+)+$", "a" * 40 + "b")


def test_a_deep_repeat_is_an_error_or_an_answer() -> None:
    text = "ab" * 50_000
    try:
        assert find("^(?:ab)+$", text) == [text]
    except LuaError as error:
        assert "overflow" in str(error) or "needs more than" in str(error)  # noqa: PT017


REPLACE = (
    "function(tree, text, template, all) return { use('regex').new(tree):replace(text, template, all) } end"
)


@pytest.mark.parametrize(
    ("pattern", "text", "template", "all_", "expected"),
    [
        ("^/a/(.*)", "/a/b", "/$1", False, ["/b", 1]),
        ("(b)(x)?", "abc", "[${1}$2]", False, ["a[b]c", 1]),
        ("b", "abcb", "$0$0", True, ["abbcbb", 2]),
        ("b", "abcb", "x", False, ["axcb", 1]),
        ("b", "aba", "$$1", False, ["a$1a", 1]),
        ("x", "abc", "y", True, ["abc", 0]),
        ("", "ab", "-", True, ["-a-b-", 3]),
    ],
)
def test_replaces(pattern: str, text: str, template: str, all_: bool, expected: list[str | int]) -> None:
    assert LUA.call(REPLACE, compile_regex(pattern), text, template, all_) == expected
