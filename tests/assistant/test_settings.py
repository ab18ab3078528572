"""Settings are checked before anything starts, and the text says what to do."""

from __future__ import annotations

from typing import Any

import pytest

from gatechat.assistant.settings import AssistantSettings, SettingsError


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_on_loopback_nobody_is_asked_to_sign_in(host: str) -> None:
    assert not AssistantSettings(host=host, allowed_hosts=("localhost", "127.0.0.1")).sign_in_required


OPENED: dict[str, dict[str, Any]] = {
    "every address": {"host": "0.0.0.0"},
    "every address, IPv6": {"host": "::"},
    "every address, by no name": {"host": ""},
    "an address of the network": {"host": "192.168.1.5"},
    "a name": {"host": "gateway.example.com"},
    "a public name on loopback, as a tunnel has it": {"public_url": "https://gate.example.com"},
    "another name in Host": {"allowed_hosts": ("localhost", "gate.internal")},
    "asked for": {"require_sign_in": True},
}
"""What lets others call, or asks for sign-in outright."""


@pytest.mark.parametrize("settings", OPENED.values(), ids=OPENED)
def test_beyond_this_machine_callers_must_sign_in(settings: dict[str, Any]) -> None:
    assert AssistantSettings(**settings).sign_in_required
    with pytest.raises(SettingsError, match="token: 16 or more characters"):
        AssistantSettings(token="short", **settings)
    AssistantSettings(token="a-token-for-the-test", **settings)


@pytest.mark.parametrize(
    "way",
    [{"token": "t"}, {"issuer": "https://id.example.com/"}, {"oauth": True}],
    ids=lambda way: next(iter(way)),
)
def test_a_way_to_sign_in_that_was_set_is_asked_for(way: dict[str, Any]) -> None:
    assert AssistantSettings(**way).sign_in_required


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"admin_url": "127.0.0.1:9180"}, "admin_url"),
        ({"admin_url": "ftp://127.0.0.1"}, "admin_url"),
        ({"admin_url": "http://127.0.0.1:99999"}, "admin_url"),
        ({"admin_url": "http://user:pass@127.0.0.1:9180"}, "no user name or password"),
        ({"public_url": "https://gate.example.com/?a=1"}, "public_url"),
        ({"gateway_url": "http://"}, "gateway_url"),
        ({"admin_key": "two words"}, "admin_key"),
        ({"admin_key": "line\r\nbreak"}, "admin_key"),
        ({"token": ""}, "token"),
        ({"token": "schlüssel"}, "token"),
        ({"timeout": 0}, "timeout"),
        ({"rate_limit": -1}, "rate_limit"),
        ({"issuer": "id.example.com"}, "issuer"),
        ({"issuer": "http://id.example.com"}, "must be https"),
    ],
)
def test_what_cannot_work_is_refused_by_name(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        AssistantSettings(**settings)


def test_the_public_url_follows_the_port_and_loses_its_slash() -> None:
    assert AssistantSettings(port=5001).url == "http://localhost:5001"
    assert AssistantSettings(public_url="https://gate.example.com/").url == "https://gate.example.com"


def test_no_secret_is_in_the_settings_text() -> None:
    text = repr(
        AssistantSettings(
            admin_key="secret-of-admin", token="secret-of-callers", verification_tokens={"openai": "secret"}
        )
    )
    assert "secret" not in text


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://Gate.Example.com:443/", "https://gate.example.com"),
        ("HTTP://localhost:80", "http://localhost"),
        ("https://gate.example.com:8443/Path/", "https://gate.example.com:8443/Path"),
        ("http://[::1]:5000", "http://[::1]:5000"),
        ("http://localhost:", "http://localhost"),
    ],
)
def test_an_address_is_kept_as_those_write_it_who_compare_it(given: str, kept: str) -> None:
    assert AssistantSettings(public_url=given).url == kept
