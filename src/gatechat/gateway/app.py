"""Wiring only: the rooms of the gateway, started in the order in which they need each other."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path

from gatechat import ports
from gatechat.gateway.admin import AdminSettings, create_admin_app
from gatechat.gateway.apply import Apply
from gatechat.gateway.delivery import XdsServer
from gatechat.gateway.envoy import EnvoyProcess
from gatechat.gateway.metrics import metrics_app
from gatechat.gateway.snapshot import LISTENER
from gatechat.gateway.status import Rejected, Status
from gatechat.gateway.store import FILE, Store
from gatechat.gateway.translate import Options, Translator
from gatechat.ports import LOOPBACK, Port, is_loopback
from gatechat.serving import serving

LONGEST_SOCKET_PATH = 100
"""Bytes. A Unix socket's path is limited to 103 (macOS) or 107 (Linux)."""


SHORTEST_KEY = 16
"""Characters in a key that others may try to guess."""


class GatewayError(Exception):
    """The gateway cannot start; the text says what to do."""


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Port 0 is any free port. Raises GatewayError for what cannot be or is not safe.

    ``admin_key`` may do everything, ``viewer_key`` only read. Without ``admin_key_required`` nobody is asked
    for one; then ``admin_host`` must be loopback. ``allow_admin``: the networks whose clients the Admin API
    answers. ``concurrency``: Envoy's worker threads; None is one for each CPU.
    """

    data_dir: Path
    proxy_host: str = LOOPBACK
    proxy_port: int = 9080
    admin_host: str = LOOPBACK
    admin_port: int = 9180
    metrics_host: str = LOOPBACK
    metrics_port: int = 9091
    admin_key: str | None = field(default=None, repr=False)
    viewer_key: str | None = field(default=None, repr=False)
    admin_key_required: bool = True
    allow_admin: tuple[str, ...] = ("127.0.0.0/24", "::1")
    concurrency: int | None = None

    def __post_init__(self) -> None:
        for network in self.allow_admin:
            try:
                ip_network(network, strict=False)
            except ValueError:
                raise GatewayError(
                    f"--allow-admin: {network!r} is no address and no network like 10.0.0.0/8"
                ) from None
        if self.admin_key_required and not self.admin_key:
            raise GatewayError("--admin-key: the Admin API asks for a key, and none is given")
        if self.viewer_key is not None and self.viewer_key in ("", self.admin_key):
            raise GatewayError("--viewer-key: must be a key of its own, other than the admin's")
        keys = [key for key in (self.admin_key, self.viewer_key) if key is not None]
        safe = self.admin_key_required and all(len(key) >= SHORTEST_KEY for key in keys)
        if not is_loopback(self.admin_host) and not safe:
            raise GatewayError(
                f"--admin-host {self.admin_host} lets other machines change the gateway: have a key asked "
                f"for, and give each {SHORTEST_KEY} or more characters, or stay on --admin-host {LOOPBACK}"
            )

    @property
    def admin(self) -> Port:
        """Where the Admin API listens."""
        return Port("Admin API", self.admin_host, self.admin_port, "--admin-port")

    @property
    def proxy(self) -> Port:
        """Where traffic goes in."""
        return Port("traffic", self.proxy_host, self.proxy_port, "--proxy-port")

    @property
    def metrics(self) -> Port:
        """Where the Prometheus metrics are."""
        return Port("metrics", self.metrics_host, self.metrics_port, "--metrics-port")


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

        Raises PortError, StoreError (the data folder), EnvoyError, GatewayError (Envoy cannot listen), and
        Refused (what is stored cannot be translated); then nothing is left running.
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
        store = Store(settings.data_dir / FILE)
        running.callback(store.close)
        admin_socket = running.enter_context(ports.bind(settings.admin))
        metrics_socket = running.enter_context(ports.bind(settings.metrics))
        with ports.bind(settings.proxy) as proxy_socket:
            proxy_port = proxy_socket.getsockname()[1]  # Envoy binds it itself
        self._urls = {
            "admin": ports.url(*admin_socket.getsockname()[:2]),
            "metrics": ports.url(*metrics_socket.getsockname()[:2]),
            "proxy": ports.url(settings.proxy_host, proxy_port),
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
        await running.enter_async_context(serving(admin, admin_socket))
        metrics = metrics_app(self._envoy.admin_get, lambda: apply.state)
        await running.enter_async_context(serving(metrics, metrics_socket))


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
        allow_admin=tuple(ip_network(network, strict=False) for network in settings.allow_admin),
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
