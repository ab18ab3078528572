"""What the guarded road costs: plan and apply, questions about many routes, what is passed on, faces."""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx2

from bench import mcp
from bench.tools import Row, cpu_seconds

TIMES: Final = 30
"""Of each side of a measurement; the medians count."""
POLICY: Final = '[policy]\nmode = "never-ask"\n'
QUESTIONS: Final[Mapping[str, Mapping[str, Any]]] = {
    "text": {"text": "route 77"},
    "id": {"id": "r77"},
    "label": {"label": "tier=gold"},
    "host": {"host": "h7.example.com"},
    "path": {"path": "/r/77/x"},
    "plugin": {"plugin": "limit-count"},
    "upstream": {"upstream": "u"},
    "status": {"status": "on"},
    "open": {"holds": "reachable without authentication"},
    "unlimited": {"holds": "no rate limit"},
    "uses": {"holds": "uses plugin cors"},
    "broken": {"holds": "broken reference"},
}


def resources(count: int, upstream: int) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """kind, id, value: routes that inherit from 50 services, all to one upstream."""
    yield "upstreams", "u", {"nodes": {f"127.0.0.1:{upstream}": 1}}
    for number in range(50):
        yield "services", f"s{number}", {"hosts": [f"h{number}.example.com"], "plugins": {"cors": {}}}
    for number in range(count):
        plugins = {"key-auth": {}, "limit-count": _LIMIT} if number % 3 else {}
        yield (
            "routes",
            f"r{number}",
            {
                "uri": f"/r/{number}/*",
                "name": f"route {number}",
                "labels": {"tier": "gold" if number % 10 == 0 else "tin"},
                "service_id": f"s{number % 50}",
                "upstream_id": "u",
                "plugins": plugins,
            },
        )


_LIMIT: Final = {"count": 1_000_000, "time_window": 60, "rejected_code": 429, "key": "remote_addr"}


@contextmanager
def assistant(admin: httpx2.Client, cpu: str) -> Iterator[tuple[httpx2.Client, int]]:
    """One that asks nobody, in front of this Admin API."""
    url, key = str(admin.base_url).rstrip("/"), admin.headers["x-api-key"]
    with tempfile.TemporaryDirectory(prefix="gatechat-bench-") as folder:
        Path(folder, "policy.toml").write_text(POLICY)
        with mcp.assistant(url, key, cpu, "--data-dir", folder) as found:
            yield found


def rows(admin: httpx2.Client, routes: int, cpu: str) -> list[Row]:
    """Over a gateway that holds ``resources(routes, …)``."""
    with assistant(admin, cpu) as (client, pid):
        found = [guarded(admin, client, pid, routes), after_others(admin, client, routes)]
        if routes >= 1_000:
            found += [*questions(client, routes), shared(client, routes)]
    return found


def guarded(admin: httpx2.Client, client: httpx2.Client, pid: int, routes: int) -> Row:
    """The same change bare and guarded, in turn. A route for some clients only is not probed."""
    value = {"uri": "/measured", "upstream_id": "u", "remote_addrs": ["127.0.0.0/8"]}

    def bare(number: int) -> None:
        admin.put("/apisix/admin/routes/bare", json=value | {"priority": number}).raise_for_status()

    def plan_and_apply(number: int) -> None:
        operation = {"action": "merge", "kind": "routes", "id": "bare", "value": {"priority": -1 - number}}
        plan = call(client, "plan", reason="bench", operations=[operation])["plan"]
        call(client, "apply", plan=plan)

    bare(0)
    plan_and_apply(0)
    before = cpu_seconds(pid)
    theirs, ours = in_turn(bare, plan_and_apply)
    cpu = (cpu_seconds(pid) - before) / TIMES * 5 / 6 * 1000
    added = statistics.median(b - a for a, b in zip(theirs, ours, strict=True))
    measured = (
        f"{added:.1f} ms added to {statistics.median(theirs):.1f} ms; {cpu:.1f} ms of CPU in the assistant"
    )
    what = f"plan and apply of one route without probes, through /mcp at {routes:,} routes / bare PUT"
    return (what, measured, f"{statistics.median(ours) / statistics.median(theirs):.1f}", "15 ms added")


def after_others(admin: httpx2.Client, client: httpx2.Client, routes: int) -> Row:
    """A plan that finds that others wrote since, and reads everything again: the best of five."""
    took = []
    for number in range(5):
        value = {"uri": "/others", "upstream_id": "u", "priority": number}
        admin.put("/apisix/admin/routes/others", json=value).raise_for_status()
        operation = {"action": "merge", "kind": "routes", "id": "r1", "value": {"desc": str(number)}}
        took.append(timed(lambda: call(client, "plan", reason="bench", operations=[operation])))  # noqa: B023
    return (
        f"plan at {routes:,} routes right after others wrote",
        f"{min(took):.0f} ms",
        "",
        "",
    )


