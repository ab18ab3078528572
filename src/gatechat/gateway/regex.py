"""Regular expressions as APISIX's users write them (PCRE), into a small tree that ``lua/regex.lua`` runs.

Envoy's Lua has no regular expressions of its own. PCRE's spellings that Python does not know are rewritten,
Python's own parser makes the tree, and what the matcher cannot do is refused here, before it is stored.
Patterns match bytes, as PCRE does in OpenResty without the flag ``u``.

The tree: ``{"n": groups, "names": {name: index}, "x": node}``, a node is a list:
``["lit", text]``, ``["bytes", byte…]``, ``["set", low, high, low, high…]``, ``["seq", node…]``,
``["alt", node…]``, ``["group", index, node]``, ``["atomic", node]``, ``["ref", index, ignore case]``,
``["repeat", min, max (-1: no end), "greedy" | "lazy" | "possessive", node]``, ``["if", index, node, node]``,
``["look", "ahead" | "behind", negated, width, node]``,
``["at", "start" | "end" | "line start" | "line end" | "last line end" | "word" | "no word"]``.
"""

from __future__ import annotations

import re
import string
import warnings
from collections.abc import Iterable, Sequence
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any

from gatechat.gateway.model import JSON, Refused

_MAX_LENGTH = 4096
_ALL = frozenset(range(256))
_NEWLINE = 10


def compile_regex(pattern: str, *, ignore_case: bool = False) -> JSON:
    """The tree of ``pattern``. Raises Refused, with the reason, for what is wrong or not supported."""
    if len(pattern) > _MAX_LENGTH:
        raise Refused(f"the regular expression is longer than {_MAX_LENGTH} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parsed = _parser.parse(_Dialect(pattern).rewrite().encode(), re.IGNORECASE if ignore_case else 0)
        node = _Tree(parsed.state).sequence(parsed, parsed.state.flags)
    except (re.error, OverflowError, RecursionError, UnicodeEncodeError) as error:
        raise Refused(f"regular expression {pattern!r}: {error}") from None
    names: dict[str, int] = dict(parsed.state.groupdict)
    return {"n": parsed.state.groups - 1, "names": names, "x": node}


def check_replacement(text: str) -> None:
    """Refuses what ngx.re.sub refuses in a replacement: a dollar that is not ``$1``, ``${1}`` or ``$$``."""
    if "$" in re.sub(r"\$(?:\$|\d+|\{\d+\})", "", text):
        raise Refused(
            f'invalid capturing variable name found in "{text}": write $1, ${{1}}, or $$ for a dollar'
        )


_POSIX: dict[str, str] = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": r"\x00-\x7f",
    "blank": r" \t",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": r"\x21-\x7e",
    "lower": "a-z",
    "print": r"\x20-\x7e",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\x09-\x0d\x20",
    "upper": "A-Z",
    "word": r"\w",
    "xdigit": "0-9A-Fa-f",
}
_POSIX_NOT: dict[str, str] = {
    "alpha": r"\x00-@\[-`{-\xff",
    "digit": r"\D",
    "space": r"\S",
    "word": r"\W",
    "ascii": r"\x80-\xff",
    "lower": r"\x00-`{-\xff",
    "upper": r"\x00-@\[-\xff",
}
_ESCAPES: dict[str, str] = {
    "h": r"[ \t]",
    "H": r"[^ \t]",
    "v": r"[\n\x0b\f\r]",
    "V": r"[^\n\x0b\f\r]",
    "N": r"[^\n]",
    "R": r"(?>\r\n|[\n\x0b\f\r])",
    "z": r"\Z",
    "Z": r"(?=\n?\Z)",
    "e": r"\x1b",
}
_CLASS_ESCAPES: dict[str, str] = {"h": r" \t", "v": r"\n\x0b\f\r", "e": r"\x1b"}
_UNSUPPORTED = {
    "G": "the end of the last match",
    "K": "keep out",
    "X": "grapheme",
    "C": "one byte",
    "p": "Unicode property",
    "P": "Unicode property",
}


