"""The manifest has every field of version v1, within its limits."""

from __future__ import annotations

import re
from typing import Any

import pytest

from gatechat.assistant.faces.manifest import manifest
from gatechat.assistant.operations import OPERATIONS
from gatechat.assistant.settings import AssistantSettings

FIELDS = [
    "schema_version",
    "name_for_human",
    "name_for_model",
    "description_for_human",
    "description_for_model",
    "auth",
    "api",
    "logo_url",
    "contact_email",
    "legal_info_url",
]


def test_every_field_is_there_and_no_other() -> None:
    assert list(manifest(AssistantSettings())) == FIELDS


@pytest.mark.parametrize(
    ("field", "longest"),
    [
        ("name_for_human", 20),
        ("name_for_model", 50),
        ("description_for_human", 100),
        ("description_for_model", 8000),
    ],
)
def test_texts_keep_to_their_limits(field: str, longest: int) -> None:
    assert 0 < len(manifest(AssistantSettings())[field]) <= longest


def test_the_names_of_the_first_version_stay() -> None:
    shown = manifest(AssistantSettings())
    assert shown["schema_version"] == "v1"
    assert shown["name_for_model"] == "apigatewayplugin"
    assert shown["auth"] == {"type": "none"}
    assert shown["api"]["type"] == "openapi"
    assert shown["api"]["url"] == "http://localhost:5000/openapi.yaml"
    assert shown["logo_url"] == "http://localhost:5000/logo.png"


def test_all_urls_are_made_from_the_public_url() -> None:
    shown = manifest(AssistantSettings(public_url="https://gate.example.com"))
    for url in (shown["api"]["url"], shown["logo_url"], shown["legal_info_url"]):
        assert url.startswith("https://gate.example.com/")


def test_with_a_token_a_bearer_is_asked_for_and_the_token_is_not_shown() -> None:
    settings = AssistantSettings(token="secret-of-callers", verification_tokens={"openai": "from-chatgpt"})
    assert manifest(settings)["auth"] == {
        "type": "service_http",
        "authorization_type": "bearer",
        "verification_tokens": {"openai": "from-chatgpt"},
    }
    assert "secret-of-callers" not in str(manifest(settings))


@pytest.mark.parametrize(
    "settings", [{"require_sign_in": True}, {"issuer": "https://id.example.com"}, {"host": "0.0.0.0"}]
)
def test_where_callers_sign_in_by_themselves_each_brings_a_bearer(settings: dict[str, Any]) -> None:
    told = AssistantSettings(**settings)
    assert manifest(told)["auth"] == {"type": "user_http", "authorization_type": "bearer"}


def test_the_models_text_names_only_operations_and_addresses_that_exist() -> None:
    settings = AssistantSettings(gateway_url="http://gw:9080", example_backend="api.example:81")
    text = manifest(settings)["description_for_model"]
    named = set(re.findall(r"\b(?:get|create|replace|update|delete)[A-Z]\w+", text))
    assert named
    assert named <= {operation.name for operation in OPERATIONS}
    assert all(f"\n{number}. {name}" in text for number, name in ((2, "plan:"), (3, "apply "), (4, "undo ")))
    assert "explain for" in text
    assert "http://gw:9080/speaker/1/sessions" in text
    assert "api.example:81" in text
    assert "{{" not in text
