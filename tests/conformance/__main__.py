"""`make conformance`: runs what each revision of MCP requires of a server against ours, over real HTTP, and
what the suite asks of an authorization server.

``REVISION.yaml`` lists what does not apply to us, with the reason. The suite fails us for anything else
that fails, and for anything listed there that does not fail any more.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.assistant import rig
from tests.assistant.sign_in.oauth.rig import running

HERE = Path(__file__).parent
REVISIONS = ("2025-11-25", "2026-07-28")


async def suite(*arguments: str, **more: Any) -> Process:
    tools = HERE / "node_modules" / ".bin"
    env = os.environ | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    return await asyncio.create_subprocess_exec(tools / "conformance", *arguments, cwd=HERE, env=env, **more)


async def conforms(url: str, revision: str) -> bool:
    ran = await suite(
        "server",
        f"--url={url}",
        f"--requirements={revision}",
        f"--expected-failures={HERE / revision}.yaml",
    )
    return await ran.wait() == 0


async def lets_in() -> bool:
    """The suite registered beforehand; a person opens the address that it prints, and says yes."""
    port = rig.free_port()
    back = f"http://127.0.0.1:{port}/callback"
    with TemporaryDirectory() as folder:
        async with running(Path(folder)) as run:
            ran = await suite(
                "authorization",
                f"--url={run.url}",
                f"--client-id={await run.client_id(redirect_uris=[back])}",
                f"--resource={run.resource}",
                f"--port={port}",
                stdout=PIPE,
            )
            assert ran.stdout is not None
            async for line in ran.stdout:
                print(line.decode(), end="")
                asked = re.search(rf"{run.url}/authorize\?\S+", line.decode())
                if asked:
                    await asyncio.wait_for(listening(port), 30)
                    yes = await run.browser.allow_at(asked[0], run.anna)
                    await run.browser.http.get(yes.headers["location"])
            return await ran.wait() == 0


async def listening(port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return


async def main() -> bool:
    async with rig.assistant(rig.free_port()) as port:
        results = [await conforms(f"http://127.0.0.1:{port}/mcp", revision) for revision in REVISIONS]
    return all([*results, await lets_in()])


sys.exit(not asyncio.run(main()))
