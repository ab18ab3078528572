"""`gatechat up`, `serve` and `gateway`: what runs, started together and stopped together.

The rooms are imported where they are needed: `serve` never loads the gateway, nor `gateway` the assistant.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gatechat import ports
from gatechat.cli import data_dir
from gatechat.cli.errors import CliError
from gatechat.cli.signals import forever, until_signal
from gatechat.cli.welcome import Addresses, welcome
from gatechat.ports import Port
from gatechat.serving import serving

if TYPE_CHECKING:
    from gatechat.assistant.settings import AssistantSettings
    from gatechat.gateway.app import Gateway


@dataclass(frozen=True, slots=True)
class AssistantOptions:
    """Where the assistant listens; ``settings`` are the other fields of AssistantSettings."""

    listens_on: Port
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """Where the embedded gateway keeps its data and listens.

    ``settings`` are the other fields of GatewaySettings. An ``admin_key`` of None is that of the data folder,
    made at the first start.
    """

    data_dir: Path
    admin: Port
    proxy: Port
    metrics: Port
    settings: Mapping[str, Any]

    @property
    def ports(self) -> tuple[Port, Port, Port]:
        return self.admin, self.proxy, self.metrics

    @property
    def admin_key(self) -> str:
        given: str | None = self.settings["admin_key"]
        return given or data_dir.admin_key(self.data_dir)


def run(main: Coroutine[Any, Any, None], log_level: str) -> None:
    """Runs one of the below until a signal; what is logged goes to stderr."""
    level = logging.getLevelNamesMapping().get(log_level.upper())
    if level is None:
        main.close()
        raise CliError(f"--log-level {log_level}: there are debug, info, warning and error.")
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.ERROR)  # what strangers send is not worth a line
    asyncio.run(until_signal(main))


async def serve(options: AssistantOptions) -> None:
    """Runs the assistant until it is cancelled."""
    async with _assistant(options) as url:
        print(f"The assistant is on {url}. Ctrl-C stops it.", flush=True)
        await forever()


async def mcp(settings: Mapping[str, Any]) -> None:
    """Serves MCP over stdin and stdout until stdin ends."""
    from gatechat.assistant.faces.mcp import stdio
    from gatechat.assistant.settings import AssistantSettings

    with _told():
        await stdio.serve(AssistantSettings(**settings))


async def gateway(options: GatewayOptions) -> None:
    """Runs the embedded gateway until it is cancelled."""
    ports.check(*options.ports)
    async with _gateway(options) as running:
        given = options.settings["admin_key"]
        where = "the one it was given" if given else f"in {options.data_dir / data_dir.KEY_FILE}"
        print(
            f"Traffic goes in at {running.proxy_url}. The Admin API is {running.admin_url}/apisix/admin; "
            f"its key is {where}. Ctrl-C stops it.",
            flush=True,
        )
        await forever()


async def demo(port: Port) -> None:
    """Runs the demo until it is cancelled."""
    async with _demo(port) as url:
        print(f"The demo Conference API is on {url}. Ctrl-C stops it.", flush=True)
        await forever()


async def up(assistant: AssistantOptions, options: GatewayOptions, demo: Port) -> None:
    """Runs the gateway, the demo and the assistant until it is cancelled, and shows what to try."""
    lasting = AssistantOptions(assistant.listens_on, {**assistant.settings, "data_dir": options.data_dir})
    checked = _checked(lasting, port=assistant.listens_on.number or 1)  # before anything is started
    ports.check(assistant.listens_on, *options.ports, demo)
    _somebody_can_sign_in(checked)
    async with _demo(demo) as demo_url, _gateway(options) as running:
        settings = {
            "gateway_url": running.proxy_url,
            **assistant.settings,
            "admin_url": running.admin_url,
            "admin_key": options.admin_key,
            "traffic_url": running.proxy_url,
            "example_backend": demo_url.removeprefix("http://"),
            "data_dir": options.data_dir,
            "metrics_url": f"{running.metrics_url}/apisix/prometheus/metrics",
        }
        whole = AssistantOptions(assistant.listens_on, settings)
        async with _assistant(whole) as url:
            public = _checked(whole, port=urlsplit(url).port or 80).url
            at = Addresses(url, f"{public}/mcp", running.admin_url, running.proxy_url, demo_url)
            print(welcome(at, asks_token=checked.sign_in_required), flush=True)
            _say_how_to_approve(options.data_dir, public)
            await forever()


def _say_how_to_approve(folder: Path, url: str) -> None:
    """The link is for the person at the terminal: where the output goes elsewhere, a model may read it."""
    from gatechat.cli.approving import link

    if sys.stdout.isatty():
        print(
            f"To approve what assistants plan, open this once, within a day:\n\n  {link(folder, url)}\n",
            flush=True,
        )


@asynccontextmanager
async def _gateway(options: GatewayOptions) -> AsyncIterator[Gateway]:
    from gatechat.gateway.app import Gateway, GatewayError, GatewaySettings
    from gatechat.gateway.envoy import EnvoyError
    from gatechat.gateway.model import Refused
    from gatechat.gateway.store import StoreError

    try:
        settings = GatewaySettings(
            data_dir=options.data_dir,
            admin_host=options.admin.host,
            admin_port=options.admin.number,
            proxy_host=options.proxy.host,
            proxy_port=options.proxy.number,
            metrics_host=options.metrics.host,
            metrics_port=options.metrics.number,
            **{**options.settings, "admin_key": options.admin_key},
        )
        gateway = Gateway(settings)
        await gateway.start()
    except (GatewayError, StoreError, EnvoyError, Refused) as error:
        raise CliError(f"The gateway cannot start: {error}") from error
    try:
        yield gateway
    finally:
        await gateway.stop()


@asynccontextmanager
async def _assistant(options: AssistantOptions) -> AsyncIterator[str]:
    from gatechat.assistant.app import create_app

    with ports.bind(options.listens_on) as bound:
        with _told():
            app = create_app(_checked(options, port=bound.getsockname()[1]))
        async with serving(app, bound) as url:
            yield url


@contextmanager
def _told() -> Iterator[None]:
    """What the assistant cannot start with, as CliError."""
    from gatechat.assistant.change.policy import PolicyError
    from gatechat.assistant.database import DatabaseError
    from gatechat.assistant.settings import SettingsError

    try:
        yield
    except (PolicyError, DatabaseError, SettingsError) as error:
        raise CliError(str(error)) from error


def _checked(options: AssistantOptions, port: int) -> AssistantSettings:
    """Raises CliError for a setting that cannot be used."""
    from gatechat.assistant.settings import AssistantSettings

    with _told():
        return AssistantSettings(**{**options.settings, "host": options.listens_on.host, "port": port})


def _somebody_can_sign_in(settings: AssistantSettings) -> None:
    """Raises CliError where callers must, and nobody could."""
    from gatechat.assistant.sign_in import SignIn

    if settings.sign_in_required:
        with _told():
            SignIn(settings).close()


@asynccontextmanager
async def _demo(port: Port) -> AsyncIterator[str]:
    from gatechat.demo import create_app

    with ports.bind(port) as bound:
        async with serving(create_app(), bound) as url:
            yield url
