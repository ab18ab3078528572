"""A program on the web opens the sign-in page in a window of its own, and waits there for the answer."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from gatechat.assistant.faces.console.doors import Doors, approver_key
from tests.assistant import rig
from tests.assistant.sign_in.oauth.rig import Running, running

SHOTS = os.environ.get("GATECHAT_SCREENSHOTS")
"""A folder to put pictures of the pages into, for people to look at."""


PROGRAM = """<link rel="icon" href="data:,"><p>the program</p><p id="opener"></p>
<script>document.querySelector("#opener").textContent = window.opener ? "opened by it" : "cut off"</script>"""


@dataclass
class Visit:
    run: Running
    back: str
    """The program's redirect URI; its page says whether it still knows the window that opened it."""


@pytest_asyncio.fixture
async def visit(tmp_path: Path) -> AsyncIterator[Visit]:
    async def program(request: Request) -> Response:
        """A page of the program: the one that opens a window, and the one that gets the answer."""
        return HTMLResponse(PROGRAM)

    routes = [Route("/", program), Route("/callback", program)]
    async with rig.serving(Starlette(routes=routes)) as port, running(tmp_path) as run:
        yield Visit(run, f"http://127.0.0.1:{port}/callback")


async def opened(page: Page, visit: Visit, width: int = 1100, **asked: str) -> Page:
    """The sign-in page in a window that another site opened."""
    client = await visit.run.client_id(client_name="Chat of the World", redirect_uris=[visit.back])
    url = visit.run.authorize(client, redirect_uri=visit.back, **asked)
    await page.goto(visit.back.replace("/callback", "/"))
    async with page.expect_popup() as popup:
        await page.evaluate("url => { window.open(url) }", url)
    window = await popup.value
    await window.set_viewport_size({"width": width, "height": 900})
    await expect(window.get_by_role("heading")).to_have_text("Who are you?")
    return window


async def shot(window: Page, name: str) -> None:
    if SHOTS is not None:
        await window.screenshot(path=Path(SHOTS) / f"{name}.png", full_page=True)


async def answered(window: Page, visit: Visit) -> dict[str, list[str]]:
    """What the program is told; it still knows its window."""
    await window.wait_for_url(f"{visit.back}?**")
    await expect(window.locator("#opener")).to_have_text("opened by it")
    return parse_qs(urlsplit(window.url).query)


async def sign_in(window: Page, token: str) -> None:
    await window.get_by_label("Your token").fill(token)
    await window.get_by_role("button", name="Go on").click()
    await expect(window.get_by_role("heading")).to_have_text(
        "Allow Chat of the World to work on your API gateway?"
    )


@pytest.mark.parametrize("width", [1100, 360])
async def test_a_person_signs_in_chooses_a_role_and_comes_back_with_a_code(
    page: Page, visit: Visit, width: int
) -> None:
    window = await opened(page, visit, width)
    await shot(window, f"sign-in-{width}")
    await sign_in(window, visit.run.ada)
    await expect(window.get_by_role("radio", name="editor")).to_be_checked()
    await window.get_by_role("radio", name="viewer").check()
    assert await window.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is cut off"
    await shot(window, f"consent-{width}")
    await window.get_by_role("button", name="Allow").click()
    told = await answered(window, visit)
    assert (told["state"], told["iss"]) == (["s t/ate"], [visit.run.url])
    client = visit.run.database.one("SELECT client, role FROM oauth_grants")
    handed = (await visit.run.exchange(client[0], told["code"][0], redirect_uri=visit.back)).json()
    assert handed["scope"] == "viewer"


async def test_a_mistyped_token_is_told_and_can_be_typed_again(page: Page, visit: Visit) -> None:
    window = await opened(page, visit)
    await window.get_by_label("Your token").fill("gatechat_mistyped")
    await window.get_by_role("button", name="Go on").click()
    await expect(window.get_by_role("alert")).to_contain_text("This token does not count")
    await shot(window, "mistyped")
    await sign_in(window, visit.run.vera)
    await expect(window.get_by_role("radio")).to_have_count(1)


async def test_the_owners_browser_is_known_though_another_site_opened_the_page(
    page: Page, visit: Visit
) -> None:
    window = await opened(page, visit)
    await window.get_by_role("button", name="I am the owner").click()
    await expect(window.get_by_role("alert")).to_contain_text("gatechat console")
    code = Doors(approver_key(visit.run.data_dir), lambda code, until: True).code()
    async with page.expect_popup() as link:
        await page.evaluate("url => { window.open(url) }", f"{visit.run.url}/approver?code={code}")
    await (await link.value).wait_for_url("**/plans")
    await window.get_by_role("button", name="I am the owner").click()
    await expect(window.get_by_role("radio")).to_have_count(4)
    await shot(window, "owner")


async def test_a_no_is_told_to_the_program(page: Page, visit: Visit) -> None:
    window = await opened(page, visit)
    await sign_in(window, visit.run.anna)
    await window.get_by_role("button", name="Deny").click()
    assert (await answered(window, visit))["error"] == ["access_denied"]


async def test_what_cannot_be_granted_is_told_with_a_way_back(page: Page, visit: Visit) -> None:
    window = await opened(page, visit, code_challenge_method="plain")
    await window.get_by_label("Your token").fill(visit.run.anna)
    await window.get_by_role("button", name="Go on").click()
    await expect(window.get_by_role("heading")).to_have_text("This cannot be allowed")
    await shot(window, "refused")
    await window.get_by_role("link", name="go back").click()
    await window.wait_for_url(f"{visit.back}?error=invalid_request**")


async def test_the_page_is_shown_in_no_frame(browser: Browser, visit: Visit) -> None:
    """Apart from the others' rule that no page says an error: here one is the point."""
    page = await browser.new_page()
    client = await visit.run.client_id(redirect_uris=[visit.back])
    await page.goto(visit.back.replace("/callback", "/"))
    async with page.expect_console_message(lambda message: "frame-ancestors" in message.text):
        await page.evaluate(
            "url => { const it = document.createElement('iframe'); it.src = url; document.body.append(it) }",
            visit.run.authorize(client, redirect_uri=visit.back),
        )
