"""The OpenAPI document is valid, short, and true to the table of operations and to what the gateway takes."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema_rs
import pytest
import yaml
from openapi_spec_validator import OpenAPIV31SpecValidator

from gatechat.apisix.schemas import SCHEMAS
from gatechat.assistant.faces import actions
from gatechat.assistant.faces.actions import PREFIX
from gatechat.assistant.faces.openapi import as_json, as_yaml, document
from gatechat.assistant.operations import OPERATIONS, Operation, Risk
from gatechat.assistant.operations.arguments import Arguments
from gatechat.assistant.operations.tools import TOOLS
from gatechat.assistant.settings import AssistantSettings

SETTINGS = AssistantSettings()
DOCUMENT = document(SETTINGS)
LARGEST = 60_000
"""Characters that a document for GPT Actions should not exceed, and 30 operations."""
ACTIONS = {
    path.removeprefix(PREFIX): item["post"]
    for path, item in DOCUMENT["paths"].items()
    if path.startswith(PREFIX)
}
BODIES = [operation for operation in OPERATIONS if operation.body is not None]


def _entry(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["paths"][operation.path][operation.method]
    return found


def _strings(node: Any, key: str) -> list[Any]:
    """Every value of ``key`` anywhere below ``node``."""
    if isinstance(node, dict):
        return [v for k, v in node.items() if k == key] + [s for v in node.values() for s in _strings(v, key)]
    return [s for v in node for s in _strings(v, key)] if isinstance(node, list) else []


@pytest.mark.parametrize("token", [None, "a-token-for-the-test"])
def test_it_is_valid_openapi_3_1(token: str | None) -> None:
    made = document(AssistantSettings(token=token))
    OpenAPIV31SpecValidator(made).validate()
    assert made["openapi"].startswith("3.1")


def test_both_renderings_are_the_document_and_short() -> None:
    as_text = as_yaml(SETTINGS).decode()
    assert yaml.safe_load(as_text) == json.loads(as_json(SETTINGS)) == DOCUMENT
    assert max(len(as_text), len(as_json(SETTINGS).decode())) < LARGEST
    assert "&id" not in as_text
    assert "*id" not in as_text


def test_a_long_address_and_a_token_still_fit() -> None:
    settings = AssistantSettings(
        public_url=f"https://{'gate.' * 20}example.com",
        gateway_url=f"https://{'api.' * 20}example.com",
        example_backend=f"{'backend.' * 8}example.com:8443",
        token="a-token-for-the-test",
    )
    assert len(as_yaml(settings).decode()) < LARGEST


def test_there_are_thirty_operations_and_no_more() -> None:
    assert sum(len(methods) for methods in DOCUMENT["paths"].values()) == len(OPERATIONS) + len(ACTIONS) == 30


def test_plan_apply_undo_explain_and_traffic_are_made_from_the_table_of_tools() -> None:
    tools = {tool.name: tool for tool in TOOLS}
    assert list(ACTIONS) == ["plan", "apply", "undo", "explain", "traffic"]
    for name, entry in ACTIONS.items():
        tool = tools[actions.ACTIONS[name]]
        assert (entry["operationId"], entry["summary"], entry["description"]) == (
            name,
            tool.title,
            tool.words,
        )
        assert len(tool.words) <= 300
        schema = entry["requestBody"]["content"]["application/json"]["schema"]
        assert set(schema["properties"]) == set(tool.input_schema["properties"])
        assert schema.get("required") == tool.input_schema.get("required")


def test_only_what_changes_the_gateway_is_consequential() -> None:
    asks = {name for name, entry in ACTIONS.items() if entry["x-openai-isConsequential"]}
    assert asks == {"apply"}


@pytest.mark.parametrize("name", ["plan", "explain"])
def test_an_example_of_an_action_is_what_document_and_tool_take(name: str) -> None:
    content = ACTIONS[name]["requestBody"]["content"]["application/json"]
    jsonschema_rs.validator_for(content["schema"]).validate(content["example"])
    [schema] = [tool.input_schema for tool in TOOLS if tool.name == actions.ACTIONS[name]]
    assert Arguments(schema).errors(content["example"]) == []


def test_every_kind_can_be_listed_got_written_and_deleted() -> None:
    for tag in ("Route", "Upstream", "Service"):
        methods = {operation.method for operation in OPERATIONS if operation.tag == tag}
        assert {"get", "put", "patch", "delete"} <= methods, tag
    for tag in ("Consumer", "Credential"):  # Apache APISIX has no POST and PATCH for these
        assert {o.method for o in OPERATIONS if o.tag == tag} == {"get", "put", "delete"}


def test_the_names_of_the_first_version_stay() -> None:
    assert DOCUMENT["paths"]["/apisix/admin/routes"]["get"]["operationId"] == "getAllRoutes"
    assert DOCUMENT["paths"]["/apisix/admin/routes"]["post"]["operationId"] == "createRoute"
    assert DOCUMENT["paths"]["/apisix/admin/routes/{id}"]["get"]["operationId"] == "getRouteById"
    assert DOCUMENT["servers"] == [{"url": "http://localhost:5000"}]


def test_texts_keep_to_the_limits_of_gpt_actions() -> None:
    for operation in OPERATIONS:
        assert 0 < len(operation.summary) <= 300, operation.name
        assert 0 < len(operation.words) <= 300, operation.name
        for parameter in operation.parameters:
            assert 0 < len(parameter.words) <= 700, f"{operation.name} {parameter.name}"
    assert all(len(text) <= 700 for text in _strings(DOCUMENT, "description") if isinstance(text, str))


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_an_operation_is_whole(operation: Operation) -> None:
    entry = _entry(operation)
    in_path = {p.name for p in operation.parameters if p.place == "path"}
    assert in_path == set(re.findall(r"\{(\w+)\}", operation.path))
    assert entry.get("x-openai-isConsequential", False) is (operation.method != "get")
    assert (operation.risk is Risk.READ) is (operation.method == "get")
    assert (operation.risk is Risk.DELETE) is (operation.method == "delete")
    assert ("requestBody" in entry) is (operation.method in ("post", "put", "patch"))


def test_names_are_unique() -> None:
    assert len({*ACTIONS, *(operation.name for operation in OPERATIONS)}) == 30


@pytest.mark.parametrize("operation", BODIES, ids=lambda operation: operation.name)
def test_an_example_is_what_document_and_gateway_take(operation: Operation) -> None:
    content = _entry(operation)["requestBody"]["content"]["application/json"]
    schema = {**content["schema"], "components": DOCUMENT["components"]}
    jsonschema_rs.validator_for(schema).validate(content["example"])
    if operation.method != "patch":
        jsonschema_rs.Draft7Validator(SCHEMAS[operation.tag.lower()]).validate(content["example"])


def test_the_first_example_puts_the_conference_api_behind_the_gateway() -> None:
    made = document(AssistantSettings(example_backend="10.0.0.9:81"))
    post = made["paths"]["/apisix/admin/routes"]["post"]
    example = post["requestBody"]["content"]["application/json"]["example"]
    assert example["uri"] == "/speaker/*"
    assert example["upstream"]["nodes"] == {"10.0.0.9:81": 1}


def test_every_schema_is_used_and_every_reference_leads_somewhere() -> None:
    used = set(_strings(DOCUMENT, "$ref"))
    there = {
        f"#/components/{kind}/{name}" for kind, parts in DOCUMENT["components"].items() for name in parts
    }
    assert used == there


def test_objects_and_lists_say_what_is_in_them() -> None:
    """GPT Actions refuse objects without properties and arrays without items."""

    def check(node: Any, where: str) -> None:
        if isinstance(node, list):
            for item in node:
                check(item, where)
        elif isinstance(node, dict):
            kinds = node.get("type") if isinstance(node.get("type"), list) else [node.get("type")]
            if where.rsplit(".", 1)[-1] not in ("properties", "example", "examples", "default"):
                assert (
                    "object" not in kinds or "properties" in node or where.endswith("additionalProperties")
                ), where
                assert "array" not in kinds or "items" in node, where
            for key, value in node.items():
                if key not in ("example", "examples"):
                    check(value, f"{where}.{key}")

    check(DOCUMENT["components"]["schemas"], "schemas")
    check(DOCUMENT["paths"], "paths")


@pytest.mark.parametrize("more", [{"token": "a-token-for-the-test"}, {"oauth": True}])
def test_it_asks_for_a_token_exactly_when_the_assistant_does(more: dict[str, Any]) -> None:
    assert "security" not in DOCUMENT
    guarded = document(AssistantSettings(**more))
    [[scheme]] = guarded["security"]
    assert guarded["components"]["securitySchemes"][scheme] == {"type": "http", "scheme": "bearer"}
