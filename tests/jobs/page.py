"""docs/jobs.md: what the jobs took, on an embedded gateway with nothing else and on one with 600 routes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.jobs.play import Told, mean

FILE: Final = Path(__file__).parents[2] / "docs" / "jobs.md"
_HEAD: Final = """\
<!-- Made by `make jobs ARGS=--write` from tests/jobs. Change it there. -->

# Jobs

A scripted model does twenty jobs in users' words, end to end: a real MCP client calls the tools over
Streamable HTTP, takes ids and values for the next call out of the answers, and a person says yes in the
client or on the plan's page. Whether a job is done is checked outside of the tools: by what the gateway
answers on its traffic port, by what its Admin API holds, and by the ledger. The calls are written down,
as a good model makes them that has read nothing but `tools/list`, the instructions and the answers
before.

`make jobs` plays them on an embedded gateway of its own, and on any Admin API, also a real APISIX:

```sh
make jobs ARGS="--admin-url http://127.0.0.1:9180 --admin-key KEY --gateway-url http://127.0.0.1:9080"
```

It cleans up after itself; use a gateway that nobody else needs meanwhile. Its upstreams are two servers
on this machine, unless `--backend host:port` (once or twice) names others. A job whose plugin the
gateway lacks is told as not possible. The exit code is 1 when a job fails.

## What a model must read

*Text* is the characters of the answers' text, *structured* those of their structured content as JSON.
Both hold the same words, because clients differ in what they give to their model: Claude Code and Codex
the structured content alone, most others the text alone, ChatGPT and claude.ai both, whose models read
the sum. Elicitations and pages are read by people and not counted.

"""
_BEFORE: Final = """
What was there to beat: api7/apisix-mcp with a strong model, on 41 jobs in users' words on a real APISIX,
took 6.5 calls and 10,000 characters a job on small gateways, 68,000 characters once for the tools,
220,000 for one listing of 600 routes, and 24 calls for one change to 24 routes. That was a live model,
which errs and looks twice; this is a script, which does not.
"""


def page(small: Sequence[Told], large: Sequence[Told], once: int) -> str:
    """``small`` and ``large`` are the same jobs, on the two gateways."""
    rows = "".join(
        f"| {one.job.words} | {one.read.calls} | {one.read.text} | {one.read.structured} "
        f"| {other.read.text} | {other.read.structured} |\n"
        for one, other in zip(small, large, strict=True)
    )
    calls, text, structured = mean(small)
    _, more, more_structured = mean(large)
    longest = max(one.read.longest for one in large)
    return (
        f"{_HEAD}| Job | Calls | Text | Structured | Text, 600 routes | Structured, 600 routes |\n"
        f"| --- | ---: | ---: | ---: | ---: | ---: |\n{rows}"
        f"| **Mean** | **{calls:.1f}** | **{text:.0f}** | **{structured:.0f}** | **{more:.0f}** "
        f"| **{more_structured:.0f}** |\n\n"
        f"Once, for the instructions and `tools/list`: {once:,} characters. The longest answer on the\n"
        f"gateway with 600 routes: {longest:,} characters of text.\n{_BEFORE}"
    )


def calls(told: Told) -> str:
    """How the page's row of a job begins."""
    return f"| {told.job.words} | {told.read.calls} |"
