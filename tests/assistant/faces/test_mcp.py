"""What an MCP client sees: tools, resources, prompts and words, the same in both eras."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from mcp import Client
from mcp.client import advertise
from mcp.server.apps import APP_MIME_TYPE, EXTENSION_ID
from mcp.shared.exceptions import MCPError
from mcp.types import (
    PromptReference,
    ResourceTemplateReference,
    TextContent,
    TextResourceContents,
)

from gatechat.assistant.core import Core
from gatechat.assistant.faces.mcp.prompts import PROMPTS
from gatechat.assistant.faces.mcp.resources import TEMPLATES, plan_app
from gatechat.assistant.faces.mcp.server import create_server
from gatechat.assistant.faces.mcp.state_key import state_key
from gatechat.assistant.faces.mcp.words import ENOUGH, INSTRUCTIONS
from gatechat.assistant.operations.tool import Outcome, Tool
from gatechat.assistant.operations.tools import LARGEST_LIST, LARGEST_TABLE, TOOLS
from gatechat.assistant.principal import Principal
from gatechat.assistant.settings import AssistantSettings
from tests.assistant import rig as http_rig
from tests.assistant.faces import mcp_rig as rig

both_eras = pytest.mark.parametrize("era", rig.ERAS)


async def echo(core: Core, arguments: dict[str, Any], who: Principal) -> Outcome:
    return Outcome(f"said {arguments['word']}", {"word": arguments["word"], "by": who.name, "rows": ["hi"]})


async def fails(core: Core, arguments: dict[str, Any], who: Principal) -> Outcome:
    raise RuntimeError("a cause that is nobody's business")


ECHO = replace(
    rig.row("echo", rig.READS, echo, {"word": {"type": "string"}}),
    output_schema={
        "type": "object",
        "properties": {"word": {"type": "string"}, "rows": {"type": "array"}},
    },
)
FAILS = rig.row("fails", rig.READS, fails, {})


def server(*tools: Tool) -> Any:
    return create_server(Core(AssistantSettings(), tools), rig.KEY)


# Tools


@both_eras
async def test_the_whole_list_of_tools_fits(era: str) -> None:
    async with rig.client(server(*TOOLS), era) as client:
        listed = await client.list_tools()
    wire = listed.model_dump_json(by_alias=True, exclude_none=True)
    assert len(wire) <= LARGEST_LIST
    assert [tool.name for tool in listed.tools] == [tool.name for tool in TOOLS]
    assert len(TOOLS) <= LARGEST_TABLE


@both_eras
async def test_every_hint_is_said_and_every_schema_is_closed(era: str) -> None:
    async with rig.client(server(*TOOLS, ECHO), era) as client:
        listed = await client.list_tools()
    for tool in listed.tools:
        assert tool.title
        assert tool.description
        assert tool.annotations
        hints = tool.annotations.model_dump(exclude_none=True)
        assert set(hints) == {"read_only_hint", "destructive_hint", "idempotent_hint", "open_world_hint"}
        assert tool.input_schema["additionalProperties"] is False
        assert tool.output_schema
        assert tool.output_schema["type"] == "object"


@both_eras
async def test_whichever_part_a_client_gives_its_model_the_words_are_in_it(era: str) -> None:
    async with rig.client(server(ECHO), era) as client:
        result = await client.call_tool("echo", {"word": "hi"})
        (tool,) = (await client.list_tools()).tools
    assert [part.text for part in result.content if isinstance(part, TextContent)] == ["said hi"]
    assert result.structured_content == {"answer": "said hi", "word": "hi"}
    assert result.meta
    assert result.meta["gatechat/data"] == {"word": "hi", "by": "local", "rows": ["hi"]}
    assert result.is_error is False
    assert tool.output_schema == {
        "type": "object",
        "required": ["answer"],
        "properties": {"answer": {"type": "string"}, "word": {"type": "string"}},
    }


@both_eras
@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        pytest.param(
            "echo", {"wrod": "x"}, "wrod: there is no such argument; did you mean word?", id="misspelt"
        ),
        pytest.param("echo", {"word": [1]}, "word: takes string, not [1]", id="of another type"),
        pytest.param("echo", {}, "word: is needed", id="missing"),
        pytest.param("ehco", {}, "There is no tool 'ehco'. There are echo, fails.", id="no such tool"),
        pytest.param(
            "fails", {}, "fails failed inside the assistant; its log has the cause.", id="our own failure"
        ),
    ],
)
async def test_an_error_is_a_result_that_says_how_to_go_on(
    era: str, tool: str, arguments: dict[str, Any], says: str
) -> None:
    async with rig.client(server(ECHO, FAILS), era) as client:
        result = await client.call_tool(tool, arguments)
    assert isinstance(result.content[0], TextContent)
    assert result.is_error
    assert says in result.content[0].text
    assert "nobody's business" not in result.content[0].text
    assert result.structured_content == {"answer": result.content[0].text}


# Words


def test_the_first_words_are_enough() -> None:
    start = INSTRUCTIONS[:ENOUGH]
    for word in ("overview", "find", "get", "describe", "plan", "apply", "approve", "secrets", "undo"):
        assert word in start
    assert start.count("\n\n") == 1, "what is cut off is a paragraph of its own"


@both_eras
async def test_a_client_is_told_who_we_are_and_how_to_work(era: str) -> None:
    async with rig.client(server(ECHO), era) as client:
        assert client.instructions == INSTRUCTIONS
        capabilities = client.server_capabilities
    assert capabilities
    assert capabilities.tools
    assert capabilities.resources
    assert capabilities.prompts
    assert capabilities.completions


# Resources


@both_eras
async def test_a_plan_a_route_and_a_plugins_docs_can_be_read_by_address(era: str) -> None:
    calls: list[tuple[str, dict[str, Any]]] = []

    def remembers(name: str, properties: dict[str, Any]) -> Tool:
        async def run(core: Core, arguments: dict[str, Any], who: Principal) -> Outcome:
            calls.append((name, arguments))
            return Outcome(f"text of {name}", {})

        return rig.row(name, rig.READS, run, properties)

    text = {"type": "string"}
    tools = (
        remembers("plan_state", {"plan": text}),
        remembers("get", {"kind": text, "id": text}),
        remembers("describe", {"name": text}),
    )
    async with rig.client(server(*tools), era) as client:
        templates = (await client.list_resource_templates()).resource_templates
        uris = ("plan://p1", "route://a%2Fb", "plugin-docs://cors")
        read = [await client.read_resource(uri) for uri in uris]
    assert [template.uri_template for template in templates] == [
        "plan://{id}",
        "route://{id}",
        "plugin-docs://{name}",
    ]
    assert calls == [
        ("plan_state", {"plan": "p1"}),
        ("get", {"kind": "routes", "id": "a/b"}),
        ("describe", {"name": "cors"}),
    ]
    (contents,) = read[0].contents
    assert isinstance(contents, TextResourceContents)
    assert (contents.mime_type, contents.text) == ("text/plain", "text of plan_state")


def test_what_an_address_stands_for_is_a_call_that_its_tool_takes() -> None:
    tools = Core(AssistantSettings()).tools
    for template in TEMPLATES:
        taken = tools[template.tool].input_schema["properties"]
        assert set(template.arguments("x")) <= set(taken)


@both_eras
@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("file:///etc/passwd", "There is nothing at file:///etc/passwd. There are plan://{id}"),
        ("plan://", "There is nothing at plan://"),
        ("plan://p9", "There is no such plan; history lists them."),
    ],
)
async def test_an_address_with_nothing_at_it_says_what_there_is(era: str, uri: str, says: str) -> None:
    async with rig.client(rig.ChangesStandIn().server(), era) as client:
        with pytest.raises(MCPError, match=r".") as failure:
            await client.read_resource(uri)
    assert says in failure.value.error.message
    assert failure.value.error.data == {"uri": uri}


# The page of a plan


async def test_plans_are_shown_as_an_app_where_the_client_can() -> None:
    extension = advertise(EXTENSION_ID, {"mimeTypes": [APP_MIME_TYPE]})
    async with Client(rig.ChangesStandIn().server(), mode="auto", extensions=[extension]) as client:
        assert client.server_capabilities
        assert EXTENSION_ID in (client.server_capabilities.extensions or {})
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        meta = tools["plan_state"].meta
        assert meta
        page = await client.read_resource(meta["ui"]["resourceUri"])
        assert tools["apply"].meta is None
    (contents,) = page.contents
    assert isinstance(contents, TextResourceContents)
    assert contents.mime_type == APP_MIME_TYPE
    assert contents.text.startswith("<!doctype html>")


def test_the_page_loads_nothing_and_builds_no_html_from_data() -> None:
    page = plan_app()
    elsewhere = ("http://", "https://", "src=", "@import", "url(", "innerHTML", "eval(")
    assert not [word for word in elsewhere if word in page]
    assert "tools/call" not in page, "it approves nothing"


# Prompts


async def test_there_is_a_prompt_for_each_of_the_six_jobs() -> None:
    async with rig.client(server(ECHO), rig.ERAS[0]) as client:
        prompts = (await client.list_prompts()).prompts
    assert [prompt.name for prompt in prompts] == [
        "publish-api",
        "protect-with-key",
        "limit-rate",
        "release-canary",
        "find-failure",
        "review-security",
    ]
    assert [argument.name for argument in prompts[0].arguments or [] if argument.required] == [
        "backend",
        "path",
    ]


@both_eras
async def test_a_prompt_is_filled_in(era: str) -> None:
    given = {"backend": "127.0.0.1:5080", "path": "/speaker/*{host}"}
    async with rig.client(server(ECHO), era) as client:
        prompt = await client.get_prompt("publish-api", given)
    assert isinstance(prompt.messages[0].content, TextContent)
    text = prompt.messages[0].content.text
    assert text.startswith(
        "Publish the API at 127.0.0.1:5080 through the gateway under /speaker/*{host} (host: any)."
    )


@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda prompt: prompt.name)
def test_a_prompt_uses_every_argument_and_names_tools_that_there_are(prompt: Any) -> None:
    for argument in prompt.arguments:
        assert f"{{{argument.name}}}" in prompt.text
    assert prompt.fill({argument.name: "x" for argument in prompt.arguments})


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("publish-api", {"backend": "a:1"}, "publish-api needs path"),
        ("publish-api", {"backend": "a:1", "path": " "}, "publish-api needs path"),
        (
            "publish-api",
            {"backend": "a:1", "path": "/", "x": "1"},
            "has no argument x; it takes backend, path, host",
        ),
        ("publish", {}, "There is no prompt publish. There are publish-api"),
    ],
)
async def test_a_prompt_that_cannot_be_filled_in_says_why(
    name: str, arguments: dict[str, str], says: str
) -> None:
    async with rig.client(server(ECHO), rig.ERAS[0]) as client:
        with pytest.raises(MCPError, match=says):
            await client.get_prompt(name, arguments)


# Completion


async def test_arguments_that_name_something_of_the_gateways_are_completed() -> None:
    admin = http_rig.AdminStandIn()
    admin.body = json.dumps(["cors", "key-auth", "basic-auth"]).encode()
    async with http_rig.serving(admin) as port:
        core = Core(AssistantSettings(admin_url=f"http://127.0.0.1:{port}"), (ECHO,))
        plugins = ResourceTemplateReference(type="ref/resource", uri="plugin-docs://{name}")
        free_text = PromptReference(type="ref/prompt", name="publish-api")
        async with rig.client(create_server(core, rig.KEY), rig.ERAS[0]) as client:
            found = await client.complete(plugins, {"name": "name", "value": "auth"})
            none = await client.complete(free_text, {"name": "backend", "value": "1"})
        await core.close()
    assert found.completion.values == ["basic-auth", "key-auth"]
    assert none.completion.values == []


# The key of the seal


def test_the_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Any) -> None:
    key = state_key(tmp_path)
    assert state_key(tmp_path) == key
    assert len(key) == 32
    assert [file.stat().st_mode & 0o777 for file in tmp_path.iterdir()] == [0o600]
    assert state_key(None) != state_key(None)


def test_a_key_that_was_cut_short_is_not_used(tmp_path: Any) -> None:
    state_key(tmp_path)
    (tmp_path / "mcp-state-key").write_text("abcd")
    with pytest.raises(OSError, match="is damaged"):
        state_key(tmp_path)
