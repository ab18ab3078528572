"""What every face works with: one gateway, read, changed and remembered through one set of tools."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from gatechat.assistant.admin_client import AdminClient
from gatechat.assistant.change import policy
from gatechat.assistant.change.plan import Drafts
from gatechat.assistant.change.redact import Redactor
from gatechat.assistant.change.setup import open_changes
from gatechat.assistant.operations.arguments import Arguments
from gatechat.assistant.operations.tool import Outcome, Tool
from gatechat.assistant.operations.tools import TOOLS
from gatechat.assistant.principal import Principal
from gatechat.assistant.problem import Problem
from gatechat.assistant.settings import AssistantSettings
from gatechat.assistant.view.live import Live
from gatechat.assistant.view.text import line

log = logging.getLogger(__name__)

POLICY_FILE: Final = "policy.toml"
"""In the data folder: read when no other is named."""


class Core:
    """Made once per process; ``start`` before the first call, ``close`` after the last.

    ``elsewhere``: it is another gateway than the one whose traffic the settings and the policy's probes speak
    of: changes are proven by the Admin API alone.

    Several processes may share a data folder. Raises PolicyError, LedgerError.
    """

    def __init__(
        self, settings: AssistantSettings, tools: Iterable[Tool] = TOOLS, *, elsewhere: bool = False
    ) -> None:
        self.settings = settings
        self.policy = replace(_policy(settings), probes=()) if elsewhere else _policy(settings)
        self._passing = TemporaryDirectory(prefix="gatechat-") if settings.data_dir is None else None
        folder = settings.data_dir or Path(self._passing.name if self._passing else "")
        self.admin = AdminClient(settings.admin_url, settings.admin_key, settings.timeout)
        self.live = Live(self.admin)
        self.drafts = Drafts(self.admin, self.live, self.policy)
        self.changes = open_changes(
            folder,
            self.admin,
            self.live,
            self.drafts,
            redactor=lambda: self.drafts.redactor,
            page=lambda id: f"{settings.url}/plans/{id}",
            gateway=None if elsewhere else settings.traffic,
            control=settings.control_url,
        )
        self.ledger = self.changes.records.ledger
        self.tools: Mapping[str, Tool] = {tool.name: tool for tool in tools}
        self._arguments = {
            name: Arguments(tool.input_schema, tool.called) for name, tool in self.tools.items()
        }
        self._writes: set[asyncio.Task[Outcome]] = set()

    @property
    def redactor(self) -> Redactor:
        """By the secret fields that the gateway told of its plugins. Raises Problem before it told any: then
        nothing of the configuration can be shown.
        """
        if not self.drafts.learned:
            raise Problem(
                502, "the gateway was not reached yet, so that it is not known what is secret in it"
            )
        return self.drafts.redactor

    async def start(self) -> None:
        """Finishes or takes back what an earlier process left half done; if the Admin API is away, the next
        change does.
        """
        if not self.changes.records.under_way():
            return
        try:
            await self.learn()
            await self.changes.recover()
        except Problem as problem:
            log.warning("a change was broken off, and cannot be seen to yet: %s", problem.message)

    async def learn(self) -> None:
        """Asks the gateway what is secret, unless it told it not long ago. Raises Problem."""
        await self.drafts.learn()

    async def known_redactor(self) -> Redactor:
        """By what the gateway tells now; while it is away, by what it told last. Raises Problem when it never
        told anything.
        """
        try:
            await self.learn()
        except Problem as problem:
            if not self.drafts.learned:
                raise
            log.info("the gateway's plugins are not known anew: %s", problem.message)
        return self.drafts.redactor

    async def close(self) -> None:
        """Waits for the writes that are under way."""
        await asyncio.gather(*self._writes)
        await self.changes.close()
        await self.admin.close()
        if self._passing is not None:
            self._passing.cleanup()

    async def call(self, name: str, arguments: Mapping[str, Any], who: Principal) -> Outcome:
        """Runs one tool. What goes wrong is an outcome that says how to go on, never an exception."""
        tool = self.tools.get(name)
        if tool is None:
            return Outcome.error(f"There is no tool {name!r}. There are {', '.join(self.tools)}.", 404)
        if who.role < tool.role:
            return Outcome.error(
                f"{name} needs the role {tool.role.name.lower()}; {who.name} is {who.role.name.lower()}. "
                "Ask an administrator of the gateway for a token with that role.",
                403,
            )
        read, notes = self.understood(name, arguments)
        wrong = self._arguments[name].errors(read)
        if wrong:
            return Outcome.error("\n".join((f"{name} was not run; its arguments need mending:", *wrong)))
        run = self._run(tool, read, who)
        outcome = await run if tool.hints.read_only else await self._whole(run)
        said = f"Understood: {'; '.join(line(note) for note in notes)}.\n" if notes else ""
        return replace(outcome, text=said + outcome.text)

    def understood(self, name: str, arguments: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """A tool's arguments as its schema has them, and what was read otherwise than it was written."""
        return self._arguments[name].understood(arguments)

    async def _whole(self, run: Coroutine[Any, Any, Outcome]) -> Outcome:
        """A caller that goes away stops no write halfway."""
        write = asyncio.create_task(run)
        self._writes.add(write)
        write.add_done_callback(self._writes.discard)
        return await asyncio.shield(write)

    async def _run(self, tool: Tool, arguments: Mapping[str, Any], who: Principal) -> Outcome:
        try:
            await self._learn_if_there()
            return await tool.run(self, dict(arguments), who)
        except Problem as problem:
            return Outcome.error(problem.message, problem.status)
        except Exception:
            log.exception("%s failed", tool.name)
            unsure = "" if tool.hints.read_only else " Look at what there is now before you try again."
            return Outcome.error(
                f"{tool.name} failed inside the assistant; its log has the cause.{unsure}", 500
            )

    async def _learn_if_there(self) -> None:
        """While the gateway is away, what it told last goes on counting; before that, `redactor` refuses."""
        try:
            await self.learn()
        except Problem as problem:
            log.info("the gateway's plugins are not known anew: %s", problem.message)


def _policy(settings: AssistantSettings) -> policy.Policy:
    here = f"http://127.0.0.1:{settings.port}"
    own = tuple(it for it in (settings.admin_url, settings.url, here, settings.control_url) if it)
    file = settings.policy_file
    if file is None and settings.data_dir is not None and (settings.data_dir / POLICY_FILE).exists():
        file = settings.data_dir / POLICY_FILE
    return policy.load(file, own) if file is not None else policy.parse("", own)
