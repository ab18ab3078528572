"""Run by the drills: a gateway in the data folder it is given, on free ports. Prints where it is, as JSON."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from pathlib import Path

from gatechat.gateway.app import Gateway
from tests.conftest import settings_on_free_ports


async def main() -> None:
    gateway = Gateway(settings_on_free_ports(Path(sys.argv[1])))
    await gateway.start()
    where = {"admin": gateway.admin_url, "proxy": gateway.proxy_url, "envoy": gateway.envoy.pid}
    print(json.dumps(where), flush=True)
    await asyncio.Event().wait()


logging.basicConfig(level=logging.WARNING)
asyncio.run(main())
