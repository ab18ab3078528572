"""What is published reaches a real Envoy, in a safe order, and its answer comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from gatechat.gateway.snapshot import CLUSTER, ENDPOINTS, LISTENER, ROUTES, SECRET, Snapshot
from gatechat.gateway.status import Acknowledged, Rejected, Unanswered
from tests.gateway import rig as tiny
from tests.gateway.rig import Rig


@pytest_asyncio.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with tiny.rig(tmp_path) as rig:
        yield rig


@pytest_asyncio.fixture
async def upstream() -> AsyncIterator[int]:
    """The port of a server that answers 200 to everything."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        except asyncio.IncompleteReadError:
            writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def test_an_acknowledged_publication_is_served(rig: Rig) -> None:
    for version in range(1, 30):
        await rig.xds.publish(version, tiny.table(rig.port, tiny.says("/a", str(version))))
        assert await rig.status.outcome(version, timeout=10) == Acknowledged()
        assert await rig.get("/a") == (200, str(version))


async def test_a_route_to_a_new_upstream_never_sees_it_unready(rig: Rig, upstream: int) -> None:
    await rig.xds.publish(1, tiny.table(rig.port))
    for version in range(2, 30):
        name = f"u{version}"
        await rig.xds.publish(version, tiny.table(rig.port, tiny.forwards("/a", name), **{name: upstream}))
        assert await rig.status.outcome(version, timeout=10) == Acknowledged()
        assert await rig.get("/a") == (200, "ok")


async def test_traffic_goes_on_while_its_upstream_is_replaced(rig: Rig, upstream: int) -> None:
    await rig.xds.publish(1, tiny.table(rig.port, tiny.forwards("/a", "u1"), u1=upstream))
    assert await rig.status.outcome(1, timeout=10) == Acknowledged()
    answers: list[int] = []

    async def traffic() -> None:
        while True:
            answers.append((await rig.get("/a"))[0])

    load = [asyncio.create_task(traffic()) for _ in range(4)]
    for version in range(2, 60):
        name = f"u{version}"
        await rig.xds.publish(version, tiny.table(rig.port, tiny.forwards("/a", name), **{name: upstream}))
        assert await rig.status.outcome(version, timeout=10) == Acknowledged()
    for task in load:
        task.cancel()
    await asyncio.gather(*load, return_exceptions=True)
    assert set(answers) == {200}


