"""The scripted model: it calls tools over real MCP and reads their answers, and what it reads is counted."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

import jsonschema_rs
from mcp import Client
from mcp.client.context import ClientRequestContext
from mcp.types import ElicitRequestParams, ElicitRequestURLParams, ElicitResult, TextContent


class Lost(Exception):
    """The model cannot go on: an answer does not hold what the next call needs."""


@dataclass(frozen=True)
class Answer:
    """``text`` is what every client shows its model, ``structured`` what some give it beside or instead."""

    text: str
    structured: dict[str, Any] | None
    is_error: bool

    def find(self, pattern: str) -> str:
        """The first group of the pattern, in what the model read. Raises Lost."""
        found = re.search(pattern, self.text)
        if found is None:
            raise Lost(f"nothing like {pattern} in: {self.text}")
        return found[1]

    @property
    def plan(self) -> str:
        """The id of the plan that the answer is about."""
        return self.find(r"Plan (\w+) \(")


@dataclass
class Read:
    """What a model had to do and to read. Characters of the texts, and of the structured content as JSON."""

    calls: int = 0
    errors: int = 0
    text: int = 0
    structured: int = 0
    longest: int = 0


@dataclass
class Person:
    """Who sits at the client: says yes to every question, opens every page. ``asked`` is what they saw."""

    asked: list[str] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)

    async def __call__(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        self.asked.append(params.message)
        if isinstance(params, ElicitRequestURLParams):
            self.opened.append(params.url)
            return ElicitResult(action="accept")
        return ElicitResult(action="accept", content={"apply": True})


class Model:
    """One connection to the assistant. ``read`` is what the job took since it began."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._schemas: dict[str, jsonschema_rs.Draft202012Validator] = {}
        self.read = Read()
        self.once = 0
        """Characters that are read once: the instructions and the whole answer to tools/list."""

    def begin(self) -> None:
        """From here on it is counted."""
        self.read = Read()

    async def meet(self) -> None:
        """Reads the instructions and the tools, as every client does first."""
        listed = await self._client.list_tools()
        wire = listed.model_dump_json(by_alias=True, exclude_none=True)
        self.once = len(self._client.instructions or "") + len(wire)
        for tool in listed.tools:
            self._schemas[tool.name] = jsonschema_rs.Draft202012Validator(tool.output_schema or {})

    async def call(self, tool: str, **arguments: Any) -> Answer:
        """Any answer, an error too; whatever it is, it has the shape that the tool's output schema says."""
        if not self.read.calls:
            await self._look_again()
        result = await self._client.call_tool(tool, arguments)
        texts = [part.text for part in result.content if isinstance(part, TextContent)]
        answer = Answer("\n".join(texts), result.structured_content, bool(result.is_error))
        written = "" if answer.structured is None else json.dumps(answer.structured, ensure_ascii=False)
        self.read.calls += 1
        self.read.errors += answer.is_error
        self.read.text += len(answer.text)
        self.read.structured += len(written or answer.text)
        self.read.longest = max(self.read.longest, len(answer.text))
        if answer.structured is not None:
            self._schemas[tool].validate(answer.structured)
        elif not answer.is_error:
            raise Lost(f"{tool} has an output schema and gives no structured content")
        return answer

    async def _look_again(self) -> None:
        """Reads may be two seconds old, and what the job is about was put there a moment ago."""
        await self._client.call_tool("history", {"drift": True})

    async def ask(self, tool: str, **arguments: Any) -> Answer:
        """A call that must succeed. Raises Lost."""
        answer = await self.call(tool, **arguments)
        if answer.is_error:
            raise Lost(f"{tool} says: {answer.text}")
        return answer

    async def plan(self, reason: str, *operations: dict[str, Any], **more: Any) -> Answer:
        return await self.ask("plan", reason=reason, operations=list(operations), **more)

    async def change(self, reason: str, *operations: dict[str, Any], **more: Any) -> str:
        """Plans and applies; returns the id. Where a person must say yes, they do so in the client."""
        plan = (await self.plan(reason, *operations, **more)).plan
        applied = await self.ask("apply", plan=plan)
        applied.find(r"(undo \(change )")
        return plan
