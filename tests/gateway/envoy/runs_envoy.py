"""Run by test_process: starts an Envoy in a folder, prints its process id, and waits to be killed."""

import asyncio
import sys
from pathlib import Path

from tests.gateway.rig import rig


async def main() -> None:
    async with rig(Path(sys.argv[1])) as running:
        print(running.envoy.pid, flush=True)
        await asyncio.Event().wait()


asyncio.run(main())
