from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from ipaddress import ip_address
from typing import Any

import pytest
import pytest_asyncio

from gatechat.assistant.change.addresses import literal
from gatechat.assistant.sign_in.oauth import Client, ClientError, Documents, documents
from tests.assistant.sign_in.oauth.rig import BACK, Site, site


@pytest_asyncio.fixture
async def there() -> AsyncIterator[Site]:
    async with site() as found:
        found.describe()
        yield found


async def test_a_client_is_what_its_own_address_says(there: Site) -> None:
    there.describe(
        client_name="Chat of\u202e \u200bthe <b>World</b>", logo_uri="https://elsewhere.example/l.png"
    )
    client = await there.reader().client(there.id)
    assert client == Client(there.id, "Chat of the <b>World</b>", (BACK,), "chat.example")


@pytest.mark.parametrize(
    "told",
    [
        {"token_endpoint_auth_method": None},
        # As ChatGPT's: written for every server at once.
        {
            "token_endpoint_auth_method": "private_key_jwt",
            "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
            "jwks_uri": "https://chat.example/jwks.json",
        },
        {"grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"]},
        {"redirect_uris": [BACK, "javascript:alert(1)", 7]},
    ],
)
async def test_what_makers_write_for_every_server_is_understood(there: Site, told: dict[str, Any]) -> None:
    there.describe(**told)
    assert (await there.reader().client(there.id)).redirect_uris == (BACK,)


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ("another client_id", {"client_id": "https://chat.example/client.json"}),
        ("another client_id", {"client_id": None}),
        ("no client_name", {"client_name": None}),
        ("no client_name", {"client_name": ["Chat"]}),
        ("a secret", {"client_secret": "s"}),
        ("private_key_jwt", {"token_endpoint_auth_method": "private_key_jwt"}),
        ("client_secret_basic", {"token_endpoint_auth_method": "client_secret_basic"}),
        ("authorization_code", {"grant_types": ["client_credentials"]}),
        ("must have code", {"response_types": ["token"]}),
        ("no redirect URI", {"redirect_uris": None}),
        ("no redirect URI", {"redirect_uris": []}),
        ("no redirect URI", {"redirect_uris": ["javascript:alert(1)"]}),
        ("no redirect URI", {"redirect_uris": BACK}),
        ("no redirect URI", {"redirect_uris": [f"{BACK}/{number}" for number in range(21)]}),
    ],
)
async def test_a_description_that_cannot_be_right_is_refused(
    there: Site, says: str, told: dict[str, Any]
) -> None:
    there.describe(**told)
    with pytest.raises(ClientError, match=says):
        await there.reader().client(there.id)


@pytest.mark.parametrize(
    ("says", "answer"),
    [
        ("answers 302", (302, {"location": "http://169.254.169.254/"}, b"")),
        ("answers 404", (404, {}, b"")),
        ("answers 500", (500, {}, b"")),
        ("sends text/html", (200, {"content-type": "text/html"}, b"{}")),
        ("sends something", (200, {}, b"{}")),
        ("no JSON", (200, {"content-type": "application/json"}, b"{")),
        ("no JSON", (200, {"content-type": "application/json"}, b"\xff")),
        ("another client_id", (200, {"content-type": "application/json"}, b"[]")),
        ("longer than", (200, {"content-type": "application/json"}, b" " * (documents.LARGEST + 1))),
    ],
)
async def test_an_answer_that_is_no_description_is_refused(
    there: Site, says: str, answer: tuple[int, dict[str, str], bytes]
) -> None:
    there.documents["/client.json"] = answer
    with pytest.raises(ClientError, match=says):
        await there.reader().client(there.id)
    assert there.asked == ["/client.json"], "no redirect was followed"