class _Dialect:
    """Rewrites PCRE's spellings into Python's, from left to right."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.out: list[str] = []

    def rewrite(self) -> str:
        while self.at < len(self.pattern):
            char = self.pattern[self.at]
            if char == "\\":
                self._escape()
            elif char == "[":
                self._class()
            elif char == "(":
                self._group()
            elif char == "{" and re.match(r"\{(?!\d+(,\d*)?\})", self.pattern[self.at :]):
                self._put(r"\{", 1)
            else:
                self._put(char, 1)
        return "".join(self.out)

    def _put(self, text: str, taken: int) -> None:
        self.out.append(text)
        self.at += taken

    def _rest(self) -> str:
        return self.pattern[self.at :]

    def _refuse(self, what: str) -> None:
        raise re.error(f"{what} is not supported", self.pattern, self.at)

    def _escape(self) -> None:
        rest = self._rest()
        kind = rest[1:2]
        if kind == "Q":
            quoted = rest[2:].partition(r"\E")[0]
            self._put(re.escape(quoted), len(quoted) + (4 if r"\E" in rest else 2))
        elif kind == "E":
            self.at += 2
        elif found := re.match(r"\\x\{([0-9a-fA-F]{1,4})\}", rest):
            self._put(self._code(found[1]), found.end())
        elif found := re.match(r"\\g\{?(-?\d+)\}?", rest):
            number = int(found[1])
            group = number if number > 0 else self._groups_before() + 1 + number
            self._put(f"(?:\\{group})", found.end())
        elif found := re.match(r"\\(?:k<(\w+)>|k\{(\w+)\}|k'(\w+)'|g\{(\w+)\})", rest):
            self._put(f"(?P={next(filter(None, found.groups()))})", found.end())
        elif found := re.match(r"\\c([\x20-\x7e])", rest):
            self._put(f"\\x{ord(found[1].upper()) ^ 64:02x}", found.end())
        elif kind in _UNSUPPORTED:
            self._refuse(f"\\{kind} ({_UNSUPPORTED[kind]})")
        elif kind in _ESCAPES:
            self._put(_ESCAPES[kind], 2)
        else:
            self._put(rest[:2], 2)

    def _code(self, digits: str) -> str:
        code = int(digits, 16)
        if code > 255:
            self._refuse(f"\\x{{{digits}}} (more than one byte)")
        return f"\\x{code:02x}"

    def _groups_before(self) -> int:
        done = "".join(self.out)
        return len(re.findall(r"(?<!\\)\((?!\?)|\(\?P<", done))

    def _class(self) -> None:
        start = re.match(r"\[\^?\]?", self._rest())
        assert start is not None  # noqa: S101 - the caller saw the bracket
        self._put(start[0].replace("]", r"\]"), start.end())
        while self.at < len(self.pattern):
            rest = self._rest()
            if rest[0] == "]":
                self._put("]", 1)
                return
            if found := re.match(r"\[:(\^?)(\w+):\]", rest):
                table = _POSIX_NOT if found[1] else _POSIX
                if found[2] not in table:
                    self._refuse(f"the class {found[0]}")
                self._put(table[found[2]], found.end())
            elif found := re.match(r"\\x\{([0-9a-fA-F]{1,4})\}", rest):
                self._put(self._code(found[1]), found.end())
            elif rest[0] == "\\" and rest[1:2] in _CLASS_ESCAPES:
                self._put(_CLASS_ESCAPES[rest[1]], 2)
            elif rest[0] == "\\":
                self._put(rest[:2], 2)
            elif ord(rest[0]) > 127:
                self._refuse(f"{rest[0]!r} in a class (more than one byte; write it as an alternative)")
            else:
                self._put("\\[" if rest[0] == "[" else rest[0], 1)

    def _group(self) -> None:
        rest = self._rest()
        if found := re.match(r"\(\?<(\w+)>|\(\?'(\w+)'", rest):
            self._put(f"(?P<{found[1] or found[2]}>", found.end())
        elif rest.startswith("(*"):
            self._refuse("a verb such as (*SKIP)")
        elif rest.startswith("(?|"):
            self._refuse("the branch reset group (?|")
        elif re.match(r"\(\?(R|[+-]?\d|&|P>|C)", rest):
            self._refuse("recursion")
        elif (found := re.match(r"\(\?[a-zA-Z]*(-[a-z]+)?\)", rest)) and (self.at > 0 or found[1]):
            self._refuse(f"{found[0]} inside the pattern (put it at the start, or write {found[0][:-1]}:…))")
        else:
            self._put("(", 1)


class _Tree:
    """Python's parse tree into ours."""

    def __init__(self, state: Any) -> None:
        self.state = state

    def sequence(self, items: Iterable[Any], flags: int) -> JSON:
        nodes: list[JSON] = []
        run: list[int] = []
        for operator, argument in items:
            if operator is _constants.LITERAL and len(_fold({argument}, flags)) == 1:
                run.append(argument)
                continue
            if run:
                nodes.append(_literal(run))
                run = []
            nodes.append(self.node(operator, argument, flags))
        if run:
            nodes.append(_literal(run))
        return nodes[0] if len(nodes) == 1 else ["seq", *nodes]

    def node(self, operator: Any, argument: Any, flags: int) -> JSON:
        name = str(operator)
        method = getattr(self, "_" + name.lower(), None)
        if method is None:
            raise re.error(f"{name} is not supported")
        return method(argument, flags)

    def _literal(self, code: int, flags: int) -> JSON:
        return _set(_fold({code}, flags))

    def _not_literal(self, code: int, flags: int) -> JSON:
        return _set(_ALL - _fold({code}, flags))

    def _any(self, _: None, flags: int) -> JSON:
        return _set(_ALL if flags & re.DOTALL else _ALL - {_NEWLINE})

    def _in(self, items: Sequence[Any], flags: int) -> JSON:
        return _set(_members(items, flags))

    def _branch(self, argument: Any, flags: int) -> JSON:
        return ["alt", *(self.sequence(branch, flags) for branch in argument[1])]

    def _subpattern(self, argument: Any, flags: int) -> JSON:
        group, add, remove, items = argument
        node = self.sequence(items, (flags | add) & ~remove)
        return node if group is None else ["group", group, node]

    def _atomic_group(self, items: Any, flags: int) -> JSON:
        return ["atomic", self.sequence(items, flags)]

    def _max_repeat(self, argument: Any, flags: int) -> JSON:
        return self._repeat(argument, flags, "greedy")

    def _min_repeat(self, argument: Any, flags: int) -> JSON:
        return self._repeat(argument, flags, "lazy")

    def _possessive_repeat(self, argument: Any, flags: int) -> JSON:
        return self._repeat(argument, flags, "possessive")

    def _repeat(self, argument: Any, flags: int, kind: str) -> JSON:
        low, high, items = argument
        most = -1 if high is _constants.MAXREPEAT else high
        return ["repeat", low, most, kind, self.sequence(items, flags)]

    def _assert(self, argument: Any, flags: int) -> JSON:
        return self._look(argument, flags, negated=False)

    def _assert_not(self, argument: Any, flags: int) -> JSON:
        return self._look(argument, flags, negated=True)

    def _look(self, argument: Any, flags: int, *, negated: bool) -> JSON:
        direction, items = argument
        low, high = items.getwidth()
        if direction < 0 and low != high:
            raise re.error("look-behind requires fixed-width pattern")
        return ["look", "ahead" if direction > 0 else "behind", negated, low, self.sequence(items, flags)]

    def _failure(self, _: Any, flags: int) -> JSON:
        return ["alt"]

    def _groupref(self, group: int, flags: int) -> JSON:
        return ["ref", group, bool(flags & re.IGNORECASE)]

    def _groupref_exists(self, argument: Any, flags: int) -> JSON:
        group, yes, no = argument
        return ["if", group, self.sequence(yes, flags), self.sequence(no or [], flags)]

    def _at(self, kind: Any, flags: int) -> JSON:
        many = bool(flags & re.MULTILINE)
        places = {
            _constants.AT_BEGINNING: "line start" if many else "start",
            _constants.AT_BEGINNING_STRING: "start",
            _constants.AT_END: "line end" if many else "last line end",
            _constants.AT_END_STRING: "end",
            _constants.AT_BOUNDARY: "word",
            _constants.AT_NON_BOUNDARY: "no word",
        }
        return ["at", places[kind]]


