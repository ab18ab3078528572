from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gatechat.assistant.principal import Principal, Role
from gatechat.assistant.sign_in import Database, Tokens
from gatechat.assistant.sign_in.oauth.client import Client
from gatechat.assistant.sign_in.oauth.grants import (
    ACCESS_SECONDS,
    CODE_SECONDS,
    REFRESH_SECONDS,
    Grants,
    Handed,
    Person,
    Refused,
    hash_of,
    s256,
)

RESOURCE = "https://gate.example/mcp"
BACK = "https://chat.example/back"
VERIFIER = "v" * 43
CHAT = Client("chat", "Chat", (BACK,))
OWNER = Person("owner", Role.ADMIN, None)


@dataclass
class Rig:
    database: Database
    at: float = 1_000_000.0
    grants: Grants = field(init=False)
    tokens: Tokens = field(init=False)

    def __post_init__(self) -> None:
        self.grants = Grants(self.database, RESOURCE, "the-shared-token", lambda: self.at)
        self.tokens = Tokens(self.database, lambda: self.at)

    def code(self, person: Person = OWNER, role: Role = Role.EDITOR) -> str:
        told = {"challenge": s256(VERIFIER), "redirect_uri": BACK, "scope": "viewer editor"}
        return self.grants.make(CHAT, person, role, **told)

    def exchange(self, code: str, client: str = "chat", verifier: str = VERIFIER) -> Handed:
        return self.grants.exchange(code, client, verifier, BACK)

    def handed(self, person: Person = OWNER, role: Role = Role.EDITOR) -> Handed:
        return self.exchange(self.code(person, role))

    def anna(self, role: Role = Role.EDITOR, lasts: float | None = None) -> Person:
        return Person("anna", role, hash_of(self.tokens.make("anna", role, lasts)))


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    database = Database(tmp_path / "sign_in.db")
    yield Rig(database)
    database.close()


async def test_an_access_token_stands_for_who_granted_it_as_what_they_granted(rig: Rig) -> None:
    handed = rig.handed(role=Role.VIEWER)
    assert await rig.grants.principal(handed.access) == Principal("oauth:owner", Role.VIEWER, "")
    assert handed.scope == "viewer editor"


async def test_nothing_that_was_handed_out_is_in_the_database(rig: Rig) -> None:
    code = rig.code()
    handed = rig.exchange(code)
    rows = [str(rig.database.all(f"SELECT * FROM {table}")) for table in ("oauth_grants", "oauth_secrets")]
    for secret in (code, handed.access, handed.refresh):
        assert not any(secret in row for row in rows)


async def test_only_an_access_token_is_an_access_token(rig: Rig) -> None:
    code = rig.code()
    handed = rig.exchange(code)
    for secret in (code, handed.refresh, "gatechat_oauth_made-up", "", "gatechat_oauth_\udc80"):
        assert await rig.grants.principal(secret) is None


async def test_an_access_token_lasts_for_an_hour(rig: Rig) -> None:
    handed = rig.handed()
    rig.at += ACCESS_SECONDS - 1
    assert await rig.grants.principal(handed.access) is not None
    rig.at += 1
    assert await rig.grants.principal(handed.access) is None


async def test_a_token_for_another_resource_does_not_count(rig: Rig) -> None:
    handed = rig.handed()
    moved = Grants(rig.database, "https://elsewhere.example/mcp", None, lambda: rig.at)
    assert await moved.principal(handed.access) is None
    with pytest.raises(Refused, match=f"for {RESOURCE} alone") as refused:
        moved.refresh(handed.refresh, "chat")
    assert refused.value.error == "invalid_target"


@pytest.mark.parametrize(
    ("says", "exchange"),
    [
        ("code_verifier", lambda rig, code: rig.exchange(code, verifier="w" * 43)),
        ("code_verifier", lambda rig, code: rig.exchange(code, verifier="")),
        ("code_verifier", lambda rig, code: rig.exchange(code, verifier=s256(VERIFIER))),
        ("code_verifier", lambda rig, code: rig.exchange(code, verifier="\udc80é")),
        ("not known", lambda rig, code: rig.exchange(code, client="another")),
        ("not known", lambda rig, code: rig.exchange("made up")),
        ("not known", lambda rig, code: rig.grants.refresh(code, "chat")),
        ("redirect_uri", lambda rig, code: rig.grants.exchange(code, "chat", VERIFIER, f"{BACK}/")),
    ],
)
async def test_a_code_is_for_its_client_its_verifier_and_its_address(
    rig: Rig, says: str, exchange: Callable[[Rig, str], object]
) -> None:
    code = rig.code()
    with pytest.raises(Refused, match=says) as refused:
        exchange(rig, code)
    assert refused.value.error == "invalid_grant"
    assert rig.exchange(code).access, "whoever fails spoils nothing for whoever it is for"


def test_a_code_lasts_for_two_minutes(rig: Rig) -> None:
    code = rig.code()
    rig.at += CODE_SECONDS
    with pytest.raises(Refused, match="expired"):
        rig.exchange(code)
    assert rig.grants.list() == []


