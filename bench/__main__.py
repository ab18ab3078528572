"""Prints the table of docs/performance.md. Every ratio is of two things measured in turn in this one run."""

from __future__ import annotations

import argparse
import contextlib
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2

from bench import change, mcp
from bench.tools import (
    ENVOY_CPU,
    FILTERS,
    OTHER_CPU,
    Ratio,
    Row,
    accepts,
    backend,
    free_port,
    hand_written_envoy,
    paired,
    process,
    requests_per_cpu_second,
    resident_bytes,
    wait_for,
)
from gatechat.gateway.model import Put
from gatechat.gateway.store import Store, stage

APISIX_PUT_MS = {10: 6.0, 1_000: 10.0, 10_000: 72.0}
"""APISIX 3.13 with etcd on such a machine, by number of routes: ms from PUT sent to the new answer served."""

BOTH_CPUS = f"{ENVOY_CPU},{OTHER_CPU}"


@dataclass(frozen=True, slots=True)
class Running:
    pid: int
    admin: httpx2.Client
    proxy_port: int
    metrics_port: int

    @property
    def proxy(self) -> str:
        return f"http://127.0.0.1:{self.proxy_port}"

    def put(self, path: str, value: dict[str, object]) -> None:
        self.admin.put(f"/apisix/admin/{path}", json=value).raise_for_status()


@contextlib.contextmanager
def gateway(data_dir: Path, cpu: str = ENVOY_CPU) -> Iterator[Running]:
    """`gatechat gateway` on ``cpu``: pinned to one core, Envoy has one worker, as the reference has."""
    proxy, admin, metrics = free_port(), free_port(), free_port()
    command = [sys.executable, "-m", "gatechat", "gateway", "--data-dir", str(data_dir)]
    command += ["--proxy-port", str(proxy), "--admin-port", str(admin), "--metrics-port", str(metrics)]
    with process(command, cpu) as child:
        wait_for("the gateway", lambda: child.poll() is not None or (accepts(admin) and accepts(proxy)), 60)
        if child.poll() is not None:
            raise SystemExit("the gateway ended at once: run `gatechat gateway` to see why")
        key = {"X-API-KEY": (data_dir / "admin-key").read_text().strip()}
        with httpx2.Client(base_url=f"http://127.0.0.1:{admin}", headers=key, timeout=120) as client:
            yield Running(child.pid, client, proxy, metrics)


@contextlib.contextmanager
def fresh_gateway() -> Iterator[Running]:
    with tempfile.TemporaryDirectory(prefix="gatechat-bench-") as folder, gateway(Path(folder)) as running:
        yield running


def route(uri: str, upstream: int, **more: object) -> dict[str, object]:
    return {"uri": uri, "upstream": {"type": "roundrobin", "nodes": {f"127.0.0.1:{upstream}": 1}}, **more}


def row(what: str, figure: Ratio, aim: str) -> Row:
    return (
        what,
        f"{figure.ours:,.0f} against {figure.theirs:,.0f} requests per CPU second",
        f"{figure.ratio:.2f}",
        aim,
    )


