"""`gatechat` with a person in front of it, and without one."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from gatechat.assistant.change.model import Action, Edit, State, Target
from gatechat.assistant.core import Core
from gatechat.assistant.principal import Principal, Role
from gatechat.assistant.settings import AssistantSettings
from tests.cli.program import TIMEOUT, environment
from tests.conftest import ADMIN_KEY, GatewayUnderTest

ANNA = Principal("token:anna", Role.EDITOR, "mcp")


def at_terminal(home: Path, *command: str, typed: str | None = None, **env: str) -> tuple[int, str]:
    """Runs a command in front of a person; its exit code and all that they see.

    When it asks, ``typed`` is typed; without it, what it asks for.
    """
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "gatechat", *command],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=home,
        env=environment(home, **env),
    )
    os.close(theirs)
    seen = b""
    try:
        while part := os.read(ours, 65536):
            seen += part
            if asked := re.search(rb"To say yes, type (\w+): $", seen):
                os.write(ours, (asked[1].decode() if typed is None else typed).encode() + b"\n")
    except OSError:  # Linux's end of a terminal that nobody has open any more
        pass
    os.close(ours)
    return process.wait(TIMEOUT), seen.decode().replace("\r\n", "\n")


class Terminal:
    """Commands on one data folder and one gateway."""

    def __init__(self, folder: Path, gateway: GatewayUnderTest) -> None:
        self.folder = folder
        self.gateway = gateway
        self.settings = {
            "GATECHAT_DATA_DIR": str(folder),
            "GATECHAT_ADMIN_URL": gateway.gateway.admin_url,
            "GATECHAT_ADMIN_KEY": ADMIN_KEY,
            "GATECHAT_GATEWAY_URL": gateway.gateway.proxy_url,
        }

    def piped(self, *command: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        """Without a terminal."""
        return subprocess.run(
            [sys.executable, "-m", "gatechat", *command],
            input=typed,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            cwd=self.folder,
            env=environment(self.folder, **self.settings),
        )

    def json(self, *command: str) -> Any:
        """What a command says to programs."""
        done = self.piped(*command, "--json")
        return json.loads(done.stdout)

    def run(self, *command: str, typed: str | None = None) -> tuple[int, str]:
        """With one, on which ``typed`` is typed, or else the digest that is asked for."""
        return at_terminal(self.folder, *command, typed=typed, **self.settings)

    def core(self) -> Core:
        settings = AssistantSettings(
            admin_url=self.gateway.gateway.admin_url,
            admin_key=ADMIN_KEY,
            data_dir=self.folder,
            gateway_url=self.gateway.gateway.proxy_url,
        )
        return Core(settings, ())

    def planned(self) -> tuple[str, str]:
        """Id and digest of a plan of Anna's that waits."""

        async def plan() -> tuple[str, str]:
            core = self.core()
            value = {"uri": "/t", "upstream": {"nodes": self.gateway.nodes()}}
            edit = Edit(Action.CREATE, Target("routes", "t"), None, value, None)
            made = await core.changes.plan_edits((edit,), "a test", ANNA)
            assert made.state is State.WAITING, made
            await core.close()
            return made.id, made.digest

        return asyncio.run(plan())

    def there(self, id: str = "t") -> bool:
        return self.gateway.admin.get(f"/apisix/admin/routes/{id}").status_code == 200
