"""The assistant in front of the real gateway, as an attacker meets it: over HTTP, through every face."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from mcp import Client
from mcp.types import CallToolResult, TextContent

from gatechat.assistant.faces.console.doors import Doors, approver_key
from tests.assistant import rig
from tests.assistant.faces import mcp_rig
from tests.conftest import ADMIN_KEY, GatewayUnderTest

ERAS = mcp_rig.ERAS
FENCED = re.compile(r"<gateway-data>\n.*?\n</gateway-data>", re.DOTALL)


def said(result: CallToolResult) -> str:
    assert isinstance(result.content[0], TextContent)
    return result.content[0].text


def outside_the_fences(text: str) -> str:
    """What a model reads as the assistant's own words."""
    return FENCED.sub("", text)


@dataclass(frozen=True)
class Target:
    """``http`` speaks to the assistant; ``folder`` is its data folder."""

    gateway: GatewayUnderTest
    folder: Path
    port: int
    http: httpx2.AsyncClient

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def mcp(self, era: str = ERAS[0], person: Any = None) -> Client:
        return mcp_rig.client(f"{self.url}/mcp", era, person)

    def doors(self) -> Doors:
        """What only the owner of the data folder can make."""
        return Doors(approver_key(self.folder), lambda code, until: False)

    @asynccontextmanager
    async def browser(self) -> AsyncIterator[httpx2.AsyncClient]:
        """One that the owner let in."""
        headers = {"origin": self.url}
        async with httpx2.AsyncClient(base_url=self.url, trust_env=False, headers=headers) as browser:
            await browser.get("/approver", params={"code": self.doors().code()})
            yield browser

    async def form(self, browser: httpx2.AsyncClient, plan: str) -> dict[str, str]:
        """The hidden fields of the forms on a plan's page."""
        page = (await browser.get(f"/plans/{plan}")).text
        return dict(re.findall(r'name="?(token|digest)"? value="([^"]*)"', page))

    def upstream(self) -> dict[str, Any]:
        return {"type": "roundrobin", "nodes": self.gateway.nodes()}

    def routes(self) -> set[str]:
        """The ids that the gateway has."""
        rows = self.gateway.admin.get("/apisix/admin/routes").json()["list"]
        return {row["value"]["id"] for row in rows}


@asynccontextmanager
async def target(
    gateway: GatewayUnderTest, folder: Path, policy: str = "", **settings: Any
) -> AsyncIterator[Target]:
    if policy:
        (folder / "policy.toml").write_text(f"[policy]\n{policy}\n")
    told = {"admin_key": ADMIN_KEY, "data_dir": folder, "gateway_url": gateway.gateway.proxy_url} | settings
    async with (
        rig.assistant(gateway.gateway.admin_url, **told) as port,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http,
    ):
        yield Target(gateway, folder, port, http)


async def planned(client: Client, *operations: dict[str, Any], probes: Any = ()) -> str:
    """The id of a plan that can be applied once it is approved."""
    made = await client.call_tool(
        "plan", {"reason": "a test", "operations": list(operations), "probes": list(probes)}
    )
    assert not made.is_error, said(made)
    assert made.structured_content
    return str(made.structured_content["plan"])


def deletion(id: str) -> dict[str, Any]:
    return {"action": "delete", "kind": "routes", "id": id}
