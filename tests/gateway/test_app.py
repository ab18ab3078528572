"""The gateway as a whole: it starts, says why it cannot, and leaves nothing behind."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gatechat.gateway.app import Gateway, GatewayError
from gatechat.gateway.model import State
from gatechat.gateway.snapshot import ROUTES, Snapshot
from gatechat.gateway.store import StoreError
from gatechat.gateway.translate import Options, Translator
from gatechat.ports import PortError
from tests.conftest import ADMIN_KEY, settings_on_free_ports
from tests.gateway import rig as tiny


@asynccontextmanager
async def started(data_dir: Path, **settings: object) -> AsyncIterator[Gateway]:
    gateway = Gateway(settings_on_free_ports(data_dir, **settings))
    await gateway.start()
    try:
        yield gateway
    finally:
        await gateway.stop()


async def put(gateway: Gateway, path: str, value: object) -> None:
    async with httpx2.AsyncClient(base_url=gateway.admin_url, headers={"X-API-KEY": ADMIN_KEY}) as admin:
        (await admin.put(f"/apisix/admin/{path}", json=value)).raise_for_status()


async def get(url: str) -> httpx2.Response:
    async with httpx2.AsyncClient() as client:
        return await client.get(url)


async def test_an_empty_gateway_answers_404_as_apisix(tmp_path: Path) -> None:
    async with started(tmp_path) as gateway:
        answer = await get(f"{gateway.proxy_url}/")
        assert (answer.status_code, answer.json()) == (404, {"error_msg": "404 Route Not Found"})
        assert (await get(f"{gateway.metrics_url}/apisix/prometheus/metrics")).status_code == 200
        assert (await get(f"{gateway.admin_url}/apisix/admin/routes")).status_code == 401


async def test_what_was_configured_is_served_after_a_restart(
    tmp_path: Path, echo_upstreams: tuple[str, str]
) -> None:
    upstream = {"type": "roundrobin", "nodes": {echo_upstreams[0]: 1}}
    async with started(tmp_path) as gateway:
        await put(gateway, "routes/1", {"uri": "/kept", "upstream": upstream})
    async with started(tmp_path) as gateway:
        assert (await get(f"{gateway.proxy_url}/kept")).status_code == 200


async def test_what_only_envoy_refuses_is_answered_in_envoys_words_and_taken_back(
    tmp_path: Path, echo_upstreams: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Careless(Translator):
        def compile(self, state: State) -> Snapshot:
            snapshot = super().compile(state)
            if state.get("routes", "broken") is None:
                return snapshot
            table = tiny.snapshot(
                {ROUTES: {"gatechat": tiny.routes(tiny.bad_regex()) | {"name": "gatechat"}}}
            )
            return Snapshot({**snapshot.resources, ROUTES: table.resources[ROUTES]})

    monkeypatch.setattr("gatechat.gateway.app.Translator", Careless)
    route = {"uri": "/kept", "upstream": {"type": "roundrobin", "nodes": {echo_upstreams[0]: 1}}}
    async with (
        started(tmp_path) as gateway,
        httpx2.AsyncClient(base_url=gateway.admin_url, headers={"X-API-KEY": ADMIN_KEY}) as admin,
    ):
        await put(gateway, "routes/1", route)
        answer = await admin.put("/apisix/admin/routes/broken", json=route)
        assert answer.status_code == 400
        assert answer.json() == {"error_msg": "Envoy refused this configuration: missing ): ("}
        assert (await admin.get("/apisix/admin/routes/broken")).status_code == 404
        assert (await get(f"{gateway.proxy_url}/kept")).status_code == 200


async def test_stopping_ends_envoy_and_frees_the_folder_and_the_ports(tmp_path: Path) -> None:
    async with started(tmp_path) as gateway:
        pid = gateway.envoy.pid
        ports = [int(url.rpartition(":")[2]) for url in (gateway.admin_url, gateway.proxy_url)]
    assert pid is not None
    assert not Path(f"/proc/{pid}").exists()
    async with started(tmp_path, admin_port=ports[0], proxy_port=ports[1]):
        pass


@pytest.mark.parametrize(
    ("setting", "flag"),
    [("admin_port", "--admin-port"), ("proxy_port", "--proxy-port"), ("metrics_port", "--metrics-port")],
)
async def test_a_taken_port_is_named_with_what_to_do_and_nothing_is_left_running(
    tmp_path: Path, setting: str, flag: str
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortError, match=f"Port {port} .* is taken by .*{flag}"):
            await Gateway(settings_on_free_ports(tmp_path, **{setting: port})).start()
    async with started(tmp_path):
        pass


async def test_a_port_that_another_envoy_shares_is_taken(tmp_path: Path) -> None:
    """Envoy listens with SO_REUSEPORT: a second one would silently take half of the connections."""
    async with started(tmp_path / "one") as first:
        port = int(first.proxy_url.rpartition(":")[2])
        with pytest.raises(PortError, match=f"Port {port} .* is taken by "):
            await Gateway(settings_on_free_ports(tmp_path / "two", proxy_port=port)).start()


async def test_a_port_that_is_taken_in_the_last_moment_is_told_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        def options(*_: object) -> Options:
            return Options(proxy_address="127.0.0.1", proxy_port=port, shm_path=str(tmp_path / "counters"))

        monkeypatch.setattr("gatechat.gateway.app._options", options)
        with pytest.raises(GatewayError, match=r"Envoy cannot listen on .* Address already in use"):
            await Gateway(settings_on_free_ports(tmp_path)).start()


async def test_two_gateways_do_not_share_a_data_folder(tmp_path: Path) -> None:
    async with started(tmp_path):
        with pytest.raises(StoreError, match="in use by another gatechat"):
            await Gateway(settings_on_free_ports(tmp_path)).start()


async def test_a_start_that_fails_half_way_leaves_nothing_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started_pids: list[int | None] = []

    def fail(*_: object) -> None:
        started_pids.append(gateway.envoy.pid)
        raise RuntimeError("half way")

    monkeypatch.setattr("gatechat.gateway.app.create_admin_app", fail)
    gateway = Gateway(settings_on_free_ports(tmp_path))
    with pytest.raises(RuntimeError, match="half way"):
        await gateway.start()
    (pid,) = started_pids
    assert pid is not None
    assert not Path(f"/proc/{pid}").exists()
    monkeypatch.undo()
    async with started(tmp_path):
        pass


async def test_a_data_folder_with_a_long_path_works_too(tmp_path: Path) -> None:
    """A Unix socket's path is at most 107 bytes long."""
    folder = tmp_path / ("long" * 25)
    async with started(folder) as gateway:
        assert (await get(f"{gateway.proxy_url}/")).status_code == 404


