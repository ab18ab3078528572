"""The table of tools as an MCP server. Speaks no transport: `http` and `stdio` do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mcp.server import Server, ServerRequestContext
from mcp.server.apps import APP_MIME_TYPE, EXTENSION_ID
from mcp.server.caching import CacheHint
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    CompleteRequestParams,
    CompleteResult,
    Completion,
    GetPromptRequestParams,
    GetPromptResult,
    InputRequiredResult,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
    PromptMessage,
    PromptReference,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextContent,
    TextResourceContents,
    ToolAnnotations,
)
from mcp.types import Prompt as McpPrompt
from mcp.types import PromptArgument as McpPromptArgument
from mcp.types import Tool as McpTool

from gatechat import __version__
from gatechat.assistant.core import Core
from gatechat.assistant.faces.mcp import completions, resources
from gatechat.assistant.faces.mcp.confirm import PATIENCE, Confirmation
from gatechat.assistant.faces.mcp.prompts import PROMPTS
from gatechat.assistant.faces.mcp.who import principal_of
from gatechat.assistant.faces.mcp.words import INSTRUCTIONS
from gatechat.assistant.operations.tool import Outcome, Tool
from gatechat.assistant.problem import Problem

Context = ServerRequestContext[Any, Any]

NAME: Final = "gatechat"
SHOWS_A_PLAN: Final = frozenset({"plan", "plan_state"})
"""The tools whose results the plan's page shows."""

_HOUR: Final = 3_600_000
_LISTS: Final = CacheHint(ttl_ms=_HOUR, scope="public")
"""Lists change only with the program."""


def create_server(core: Core, state_key: bytes, confirmation: Confirmation | None = None) -> Server[Any]:
    """``state_key``: 32 secret bytes that seal what a client keeps between asking a person and the answer.
    ``confirmation``: how a person is asked in the client; None: not at all.
    """
    return _Face(core, confirmation).server(state_key)


def confirmation(core: Core) -> Confirmation:
    """How the people at the clients of this core are asked."""
    return Confirmation(core.changes, lambda: core.policy.elicitation, core.ledger.use_code)


class _Face:
    def __init__(self, core: Core, confirmation: Confirmation | None) -> None:
        self._core = core
        self._confirmation = confirmation
        self._tools = ListToolsResult(tools=[as_mcp(tool) for tool in core.tools.values()])
        self._prompts = {prompt.name: prompt for prompt in PROMPTS}

    def server(self, state_key: bytes) -> Server[Any]:
        server: Server[Any] = Server(
            NAME,
            version=__version__,
            title="gatechat: your API gateway",
            instructions=INSTRUCTIONS,
            cache_hints={
                "tools/list": _LISTS,
                "prompts/list": _LISTS,
                "resources/list": _LISTS,
                "resources/templates/list": _LISTS,
            },
            get_tool_input_schema=self._input_schema,
            on_list_tools=self.list_tools,
            on_call_tool=self.call_tool,
            on_list_resources=self.list_resources,
            on_list_resource_templates=self.list_templates,
            on_read_resource=self.read_resource,
            on_list_prompts=self.list_prompts,
            on_get_prompt=self.get_prompt,
            on_completion=self.complete,
        )
        server.extensions[EXTENSION_ID] = {}
        security = RequestStateSecurity(
            keys=[state_key], ttl=PATIENCE, bind_principal=lambda context: principal_of(context).name
        )
        server.middleware.append(RequestStateBoundary(security, default_audience=NAME))
        return server

    def _input_schema(self, name: str) -> Mapping[str, Any] | None:
        tool = self._core.tools.get(name)
        return tool.input_schema if tool else None

    async def list_tools(self, context: Context, params: PaginatedRequestParams | None) -> ListToolsResult:
        return self._tools

    async def call_tool(
        self, context: Context, params: CallToolRequestParams
    ) -> CallToolResult | InputRequiredResult:
        who = principal_of(context)
        if self._confirmation is not None and params.name == "apply":
            try:
                named, _ = self._core.understood(params.name, params.arguments or {})
                question = await self._confirmation.settle(context, params, named.get("plan"), who)
            except Problem as problem:
                return as_result(Outcome.error(problem.message), None)
            if question is not None:
                return question
        outcome = await self._core.call(params.name, params.arguments or {}, who)
        return as_result(outcome, self._core.tools.get(params.name))

    async def list_resources(
        self, context: Context, params: PaginatedRequestParams | None
    ) -> ListResourcesResult:
        return ListResourcesResult(
            resources=[
                Resource(
                    uri=resources.PLAN_APP,
                    name="plan",
                    title="The page of a plan",
                    description="Shows a plan beside the chat.",
                    mime_type=APP_MIME_TYPE,
                )
            ]
        )

    async def list_templates(
        self, context: Context, params: PaginatedRequestParams | None
    ) -> ListResourceTemplatesResult:
        return ListResourceTemplatesResult(
            resource_templates=[
                ResourceTemplate(
                    uri_template=template.uri,
                    name=template.scheme,
                    title=template.title,
                    description=template.words,
                    mime_type="text/plain",
                )
                for template in resources.TEMPLATES
            ]
        )

    async def read_resource(self, context: Context, params: ReadResourceRequestParams) -> ReadResourceResult:
        uri = str(params.uri)
        if uri == resources.PLAN_APP:
            page = TextResourceContents(
                uri=uri,
                mime_type=APP_MIME_TYPE,
                text=resources.plan_app(),
                _meta={"ui": {"csp": {}, "prefersBorder": True}},
            )
            return ReadResourceResult(contents=[page], ttl_ms=_HOUR, cache_scope="public")
        call = resources.resolve(uri)
        if call is None:
            known = ", ".join([*(template.uri for template in resources.TEMPLATES), resources.PLAN_APP])
            raise MCPError(INVALID_PARAMS, f"There is nothing at {uri}. There are {known}.", {"uri": uri})
        tool, arguments = call
        outcome = await self._core.call(tool, arguments, principal_of(context))
        if outcome.is_error:
            raise MCPError(INVALID_PARAMS, outcome.text, {"uri": uri})
        contents = TextResourceContents(uri=uri, mime_type="text/plain", text=outcome.text)
        return ReadResourceResult(contents=[contents])

    async def list_prompts(
        self, context: Context, params: PaginatedRequestParams | None
    ) -> ListPromptsResult:
        return ListPromptsResult(
            prompts=[
                McpPrompt(
                    name=prompt.name,
                    title=prompt.title,
                    description=prompt.words,
                    arguments=[
                        McpPromptArgument(name=a.name, description=a.words, required=a.default is None)
                        for a in prompt.arguments
                    ],
                )
                for prompt in PROMPTS
            ]
        )

    async def get_prompt(self, context: Context, params: GetPromptRequestParams) -> GetPromptResult:
        prompt = self._prompts.get(params.name)
        if prompt is None:
            known = ", ".join(self._prompts)
            raise MCPError(INVALID_PARAMS, f"There is no prompt {params.name}. There are {known}.")
        try:
            text = prompt.fill(params.arguments or {})
        except ValueError as error:
            raise MCPError(INVALID_PARAMS, str(error)) from error
        message = PromptMessage(role="user", content=TextContent(type="text", text=text))
        return GetPromptResult(description=prompt.words, messages=[message])

    async def complete(self, context: Context, params: CompleteRequestParams) -> CompleteResult:
        of = params.ref.name if isinstance(params.ref, PromptReference) else params.ref.uri
        try:
            values = await completions.complete(self._core, of, params.argument.name, params.argument.value)
        except Problem as problem:
            raise MCPError(INTERNAL_ERROR, problem.message) from problem
        most = completions.MOST
        found = Completion(values=values[:most], total=len(values), has_more=len(values) > most)
        return CompleteResult(completion=found)


