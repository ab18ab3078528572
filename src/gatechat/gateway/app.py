"""Wiring only: the rooms of the gateway, started in the order in which they need each other."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from gatechat.gateway.admin import AdminSettings, create_admin_app
from gatechat.gateway.apply import Apply
from gatechat.gateway.delivery import XdsServer
from gatechat.gateway.envoy import EnvoyProcess
from gatechat.gateway.metrics import metrics_app
from gatechat.gateway.snapshot import LISTENER
from gatechat.gateway.status import Rejected, Status
from gatechat.gateway.store import Store
from gatechat.gateway.translate import Options, Translator

LONGEST_SOCKET_PATH = 100
"""Bytes. A Unix socket's path is limited to 103 (macOS) or 107 (Linux)."""


class GatewayError(Exception):
    """The gateway cannot start; the text says what to do."""


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Port 0 is any free port. ``concurrency`` is the number of Envoy's worker threads; None: one per CPU."""

    data_dir: Path
    proxy_host: str = "127.0.0.1"
    proxy_port: int = 9080
    admin_host: str = "127.0.0.1"
    admin_port: int = 9180
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 9091
    admin_key: str | None = field(default=None, repr=False)
    viewer_key: str | None = field(default=None, repr=False)
    admin_key_required: bool = True
    allow_admin: tuple[str, ...] = ("127.0.0.0/24", "::1")
    """Networks of the clients that the Admin API answers."""
    concurrency: int | None = None


class Gateway:
    """Everything from the Admin API to Envoy. ``start`` once, ``stop`` once, on one event loop."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings
        self._running = AsyncExitStack()
        self._urls: dict[str, str] = {}
        self._envoy: EnvoyProcess | None = None
        self._apply: Apply | None = None

    @property
    def admin_url(self) -> str:
        """Where the Admin API is: the address without /apisix/admin."""
        return self._urls["admin"]

    @property
    def proxy_url(self) -> str:
        """Where traffic goes in."""
        return self._urls["proxy"]

    @property
    def metrics_url(self) -> str:
        """Where the Prometheus metrics are: the address without /apisix/prometheus/metrics."""
        return self._urls["metrics"]

    @property
    def envoy(self) -> EnvoyProcess:
        """The Envoy that runs."""
        if self._envoy is None:
            raise GatewayError("the gateway is not running")
        return self._envoy

    @property
    def apply(self) -> Apply:
        """What the Admin API writes through."""
        if self._apply is None:
            raise GatewayError("the gateway is not running")
        return self._apply

    async def start(self) -> None:
        """Returns when what is stored is served and the Admin API answers.

        Raises GatewayError (a port), StoreError (the data folder), EnvoyError, and Refused (what is stored
        cannot be translated); then nothing is left running.
        """
        try:
            await self._start(self._running, self._settings)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Ends everything, in the reverse order."""
        await self._running.aclose()
        self._envoy = self._apply = None

    async def _start(self, running: AsyncExitStack, settings: GatewaySettings) -> None:
        store = Store(settings.data_dir / "gatechat.db")
        running.callback(store.close)
        admin_socket = running.enter_context(_bound("Admin API", settings.admin_host, settings.admin_port))
        metrics_socket = running.enter_context(
            _bound("metrics", settings.metrics_host, settings.metrics_port)
        )
        with _bound("traffic", settings.proxy_host, settings.proxy_port) as proxy_socket:
            proxy_port = proxy_socket.getsockname()[1]  # Envoy binds it itself
            self._urls = {
                "admin": _url(admin_socket),
                "metrics": _url(metrics_socket),
                "proxy": _url(proxy_socket),
            }
        folder = running.enter_context(_socket_folder(settings.data_dir))
        translator = Translator(_options(settings, proxy_port))
        status = Status()
        xds = XdsServer(status, folder / "xds.sock")
        self._apply = apply = Apply(store, translator.compile, xds, status)
        running.push_async_callback(xds.stop)
        await xds.start()
        running.push_async_callback(apply.stop)
        await apply.start()
        self._envoy = EnvoyProcess(
            folder, folder / "xds.sock", settings.concurrency, on_death=status.envoy_died
        )
        running.push_async_callback(self._envoy.stop)
        await self._envoy.start()
        outcome = await apply.settle()
        if isinstance(outcome, Rejected) and outcome.type_url == LISTENER:
            raise GatewayError(f"Envoy cannot listen on {self.proxy_url}: {outcome.detail}")
        admin = create_admin_app(apply, _admin_settings(settings))
        await running.enter_async_context(_serving(admin, admin_socket))
        metrics = metrics_app(self._envoy.admin_get, lambda: apply.state)
        await running.enter_async_context(_serving(metrics, metrics_socket))


def _options(settings: GatewaySettings, proxy_port: int) -> Options:
    bundle = ssl.get_default_verify_paths().cafile
    return Options(
        proxy_address=settings.proxy_host,
        proxy_port=proxy_port,
        shm_path=str(settings.data_dir / "counters"),
        environment=os.environ,
        **({"trusted_ca": bundle} if bundle else {}),
    )


def _admin_settings(settings: GatewaySettings) -> AdminSettings:
    return AdminSettings(
        admin_key=settings.admin_key,
        viewer_key=settings.viewer_key,
        admin_key_required=settings.admin_key_required,
        allow_admin=tuple(ip_network(network) for network in settings.allow_admin),
    )


@contextmanager
def _socket_folder(data_dir: Path) -> Iterator[Path]:
    """A folder of ours alone for the Unix sockets: in the data folder, unless its path is too long."""
    folder = data_dir / "run"
    if len(os.fsencode(folder / "admin.sock")) <= LONGEST_SOCKET_PATH:
        folder.mkdir(mode=0o700, exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="gatechat-") as short:
        yield Path(short)


@contextmanager
def _bound(what: str, host: str, port: int) -> Iterator[socket.socket]:
    """A listening socket. Raises GatewayError when it cannot be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise GatewayError(f"{host} is no address to listen on for {what}: {error}") from error
    with bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind(address)
            bound.listen(2048)
        except OSError as error:
            raise GatewayError(_why_not(what, host, port, error)) from error
        yield bound


def _why_not(what: str, host: str, port: int, error: OSError) -> str:
    flag = {"Admin API": "--admin-port", "metrics": "--metrics-port", "traffic": "--proxy-port"}[what]
    if error.errno == errno.EADDRINUSE:
        return f"port {port} for {what} is taken: stop what has {host}:{port}, or choose another with {flag}"
    if error.errno == errno.EACCES:
        return f"port {port} for {what} is only for root: choose one from 1024 up with {flag}"
    return f"cannot listen on {host}:{port} for {what}: {error.strerror}; choose another with {flag}"


def _url(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Uvicorn(uvicorn.Server):
    """Says when it listens, and leaves signals to whoever runs the gateway."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


@asynccontextmanager
async def _serving(app: ASGIApp, bound: socket.socket) -> AsyncIterator[None]:
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # allow_admin is about who connects, not about what a header says
        timeout_graceful_shutdown=3,
        ws="none",
        lifespan="off",
    )
    server = _Uvicorn(config)
    task = asyncio.create_task(server.serve([bound]))
    listening = asyncio.create_task(server.listening.wait())
    await asyncio.wait({task, listening}, return_when=asyncio.FIRST_COMPLETED)
    listening.cancel()
    try:
        if task.done():
            await task
        yield
    finally:
        server.should_exit = True
        await task
