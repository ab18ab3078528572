"""`make conformance`: runs what each revision of MCP requires of a server against ours, over real HTTP.

``REVISION.yaml`` lists what does not apply to us, with the reason. The suite fails us for anything else
that fails, and for anything listed there that does not fail any more.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from tests.assistant import rig

HERE = Path(__file__).parent
REVISIONS = ("2025-11-25", "2026-07-28")


async def conforms(url: str, revision: str) -> bool:
    tools = HERE / "node_modules" / ".bin"
    suite = await asyncio.create_subprocess_exec(
        tools / "conformance",
        "server",
        f"--url={url}",
        f"--requirements={revision}",
        f"--expected-failures={HERE / revision}.yaml",
        cwd=HERE,
        env=os.environ | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"},
    )
    return await suite.wait() == 0


async def main() -> bool:
    async with rig.assistant(rig.free_port()) as port:
        return all([await conforms(f"http://127.0.0.1:{port}/mcp", revision) for revision in REVISIONS])


sys.exit(not asyncio.run(main()))