@pytest.mark.parametrize(
    "id",
    [
        "http://chat.example/client.json",
        "https://chat.example",
        "https://chat.example/",
        "https://CHAT.example/client.json",
        "https://user@chat.example/client.json",
        "https://chat.example/client.json#x",
        "https://chat.example/a/../client.json",
        "https://chat.example/a/%2e%2E/client.json",
        "https://chat.example/./client.json",
        "https://localhost/client.json",
        "https://127.0.0.1/client.json",
        "https://127.1/client.json",
        "https://0x7f.0.0.1/client.json",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/client.json",
        "https://chat.example\\@evil.example/client.json",
        "https://сhat.example/client.json",
        "https://chat.example/client.json\r\nx: y",
        f"https://chat.example/{'a' * 512}",
    ],
)
async def test_a_url_that_no_client_may_have_is_not_even_looked_up(id: str) -> None:
    async def resolver(name: str) -> tuple[Any, ...]:
        raise AssertionError("looked up")

    with pytest.raises(ClientError, match="a client id that is a URL is https"):
        await Documents(resolver=resolver).client(id)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "::1",
        "0.0.0.0",
        "10.0.0.7",
        "172.16.0.1",
        "192.168.1.10",
        "100.64.0.1",
        "169.254.169.254",
        "168.63.129.16",
        "fd00:ec2::254",
        "fe80::1",
        "224.0.0.1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
    ],
)
async def test_a_name_that_leads_into_a_network_of_ours_is_not_asked(there: Site, address: str) -> None:
    async def resolver(name: str) -> tuple[Any, ...]:
        return (ip_address("93.184.216.34"), literal(address))

    with pytest.raises(ClientError, match=r"chat\.example is"):
        await Documents(there.trust, resolver).client(there.id)
    assert there.asked == []


async def test_the_address_that_was_looked_at_is_the_one_that_is_asked(there: Site) -> None:
    looked_up: list[str] = []

    async def resolver(name: str) -> tuple[Any, ...]:
        looked_up.append(name)
        return (ip_address("127.0.0.1"),) if len(looked_up) == 1 else (ip_address("127.0.0.2"),)

    await there.reader(resolver=resolver).client(there.id)
    assert looked_up == ["chat.example"]


async def test_a_site_that_is_not_whom_it_says_is_not_believed() -> None:
    async with site(certified="evil.example") as there:
        there.describe()
        with pytest.raises(ClientError, match="cannot be reached"):
            await there.reader().client(there.id)


async def test_a_certificate_of_an_authority_that_nobody_knows_is_not_believed(there: Site) -> None:
    with pytest.raises(ClientError, match="cannot be reached"):
        await there.reader(trust=True).client(there.id)


async def test_the_next_address_is_tried_where_one_cannot_be_reached(there: Site) -> None:
    async def resolver(name: str) -> tuple[Any, ...]:
        return (ip_address("127.0.0.9"), ip_address("127.0.0.1"))

    assert (await there.reader(resolver=resolver).client(there.id)).name == "Chat"


@pytest.mark.parametrize("found", [(), (ip_address("127.0.0.9"),)])
async def test_a_name_that_leads_nowhere_is_told(there: Site, found: tuple[Any, ...]) -> None:
    async def resolver(name: str) -> tuple[Any, ...]:
        return found

    with pytest.raises(ClientError, match="cannot be reached"):
        await there.reader(resolver=resolver).client(there.id)


async def test_a_site_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolver(name: str) -> tuple[Any, ...]:
        await asyncio.Event().wait()
        return ()

    monkeypatch.setattr(documents, "SECONDS", 0.01)
    with pytest.raises(ClientError, match="did not send"):
        await Documents(resolver=resolver).client("https://chat.example/client.json")


@pytest.mark.parametrize(
    ("cache_control", "seconds"),
    [
        (None, documents.USUAL_CACHE),
        ("max-age=600", 600),
        ("public, max-age=600", 600),
        ("max-age=0", documents.SHORTEST_CACHE),
        ("no-store", documents.SHORTEST_CACHE),
        ("max-age=31536000", documents.LONGEST_CACHE),
        ("max-age=soon", documents.USUAL_CACHE),
    ],
)
async def test_a_description_counts_as_long_as_it_says_within_bounds(
    there: Site, cache_control: str | None, seconds: float
) -> None:
    now = [0.0]
    there.describe({"cache-control": cache_control} if cache_control else None)
    reader = there.reader(now=lambda: now[0])
    for now[0] in (0.0, seconds - 1):
        await reader.client(there.id)
    assert len(there.asked) == 1
    now[0] = seconds
    there.describe(redirect_uris=["https://chat.example/moved"])
    assert (await reader.client(there.id)).redirect_uris == ("https://chat.example/moved",)


async def test_a_failure_is_not_remembered(there: Site) -> None:
    reader = there.reader()
    there.documents.clear()
    with pytest.raises(ClientError):
        await reader.client(there.id)
    there.describe()
    assert (
        json.loads(there.documents["/client.json"][2])["client_name"] == (await reader.client(there.id)).name
    )
