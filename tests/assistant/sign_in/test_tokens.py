"""Tokens of `gatechat token`: shown once, kept as a hash, refused at once when they end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gatechat.assistant.database import DatabaseError
from gatechat.assistant.principal import Principal, Role
from gatechat.assistant.problem import Problem
from gatechat.assistant.sign_in import PREFIX, Database, Tokens
from gatechat.assistant.sign_in.tokens import USED_SECONDS


@dataclass
class Clock:
    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(tmp_path: Path, clock: Clock) -> Iterator[Tokens]:
    database = Database(tmp_path / "sign_in.db")
    yield Tokens(database, clock)
    database.close()


@pytest.mark.parametrize("role", Role)
async def test_a_token_stands_for_its_name_and_role(tokens: Tokens, role: Role) -> None:
    token = tokens.make("anna", role)
    assert token.startswith(PREFIX)
    assert await tokens.principal(token) == Principal("token:anna", role, "")


async def test_the_file_does_not_hold_the_token(tokens: Tokens, tmp_path: Path) -> None:
    token = tokens.make("anna", Role.EDITOR)
    await tokens.principal(token)
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"anna" in kept
    assert token.encode() not in kept
    assert token.removeprefix(PREFIX).encode() not in kept
    assert token not in repr(tokens.list())


def test_no_token_is_like_another(tokens: Tokens) -> None:
    made = {tokens.make(f"t{number}", Role.VIEWER) for number in range(50)}
    assert len(made) == 50
    assert {len(token) for token in made} == {len(PREFIX) + 43}  # 256 bits


@pytest.mark.parametrize("change", [str.upper, lambda it: it[:-1], lambda it: f"{it}x", lambda it: ""])
async def test_what_is_not_quite_a_token_is_none(tokens: Tokens, change: object) -> None:
    token = tokens.make("anna", Role.EDITOR)
    assert await tokens.principal(change(token)) is None  # type: ignore[operator]
    assert await tokens.principal(PREFIX) is None
    assert await tokens.principal("anna") is None


async def test_a_revoked_token_is_refused_at_once_in_every_process(tokens: Tokens, tmp_path: Path) -> None:
    token = tokens.make("anna", Role.EDITOR)
    other = Database(tmp_path / "sign_in.db")
    elsewhere = Tokens(other)
    assert await elsewhere.principal(token) is not None
    assert tokens.revoke("anna").role is Role.EDITOR
    assert await elsewhere.principal(token) is None
    assert await tokens.principal(token) is None
    other.close()


async def test_a_token_ends_when_its_time_is_over(tokens: Tokens, clock: Clock) -> None:
    token = tokens.make("anna", Role.EDITOR, 60.0)
    clock.now += 59
    assert await tokens.principal(token) is not None
    assert tokens.any()
    clock.now += 1
    assert await tokens.principal(token) is None
    assert not tokens.any()
    assert [it.name for it in tokens.list()] == ["anna"]


async def test_a_name_can_be_used_again_and_the_old_token_stays_refused(tokens: Tokens) -> None:
    old = tokens.make("ci", Role.ADMIN)
    with pytest.raises(Problem, match="gatechat token revoke ci") as problem:
        tokens.make("ci", Role.VIEWER)
    assert problem.value.status == 409
    tokens.revoke("ci")
    new = tokens.make("ci", Role.VIEWER)
    assert await tokens.principal(old) is None
    assert await tokens.principal(new) == Principal("token:ci", Role.VIEWER, "")


@pytest.mark.parametrize("name", ["", "a b", "a/b", "-a", "ä", "a" * 65, "a\n", "a:b"])
def test_a_name_that_could_be_taken_for_something_else_is_refused(tokens: Tokens, name: str) -> None:
    with pytest.raises(Problem, match="no name for a token"):
        tokens.make(name, Role.VIEWER)


@pytest.mark.parametrize("name", ["owner", "token"])
def test_a_name_that_oauth_has_for_somebody_else_is_refused(tokens: Tokens, name: str) -> None:
    with pytest.raises(Problem, match="would be taken for another"):
        tokens.make(name, Role.VIEWER)


def test_revoking_what_there_is_not_names_what_there_is(tokens: Tokens) -> None:
    with pytest.raises(Problem, match="there are: none"):
        tokens.revoke("anna")
    tokens.make("bert", Role.VIEWER)
    with pytest.raises(Problem, match="there are: bert") as problem:
        tokens.revoke("anna")
    assert problem.value.status == 404


async def test_a_file_that_cannot_be_written_keeps_nobody_from_signing_in(
    tokens: Tokens, caplog: pytest.LogCaptureFixture
) -> None:
    token = tokens.make("anna", Role.EDITOR)
    tokens._db.one("PRAGMA query_only = ON")
    assert await tokens.principal(token) is not None
    assert "that anna was used is not noted" in caplog.text
    with pytest.raises(DatabaseError, match="see to the disk"):
        tokens.revoke("anna")


async def test_the_last_use_is_known_to_the_hour(tokens: Tokens, clock: Clock) -> None:
    token = tokens.make("anna", Role.EDITOR)
    assert tokens.list()[0].used is None
    first = clock.now
    for later, known in ((0, 0), (USED_SECONDS - 1, 0), (USED_SECONDS, USED_SECONDS)):
        clock.now = first + later
        await tokens.principal(token)
        assert tokens.list()[0].used == first + known