_WORD = frozenset(string.ascii_letters.encode() + string.digits.encode() + b"_")
_DIGIT = frozenset(string.digits.encode())
_SPACE = frozenset(b" \t\n\r\f\v")
_CATEGORIES = {
    _constants.CATEGORY_DIGIT: _DIGIT,
    _constants.CATEGORY_NOT_DIGIT: _ALL - _DIGIT,
    _constants.CATEGORY_SPACE: _SPACE,
    _constants.CATEGORY_NOT_SPACE: _ALL - _SPACE,
    _constants.CATEGORY_WORD: _WORD,
    _constants.CATEGORY_NOT_WORD: _ALL - _WORD,
}


def _members(items: Sequence[Any], flags: int) -> set[int]:
    found: set[int] = set()
    negated = False
    for operator, argument in items:
        if operator is _constants.NEGATE:
            negated = True
        elif operator is _constants.LITERAL:
            found.add(argument)
        elif operator is _constants.RANGE:
            found.update(range(argument[0], argument[1] + 1))
        else:
            found |= _CATEGORIES[argument]
    found = _fold(found, flags)
    return set(_ALL) - found if negated else found


def _fold(codes: set[int], flags: int) -> set[int]:
    if not flags & re.IGNORECASE:
        return codes
    return codes | {ord(chr(code).swapcase()) for code in codes if chr(code) in string.ascii_letters}


def _set(codes: Iterable[int]) -> JSON:
    ranges: list[int] = []
    for code in sorted(codes):
        if ranges and ranges[-1] == code - 1:
            ranges[-1] = code
        else:
            ranges += [code, code]
    return ["set", *ranges]


def _literal(codes: Sequence[int]) -> JSON:
    if all(code < 128 for code in codes):
        return ["lit", bytes(codes).decode()]
    return ["bytes", *codes]
