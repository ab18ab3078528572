"""An entry that was altered, removed, moved or put in is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from gatechat.assistant.ledger.chain import BEGINNING, Entry, breaks, from_line, hash_of


def chain(length: int = 5) -> list[Entry]:
    entries: list[Entry] = []
    for seq in range(1, length + 1):
        previous = entries[-1].hash if entries else BEGINNING
        entry = Entry(
            seq, 1e9 + seq, "plan", f"p{seq}", "ready", "local", "admin", "cli", {"n": seq}, "", previous
        )
        entries.append(replace(entry, hash=hash_of(entry)))
    return entries


def rehashed(entry: Entry) -> Entry:
    return replace(entry, hash=hash_of(entry))


TAMPERING: dict[str, Callable[[list[Entry]], list[Entry]]] = {
    "a body was changed": lambda e: [*e[:2], replace(e[2], body={"n": 9}), *e[3:]],
    "a name was changed": lambda e: [*e[:2], replace(e[2], by="mallory"), *e[3:]],
    "a time was changed": lambda e: [*e[:2], replace(e[2], at=1.0), *e[3:]],
    "a state was changed": lambda e: [*e[:2], replace(e[2], state="applied"), *e[3:]],
    "a document was exchanged": lambda e: [*e[:2], replace(e[2], seal="0" * 64), *e[3:]],
    "a body was changed and hashed anew": lambda e: [*e[:2], rehashed(replace(e[2], body={})), *e[3:]],
    "an entry was removed": lambda e: [*e[:2], *e[3:]],
    "the beginning was removed": lambda e: e[1:],
    "two entries were exchanged": lambda e: [e[0], e[2], e[1], *e[3:]],
    "an entry was put in": lambda e: [*e[:2], rehashed(replace(e[2], seq=3)), *e[2:]],
}


def test_a_chain_holds() -> None:
    assert list(breaks(chain())) == []
    assert list(breaks([])) == []


@pytest.mark.parametrize("name", TAMPERING)
def test_it_is_found_that(name: str) -> None:
    assert list(breaks(TAMPERING[name](chain())))


def test_an_exported_line_is_the_entry() -> None:
    for entry in chain():
        assert from_line(entry.line()) == entry


@pytest.mark.parametrize("line", ["", "{}", "[]", '{"seq": 1}', "no json"])
def test_a_line_of_something_else_is_none(line: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        from_line(line)
