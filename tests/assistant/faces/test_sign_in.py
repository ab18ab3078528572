"""The page where a person says who they are and what a program may do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gatechat.assistant.change.setup import LEDGER
from gatechat.assistant.faces.sign_in.page import MAY
from gatechat.assistant.ledger import Ledger
from gatechat.assistant.principal import Role
from gatechat.assistant.sign_in.authenticate import FAILURES
from gatechat.assistant.sign_in.oauth.documents import only_public
from tests.assistant.sign_in.oauth.rig import BACK, Page, Running, origin, running, site, told


@pytest_asyncio.fixture
async def run(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path) as found:
        yield found


async def asked_what(run: Running, person: str, **asked: Any) -> Page:
    """The second page."""
    await run.browser.open(run.authorize(await run.client_id(), **asked))
    return await run.browser.sign_in(person)


def granted(run: Running) -> int:
    return int(run.database.one("SELECT count(*) FROM oauth_grants")[0])


async def test_a_stranger_is_asked_who_they_are_and_told_who_asks(run: Running) -> None:
    answer = await run.browser.open(run.authorize(await run.client_id(client_name="Chat of the World")))
    page = Page(answer.text)
    assert answer.status_code == 200
    assert "Chat of the World wants to work on the API gateway of" in page.text
    assert page.choices == []


async def test_who_proved_themselves_sees_who_asks_where_access_goes_and_what_a_role_means(
    run: Running,
) -> None:
    page = await asked_what(run, run.anna)
    assert "Allow Chat to work on your API gateway?" in page.text
    assert "nobody vouches for that" in page.text
    assert "Access goes to chat.example" in page.text
    assert "You are anna , editor" in page.text
    assert (page.choices, page.chosen) == (["viewer", "editor"], "editor")
    assert "It changes nothing" in page.text


async def test_a_yes_brings_back_a_code_the_state_and_the_issuer(run: Running) -> None:
    said = await run.browser.allow(run.authorize(await run.client_id()), run.anna)
    assert said.pop("code")
    assert said == {"state": "s t/ate", "iss": run.url}


async def test_the_ledger_is_told_whom_a_person_let_in(run: Running) -> None:
    client = await run.client_id()
    await run.browser.allow(run.authorize(client), run.ada, "viewer")
    with closing(Ledger(run.data_dir / LEDGER)) as ledger:
        (entry,) = ledger.entries()
    assert (entry.what, entry.by, entry.role, entry.face) == (
        "program let in",
        "oauth:ada",
        "admin",
        "console",
    )
    assert entry.body == {"program": "Chat", "client": client, "role": "viewer"}


async def test_a_no_is_told_to_the_program(run: Running) -> None:
    page = await asked_what(run, run.anna)
    answer = await run.browser.press("deny", form=page.hidden["form"])
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"{BACK}?")
    said = told(answer)
    assert (said["error"], said["state"], said["iss"]) == ("access_denied", "s t/ate", run.url)
    assert granted(run) == 0


async def test_the_owner_comes_in_by_the_link_of_the_console(run: Running) -> None:
    await run.browser.open(run.authorize(await run.client_id()))
    refused = await run.browser.press("owner")
    assert refused.status_code == 403
    assert "gatechat console" in refused.text
    await run.open_owners_link()
    page = Page((await run.browser.press("owner")).text)
    assert "You are owner , admin" in page.text
    assert (page.choices, page.chosen) == (["viewer", "editor", "approver", "admin"], "editor")


async def test_who_has_the_token_of_all_is_an_editor(tmp_path: Path) -> None:
    async with running(tmp_path, token="the-token-of-the-tests") as run:
        page = await asked_what(run, "the-token-of-the-tests")
    assert (page.choices, page.chosen) == (["viewer", "editor"], "editor")


@pytest.mark.parametrize(
    ("person", "scope", "choices"),
    [
        ("vera", None, ["viewer"]),
        ("anna", "viewer", ["viewer"]),
        ("ada", "viewer editor", ["viewer", "editor"]),
        ("ada", "openid profile", ["viewer", "editor", "approver", "admin"]),
    ],
)
async def test_only_what_the_person_has_and_the_program_asks_can_be_chosen(
    run: Running, person: str, scope: str | None, choices: list[str]
) -> None:
    page = await asked_what(run, getattr(run, person), scope=scope)
    assert page.choices == choices
    assert page.chosen == choices[min(len(choices), 2) - 1]


@pytest.mark.parametrize("role", ["approver", "admin", "owner", "", None])
async def test_more_than_the_person_has_is_not_granted(run: Running, role: str | None) -> None:
    page = await asked_what(run, run.anna)
    fields = {"form": page.hidden["form"]} | ({} if role is None else {"role": role})
    answer = await run.browser.press("allow", **fields)
    assert answer.status_code == 403
    assert "is more than anna may grant here" in answer.text
    assert granted(run) == 0


@pytest.mark.parametrize("token", ["", "made-up", "gatechat_made-up", "gatechat_oauth_made-up", "é\u0000"])
async def test_a_token_that_does_not_count_is_told_in_clear_words(run: Running, token: str) -> None:
    await run.browser.open(run.authorize(await run.client_id()))
    answer = await run.browser.press("token", token=token)
    assert answer.status_code == 401
    assert "This token does not count" in answer.text
    assert "set-cookie" not in answer.headers


async def test_what_was_granted_to_a_program_proves_no_person(run: Running) -> None:
    access = (await run.tokens_of(await run.client_id(), run.anna))["access_token"]
    await run.browser.open(run.authorize(await run.client_id()))
    assert (await run.browser.press("token", token=access)).status_code == 401


async def test_who_guesses_tokens_is_soon_made_to_wait(run: Running) -> None:
    await run.browser.open(run.authorize(await run.client_id()))
    for _ in range(FAILURES):
        assert (await run.browser.press("token", token="a-guess")).status_code == 401
    answer = await run.browser.press("token", token=run.anna)
    assert answer.status_code == 429
    assert "Too many failed sign-ins" in answer.text


async def test_a_proof_is_for_one_answer(run: Running) -> None:
    page = await asked_what(run, run.anna)
    form = {"form": page.hidden["form"], "role": "editor"}
    assert (await run.browser.press("allow", **form)).status_code == 303
    assert (await run.browser.press("allow", **form)).status_code == 401
    assert Page((await run.browser.open(run.browser.url)).text).choices == []


async def test_somebody_else_may_take_the_chair(run: Running) -> None:
    page = await asked_what(run, run.anna)
    answer = await run.browser.press("other", form=page.hidden["form"])
    assert "Who are you?" in answer.text
    assert "You are vera" in (await run.browser.sign_in(run.vera)).text


@pytest.mark.parametrize(
    ("status", "headers", "form"),
    [
        (303, {}, {}),
        (403, {"origin": "https://evil.example"}, {}),
        (403, {"origin": "null"}, {}),
        (403, {"origin": "http://localhost:1"}, {}),
        (403, {"sec-fetch-site": "cross-site"}, {}),
        (403, {"sec-fetch-site": "same-site"}, {}),
        (403, {}, {"form": "made-up"}),
        (403, {}, {"form": ""}),
        (400, {}, {"do": "grant-everything"}),
    ],
)
async def test_only_a_form_of_this_page_is_listened_to(
    run: Running, status: int, headers: dict[str, str], form: dict[str, str]
) -> None:
    page = await asked_what(run, run.anna)
    answer = await run.browser.http.post(
        run.browser.url,
        data={"do": "allow", "role": "editor", "form": page.hidden["form"]} | form,
        headers={"origin": origin(run.browser.url)} | headers,
    )
    assert answer.status_code == status
    assert granted(run) == (status == 303)


async def test_the_form_of_one_visit_is_of_no_use_to_another(run: Running) -> None:
    theirs = (await asked_what(run, run.vera)).hidden["form"]
    run.browser.http.cookies.clear()
    await asked_what(run, run.anna)
    assert (await run.browser.press("allow", form=theirs, role="editor")).status_code == 403


async def test_no_page_can_be_framed_scripted_or_kept_and_none_is_cut_off_from_the_program(
    run: Running,
) -> None:
    url = run.authorize(
        await run.client_id(redirect_uris=["http://localhost:8787/cb"]),
        redirect_uri="http://localhost:8787/cb",
    )
    first = await run.browser.open(url)
    second = await run.browser.press("token", token=run.anna)
    wrong = await run.browser.open(run.authorize("made-up"))
    for answer in (first, second, wrong):
        policy = answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy
        assert "default-src 'none'" in policy
        assert "script-src" not in policy
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["cross-origin-opener-policy"] == "unsafe-none"
        assert Page(answer.text).scripts == 0
    assert "form-action 'self';" in first.headers["content-security-policy"]
    assert "form-action 'self' http://localhost:8787;" in second.headers["content-security-policy"]


async def test_the_cookie_is_for_this_page_alone(run: Running) -> None:
    await run.browser.open(run.authorize(await run.client_id()))
    answer = await run.browser.http.post(
        run.browser.url, data={"do": "token", "token": run.anna}, headers={"origin": run.url}
    )
    cookie = answer.headers["set-cookie"].lower()
    assert all(part in cookie for part in ("httponly", "samesite=strict", "path=/authorize", "max-age=600"))


@pytest.mark.parametrize(
    "name",
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "{{ 7919 * 7919 }}",
        "a\u202eb\u200bc\ufeff",
        "x" * 500,
    ],
)
async def test_a_programs_name_is_text_and_nothing_else(run: Running, name: str) -> None:
    url = run.authorize(await run.client_id(client_name=name))
    first = Page((await run.browser.open(url)).text)
    second = await run.browser.sign_in(run.anna)
    for page in (first, second):
        assert page.scripts == 0
        assert "62710561" not in page.text
        assert not set("\u202e\u200b\ufeff") & set(page.text)
        assert "x" * 61 not in page.text


@pytest.mark.parametrize(
    ("says", "changed"),
    [
        ("redirect_uri", {"redirect_uri": "https://evil.example/back"}),
        ("redirect_uri", {"redirect_uri": f"{BACK}?to=evil"}),
        ("redirect_uri", {"redirect_uri": "javascript:alert(1)"}),
        ("PKCE", {"code_challenge": None, "code_challenge_method": None}),
        ("PKCE", {"code_challenge_method": "plain"}),
        ("response_type", {"response_type": "token"}),
        ("resource", {"resource": "https://other.example/mcp"}),
        ("more than once", {"state": ["a", "b"]}),
        ("not registered here", {"client_id": "made-up"}),
        ("client_id", {"client_id": None}),
        ("a client id that is a URL", {"client_id": "https://169.254.169.254/latest/meta-data"}),
        ("a client id that is a URL", {"client_id": "https://localhost/client.json"}),
    ],
)
async def test_a_request_that_cannot_be_granted_leads_nobody_anywhere(
    run: Running, says: str, changed: dict[str, Any]
) -> None:
    """Everyone may register: a redirect to the address of a client that nobody said yes to is an open one."""
    url = run.authorize(await run.client_id(), **changed)
    answer = await run.browser.open(url)
    if answer.status_code == 200:
        answer = await run.browser.press("token", token=run.anna)
    assert answer.status_code == 400
    assert "location" not in answer.headers
    page = Page(answer.text)
    assert says in page.text
    assert "evil" not in answer.text
    back = [link for link in page.links if link.startswith("http")]
    if says in ("PKCE", "response_type", "resource"):
        assert len(back) == 1
        assert back[0].startswith(f"{BACK}?error=")
        assert f"iss={run.url.replace('://', '%3A%2F%2F').replace(':', '%3A')}" in back[0].replace(":", "%3A")
    else:
        assert back == []


async def test_nothing_is_fetched_for_strangers_and_the_host_that_vouches_is_shown(tmp_path: Path) -> None:
    async with site() as there, running(tmp_path, there.reader()) as run:
        there.describe(client_name="The Chat", redirect_uris=["http://127.0.0.1/cb"])
        url = run.authorize(there.id, redirect_uri="http://127.0.0.1:5151/cb")
        first = Page((await run.browser.open(url)).text)
        assert there.asked == []
        assert "chat.example wants to work" in first.text
        second = await run.browser.sign_in(run.anna)
    assert there.asked == ["/client.json"]
    assert "chat.example vouches that this is The Chat" in second.text
    assert "127.0.0.1:5151 , a program on this computer" in second.text
    assert "Any program on this computer could have asked" in second.text


async def test_a_client_whose_description_leads_into_our_network_is_refused(tmp_path: Path) -> None:
    async with site() as there:
        there.describe()
        async with running(tmp_path, there.reader("169.254.169.254", refusal=only_public)) as run:
            await run.browser.open(run.authorize(there.id))
            answer = await run.browser.press("token", token=run.anna)
    assert answer.status_code == 400
    assert "chat.example is 169.254.169.254" in answer.text
    assert there.asked == []


async def test_who_loses_their_token_between_the_pages_grants_nothing(run: Running) -> None:
    page = await asked_what(run, run.anna)
    run.tokens.revoke("anna")
    answer = await run.browser.press("allow", form=page.hidden["form"], role="editor")
    assert answer.status_code == 403
    assert "token anna" in answer.text
    assert granted(run) == 0


async def test_behind_a_proxy_the_form_and_the_cookie_are_those_of_the_public_address(tmp_path: Path) -> None:
    async with running(tmp_path, public_url="https://localhost/gate") as run:
        url = run.authorize(await run.client_id(), resource="https://localhost/gate/mcp")
        answer = await run.browser.http.post(
            url, data={"do": "token", "token": run.anna}, headers={"origin": "https://localhost"}
        )
    assert answer.status_code == 303
    assert "path=/gate/authorize; samesite=strict; secure" in answer.headers["set-cookie"].lower()


def test_every_role_is_told_in_words() -> None:
    assert set(MAY) == set(Role)