def throughput(pairs: int, seconds: float) -> list[Row]:
    """A plain route, and key-auth + limit-count + prometheus, each against an Envoy configured by hand."""
    native_filters: list[dict[str, object]] = [
        {
            "name": "envoy.filters.http.api_key_auth",
            "typed_config": {
                "@type": f"{FILTERS}.http.api_key_auth.v3.ApiKeyAuth",
                "credentials": [{"key": "bench-key", "client": "jack"}],
                "key_sources": [{"header": "apikey"}],
                "forwarding": {"header": "x-consumer"},
            },
        },
        {
            "name": "envoy.filters.http.local_ratelimit",
            "typed_config": {
                "@type": f"{FILTERS}.http.local_ratelimit.v3.LocalRateLimit",
                "stat_prefix": "limit",
                "token_bucket": {
                    "max_tokens": 1_000_000_000,
                    "tokens_per_fill": 1_000_000_000,
                    "fill_interval": "60s",
                },
                "filter_enabled": {"default_value": {"numerator": 100}},
                "filter_enforced": {"default_value": {"numerator": 100}},
            },
        },
    ]
    labels = {"route": "%ROUTE_NAME%", "consumer": "%REQ(x-consumer)%", "node": "%UPSTREAM_HOST%"}
    series = {"tags": [{"name": name, "value_format": value} for name, value in labels.items()]}
    native_metrics: list[dict[str, object]] = [
        {
            "name": "envoy.access_loggers.stats",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.access_loggers.stats.v3.Config",
                "stat_prefix": "http",
                "counters": [
                    {
                        "stat": {
                            "name": "status",
                            "tags": [{"name": "code", "value_format": "%RESPONSE_CODE%"}, *series["tags"]],
                        },
                        "value_fixed": 1,
                    },
                    {
                        "stat": {"name": "ingress", **series},
                        "value_format": "%DOWNSTREAM_WIRE_BYTES_RECEIVED%",
                    },
                    {"stat": {"name": "egress", **series}, "value_format": "%DOWNSTREAM_WIRE_BYTES_SENT%"},
                ],
                "histograms": [
                    {"stat": {"name": name, **series}, "unit": "Milliseconds", "value_format": value}
                    for name, value in (
                        ("request", "%DURATION%"),
                        ("upstream", "%COMMON_DURATION(US_TX_BEG:US_RX_END:ms)%"),
                        ("gateway", "%COMMON_DURATION(DS_RX_BEG:US_TX_BEG:ms)%"),
                    )
                ],
            },
        }
    ]
    guard = {
        "key-auth": {},
        "limit-count": {
            "count": 1_000_000_000,
            "time_window": 60,
            "rejected_code": 429,
            "key": "remote_addr",
        },
        "prometheus": {},
    }
    key = {"apikey": "bench-key"}
    with backend() as upstream, fresh_gateway() as ours:
        ours.put("routes/plain", route("/hello", upstream))
        ours.put("consumers", {"username": "jack", "plugins": {"key-auth": {"key": "bench-key"}}})
        ours.put("routes/guarded", route("/guarded", upstream, plugins=guard))
        with (
            hand_written_envoy(upstream, [], []) as (plain_pid, plain),
            hand_written_envoy(upstream, native_filters, native_metrics) as (native_pid, native),
        ):

            def minimal() -> float:
                return requests_per_cpu_second(plain_pid, f"http://127.0.0.1:{plain}/hello", None, seconds)

            def natively_guarded() -> float:
                return requests_per_cpu_second(native_pid, f"http://127.0.0.1:{native}/hello", key, seconds)

            def guarded() -> float:
                return requests_per_cpu_second(ours.pid, f"{ours.proxy}/guarded", key, seconds)

            first = paired(
                lambda: requests_per_cpu_second(ours.pid, f"{ours.proxy}/hello", None, seconds),
                minimal,
                pairs,
            )
            second = paired(guarded, natively_guarded, pairs)
            third = paired(guarded, minimal, pairs)
    return [
        row("plain route / minimal Envoy", first, "0.95"),
        row(
            "key-auth + limit-count + prometheus / Envoy's native key, rate and metrics filters",
            second,
            "0.85",
        ),
        row("key-auth + limit-count + prometheus / minimal Envoy with nothing on", third, ""),
    ]


def stored(folder: Path, resources: Iterable[tuple[str, str, dict[str, object]]]) -> None:
    """Writes kind, id, value straight into a new store: the Admin API one by one would take minutes."""
    now = int(time.time())
    with contextlib.closing(Store(folder / "gatechat.db")) as store:
        times = {"create_time": now, "update_time": now}
        edits = [Put(kind, id, {**value, "id": id, **times}) for kind, id, value in resources]
        with store.writing(stage(store.load(), edits, now)):
            pass


def by_routes(pairs: int, seconds: float, sizes: list[int]) -> list[Row]:
    """The last of N routes against the last of the smallest table, cold starts, and changes."""
    rows: list[Row] = []
    with backend() as upstream, contextlib.ExitStack() as stack:
        folders = {size: Path(stack.enter_context(tempfile.TemporaryDirectory())) for size in sizes}
        for size, folder in folders.items():
            stored(folder, (("routes", f"r{n}", route(f"/r/{n}", upstream)) for n in range(size)))
            rows += start_and_change(folder, upstream, size)
        small = stack.enter_context(gateway(folders[sizes[0]]))
        rows += [last_route(small, folders[size], sizes[0], size, pairs, seconds) for size in sizes[1:]]
    return rows


def start_and_change(folder: Path, upstream: int, size: int) -> list[Row]:
    started = time.monotonic()
    with gateway(folder, BOTH_CPUS) as running:
        wait_for("the last route", lambda: answers(f"{running.proxy}/r/{size - 1}"), 120)
        cold = time.monotonic() - started
        aim = "2 s" if size == 10_000 else ""
        rows: list[Row] = [
            (f"cold start of {size:,} routes, to the last one served", f"{cold:.2f} s", "", aim)
        ]
        if apisix := APISIX_PUT_MS.get(size):
            took = put_to_served(running, upstream)
            what = f"PUT to served at {size:,} routes, median of 20 / APISIX 3.13"
            rows.append((what, f"{took:.1f} ms against {apisix:g} ms", f"{took / apisix:.2f}", "1"))
    return rows


