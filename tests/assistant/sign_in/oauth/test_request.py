from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from gatechat.assistant.principal import Role
from gatechat.assistant.sign_in.oauth.client import Client
from gatechat.assistant.sign_in.oauth.request import AuthorizationRequest, RequestError, check, parameters

BACK = "https://chat.example/back"
CLIENT = Client("c", "Chat", (BACK,))
LOCAL = Client("c", "Chat", (BACK, "http://localhost/callback"))
RESOURCE = "https://gate.example/mcp"
ISSUER = "https://gate.example"
ASKED = {
    "response_type": ["code"],
    "redirect_uri": [BACK],
    "state": ["s"],
    "code_challenge": ["x" * 43],
    "code_challenge_method": ["S256"],
    "resource": [RESOURCE],
}


def asked(client: Client = CLIENT, **changed: list[str] | None) -> AuthorizationRequest:
    """A request; a parameter that is None is left out."""
    whole = {name: values for name, values in (ASKED | changed).items() if values is not None}
    return check(whole, client, RESOURCE, ISSUER)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"resource": None},
        {"resource": ["HTTPS://GATE.example/mcp/"]},
        {"resource": [RESOURCE, RESOURCE]},
        {"redirect_uri": None},
        {"state": None},
        {"scope": ["openid offline_access"]},
        {"prompt": ["consent"]},
    ],
)
def test_what_clients_rightly_ask_is_understood(changed: Any) -> None:
    assert asked(**changed).redirect_uri == BACK


@pytest.mark.parametrize(
    ("error", "changed"),
    [
        ("unsupported_response_type", {"response_type": ["token"]}),
        ("unsupported_response_type", {"response_type": None}),
        ("invalid_request", {"code_challenge": None}),
        ("invalid_request", {"code_challenge": ["x"]}),
        ("invalid_request", {"code_challenge": ["x" * 42 + "="]}),
        ("invalid_request", {"code_challenge_method": ["plain"]}),
        ("invalid_request", {"code_challenge_method": None}),
        ("invalid_target", {"resource": ["https://other.example/mcp"]}),
        ("invalid_target", {"resource": ["http://gate.example/mcp"]}),
        ("invalid_target", {"resource": ["https://gate.example"]}),
        ("invalid_target", {"resource": [f"{RESOURCE}#x"]}),
        ("invalid_target", {"resource": [RESOURCE, "https://other.example/mcp"]}),
        ("invalid_target", {"resource": ["https://[gate/mcp"]}),
    ],
)
def test_a_request_that_cannot_be_granted_says_why_to_the_client_too(error: str, changed: Any) -> None:
    with pytest.raises(RequestError) as refused:
        asked(**changed)
    assert refused.value.back is not None
    assert refused.value.back.startswith(f"{BACK}?")
    told = dict(parse_qsl(urlsplit(refused.value.back).query))
    assert told == {
        "error": error,
        "error_description": refused.value.message,
        "state": "s",
        "iss": ISSUER,
    }


@pytest.mark.parametrize("uri", ["https://evil.example/back", f"{BACK}/", "javascript:alert(1)", ""])
def test_where_the_address_is_not_the_clients_own_nobody_is_led_there(uri: str) -> None:
    with pytest.raises(RequestError) as refused:
        asked(redirect_uri=[uri])
    assert refused.value.back is None


def test_a_client_with_more_than_one_address_says_which() -> None:
    with pytest.raises(RequestError, match="redirect_uri"):
        asked(LOCAL, redirect_uri=None)
    assert asked(LOCAL, redirect_uri=["http://localhost:99/callback"]).redirect_uri.endswith(":99/callback")


def test_a_parameter_that_comes_twice_is_refused_unless_it_may() -> None:
    assert parameters([("resource", "a"), ("resource", "b")]) == {"resource": ["a", "b"]}
    with pytest.raises(RequestError, match="client_id more than once"):
        parameters([("client_id", "a"), ("client_id", "b")])


@pytest.mark.parametrize(
    ("scope", "most", "choices", "granted"),
    [
        (None, Role.ADMIN, ["viewer", "editor", "approver", "admin"], "viewer editor"),
        (None, Role.VIEWER, ["viewer"], "viewer"),
        ("openid", Role.EDITOR, ["viewer", "editor"], "viewer editor"),
        ("viewer", Role.ADMIN, ["viewer"], "viewer"),
        ("viewer editor approver", Role.EDITOR, ["viewer", "editor"], "viewer editor"),
        ("approver", Role.ADMIN, ["viewer", "editor", "approver"], ""),
        ("editor offline_access", Role.ADMIN, ["viewer", "editor"], "editor"),
    ],
)
def test_nobody_grants_more_than_their_own_role_or_than_is_asked(
    scope: str | None, most: Role, choices: list[str], granted: str
) -> None:
    request = asked(scope=None if scope is None else [scope])
    found = request.choices(most)
    assert [role.name.lower() for role in found] == choices
    assert request.scope(min(Role.EDITOR, found[-1])) == granted
