"""A person decides in a real browser about what an assistant planned over MCP."""

from __future__ import annotations

from pathlib import Path

import httpx2
from playwright.async_api import Browser, Page, expect

from gatechat.assistant.faces.console.doors import Doors, approver_key
from tests.assistant import rig as http_rig
from tests.assistant.faces import mcp_rig
from tests.conftest import ADMIN_KEY, GatewayUnderTest


async def test_a_person_enters_a_secret_approves_and_takes_it_back(
    gateway: GatewayUnderTest, page: Page, tmp_path: Path
) -> None:
    doors = Doors(approver_key(tmp_path), lambda code, until: True)
    operations = [
        {
            "action": "create",
            "kind": "routes",
            "value": {
                "name": "conference",
                "uri": "/hello",
                "plugins": {"key-auth": {}},
                "upstream": {"type": "roundrobin", "nodes": gateway.nodes()},
            },
        },
        {
            "action": "create",
            "kind": "consumers",
            "value": {"username": "anna", "plugins": {"key-auth": {"key": "[generate]"}}},
        },
    ]
    told = {"admin_key": ADMIN_KEY, "gateway_url": gateway.gateway.proxy_url, "data_dir": tmp_path}
    async with (
        http_rig.assistant(gateway.gateway.admin_url, **told) as port,
        mcp_rig.client(f"http://127.0.0.1:{port}/mcp", mcp_rig.ERAS[0]) as client,
        httpx2.AsyncClient(base_url=gateway.gateway.proxy_url, trust_env=False) as traffic,
    ):
        url = f"http://localhost:{port}"
        made = await client.call_tool(
            "plan", {"reason": "Conference API with a key", "operations": operations}
        )
        assert made.structured_content
        await page.goto(f"{url}/approver?code={doors.code()}")
        await page.get_by_role("link", name="Conference API with a key").click()
        await expect(page.get_by_text('"uri": "/hello"')).to_be_visible()

        await page.get_by_role("button", name="Keep them and go on").click()
        key = await page.locator("dd code").inner_text()
        await page.get_by_role("link", name="On to the plan").click()
        assert key not in await page.content()
        await page.get_by_role("button", name="Approve and apply").click()
        await expect(page.get_by_text("Applied: 2 of 2 resources written.")).to_be_visible()
        assert (await traffic.get("/hello")).status_code == 401
        assert (await traffic.get("/hello", headers={"apikey": key})).status_code == 200

        await page.get_by_role("button", name="Plan the way back").click()
        await expect(page.get_by_text("high: /hello stops answering")).to_be_visible()
        await page.get_by_role("button", name="Approve and apply").click()
        await expect(page.get_by_text("Applied: 2 of 2 resources written.")).to_be_visible()
        assert (await traffic.get("/hello")).status_code == 404


async def test_who_has_no_link_is_told_how_to_come_in(
    gateway: GatewayUnderTest, browser: Browser, tmp_path: Path
) -> None:
    page = await browser.new_page()
    async with http_rig.assistant(gateway.gateway.admin_url, admin_key=ADMIN_KEY, data_dir=tmp_path) as port:
        answer = await page.goto(f"http://localhost:{port}/approver?code=guessed")
        assert answer is not None
        assert answer.status == 403
        await expect(page.get_by_role("heading", name="This link does not work")).to_be_visible()
