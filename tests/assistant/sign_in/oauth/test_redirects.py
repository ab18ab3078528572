from __future__ import annotations

import pytest

from gatechat.assistant.sign_in.oauth import redirects

GOOD = [
    "https://chatgpt.com/connector_platform_oauth_redirect",
    "https://claude.ai/api/mcp/auth_callback",
    "https://chat.example:8443/back?to=1",
    "http://localhost:8787/callback",
    "http://localhost/callback",
    "http://127.0.0.1:33418/",
    "http://[::1]:9000/cb",
    "cursor://anysphere.cursor-mcp/oauth/callback",
    "vscode://publisher.name/callback",
    "com.example.app:/callback",
]
BAD = {
    "a script": "javascript:alert(1)",
    "a script in other letters": "JavaScript:alert(1)",
    "data": "data:text/html,<script>1</script>",
    "a file": "file:///etc/passwd",
    "what a browser opens by itself": "blob:https://chat.example/1",
    "a handler of the system": "ms-msdt:/id",
    "a scheme that anything may answer to": "myapp://callback",
    "plain http elsewhere": "http://chat.example/back",
    "a name that only begins like loopback": "http://localhost.evil.example/back",
    "an address that only begins like loopback": "http://127.0.0.1.evil.example/back",
    "another loopback address": "http://127.0.0.2/back",
    "a user name that looks like a host": "https://chat.example@evil.example/back",
    "a fragment": "https://chat.example/back#here",
    "a backslash": "https://chat.example\\@evil.example/back",
    "a line break": "https://chat.example/back\r\nset-cookie: a=b",
    "a quote": 'https://chat.example/"><script>',
    "letters that look alike": "https://сhat.example/back",
    "no host": "https:///back",
    "a port that is none": "https://chat.example:99999/back",
    "a path alone": "/back",
    "no host but a name": "//evil.example/back",
    "nothing": "",
    "no text": None,
    "too long": f"https://chat.example/{'a' * redirects.LONGEST}",
}


@pytest.mark.parametrize("uri", GOOD)
def test_a_client_may_have_its_answer_sent_there(uri: str) -> None:
    assert redirects.wrong(uri) is None
    assert redirects.is_own(uri, (uri,))


@pytest.mark.parametrize("uri", BAD.values(), ids=BAD.keys())
def test_nobody_may_have_an_answer_sent_there(uri: object) -> None:
    assert redirects.wrong(uri) is not None


@pytest.mark.parametrize(
    ("asked", "registered", "own"),
    [
        ("http://localhost:5173/callback", "http://localhost/callback", True),
        ("http://127.0.0.1:1/callback", "http://127.0.0.1:2/callback", True),
        ("http://[::1]:1/cb", "http://[::1]/cb", True),
        ("http://localhost:1/other", "http://localhost/callback", False),
        ("http://localhost:1/callback?to=evil", "http://localhost/callback", False),
        ("http://127.0.0.1:1/callback", "http://localhost/callback", False),
        ("http://user@localhost:1/callback", "http://localhost/callback", False),
        ("https://localhost:1/callback", "https://localhost/callback", False),
        ("https://chat.example:444/back", "https://chat.example/back", False),
        ("https://chat.example/back/", "https://chat.example/back", False),
        ("https://CHAT.example/back", "https://chat.example/back", False),
        ("https://chat.example/x/../back", "https://chat.example/back", False),
        ("https://evil.example/back", "https://chat.example/back", False),
    ],
)
def test_it_is_one_of_the_clients_own_to_the_letter_but_for_a_loopback_port(
    asked: str, registered: str, own: bool
) -> None:
    assert redirects.is_own(asked, (registered,)) is own


@pytest.mark.parametrize(
    ("uri", "told", "source"),
    [
        ("https://chatgpt.com/back", "chatgpt.com", "https://chatgpt.com"),
        ("http://localhost:8787/callback", "localhost:8787", "http://localhost:8787"),
        ("http://[::1]:9000/cb", "[::1]:9000", "http:"),
        ("cursor://anysphere.cursor-mcp/oauth/callback", "cursor:", "cursor:"),
    ],
)
def test_where_an_answer_goes_is_told_to_people_and_to_browsers(uri: str, told: str, source: str) -> None:
    assert redirects.told(uri) == told
    assert redirects.source(uri) == source


@pytest.mark.parametrize(
    ("uri", "whole"),
    [
        ("https://a.example/b", "https://a.example/b?code=1&state=s+t%26"),
        ("https://a.example/b?x=&y=%2F", "https://a.example/b?x=&y=%2F&code=1&state=s+t%26"),
        ("com.example.app:/cb", "com.example.app:/cb?code=1&state=s+t%26"),
    ],
)
def test_an_answer_leaves_the_rest_of_the_address_as_it_was(uri: str, whole: str) -> None:
    assert redirects.with_answer(uri, {"code": "1", "state": "s t&"}) == whole