def last_route(small: Running, folder: Path, smallest: int, size: int, pairs: int, seconds: float) -> Row:
    def rate(running: Running, last: int) -> float:
        return requests_per_cpu_second(running.pid, f"{running.proxy}/r/{last}", None, seconds)

    with gateway(folder) as large:
        wait_for("the last route", lambda: answers(f"{large.proxy}/r/{size - 1}"), 120)
        figure = paired(lambda: rate(large, size - 1), lambda: rate(small, smallest - 1), pairs)
    return row(f"last of {size:,} routes / last of {smallest:,}", figure, "0.95")


def answers(url: str) -> bool:
    """Whether a GET gets a 200 now."""
    try:
        return httpx2.get(url).status_code == 200
    except httpx2.TransportError:
        return False


def put_to_served(running: Running, upstream: int, times: int = 20) -> float:
    """Median milliseconds from sending the PUT of a new route to its first 200 through the gateway."""
    took = []
    with httpx2.Client(base_url=running.proxy) as traffic:
        for number in range(times):
            started = time.perf_counter()
            running.put("routes/measured", route(f"/measured/{number}", upstream))
            while traffic.get(f"/measured/{number}").status_code != 200:
                pass
            took.append((time.perf_counter() - started) * 1000)
    return statistics.median(took)


def first_answer() -> list[Row]:
    """From `gatechat up` to the first proxied answer, and the memory of it idle."""
    ports = {name: free_port() for name in ("port", "proxy-port", "admin-port", "metrics-port", "demo-port")}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "gatechat", "up", "--data-dir", folder]
        for name, port in ports.items():
            command += [f"--{name}", str(port)]
        started = time.monotonic()
        with process(command, BOTH_CPUS) as child:
            body = route("/speaker/*", ports["demo-port"])
            base, proxy = (f"http://127.0.0.1:{ports[name]}" for name in ("port", "proxy-port"))

            def created() -> bool:
                try:
                    return httpx2.put(f"{base}/apisix/admin/routes/1", json=body).status_code == 201
                except httpx2.TransportError:
                    return False

            wait_for("the assistant", created, 60)
            wait_for("the proxied answer", lambda: answers(f"{proxy}/speaker/1/sessions"), 60)
            took = time.monotonic() - started
            memory = resident_bytes(child.pid) / 2**20
    return [
        ("`gatechat up` to the first proxied answer", f"{took:.2f} s", "", "2 s"),
        ("resident memory, Python and Envoy together", f"{memory:.0f} MB", "", "160 MB"),
    ]


def mcp_face(seconds: float) -> list[Row]:
    with backend() as upstream, fresh_gateway() as running:
        for number in range(100):
            running.put(f"routes/{number}", route(f"/bench/{number}", upstream))
        key = running.admin.headers["x-api-key"]
        return mcp.rows(str(running.admin.base_url).rstrip("/"), key, seconds, ENVOY_CPU)


def guarded_changes(sizes: list[int]) -> list[Row]:
    """The guarded road over small and large gateways, all on both cores, as on a machine of one's own."""
    rows: list[Row] = []
    with backend() as upstream:
        for size in sizes:
            with tempfile.TemporaryDirectory() as folder:
                stored(Path(folder), change.resources(size, upstream))
                with gateway(Path(folder), BOTH_CPUS) as running:
                    rows += change.rows(running.admin, size, BOTH_CPUS)
                    if size == sizes[0]:
                        rows += change.forwarding(running.admin, BOTH_CPUS)
    return [*rows, change.fsync()]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--pairs", type=int, default=5, help="pairs of runs per ratio")
    parser.add_argument("--seconds", type=float, default=3, help="seconds of one run")
    parser.add_argument(
        "--routes", default="10,1000,10000,50000", help="sizes of the route table, the smallest first"
    )
    parser.add_argument("--only", choices=["throughput", "routes", "start", "mcp", "change"], help="one part")
    chosen = parser.parse_args()
    sizes = [int(size) for size in chosen.routes.split(",")]
    parts: dict[str, Callable[[], list[Row]]] = {
        "throughput": lambda: throughput(chosen.pairs, chosen.seconds),
        "routes": lambda: by_routes(chosen.pairs, chosen.seconds, sizes),
        "start": first_answer,
        "mcp": lambda: mcp_face(chosen.seconds),
        "change": lambda: guarded_changes([size for size in sizes if size <= 10_000]),
    }
    python = platform.python_version()
    print(f"{platform.machine()}, Python {python}, {chosen.pairs} pairs of {chosen.seconds:g} s\n")
    print("| what | measured | ratio | aim |\n| --- | --- | --- | --- |")
    for name, measure in parts.items():
        if chosen.only in (None, name):
            for cells in measure():
                print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
