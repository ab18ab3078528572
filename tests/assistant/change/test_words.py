from __future__ import annotations

import pytest

from gatechat.assistant.change.words import instead, listed, nearest, slug

PLUGINS = ("key-auth", "limit-count", "limit-req", "proxy-rewrite", "cors")


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("key-auht", "key-auth"),
        ("KeyAuth", "key-auth"),
        ("key_auth", "key-auth"),
        ("limitcount", "limit-count"),
        ("proxy", "proxy-rewrite"),
        ("limit", "limit-req"),
        ("lim", None),
        ("zzz", None),
    ],
)
def test_a_misspelt_name_finds_the_one_that_was_meant(word: str, meant: str | None) -> None:
    assert nearest(word, PLUGINS) == meant


def test_advice_names_the_nearest_or_all_that_there_are() -> None:
    assert instead("cros", PLUGINS) == 'did you mean "cors"?'
    assert instead("zzz", ("a", "b")) == "there are: a, b"
    assert instead("zzz", ()) == "there are none"
    assert listed(map(str, range(14))).endswith("10, 11 and 2 more")


@pytest.mark.parametrize(
    ("text", "id"),
    [
        ("Conference API", "conference-api"),
        ("/speaker/*", "speaker"),
        ("Ä!", ""),
        ("a" * 80, "a" * 64),
        ("v1.2", "v1.2"),
    ],
)
def test_an_id_is_made_of_a_name(text: str, id: str) -> None:
    assert slug(text) == id
