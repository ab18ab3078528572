"""What must hold when things die: nothing acknowledged is lost, and traffic goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from tests.conftest import ADMIN_KEY, GatewayUnderTest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Running:
    """A gateway in a process of its own."""

    process: subprocess.Popen[str]
    admin: httpx2.Client
    client: httpx2.Client
    envoy: int


@contextmanager
def running(data_dir: Path) -> Iterator[Running]:
    process = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("runs_gateway.py"), data_dir],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"},
    )
    try:
        assert process.stdout is not None
        where = json.loads(process.stdout.readline())
        with (
            httpx2.Client(base_url=where["admin"], headers={"X-API-KEY": ADMIN_KEY}, timeout=30) as admin,
            httpx2.Client(base_url=where["proxy"]) as client,
        ):
            yield Running(process, admin, client, where["envoy"])
    finally:
        process.kill()
        process.wait()


def route(number: int, upstream: str) -> dict[str, object]:
    return {"uri": f"/drill/{number}", "upstream": {"type": "roundrobin", "nodes": {upstream: 1}}}


def test_kill_9_in_the_middle_of_500_writes_loses_nothing_that_was_acknowledged(
    tmp_path: Path, echo_upstreams: tuple[str, str]
) -> None:
    acknowledged: list[int] = []
    with running(tmp_path) as gateway:

        def write(number: int) -> None:
            answer = gateway.admin.put(
                f"/apisix/admin/routes/{number}", json=route(number, echo_upstreams[0])
            )
            if answer.status_code == 201:
                acknowledged.append(number)
            if len(acknowledged) == 250:
                gateway.process.kill()

        with ThreadPoolExecutor(8) as pool:
            results = [pool.submit(write, number) for number in range(500)]
        failed = [result.exception() for result in results if result.exception() is not None]
        assert all(isinstance(error, httpx2.TransportError) for error in failed)
    assert 250 <= len(acknowledged) < 500

    with running(tmp_path) as gateway:
        listed = gateway.admin.get("/apisix/admin/routes").json()
        assert set(acknowledged) <= {int(item["value"]["id"]) for item in listed["list"]}
        assert listed["total"] - len(acknowledged) <= 8, "what was stored, but not yet answered"
        for number in acknowledged:
            assert gateway.client.get(f"/drill/{number}").status_code == 200
        number = len(acknowledged) + 1000
        assert gateway.admin.put(
            f"/apisix/admin/routes/{number}", json=route(number, echo_upstreams[0])
        ).is_success


def test_kill_9_of_envoy_is_mended_by_itself(gateway: GatewayUnderTest) -> None:
    gateway.put("routes/1", route(1, gateway.upstream))
    pid = gateway.gateway.envoy.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    start = time.monotonic()
    while True:
        try:
            answer = gateway.client.get("/drill/1")
            break
        except httpx2.TransportError:
            assert time.monotonic() - start < 5
    assert answer.status_code == 200
    gateway.put("routes/2", route(2, gateway.upstream))
    assert gateway.client.get("/drill/2").status_code == 200


def test_100_changes_under_load_fail_no_request(gateway: GatewayUnderTest) -> None:
    gateway.put("routes/load", {"uri": "/load", "upstream": {"type": "roundrobin", "nodes": gateway.nodes()}})
    done = threading.Event()

    def load() -> list[int]:
        statuses = []
        with httpx2.Client(base_url=gateway.gateway.proxy_url) as client:
            while not done.is_set():
                statuses.append(client.get("/load").status_code)
        return statuses

    with ThreadPoolExecutor(4) as pool:
        results = [pool.submit(load) for _ in range(4)]
        for number in range(100):
            port = gateway.upstream if number % 2 else gateway.upstream2
            value = {
                "uri": "/load",
                "upstream": {"type": "roundrobin", "nodes": {port: 1}, "retries": number % 3},
            }
            gateway.put("routes/load", value)
            gateway.put(f"routes/{number}", route(number, port))
        done.set()
    assert {status for result in results for status in result.result()} == {200}


def test_when_a_put_returns_the_gateway_serves_it(gateway: GatewayUnderTest) -> None:
    for number in range(100):
        port = gateway.upstream if number % 2 else gateway.upstream2
        gateway.put("routes/1", {"uri": "/now", "upstream": {"type": "roundrobin", "nodes": {port: 1}}})
        assert gateway.client.get("/now").json()["port"] == int(port.rpartition(":")[2])


def test_an_envoy_that_is_away_makes_the_write_say_so(gateway: GatewayUnderTest) -> None:
    """Stopped, not killed: it cannot answer, and nobody replaces it."""
    pid = gateway.gateway.envoy.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        answer = gateway.put("routes/1", route(1, gateway.upstream))
    finally:
        os.kill(pid, signal.SIGCONT)
    assert "did not acknowledge" in answer.headers["x-gatechat-warning"]