def questions(client: httpx2.Client, routes: int) -> list[Row]:
    """The best of five of each kind; then the best of three of one right after a change."""

    def asking(name: str) -> Callable[[], object]:
        return lambda: call(client, "find", where=QUESTIONS[name])

    took = {name: min(timed(asking(name)) for _ in range(5)) for name in QUESTIONS}
    slowest = max(took, key=lambda name: took[name])
    after = []
    for number in range(3):
        operation = {"action": "merge", "kind": "routes", "id": "r1", "value": {"desc": f"{number}"}}
        call(client, "apply", plan=call(client, "plan", reason="bench", operations=[operation])["plan"])
        after.append(timed(asking("unlimited")))
    aim = "100 ms" if routes == 10_000 else ""
    what = f"find over {routes:,} routes"
    return [
        (
            f"{what}, the slowest of {len(took)} kinds of question",
            f"{took[slowest]:.0f} ms ({slowest})",
            "",
            aim,
        ),
        (f"{what}, the first one after a change", f"{min(after):.0f} ms", "", aim),
    ]


def shared(client: httpx2.Client, routes: int) -> Row:
    """The best of three."""
    took = []
    for number in range(3):
        value = {"nodes": {f"127.0.0.2:{8000 + number}": 1}}
        operation = {"action": "merge", "kind": "upstreams", "id": "u", "value": value}
        took.append(timed(lambda: call(client, "plan", reason="b", operations=[operation])))  # noqa: B023
    what = f"plan for an upstream that {routes:,} routes share, impact and risk of all"
    return (what, f"{min(took):.0f} ms", "", "")


def forwarding(admin: httpx2.Client, cpu: str) -> list[Row]:
    """The Admin API through port 5000 and directly, in turn."""
    value = {"uri": "/measured", "upstream_id": "u", "desc": ""}
    found = []
    with assistant(admin, cpu) as (client, _):
        for what, aim, send in (
            ("GET of a route", "2 ms added", lambda one, _: one.get("/apisix/admin/routes/r1")),
            (
                "PUT of a route, with plan, record and proof",
                "",
                lambda one, number: one.put(
                    "/apisix/admin/routes/measured", json=value | {"desc": str(number)}
                ),
            ),
        ):

            def timed_of(one: httpx2.Client, send: Any = send) -> Callable[[int], None]:
                return lambda number: send(one, f"{id(one)}-{number}").raise_for_status()

            theirs, ours = in_turn(timed_of(admin), timed_of(client))
            added = statistics.median(b - a for a, b in zip(theirs, ours, strict=True))
            measured = f"{added:.1f} ms added to {statistics.median(theirs):.1f} ms"
            ratio = f"{statistics.median(ours) / statistics.median(theirs):.1f}"
            found.append((f"{what}, through port 5000 / direct", measured, ratio, aim))
        found += faces(client)
    return found


def faces(client: httpx2.Client) -> list[Row]:
    """What a model or a client must read of each face, in characters."""
    listed = json.dumps(mcp.ask(client, "tools/list"), separators=(",", ":"), ensure_ascii=False)
    instructions = mcp.ask(client, "server/discover").get("instructions", "")
    texts = [
        ("tools/list", listed, "12,000"),
        ("instructions of the MCP server", instructions, ""),
        ("OpenAPI document, YAML", client.get("/openapi.yaml").text, "60,000"),
        ("plugin manifest", client.get("/.well-known/ai-plugin.json").text, ""),
    ]
    return [(what, f"{len(text):,} characters", "", aim) for what, text, aim in texts]


def fsync() -> Row:
    """One durable write where the ledger would be; plan and apply make three."""
    with tempfile.NamedTemporaryFile(prefix="gatechat-bench-") as file:

        def once() -> None:
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())

        took = statistics.median(timed(once) for _ in range(50))
    return (
        "one fsync of 4 KB, of which plan and apply together wait for three",
        f"{took:.2f} ms",
        "",
        "",
    )


def in_turn(theirs: Callable[[int], None], ours: Callable[[int], None]) -> tuple[list[float], list[float]]:
    """Milliseconds of each, five of the one and five of the other in turn. The first of each five does not
    count: ours would find what theirs wrote, as if others had.
    """
    first: list[float] = []
    second: list[float] = []
    for block in range(0, TIMES, 5):
        for work, took in ((theirs, first), (ours, second)):
            took += [timed(lambda: work(number)) for number in range(block, block + 6)][1:]  # noqa: B023
    return first, second


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def call(client: httpx2.Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """What the tool answered, for programs."""
    result = mcp.ask(client, "tools/call", name=tool, arguments=arguments)
    if result.get("isError"):
        raise SystemExit(f"{tool}: {result['content'][0]['text']}")
    answer: dict[str, Any] = result["structuredContent"]
    return answer