async def test_a_code_that_is_used_twice_ends_what_came_of_it(rig: Rig) -> None:
    code = rig.code()
    handed = rig.exchange(code)
    with pytest.raises(Refused, match="used before"):
        rig.exchange(code)
    assert await rig.grants.principal(handed.access) is None
    with pytest.raises(Refused, match="not known"):
        rig.grants.refresh(handed.refresh, "chat")


async def test_a_refresh_token_is_used_once_and_its_return_ends_the_family(rig: Rig) -> None:
    first = rig.handed()
    other = rig.handed()
    second = rig.grants.refresh(first.refresh, "chat")
    assert await rig.grants.principal(second.access) is not None
    with pytest.raises(Refused, match="used before"):
        rig.grants.refresh(first.refresh, "chat")
    for handed in (first, second):
        assert await rig.grants.principal(handed.access) is None
    with pytest.raises(Refused):
        rig.grants.refresh(second.refresh, "chat")
    assert await rig.grants.principal(other.access) is not None, "another yes is another family"


def test_a_refresh_token_is_its_clients(rig: Rig) -> None:
    handed = rig.handed()
    with pytest.raises(Refused, match="not known"):
        rig.grants.refresh(handed.refresh, "another")
    assert rig.grants.refresh(handed.refresh, "chat").access


def test_a_grant_lasts_for_thirty_days_since_its_last_refresh(rig: Rig) -> None:
    handed = rig.handed()
    for _ in range(3):
        rig.at += REFRESH_SECONDS - 1
        handed = rig.grants.refresh(handed.refresh, "chat")
    rig.at += REFRESH_SECONDS
    with pytest.raises(Refused, match="expired"):
        rig.grants.refresh(handed.refresh, "chat")
    assert rig.grants.list() == []


def test_what_has_expired_is_forgotten_at_the_next_grant(rig: Rig) -> None:
    for _ in range(3):
        rig.grants.refresh(rig.handed().refresh, "chat")
    rig.at += REFRESH_SECONDS + 1
    rig.code()
    assert rig.database.one("SELECT count(*) FROM oauth_grants") == (1,)
    assert rig.database.one("SELECT count(*) FROM oauth_secrets") == (1,)


async def test_a_grant_ends_with_the_token_that_it_rests_on(rig: Rig) -> None:
    handed = rig.handed(rig.anna())
    assert await rig.grants.principal(handed.access) == Principal("oauth:anna", Role.EDITOR, "")
    rig.tokens.revoke("anna")
    rig.anna()  # another token of the same name is another token
    assert await rig.grants.principal(handed.access) is None
    assert rig.grants.list() == []
    with pytest.raises(Refused, match="token anna"):
        rig.grants.refresh(handed.refresh, "chat")


async def test_a_grant_ends_when_the_token_that_it_rests_on_does(rig: Rig) -> None:
    handed = rig.handed(rig.anna(lasts=100))
    rig.at += 100
    assert await rig.grants.principal(handed.access) is None


async def test_a_grant_by_the_token_of_all_ends_when_there_is_another(rig: Rig) -> None:
    handed = rig.handed(Person("token", Role.EDITOR, hash_of("the-shared-token")))
    assert await rig.grants.principal(handed.access) == Principal("oauth:token", Role.EDITOR, "")
    changed = Grants(rig.database, RESOURCE, "another-shared-token", lambda: rig.at)
    assert await changed.principal(handed.access) is None


def test_nobody_grants_more_than_they_have_now(rig: Rig) -> None:
    with pytest.raises(Refused, match="anna may not grant admin"):
        rig.code(rig.anna(), Role.ADMIN)
    with pytest.raises(Refused, match="token anna"):
        rig.code(Person("anna", Role.EDITOR, b"revoked"))


async def test_the_owner_sees_grants_and_ends_them(rig: Rig) -> None:
    rig.code()  # nobody came for it yet
    handed = rig.handed(role=Role.VIEWER)
    await rig.grants.principal(handed.access)
    (grant,) = rig.grants.list()
    assert (grant.client, grant.client_name, grant.person, grant.role) == (
        "chat",
        "Chat",
        "owner",
        Role.VIEWER,
    )
    assert grant.used == rig.at
    assert rig.grants.revoke(grant.id) == grant
    assert rig.grants.revoke(grant.id) is None
    assert await rig.grants.principal(handed.access) is None


@pytest.mark.parametrize("kind", ["access", "refresh"])
async def test_a_client_gives_back_what_it_has_and_all_of_it_ends(rig: Rig, kind: str) -> None:
    handed = rig.handed()
    rig.grants.revoke_secret(getattr(handed, kind), "another")
    assert await rig.grants.principal(handed.access) is not None
    rig.grants.revoke_secret(getattr(handed, kind), "chat")
    rig.grants.revoke_secret(getattr(handed, kind), "chat")
    assert await rig.grants.principal(handed.access) is None
    assert rig.grants.list() == []
