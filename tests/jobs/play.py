"""Plays jobs against an Admin API and tells of each what it took."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx2
from mcp import Client
from mcp.shared.exceptions import MCPError

from tests.assistant import rig
from tests.jobs import changes, questions  # noqa: F401 - they fill JOBS
from tests.jobs.job import Job
from tests.jobs.model import Lost, Model, Person, Read
from tests.jobs.outside import Outside, outside

ERAS: Final = {"2026-07-28": "auto", "2025-11-25": "legacy"}


@dataclass(frozen=True)
class Told:
    """``why``: what failed or is not possible here, "" when it was done."""

    job: Job
    read: Read
    possible: bool = True
    why: str = ""

    @property
    def failed(self) -> bool:
        return self.possible and bool(self.why)


@dataclass(frozen=True)
class Target:
    """A gateway to play on. Only such as holds nothing that anybody needs: what is there is put back, but a
    job may change it meanwhile.
    """

    admin_url: str
    admin_key: str | None
    gateway_url: str
    backends: tuple[str, str]
    metrics_url: str | None = None


@dataclass
class Stage:
    """An assistant in front of a gateway, a model whose client asks a person, and one whose client cannot."""

    world: Outside
    asking: Model
    silent: Model
    person: Person = field(default_factory=Person)

    async def play(self, job: Job) -> Told:
        if why := job.lacks(self.world):
            return Told(job, Read(), possible=False, why=why)
        model = self.silent if job.on_page else self.asking
        model.begin()
        try:
            await job.play(model, self.world)
        except (AssertionError, Lost, MCPError, httpx2.HTTPError) as failure:
            return Told(job, model.read, why=str(failure) or "a check failed")
        finally:
            await self.world.clean()
        return Told(job, model.read)


@asynccontextmanager
async def stage(target: Target, data_dir: Path, era: str = "2026-07-28") -> AsyncIterator[Stage]:
    settings: dict[str, Any] = {"gateway_url": target.gateway_url, "data_dir": data_dir}
    person = Person()
    async with rig.assistant(
        target.admin_url, admin_key=target.admin_key, metrics_url=target.metrics_url, **settings
    ) as port:
        url = f"http://127.0.0.1:{port}"
        mode: Any = ERAS[era]
        async with (
            Client(f"{url}/mcp", mode=mode, elicitation_callback=person) as asking,
            Client(f"{url}/mcp", mode=mode) as silent,
            outside(
                target.admin_url,
                target.admin_key,
                target.gateway_url,
                url,
                target.backends,
                data_dir,
                target.metrics_url,
            ) as world,
        ):
            made = Stage(world, Model(asking), Model(silent), person)
            await made.asking.meet()
            await made.silent.meet()
            yield made


def mean(told: Sequence[Told]) -> tuple[float, float, float]:
    """Calls, characters of text and of structured content, of the jobs that were done."""
    done = [(one.read.calls, one.read.text, one.read.structured) for one in told if not one.why]
    calls, text, structured = (sum(of) / len(done) for of in zip(*done, strict=True))
    return calls, text, structured


def table(told: Sequence[Told], once: int) -> str:
    """Markdown: a row for each job, then the means."""
    head = "| Job | Calls | Text | Structured | |\n| --- | ---: | ---: | ---: | --- |\n"
    rows = "".join(
        f"| {one.job.words} | {one.read.calls} | {one.read.text} | {one.read.structured} | {_how(one)} |\n"
        for one in told
    )
    done = sum(not one.why for one in told)
    means = ""
    if done:
        calls, text, structured = mean(told)
        means = f"| **Mean of {done}** | {calls:.1f} | {text:.0f} | {structured:.0f} | |\n"
    return f"{head}{rows}{means}\nOnce, for instructions and tools/list: {once} characters.\n"


def _how(one: Told) -> str:
    if not one.why:
        return "done"
    words = " ".join(one.why.split())[:300].replace("|", "\\|")
    return f"FAILED: {words}" if one.possible else f"not possible on this gateway: {words}"
