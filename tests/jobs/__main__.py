"""`python -m tests.jobs`: the twenty jobs against any Admin API, as a table. Exit code 1 when one fails."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path

import httpx2

from tests.conftest import ADMIN_KEY, Echo, settings_on_free_ports
from tests.jobs import page
from tests.jobs.filled import filled
from tests.jobs.job import JOBS
from tests.jobs.play import ERAS, Target, Told, stage, table


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.jobs", description=__doc__)
    parser.add_argument("--admin-url", help="an Admin API; without one an embedded gateway is started")
    parser.add_argument("--admin-key")
    parser.add_argument("--gateway-url", default="http://127.0.0.1:9080", help="where its traffic goes in")
    parser.add_argument("--metrics-url", default="http://127.0.0.1:9091/apisix/prometheus/metrics")
    parser.add_argument(
        "--backend", action="append", default=[], help="host:port, twice for two; ours on this machine"
    )
    parser.add_argument("--era", choices=ERAS, default="2026-07-28")
    parser.add_argument("--routes", type=int, default=0, help="as many routes are there already")
    parser.add_argument("--only", help="jobs whose name holds this")
    parser.add_argument("--write", action="store_true", help="docs/jobs.md anew, from this and 600 routes")
    return parser.parse_args()


@contextmanager
def echo() -> Iterator[str]:
    """A backend on this machine that answers with what it was asked."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@asynccontextmanager
async def target(told: argparse.Namespace, folder: Path) -> AsyncIterator[Target]:
    with ExitStack() as stack:
        own = [stack.enter_context(echo()) for _ in range(2 if not told.backend else 0)]
        backends = tuple((told.backend or own) * 2)[:2]
        if told.admin_url:
            yield Target(told.admin_url, told.admin_key, told.gateway_url, backends, told.metrics_url)
            return
        from gatechat.gateway.app import Gateway

        gateway = Gateway(settings_on_free_ports(folder))
        await gateway.start()
        try:
            metrics = f"{gateway.metrics_url}/apisix/prometheus/metrics"
            yield Target(gateway.admin_url, ADMIN_KEY, gateway.proxy_url, backends, metrics)
        finally:
            await gateway.stop()


async def play(told: argparse.Namespace, routes: int) -> tuple[list[Told], int]:
    """The jobs, and the characters that are read once."""
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder) / "assistant"
        data_dir.mkdir()
        async with target(told, Path(folder)) as where:
            await check(where)
            async with filled(where, routes), stage(where, data_dir, told.era) as made:
                jobs = [job for job in JOBS if not told.only or told.only in job.name]
                return [await made.play(job) for job in jobs], made.asking.once


async def check(where: Target) -> None:
    """Raises SystemExit when the addresses or the key are not right."""
    key = {"X-API-KEY": where.admin_key} if where.admin_key else {}
    async with httpx2.AsyncClient(headers=key, trust_env=False) as client:
        try:
            listed = await client.get(f"{where.admin_url}/apisix/admin/plugins/list")
            await client.get(where.gateway_url)
        except httpx2.HTTPError as error:
            raise SystemExit(
                f"--admin-url {where.admin_url}, --gateway-url {where.gateway_url}: {error}"
            ) from None
    if listed.status_code != 200:
        raise SystemExit(f"{where.admin_url} does not list its plugins: {listed.status_code} {listed.text}")


async def main() -> int:
    told = arguments()
    logging.basicConfig(level=logging.ERROR)
    done, once = await play(told, told.routes)
    print(table(done, once))
    failed = any(one.failed for one in done)
    if told.write and not failed:
        more, _ = await play(told, 600)
        failed = any(one.failed for one in more)
        page.FILE.write_text(page.page(done, more, once), encoding="utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
