"""What `gatechat up` shows can be copied and is true."""

from __future__ import annotations

import json
import shlex

from gatechat.cli.welcome import Addresses, welcome

AT = Addresses(
    "http://127.0.0.1:1",
    "http://localhost:1/mcp",
    "http://127.0.0.1:2",
    "http://127.0.0.1:3",
    "http://127.0.0.1:4",
)


def curls(text: str) -> list[list[str]]:
    """The commands in it, as a shell reads them."""
    lines = text.replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines if line.strip().startswith("curl ")]


def test_the_first_command_makes_a_route_through_the_assistant_and_the_second_asks_the_gateway() -> None:
    put, get = curls(welcome(AT, asks_token=False))
    assert put[:4] == ["curl", "-X", "PUT", "http://127.0.0.1:1/apisix/admin/routes/1"]
    assert json.loads(put[-1]) == {
        "uri": "/speaker/*",
        "upstream": {"type": "roundrobin", "nodes": {"127.0.0.1:4": 1}},
    }
    assert get == ["curl", "http://127.0.0.1:3/speaker/1/sessions"]


def test_the_answer_is_named() -> None:
    assert '"Gateways without tears", "Undo for infrastructure"' in welcome(AT, asks_token=False)


def test_a_token_is_taken_from_the_environment_and_not_shown() -> None:
    put, _ = curls(welcome(AT, asks_token=True))
    assert "Authorization: Bearer $GATECHAT_TOKEN" in put


def test_what_an_assistant_is_connected_to_is_named() -> None:
    assert "  MCP         http://localhost:1/mcp " in welcome(AT, asks_token=False)
