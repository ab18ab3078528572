"""An issuer's keys: found where its metadata says, kept, and asked for no more often than needed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from gatechat.assistant.problem import Problem
from gatechat.assistant.sign_in.jwks import LASTS, PAUSE, STALE, Keys, metadata_urls
from tests.assistant import rig
from tests.assistant.sign_in import issuer_rig
from tests.assistant.sign_in.issuer_rig import public_jwk


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("path", "metadata_at"),
    [
        ("", "/.well-known/oauth-authorization-server"),
        ("", "/.well-known/openid-configuration"),
        ("/realms/one", "/.well-known/oauth-authorization-server/realms/one"),
        ("/realms/one", "/.well-known/openid-configuration/realms/one"),
        ("/realms/one", "/realms/one/.well-known/openid-configuration"),
    ],
)
async def test_the_metadata_is_found_wherever_the_standards_put_it(path: str, metadata_at: str) -> None:
    async with issuer_rig.running(path, metadata_at=metadata_at) as issuer:
        assert metadata_at in {urlsplit(url).path for url in metadata_urls(issuer.url)}
        assert (await Keys(issuer.url).find("ec") or {})["kty"] == "EC"


async def test_keys_are_asked_for_once_and_again_when_they_are_old() -> None:
    clock = Clock()
    async with issuer_rig.running() as issuer:
        keys = Keys(issuer.url, clock)
        assert issuer.asked == []
        for _ in range(5):
            assert await keys.find("rsa") is not None
            clock.now += LASTS / 10
        assert issuer.asked.count("/keys") == 1
        clock.now += LASTS
        assert await keys.find("rsa") is not None
        assert issuer.asked.count("/keys") == 2


async def test_many_at_once_ask_once() -> None:
    async with issuer_rig.running() as issuer:
        keys = Keys(issuer.url)
        assert all(await asyncio.gather(*(keys.find("rsa") for _ in range(20))))
        assert issuer.asked.count("/keys") == 1


async def test_a_key_that_is_not_known_is_looked_for_once_in_a_while_and_not_each_time() -> None:
    clock = Clock()
    async with issuer_rig.running() as issuer:
        keys = Keys(issuer.url, clock)
        await keys.find("rsa")
        for number in range(50):
            assert await keys.find(f"made-up-{number}") is None
        assert issuer.asked.count("/keys") == 1
        clock.now += PAUSE
        for number in range(50):
            assert await keys.find(f"made-up-{number}") is None
        assert issuer.asked.count("/keys") == 2


async def test_a_new_key_is_found_and_one_that_was_taken_back_is_gone() -> None:
    clock = Clock()
    async with issuer_rig.running() as issuer:
        keys = Keys(issuer.url, clock)
        await keys.find("rsa")
        issuer.keys = [public_jwk("rsa", "new", 1)]
        clock.now += PAUSE
        assert await keys.find("new") is not None
        assert await keys.find("rsa") is None


async def test_while_the_issuer_is_away_its_keys_count_for_a_day() -> None:
    clock = Clock()
    async with issuer_rig.running() as issuer:
        keys = Keys(issuer.url, clock)
        await keys.find("rsa")
        issuer.status = 500
        clock.now += STALE - 1
        assert await keys.find("rsa") is not None
        clock.now += 1
        with pytest.raises(Problem, match="cannot be had") as problem:
            await keys.find("rsa")
        assert problem.value.status == 503
        issuer.status = 200
        clock.now += PAUSE
        assert await keys.find("rsa") is not None


WRONG: dict[str, dict[str, Any]] = {
    "metadata of another issuer": {"metadata": {"issuer": "https://evil.example"}},
    "no place of keys": {"metadata": {"jwks_uri": None}},
    "keys over plain HTTP": {"metadata": {"jwks_uri": "http://keys.example.com/keys"}},
    "keys at no URL": {"metadata": {"jwks_uri": "https://["}},
    "keys at a URL with a line break": {"metadata": {"jwks_uri": "http://localhost/a\nb"}},
    "keys in a file": {"metadata": {"jwks_uri": "file:///etc/passwd"}},
    "no set of keys": {"keys": {"kty": "RSA"}},
    "no metadata": {"metadata_at": "/elsewhere"},
    "errors": {"status": 500},
    "another place": {"status": 302},
}
"""What an issuer may answer that cannot be used."""


@pytest.mark.parametrize("answers", WRONG.values(), ids=WRONG)
async def test_what_cannot_be_used_lets_nobody_in(
    answers: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    async with issuer_rig.running(**answers) as issuer:
        keys = Keys(issuer.url, Clock())
        for _ in range(3):
            with pytest.raises(Problem, match="try again in 30 s") as problem:
                await keys.find("rsa")
            assert problem.value.status == 503
            assert problem.value.headers == {"retry-after": "30"}
        assert len(caplog.records) == 1
        assert issuer.url in caplog.text


async def test_nobody_listening_is_said_too() -> None:
    with pytest.raises(Problem, match="cannot be had"):
        await Keys(f"http://127.0.0.1:{rig.free_port()}").find("rsa")


async def test_without_a_key_id_the_only_key_counts_and_of_several_none() -> None:
    async with issuer_rig.running(keys=[public_jwk("rsa", None)]) as issuer:
        assert await Keys(issuer.url).find(None) is not None
    async with issuer_rig.running() as issuer:
        assert await Keys(issuer.url).find(None) is None


async def test_a_key_for_encryption_is_no_key() -> None:
    async with issuer_rig.running(keys=[public_jwk("rsa", "rsa", use="enc")]) as issuer:
        assert await Keys(issuer.url).find("rsa") is None
