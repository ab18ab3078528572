"""The twenty jobs on the embedded gateway: done, and within what a model can be asked to read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.conftest import ADMIN_KEY, GatewayUnderTest
from tests.jobs import page
from tests.jobs.filled import filled
from tests.jobs.job import JOBS, Job
from tests.jobs.play import Target, Told, stage

CALLS = 3.2
"""A job, on the mean; half of what api7/apisix-mcp took on 41 jobs."""
CHARACTERS = 2_000
"""A job, on the mean; a fifth of it."""
LONGEST = 4_000
"""Characters of an answer to a question about all of 600 routes."""


@pytest.fixture
def where(gateway: GatewayUnderTest) -> Target:
    app = gateway.gateway
    metrics = f"{app.metrics_url}/apisix/prometheus/metrics"
    backends = (gateway.upstream, gateway.upstream2)
    return Target(app.admin_url, ADMIN_KEY, app.proxy_url, backends, metrics)


def test_there_are_twenty() -> None:
    assert len(JOBS) == 20
    assert len({job.name for job in JOBS}) == 20


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.words)
async def test_done(where: Target, tmp_path: Path, job: Job) -> None:
    async with stage(where, tmp_path) as made:
        told = await made.play(job)
    assert told.possible, told.why
    assert not told.failed, told.why


@pytest.mark.parametrize(
    ("era", "routes"),
    [
        pytest.param("2026-07-28", 600, id="on a gateway that has 600 routes"),
        pytest.param("2025-11-25", 0, id="by a client of the older era"),
    ],
)
async def test_all_in_a_row(where: Target, tmp_path: Path, era: str, routes: int) -> None:
    async with filled(where, routes), stage(where, tmp_path, era) as made:
        told = [await made.play(job) for job in JOBS]
    assert [one.why for one in told if one.why] == []
    within(told)
    written = page.FILE.read_text(encoding="utf-8")
    assert [page.calls(one) for one in told if page.calls(one) not in written] == [], "make jobs ARGS=--write"
    assert len(made.person.asked) > len(made.person.opened) == 1, "a person is asked, or sent to a page"


def within(told: Sequence[Told]) -> None:
    reads = [one.read for one in told]
    assert sum(read.calls for read in reads) / len(reads) <= CALLS
    assert sum(read.text for read in reads) / len(reads) <= CHARACTERS
    assert sum(read.structured for read in reads) / len(reads) <= CHARACTERS
    assert [one.job.name for one in told if one.read.errors] == ["what_breaks"]
    assert max(read.longest for read in reads) < LONGEST
