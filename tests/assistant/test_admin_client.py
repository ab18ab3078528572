"""What the one HTTP client of the assistant promises."""

from __future__ import annotations

import asyncio

import pytest

from gatechat.assistant.admin_client import AdminClient, Health
from gatechat.assistant.problem import Problem
from tests.assistant import rig


async def test_a_path_in_the_url_is_kept() -> None:
    admin = rig.AdminStandIn()
    async with rig.serving(admin) as port:
        client = AdminClient(f"http://127.0.0.1:{port}/inside/", rig.KEY, 5)
        await client.send("GET", b"/apisix/admin/routes?page=1", {})
        await client.close()
    assert (admin.asked[0].path, admin.asked[0].query) == ("/inside/apisix/admin/routes", "page=1")


async def test_without_a_key_none_is_sent() -> None:
    admin = rig.AdminStandIn()
    async with rig.serving(admin) as port:
        client = AdminClient(f"http://127.0.0.1:{port}", None, 5)
        await client.send("GET", b"/apisix/admin/routes", {"x-other": "1"})
        await client.close()
    assert "x-api-key" not in admin.asked[0].headers


async def test_no_header_of_a_caller_takes_the_keys_place() -> None:
    admin = rig.AdminStandIn()
    async with rig.serving(admin) as port:
        client = AdminClient(f"http://127.0.0.1:{port}", rig.KEY, 5)
        await client.send("GET", b"/apisix/admin/routes", {"x-api-key": "callers"})
        await client.close()
    assert admin.asked[0].headers["x-api-key"] == rig.KEY


async def test_no_proxy_of_the_environment_sees_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    admin = rig.AdminStandIn()
    async with rig.serving(admin) as port:
        client = AdminClient(f"http://127.0.0.1:{port}", rig.KEY, 5)
        assert (await client.send("GET", b"/apisix/admin/routes", {})).status == 200
        await client.close()


async def test_an_answer_that_breaks_off_is_a_502() -> None:
    async def half_an_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
        writer.close()

    server = await asyncio.start_server(half_an_answer, "127.0.0.1", 0)
    async with server:
        client = AdminClient(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", None, 5)
        with pytest.raises(Problem, match="broke off") as refused:
            await client.send("PUT", b"/apisix/admin/routes/1", {}, b"{}")
        await client.close()
    assert refused.value.status == 502


@pytest.mark.parametrize(
    ("status", "health"),
    [(200, Health.ANSWERS), (401, Health.REFUSES), (403, Health.REFUSES), (500, Health.FAILS)],
)
async def test_health_tells_a_wrong_key_from_a_broken_gateway(status: int, health: Health) -> None:
    admin = rig.AdminStandIn(status=status)
    async with rig.serving(admin) as port:
        client = AdminClient(f"http://127.0.0.1:{port}", rig.KEY, 5)
        assert await client.health() is health
        await client.close()


async def test_health_of_nobody_is_away() -> None:
    client = AdminClient(f"http://127.0.0.1:{rig.free_port()}", rig.KEY, 5)
    assert await client.health() is Health.AWAY
    await client.close()
