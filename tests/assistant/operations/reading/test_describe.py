"""What a kind or a plugin takes, asked of the gateway."""

from __future__ import annotations

import json

import jsonschema_rs
import pytest

from gatechat.apisix.kinds import KINDS
from gatechat.assistant.operations.reading import traps
from gatechat.gateway.plugins import REGISTRY, plugin_schema
from tests.assistant.operations.reading.rig import Reader


async def test_a_plugin_with_both_sides_an_example_and_its_traps(core: Reader) -> None:
    outcome = await core.call("describe", name="key-auth")
    assert "[on routes, services, …]" in outcome.text
    assert "[in consumers and credentials]\nkey*!: string" in outcome.text
    assert 'In a credential: {"key": "$env://NAME"}' in outcome.text
    assert any("apikey" in trap for trap in outcome.data["traps"])
    assert len(outcome.text) < 2000


async def test_a_field_can_be_looked_into(core: Reader) -> None:
    outcome = await core.call("describe", name="upstreams", field="checks.active")
    assert "http_path: string" in outcome.text
    assert "Example" not in outcome.text


async def test_the_secret_fields_of_a_kind_are_marked(core: Reader) -> None:
    outcome = await core.call("describe", name="ssl")
    assert "\nkey!: string" in outcome.text
    assert "\ncert: string" in outcome.text


@pytest.mark.parametrize("kind", list(KINDS))
async def test_every_kind_can_be_described_in_few_characters(core: Reader, kind: str) -> None:
    outcome = await core.call("describe", name=kind)
    assert not outcome.is_error
    assert len(outcome.text) < 7000


@pytest.mark.parametrize("name", sorted(REGISTRY))
async def test_every_plugin_can_be_described_in_few_characters(core: Reader, name: str) -> None:
    outcome = await core.call("describe", name=name)
    assert not outcome.is_error
    assert len(outcome.text) < 7000


async def test_without_a_name_all_plugins_are_listed(core: Reader) -> None:
    outcome = await core.call("describe")
    assert set(outcome.data["plugins"]) == set(REGISTRY)


@pytest.mark.parametrize(
    ("arguments", "in_words"),
    [
        ({"name": "key_auth"}, "Did you mean key-auth"),
        ({"name": "rutes"}, "Did you mean routes"),
        ({"name": "limit-count", "field": "polcy"}, "did you mean policy?"),
    ],
)
async def test_what_is_not_there_is_an_error_with_the_nearest(
    core: Reader, arguments: dict[str, str], in_words: str
) -> None:
    outcome = await core.call("describe", **arguments)
    assert outcome.is_error
    assert in_words in outcome.text


@pytest.mark.parametrize("name", sorted(set(traps.PLUGINS) & set(REGISTRY)))
def test_the_examples_of_plugins_are_valid(name: str) -> None:
    notes = traps.PLUGINS[name]
    for side, example in (("route", notes.example), ("consumer", notes.consumer)):
        if example is not None:
            schema = plugin_schema(REGISTRY[name], side)  # type: ignore[arg-type]
            jsonschema_rs.validate(dict(schema), dict(example))


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.schema and name != "ssls"])
def test_the_examples_of_kinds_are_valid(kind: str) -> None:
    example = {"id": "x", **traps.KINDS[kind].example}
    if kind == "consumers":
        del example["id"]
    jsonschema_rs.validate(dict(KINDS[kind].json_schema or {}), example)


def test_the_notes_are_short_enough_to_be_read() -> None:
    for name, notes in {**traps.PLUGINS, **traps.KINDS}.items():
        assert all(len(trap) <= 160 and trap.endswith(".") for trap in notes.traps), name
        assert len(json.dumps(notes.example)) < 300, name
