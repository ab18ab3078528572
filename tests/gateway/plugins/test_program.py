from __future__ import annotations

import json
from typing import Any

import pytest

from gatechat.gateway.model import Refused
from gatechat.gateway.plugins import Candidate, build_dispatcher, build_program


def names(text: str, part: str) -> list[str]:
    return [entry["n"] for entry in json.loads(text)[part]]


def built(plugins: dict[str, Any], *rules: dict[str, Any]) -> Any:
    program = build_program(globals_=rules, plugins=plugins, scope={"route_id": "1"})
    assert program is not None
    return program


def test_nothing_to_run_is_no_program() -> None:
    assert build_program(globals_=[], plugins={}, scope={"route_id": "1"}) is None
    off = {"key-auth": {"_meta": {"disable": True}}}
    assert build_program(globals_=[off], plugins=off, scope={}) is None


def test_plugins_stand_by_falling_priority() -> None:
    plugins = {"key-auth": {}, "request-id": {}, "ip-restriction": {"whitelist": ["::1"]}}
    assert names(built(plugins).text, "r") == ["request-id", "ip-restriction", "key-auth"]
    plugins["key-auth"] = {"_meta": {"priority": 99999}}
    assert names(built(plugins).text, "r") == ["key-auth", "request-id", "ip-restriction"]


def test_the_same_plugins_in_another_order_are_the_same_program() -> None:
    one = built({"key-auth": {"header": "a", "query": "b"}, "request-id": {}})
    two = built({"request-id": {}, "key-auth": {"query": "b", "header": "a"}})
    assert (one.key, one.text) == (two.key, two.text)
    assert one.key != built({"request-id": {}}).key


def test_a_plugin_in_two_global_rules_runs_in_neither() -> None:
    program = built({}, {"key-auth": {}, "request-id": {}}, {"key-auth": {"header": "x"}})
    assert names(program.text, "g") == ["request-id"]


@pytest.mark.parametrize(
    ("plugins", "response"),
    [
        ({"key-auth": {}}, False),
        ({"request-id": {}}, True),
        ({"request-id": {"include_in_response": False}}, False),
    ],
)
def test_only_what_has_something_to_do_with_the_response_comes_there(
    plugins: dict[str, Any], response: bool
) -> None:
    assert built(plugins).response is response


def test_defaults_are_filled_in() -> None:
    entry = json.loads(built({"key-auth": {"header": "x"}}).text)["r"][0]
    assert entry["c"] == {"header": "x", "query": "apikey", "realm": "key", "hide_credentials": False}


def test_an_error_response_is_text() -> None:
    entry = json.loads(built({"key-auth": {"_meta": {"error_response": {"b": 1, "a": 2}}}}).text)["r"][0]
    assert entry["e"] == '{"a":2,"b":1}\n'


def test_a_dispatcher_is_as_demanding_as_its_candidates() -> None:
    quiet, loud = built({"key-auth": {}}), built({"request-id": {}})
    assert not build_dispatcher([Candidate("1", None, quiet), Candidate("2", None, None)]).response
    assert build_dispatcher([Candidate("1", None, quiet), Candidate("2", None, loud)]).response


def test_a_plugin_that_there_is_not_is_refused() -> None:
    with pytest.raises(Refused, match=r"^unknown plugin \[of-tomorrow\]$"):
        built({"of-tomorrow": {}})
