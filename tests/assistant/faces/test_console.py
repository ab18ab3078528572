"""The plan's page: who gets in, what is shown, and which clicks count."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from starlette.applications import Starlette

from gatechat.assistant.change.changes import Changes
from gatechat.assistant.change.model import Plan, State
from gatechat.assistant.change.redact import Redactor
from gatechat.assistant.faces.console.app import COOKIE, Console
from gatechat.assistant.faces.console.doors import KEY_FILE, LINK_SECONDS, VISIT_SECONDS, Doors, approver_key
from tests.assistant.change.ledger_rig import ANNA, Bench

URL = "http://localhost:5000"


@dataclass
class Visit:
    """A console and a browser in front of it."""

    bench: Bench
    changes: Changes
    doors: Doors
    browser: httpx2.AsyncClient

    async def sign_in(self) -> httpx2.Response:
        return await self.browser.get("/approver", params={"code": self.doors.code()})

    async def plan(self, *edits: Any) -> Plan:
        return await self.changes.plan(
            list(edits) or [self.bench.admin.edit("routes", "1", {"uri": "/1"})], ANNA
        )

    async def form(self, plan: Plan) -> dict[str, str]:
        page = (await self.browser.get(f"/plans/{plan.id}")).text
        return dict(re.findall(r'name="(token|digest)" value="([^"]*)"', page))

    async def press(self, plan: Plan, action: str, **more: str) -> httpx2.Response:
        form = await self.form(plan) | more
        return await self.browser.post(f"/plans/{plan.id}/{action}", data=form, headers={"origin": URL})

    async def state(self, plan: Plan) -> State:
        return (await self.changes.state(plan.id)).state


@pytest_asyncio.fixture
async def visit(tmp_path: Path) -> AsyncIterator[Visit]:
    bench = Bench(tmp_path)
    bench.drafts.verdict = "ask"
    with bench.changes() as changes:
        doors = Doors(approver_key(tmp_path), changes.records.ledger.use_code, lambda: bench.time)
        app = Starlette(routes=Console(changes, doors, Redactor, URL).routes())
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url=URL) as browser:
            yield Visit(bench, changes, doors, browser)


async def test_a_link_lets_one_browser_in_once(visit: Visit) -> None:
    code = visit.doors.code()
    answer = await visit.browser.get("/approver", params={"code": code})
    assert (answer.status_code, answer.headers["location"]) == (303, "/plans")
    cookie = answer.headers["set-cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=strict", "Path=/plans"))
    assert (await visit.browser.get("/approver", params={"code": code})).status_code == 403
    assert (await visit.browser.get("/plans")).status_code == 200


@pytest.mark.parametrize(
    "code",
    ["", "x", "9999999999.00.00", "9999999999.00", "..", "é.é.é", "nan.0.0", "a" * 10_000],
)
async def test_a_code_that_is_not_ours_lets_nobody_in(visit: Visit, code: str) -> None:
    assert (await visit.browser.get("/approver", params={"code": code})).status_code == 403


async def test_links_and_visits_lapse(visit: Visit) -> None:
    code = visit.doors.code()
    visit.bench.time += LINK_SECONDS + 1
    assert visit.doors.enter(code) is None
    cookie = visit.doors.enter(visit.doors.code())
    assert cookie is not None
    assert visit.doors.knows(cookie)
    visit.bench.time += VISIT_SECONDS + 1
    assert not visit.doors.knows(cookie)


async def test_a_link_is_no_cookie_and_a_cookie_no_link(visit: Visit) -> None:
    code = visit.doors.code()
    assert not visit.doors.knows(code)
    cookie = visit.doors.enter(code)
    assert cookie is not None
    assert visit.doors.enter(cookie) is None


@pytest.mark.parametrize("path", ["/plans", "/plans/p1"])
async def test_without_a_cookie_nothing_of_a_plan_is_seen(visit: Visit, path: str) -> None:
    plan = await visit.plan(visit.bench.admin.edit("routes", "1", {"uri": "/canary"}))
    for cookie in ("", f"{COOKIE}=9999999999.00.00"):
        answer = await visit.browser.get(path, headers={"cookie": cookie})
        assert answer.status_code == 401
        assert "canary" not in answer.text
        assert plan.digest not in answer.text


@pytest.mark.parametrize("action", ["approve", "approve-and-apply", "reject", "apply", "secrets"])
async def test_without_a_cookie_no_button_works(visit: Visit, action: str) -> None:
    plan = await visit.plan()
    answer = await visit.browser.post(f"/plans/{plan.id}/{action}", data={"digest": plan.digest})
    assert answer.status_code == 401
    assert await visit.state(plan) is State.WAITING


async def test_the_page_shows_the_diff_and_nothing_of_secrets(visit: Visit) -> None:
    await visit.sign_in()
    value = {"uri": "/<script>alert(1)</script>", "plugins": {"csrf": {"key": "secret-canary"}}}
    plan = await visit.plan(visit.bench.admin.edit("routes", "1", value))
    answer = await visit.browser.get(f"/plans/{plan.id}")
    assert "&lt;script&gt;" in answer.text
    assert "<script" not in answer.text
    assert "secret-canary" not in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', answer.text)


async def test_a_person_approves_and_the_assistant_applies(visit: Visit) -> None:
    await visit.sign_in()
    plan = await visit.plan()
    assert f"/plans/{plan.id}" in (await visit.browser.get("/plans")).text
    assert (await visit.press(plan, "approve")).status_code == 303
    assert await visit.state(plan) is State.READY
    assert visit.bench.admin.writes == []
    change = await visit.changes.apply(plan.id, ANNA)
    assert change.approval is not None
    assert (change.approval.by, change.approval.channel) == ("owner", "console")


async def test_a_person_approves_and_applies(visit: Visit) -> None:
    await visit.sign_in()
    plan = await visit.plan()
    assert (await visit.press(plan, "approve-and-apply")).status_code == 303
    assert await visit.state(plan) is State.APPLIED
    assert "as planned" in (await visit.browser.get(f"/plans/{plan.id}")).text
    listed = (await visit.browser.get("/plans")).text
    assert "Nothing waits for you" in listed
    assert f"/plans/{plan.id}" in listed.partition("What was done")[2]


async def test_a_person_takes_a_change_back(visit: Visit) -> None:
    await visit.sign_in()
    plan = await visit.plan()
    await visit.press(plan, "approve-and-apply")
    answer = await visit.press(plan, "undo")
    back = answer.headers["location"].removeprefix("/plans/")
    assert back != plan.id
    assert f'takes back <a href="/plans/{plan.id}"' in (await visit.browser.get(f"/plans/{back}")).text


async def test_what_stays_is_folded(visit: Visit) -> None:
    await visit.sign_in()
    value = {"uri": "/1", "upstream": {"nodes": {f"b{number}:80": 1 for number in range(30)}}}
    first = await visit.plan(visit.bench.admin.edit("routes", "1", value))
    await visit.press(first, "approve-and-apply")
    second = await visit.plan(visit.bench.admin.edit("routes", "1", value | {"uri": "/2"}))
    page = (await visit.browser.get(f"/plans/{second.id}")).text
    assert "lines stay as they are" in page
    assert "b15:80" not in page
    assert "/2" in page


async def test_a_person_rejects(visit: Visit) -> None:
    await visit.sign_in()
    plan = await visit.plan()
    form = await visit.form(plan)
    await visit.press(plan, "reject")
    assert await visit.state(plan) is State.REJECTED
    late = await visit.browser.post(f"/plans/{plan.id}/approve", data=form, headers={"origin": URL})
    assert late.status_code == 403


FORGED: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "another page": ({"origin": "http://evil.example"}, {}),
    "another port of this machine": ({"origin": "http://localhost:8000"}, {}),
    "a page without an origin": ({"origin": "null"}, {}),
    "a page that the browser calls foreign": ({"origin": URL, "sec-fetch-site": "cross-site"}, {}),
    "a page that the browser calls near": ({"origin": URL, "sec-fetch-site": "same-site"}, {}),
    "somebody without the form's token": ({"origin": URL}, {"token": ""}),
    "somebody with another token": ({"origin": URL}, {"token": "0" * 64}),
    "somebody who saw another plan": ({"origin": URL}, {"digest": "0" * 64}),
    "somebody who sends no form": ({"origin": URL, "content-type": "text/plain"}, {}),
}


@pytest.mark.parametrize("name", FORGED)
async def test_a_click_does_not_count_from(visit: Visit, name: str) -> None:
    await visit.sign_in()
    plan = await visit.plan()
    headers, more = FORGED[name]
    form = await visit.form(plan) | more
    answer = await visit.browser.post(f"/plans/{plan.id}/approve", data=form, headers=headers)
    assert answer.status_code in (403, 409, 415)
    assert await visit.state(plan) is State.WAITING


async def test_a_token_is_for_one_plan(visit: Visit) -> None:
    await visit.sign_in()
    one, other = await visit.plan(), await visit.plan(visit.bench.admin.edit("routes", "2", {"uri": "/2"}))
    token = (await visit.form(one))["token"]
    assert (await visit.press(other, "approve", token=token)).status_code == 403


async def test_secrets_are_typed_on_the_page_before_anything_is_approved(visit: Visit) -> None:
    await visit.sign_in()
    path = "consumers/jack.plugins.key-auth.key"
    visit.bench.drafts.secrets = (path,)
    value = {"username": "jack", "plugins": {"key-auth": {"key": "[enter]"}}}
    plan = await visit.plan(visit.bench.admin.edit("consumers", "jack", value))
    assert (await visit.press(plan, "approve")).status_code == 403
    await visit.press(plan, "secrets", **{f"secret:{path}": "typed-canary"})
    page = (await visit.browser.get(f"/plans/{plan.id}")).text
    assert "typed-canary" not in page
    await visit.press(plan, "approve-and-apply")
    assert visit.bench.admin.values["consumers", "jack"]["plugins"]["key-auth"]["key"] == "typed-canary"


async def test_a_generated_key_is_shown_once_to_the_person(visit: Visit) -> None:
    await visit.sign_in()
    path = "consumers/jack.plugins.key-auth.key"
    visit.bench.drafts.secrets = (path,)
    value = {"username": "jack", "plugins": {"key-auth": {"key": "[generate]"}}}
    plan = await visit.plan(visit.bench.admin.edit("consumers", "jack", value))
    shown = (await visit.press(plan, "secrets")).text
    await visit.press(plan, "approve-and-apply")
    key = visit.bench.admin.values["consumers", "jack"]["plugins"]["key-auth"]["key"]
    assert len(key) >= 24
    assert key in shown
    assert key not in (await visit.browser.get(f"/plans/{plan.id}")).text
    assert key not in "".join(entry.line() for entry in visit.changes.records.ledger.everything())


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    key = approver_key(tmp_path)
    assert approver_key(tmp_path) == key
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == [KEY_FILE]
    (tmp_path / KEY_FILE).write_text("short")
    with pytest.raises(OSError, match="damaged"):
        approver_key(tmp_path)
