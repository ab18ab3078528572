"""Settings are checked before anything starts, and the text says what to do."""

from __future__ import annotations

from typing import Any

import pytest

from gatechat.assistant.settings import AssistantSettings, SettingsError


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_needs_no_token(host: str) -> None:
    assert AssistantSettings(host=host).token is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.1.5", "gateway.example.com"])
def test_any_other_address_is_refused_without_a_token(host: str) -> None:
    with pytest.raises(SettingsError, match=r"set a token.*--token.*or stay on host 127\.0\.0\.1"):
        AssistantSettings(host=host)
    with pytest.raises(SettingsError, match="16 or more characters"):
        AssistantSettings(host=host, token="short")
    assert AssistantSettings(host=host, token="a-token-for-the-test").host == host


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