ANSWER: Final = "answer"
"""The field of structured content that holds the words: some clients give their model nothing else."""
DATA: Final = "gatechat/data"
"""Where an answer's lists and objects are, in ``_meta``: for programs and pages, not for models."""
_PLAIN: Final = frozenset({"string", "integer", "number", "boolean", "null"})


def _plain(schema: Mapping[str, Any]) -> bool:
    kind = schema.get("type", "object")
    return set([kind] if isinstance(kind, str) else kind) <= _PLAIN


def _beside(tool: Tool) -> dict[str, Any]:
    """The fields of a tool's data that stand beside the words: plain values, which cost little."""
    return {name: part for name, part in tool.output_schema.get("properties", {}).items() if _plain(part)}


def as_mcp(tool: Tool) -> McpTool:
    """A row of the table as tools/list says it."""
    hints = tool.hints
    return McpTool(
        name=tool.name,
        title=tool.title,
        description=tool.words,
        input_schema=dict(tool.input_schema),
        output_schema={
            "type": "object",
            "required": [ANSWER],
            "properties": {ANSWER: {"type": "string"}, **_beside(tool)},
        },
        annotations=ToolAnnotations(
            read_only_hint=hints.read_only,
            destructive_hint=hints.destructive,
            idempotent_hint=hints.idempotent,
            open_world_hint=hints.open_world,
        ),
        _meta={"ui": {"resourceUri": resources.PLAN_APP}} if tool.name in SHOWS_A_PLAN else None,
    )


def as_result(outcome: Outcome, tool: Tool | None) -> CallToolResult:
    """The same words as text and as structured content, because clients differ in which of the two they give
    to their model: Claude Code and Codex only the latter, most others only the former, ChatGPT and claude.ai
    both. So neither may lack anything, and nothing is said in a second form: what the words tell already,
    row for row and field for field, goes into ``_meta``, which is not for models.
    """
    beside = _beside(tool) if tool is not None else {}
    plain = {name: part for name, part in outcome.data.items() if name in beside}
    return CallToolResult(
        content=[TextContent(type="text", text=outcome.text)],
        structured_content={ANSWER: outcome.text, **plain},
        is_error=outcome.is_error,
        _meta={DATA: outcome.data} if outcome.data else None,
    )