async def test_the_keys_are_in_no_text_that_may_be_logged(tmp_path: Path) -> None:
    settings = settings_on_free_ports(tmp_path, viewer_key="viewers-key")
    assert ADMIN_KEY not in repr(settings)
    assert "viewers-key" not in repr(settings)
    assert os.fspath(tmp_path) in repr(settings)


LONG_KEY = "a-key-of-the-tests-that-is-long"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"admin_key": None}, "--admin-key: .* none is given"),
        ({"viewer_key": ""}, "--viewer-key"),
        ({"viewer_key": ADMIN_KEY}, "--viewer-key: must be a key of its own"),
        ({"allow_admin": ("10.0.0.0/8", "gate.test")}, "--allow-admin: 'gate.test' is no address"),
        ({"admin_host": "0.0.0.0", "admin_key_required": False}, "--admin-host 0.0.0.0 lets other machines"),
        ({"admin_host": "0.0.0.0", "admin_key": "short"}, "16 or more characters"),
        ({"admin_host": "::", "admin_key": LONG_KEY, "viewer_key": "short"}, "16 or more characters"),
    ],
)
def test_what_is_not_safe_is_refused_by_the_name_of_its_flag(
    tmp_path: Path, settings: dict[str, Any], says: str
) -> None:
    with pytest.raises(GatewayError, match=says):
        settings_on_free_ports(tmp_path, **settings)


async def test_the_admin_api_may_be_opened_to_named_networks_with_a_long_key(tmp_path: Path) -> None:
    opened = {"admin_host": "0.0.0.0", "admin_key": LONG_KEY, "viewer_key": f"{LONG_KEY}-of-the-viewer"}
    async with (
        started(tmp_path, **opened, allow_admin=("127.0.0.1",)) as gateway,
        httpx2.AsyncClient(base_url=gateway.admin_url) as client,
    ):
        assert await _status(client, "GET", opened["viewer_key"]) == 404
        assert await _status(client, "PUT", opened["viewer_key"]) == 401
        assert await _status(client, "PUT", LONG_KEY) == 400
    async with (
        started(tmp_path, **opened, allow_admin=("192.0.2.0/24",)) as gateway,
        httpx2.AsyncClient(base_url=gateway.admin_url) as client,
    ):
        assert await _status(client, "GET", LONG_KEY) == 403


async def _status(client: httpx2.AsyncClient, method: str, key: str) -> int:
    answer = await client.request(method, "/apisix/admin/routes/1", headers={"X-API-KEY": key}, content=b"{}")
    return answer.status_code
