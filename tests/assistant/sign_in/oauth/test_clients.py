from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gatechat.assistant.principal import Role
from gatechat.assistant.sign_in import Database
from gatechat.assistant.sign_in.oauth import ClientError, Documents, Grants, Person, clients
from gatechat.assistant.sign_in.oauth.clients import Clients

BACK = "https://chat.example/back"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(tmp_path / "sign_in.db")) as opened:
        yield opened


@pytest.fixture
def known(database: Database) -> Clients:
    return Clients(database, Documents())


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("Cursor", "Cursor"),
        ("  two\n lines ", "two lines"),
        ("ChatGPT\u200b\u202e\u2066", "ChatGPT"),
        ("\u200b\u00ad", "chat.example"),
        (None, "chat.example"),
        ("x" * 61, "x" * 59 + "…"),
    ],
)
def test_a_name_is_short_on_one_line_and_without_what_is_not_seen(
    known: Clients, given: str | None, shown: str
) -> None:
    assert known.register(given, [BACK]).name == shown


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        ("invalid_redirect_uri", {"redirect_uris": []}),
        ("invalid_redirect_uri", {"redirect_uris": [BACK] * 21}),
        ("invalid_redirect_uri", {"redirect_uris": [BACK, "javascript:alert(1)"]}),
        ("invalid_client_metadata", {"grant_types": ["client_credentials"]}),
        ("invalid_client_metadata", {"response_types": ["token"]}),
    ],
)
def test_what_no_client_may_be_is_not_registered(known: Clients, error: str, asked: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as refused:
        known.register("Chat", **({"redirect_uris": [BACK]} | asked))
    assert refused.value.error == error


async def test_a_registered_client_is_known_by_its_id_alone(known: Clients) -> None:
    client = known.register("Chat", [BACK])
    assert await known.find(client.id) == client
    assert known.knows(client.id)
    assert known.presumed(client.id) == "Chat"
    for ask in (known.knows, lambda id: known.registered(id) is not None):
        assert not ask("another")
    with pytest.raises(ClientError, match="connect anew"):
        await known.find("another")
    with pytest.raises(ClientError, match="connect anew"):
        known.presumed("another")


def test_a_client_that_is_a_url_is_presumed_by_its_host_without_asking_it(known: Clients) -> None:
    assert known.presumed("https://chat.example/client.json") == "chat.example"
    assert known.knows("https://chat.example/client.json")


async def test_registrations_are_bounded_and_those_in_use_stay(
    known: Clients, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "MOST_REGISTERED", 3)
    used = known.register("used", [BACK])
    Grants(database, "r").make(
        used, Person("owner", Role.ADMIN, None), Role.VIEWER, challenge="c", redirect_uri=BACK, scope=""
    )
    made = [known.register(str(number), [BACK]) for number in range(10)]
    assert [known.knows(client.id) for client in (used, *made)] == [True] + [False] * 7 + [True] * 3