async def test_a_request_in_flight_ends_well_when_its_route_and_upstream_are_removed(rig: Rig) -> None:
    arrived, answer_now = asyncio.Event(), asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nsl")
        arrived.set()
        await answer_now.wait()
        writer.write(b"ow")
        writer.close()

    async with await asyncio.start_server(slow, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        await rig.xds.publish(1, tiny.table(rig.port, tiny.forwards("/a", "u"), u=port))
        assert await rig.status.outcome(1, timeout=10) == Acknowledged()
        request = asyncio.create_task(rig.get("/a"))
        await arrived.wait()
        await rig.xds.publish(2, tiny.table(rig.port))
        assert await rig.status.outcome(2, timeout=10) == Acknowledged()
        answer_now.set()
        assert await request == (200, "slow")


async def test_an_upstream_that_changes_keeps_its_endpoints(rig: Rig, upstream: int) -> None:
    for version in range(1, 10):
        table = tiny.snapshot(
            {
                LISTENER: {"l": tiny.listener(rig.port)},
                ROUTES: {"r": tiny.routes(tiny.forwards("/a", "u"))},
                CLUSTER: {"u": tiny.cluster("u", connect_timeout=f"{version}s")},
                ENDPOINTS: {"u": tiny.endpoints("u", upstream)},
            }
        )
        await rig.xds.publish(version, table)
        assert await rig.status.outcome(version, timeout=10) == Acknowledged()
        assert await rig.get("/a") == (200, "ok")


async def test_routes_wait_for_the_first_health_check_of_a_new_upstream(rig: Rig, upstream: int) -> None:
    check = {
        "timeout": "1s",
        "interval": "1s",
        "unhealthy_threshold": 1,
        "healthy_threshold": 1,
        "http_health_check": {"path": "/"},
    }
    before = tiny.table(rig.port, tiny.says("/a", "before"))
    await rig.xds.publish(1, before)
    assert await rig.status.outcome(1, timeout=10) == Acknowledged()
    async with await asyncio.start_server(lambda *_: None, "127.0.0.1", 0) as mute:
        port = mute.sockets[0].getsockname()[1]
        table = tiny.snapshot(
            {
                LISTENER: {"l": tiny.listener(rig.port)},
                ROUTES: {"r": tiny.routes(tiny.says("/a", "after"))},
                CLUSTER: {"u": tiny.cluster("u", health_checks=[check])},
                ENDPOINTS: {"u": tiny.endpoints("u", port)},
            }
        )
        await rig.xds.publish(2, table)
        assert await rig.get("/a") == (200, "before")
        assert await rig.status.outcome(2, timeout=10) == Acknowledged()
        assert await rig.get("/a") == (200, "after")


async def test_an_upstream_that_never_gets_ready_does_not_hold_back_later_changes(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gatechat.gateway.delivery.stream.WARMING_LIMIT", 0.1)
    check = {
        "timeout": "60s",
        "interval": "60s",
        "unhealthy_threshold": 1,
        "healthy_threshold": 1,
        "tcp_health_check": {"receive": [{"text": "00"}]},
    }

    def table(text: str) -> Snapshot:
        return tiny.snapshot(
            {
                LISTENER: {"l": tiny.listener(rig.port)},
                ROUTES: {"r": tiny.routes(tiny.says("/a", text))},
                CLUSTER: {"u": tiny.cluster("u", health_checks=[check])},
                ENDPOINTS: {"u": tiny.endpoints("u", mute.sockets[0].getsockname()[1])},
            }
        )

    await rig.xds.publish(1, tiny.table(rig.port, tiny.says("/a", "1")))
    assert await rig.status.outcome(1, timeout=10) == Acknowledged()
    async with await asyncio.start_server(lambda *_: None, "127.0.0.1", 0) as mute:
        await rig.xds.publish(2, table("2"))
        assert await rig.status.outcome(2, timeout=0.5) == Unanswered()
        assert await rig.get("/a") == (200, "2")
        await rig.xds.publish(3, table("3"))
        assert await rig.status.outcome(3, timeout=10) == Acknowledged()
        assert await rig.get("/a") == (200, "3")


async def test_what_is_removed_is_gone_from_envoy(rig: Rig, upstream: int) -> None:
    await rig.xds.publish(1, tiny.table(rig.port, tiny.forwards("/a", "u"), u=upstream))
    assert await rig.status.outcome(1, timeout=10) == Acknowledged()
    await rig.xds.publish(2, tiny.table(rig.port))
    assert await rig.status.outcome(2, timeout=10) == Acknowledged()

    assert await rig.get("/a") == (404, "")
    assert "u::" not in await rig.envoy.admin_get("/clusters")


async def test_a_regex_that_only_envoy_refuses_leaves_the_old_table_in_place(rig: Rig, upstream: int) -> None:
    good = tiny.table(rig.port, tiny.says("/a", "good"))
    await rig.xds.publish(1, good)
    assert await rig.status.outcome(1, timeout=10) == Acknowledged()
    await rig.xds.publish(2, tiny.table(rig.port, tiny.bad_regex(), u=upstream))
    assert await rig.status.outcome(2, timeout=10) == Rejected(ROUTES, "missing ): (")
    assert await rig.get("/a") == (200, "good")

    await rig.xds.publish(3, good)
    assert await rig.status.outcome(3, timeout=10) == Acknowledged()
    assert "u::" not in await rig.envoy.admin_get("/clusters")
    assert await rig.get("/a") == (200, "good")


async def test_a_publication_that_is_refused_twice_does_not_spoil_the_next(rig: Rig) -> None:
    good = tiny.table(rig.port, tiny.says("/a", "good"))
    await rig.xds.publish(1, good)
    assert await rig.status.outcome(1, timeout=10) == Acknowledged()
    for version in range(2, 12, 2):
        bad = tiny.table(rig.port, tiny.bad_regex())
        # Two upstreams that cannot be: one response refuses the clusters, the other their endpoints.
        clusters = {"x": tiny.cluster("x"), "y": tiny.cluster("y", lb_policy="RING_HASH", type="STATIC")}
        wrong = tiny.snapshot({CLUSTER: clusters, ENDPOINTS: {"x": {"cluster_name": "other"}}})
        await rig.xds.publish(version, Snapshot({**bad.resources, **wrong.resources}))
        assert isinstance(await rig.status.outcome(version, timeout=10), Rejected)
        await rig.xds.publish(version + 1, good)
        assert await rig.status.outcome(version + 1, timeout=10) == Acknowledged()
        assert await rig.get("/a") == (200, "good")


async def test_what_envoy_says_comes_without_the_resource_that_it_prints(rig: Rig) -> None:
    wrong = tiny.cluster(
        "u", lb_policy="MAGLEV", common_lb_config={"healthy_panic_threshold": {"value": 101}}
    )
    await rig.xds.publish(1, tiny.snapshot({CLUSTER: {"u": wrong}}))
    outcome = await rig.status.outcome(1, timeout=10)
    assert isinstance(outcome, Rejected)
    assert outcome.detail.startswith("Proto constraint validation failed (")
    assert "MAGLEV" not in outcome.detail


async def test_a_tls_secret_that_does_not_fit_is_refused_and_forgotten(rig: Rig, upstream: int) -> None:
    tls = {
        "name": "tls",
        "typed_config": {
            "@type": f"{tiny.EXTENSIONS}.transport_sockets.tls.v3.UpstreamTlsContext",
            "common_tls_context": {
                "tls_certificate_sds_secret_configs": [{"name": "s", "sds_config": tiny.ADS}]
            },
        },
    }
    secret = {
        "name": "s",
        "tls_certificate": {
            "certificate_chain": {"inline_string": "no certificate"},
            "private_key": {"inline_string": "TOP-SECRET"},
        },
    }
    good = tiny.table(rig.port, tiny.says("/a", "good"))
    await rig.xds.publish(1, good)
    assert await rig.status.outcome(1, timeout=10) == Acknowledged()
    broken = tiny.snapshot(
        {
            LISTENER: {"l": tiny.listener(rig.port)},
            ROUTES: {"r": tiny.routes(tiny.forwards("/a", "u"))},
            SECRET: {"s": secret},
            CLUSTER: {"u": tiny.cluster("u", transport_socket=tls)},
            ENDPOINTS: {"u": tiny.endpoints("u", upstream)},
        }
    )
    await rig.xds.publish(2, broken)
    outcome = await rig.status.outcome(2, timeout=10)
    assert isinstance(outcome, Rejected)
    assert "certificate" in outcome.detail
    assert "TOP-SECRET" not in outcome.detail
    assert await rig.get("/a") == (200, "good")

    await rig.xds.publish(3, good)
    assert await rig.status.outcome(3, timeout=10) == Acknowledged()
    assert "u::" not in await rig.envoy.admin_get("/clusters")


async def test_publications_that_come_faster_than_envoy_takes_them_are_skipped(rig: Rig) -> None:
    for version in range(1, 200):
        await rig.xds.publish(version, tiny.table(rig.port, tiny.says("/a", str(version))))
    assert await rig.status.outcome(199, timeout=10) == Acknowledged()

    assert await rig.get("/a") == (200, "199")
    stats = await rig.envoy.admin_get("/stats?filter=rds.r.update_success")
    assert int(stats.split(": ")[1]) < 199


async def test_an_envoy_whose_connection_breaks_keeps_serving_and_is_sent_only_what_changed(rig: Rig) -> None:
    table = tiny.table(rig.port, tiny.says("/a", "1"))
    await rig.xds.publish(1, table)
    assert await rig.status.outcome(1, timeout=10) == Acknowledged()
    await rig.xds.stop()
    assert await rig.get("/a") == (200, "1")
    await rig.xds.start()
    await rig.xds.publish(2, table)
    assert await rig.status.outcome(2, timeout=10) == Acknowledged()
    lds = await rig.envoy.admin_get("/stats?filter=listener_manager.lds.update_success")
    assert int(lds.split(": ")[1]) == 1

    await rig.xds.publish(3, tiny.table(rig.port, tiny.says("/a", "3")))
    assert await rig.status.outcome(3, timeout=10) == Acknowledged()
    assert await rig.get("/a") == (200, "3")


async def test_a_taken_port_comes_back_in_envoys_words(rig: Rig) -> None:
    async with await asyncio.start_server(lambda *_: None, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        await rig.xds.publish(1, tiny.table(port))
        outcome = await rig.status.outcome(1, timeout=10)
    assert isinstance(outcome, Rejected)
    assert "Address already in use" in outcome.detail
