"""The MCP App in a host as clients have one: a sandboxed frame that speaks JSON-RPC over postMessage."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest
from playwright.async_api import Page, expect

from gatechat.assistant.faces import mcp

APP = files(mcp).joinpath("static", "plan.html").read_text(encoding="utf-8")
HOST = """<!doctype html><meta charset="utf-8">
<iframe sandbox="allow-scripts" width="600" height="600"></iframe>
<script>
const frame = document.querySelector("iframe"), said = window.said = [];
const hello = {protocolVersion: "2026-01-26", hostInfo: {name: "host", version: "1"},
  hostCapabilities: {}, hostContext: {theme: "dark"}};
addEventListener("message", ({data}) => {
  said.push(data);
  if (data.method === "ui/initialize") send({id: data.id, result: hello});
  if (data.method === "ui/open-link") send({id: data.id, result: {}});
  if (data.method === "ui/notifications/initialized")
    send({method: "ui/notifications/tool-result", params: RESULT});
});
function send(message) { frame.contentWindow.postMessage({jsonrpc: "2.0", ...message}, "*"); }
frame.srcdoc = APP;
</script>"""
PLAN: dict[str, Any] = {
    "plan": "0af3c1d2e4b5",
    "state": "waiting",
    "risk": "high",
    "page": "http://localhost:5000/plans/0af3c1d2e4b5",
    "impact": ["/pay stops answering"],
    "problems": [],
    "changes": [
        {
            "kind": "routes",
            "id": "pay",
            "action": "merge",
            "fields": [{"path": "plugins.limit-count.count", "op": "change", "before": 10, "after": 1000}],
            "notes": ["<img src=x onerror=alert(1)>"],
        }
    ],
}


def as_script(value: object) -> str:
    return json.dumps(value).replace("<", "\\u003c")


async def shown(page: Page, result: dict[str, Any]) -> Any:
    await page.set_content(HOST.replace("RESULT", as_script(result)).replace("APP;", f"{as_script(APP)};"))
    return page.frame_locator("iframe")


async def test_a_plan_is_shown_and_leads_to_its_page(page: Page) -> None:
    app = await shown(page, {"content": [], "structuredContent": PLAN})
    await expect(app.get_by_role("heading", name="Plan 0af3c1d2e4b5 is waiting")).to_be_visible()
    for words in ("Risk: high", "/pay stops answering", "- 10", "+ 1000"):
        await expect(app.get_by_text(words)).to_be_visible()
    await app.get_by_role("button", name="Open the plan's page").click()
    await page.wait_for_function("said.some((it) => it.method === 'ui/open-link')")
    said = await page.evaluate("said")
    assert [it["params"]["url"] for it in said if it.get("method") == "ui/open-link"] == [PLAN["page"]]
    assert not [it for it in said if str(it.get("method", "")).startswith("tools/")]


async def test_what_the_gateway_says_stays_text(page: Page) -> None:
    app = await shown(page, {"content": [], "structuredContent": PLAN})
    await expect(app.get_by_text("<img src=x onerror=alert(1)>")).to_be_visible()
    assert await app.locator("img").count() == 0


@pytest.mark.parametrize("width", [320, 900])
async def test_it_fits_the_width_that_the_client_has(page: Page, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 700})
    await page.set_content(APP)
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
