"""What every face works with: one gateway, read, changed and remembered through one set of tools."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Any

from gatechat.assistant.admin_client import AdminClient
from gatechat.assistant.operations.arguments import Arguments
from gatechat.assistant.operations.tool import Outcome, Tool
from gatechat.assistant.operations.tools import TOOLS
from gatechat.assistant.principal import Principal
from gatechat.assistant.problem import Problem
from gatechat.assistant.settings import AssistantSettings
from gatechat.assistant.view.live import Live

log = logging.getLogger(__name__)


class Core:
    """Made once per process; ``start`` before the first call, ``close`` after the last."""

    def __init__(self, settings: AssistantSettings, tools: Iterable[Tool] = TOOLS) -> None:
        self.settings = settings
        self.admin = AdminClient(settings.admin_url, settings.admin_key, settings.timeout)
        self.live = Live(self.admin)
        self.tools: Mapping[str, Tool] = {tool.name: tool for tool in tools}
        self._arguments = {name: Arguments(tool.input_schema) for name, tool in self.tools.items()}
        self._writes: set[asyncio.Task[Outcome]] = set()

    async def start(self) -> None:
        """Finishes or takes back what an earlier process left half done."""

    async def close(self) -> None:
        """Waits for the writes that are under way."""
        await asyncio.gather(*self._writes)
        await self.admin.close()

    async def call(self, name: str, arguments: Mapping[str, Any], who: Principal) -> Outcome:
        """Runs one tool. What goes wrong is an outcome that says how to go on, never an exception."""
        tool = self.tools.get(name)
        if tool is None:
            return Outcome.error(f"There is no tool {name!r}. There are {', '.join(self.tools)}.")
        if who.role < tool.role:
            return Outcome.error(
                f"{name} needs the role {tool.role.name.lower()}; {who.name} is {who.role.name.lower()}. "
                "Ask an administrator of the gateway for a token with that role."
            )
        wrong = self._arguments[name].errors(arguments)
        if wrong:
            return Outcome.error("\n".join((f"{name} was not run; its arguments need mending:", *wrong)))
        if tool.hints.read_only:
            return await self._run(tool, arguments, who)
        write = asyncio.create_task(self._run(tool, arguments, who))
        self._writes.add(write)
        write.add_done_callback(self._writes.discard)
        return await asyncio.shield(write)  # a caller that goes away stops no write halfway

    async def _run(self, tool: Tool, arguments: Mapping[str, Any], who: Principal) -> Outcome:
        try:
            return await tool.run(self, dict(arguments), who)
        except Problem as problem:
            return Outcome.error(problem.message)
        except Exception:
            log.exception("%s failed", tool.name)
            unsure = "" if tool.hints.read_only else " Look at what there is now before you try again."
            return Outcome.error(f"{tool.name} failed inside the assistant; its log has the cause.{unsure}")
