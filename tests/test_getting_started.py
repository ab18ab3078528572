"""What docs/getting-started.md and the README tell a newcomer to type does what they say."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.program import FREE_PORTS_OF_UP, Program, running
from tests.cli.terminal import at_terminal
from tests.test_project import ROOT, shell_lines

PORTS = {"5000": "assistant", "9080": "traffic", "5080": "demo API"}


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Program]:
    with running(tmp_path, *FREE_PORTS_OF_UP, f"--data-dir={tmp_path}/data", ready="^  curl http") as program:
        yield program


def curls(document: str, program: Program) -> list[str]:
    """The document's curls, on the program's ports."""
    return [
        re.sub(
            r"127\.0\.0\.1:(5000|9080|5080)",
            lambda found: program.url(PORTS[found[1]]).removeprefix("http://"),
            line,
        )
        for line in shell_lines(ROOT / document)
        if line.startswith("curl ")
    ]


def answer(curl: str) -> tuple[int, str]:
    """Status and body."""
    done = subprocess.run(
        ["sh", "-c", f"{curl} --silent --write-out '\\n%{{http_code}}'"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


def test_the_readme(up: Program) -> None:
    (created, _), (answered, body) = map(answer, curls("README.md", up))
    assert created == 201
    assert answered == 200
    assert "Undo for infrastructure" in body


def test_getting_started_to_its_end(up: Program, tmp_path: Path) -> None:
    route, get, consumer, patch, with_key, delete = curls("docs/getting-started.md", up)
    assert answer(route)[0] == 201
    status, body = answer(get)
    assert status == 200
    assert json.loads(body)["collection"]["items"]
    assert answer(consumer)[0] == 201
    assert answer(patch)[0] == 200
    without_key = with_key.partition(" -H ")[0]
    assert [answer(curl)[0] for curl in [with_key] * 11 + [without_key]] == [200] * 10 + [429, 401]
    status, body = answer(delete)
    assert status == 202
    assert answer(without_key)[0] == 401  # it is still there
    for command, words in zip(gatechats(json.loads(body)["plan"]), SAID, strict=True):
        code, seen = at_terminal(tmp_path, *command, **settings(up, tmp_path))
        assert code == 0, seen
        assert words in seen
        assert answer(without_key)[0] == (404 if command[0] == "apply" else 401)


SAID = (
    "waits: gatechat approve",
    "Approved. local may apply it",
    "Applied: 1 of 1",
    "probe GET /speaker/: as planned",
)
"""By each of the commands of the page, in its order; only the apply takes the route away."""


def gatechats(plan: str) -> list[list[str]]:
    """The page's commands on the plan that was made."""
    lines = [line for line in shell_lines(ROOT / "docs/getting-started.md") if line.startswith("gatechat ")]
    return [shlex.split(re.sub(r"\b[0-9a-f]{12}\b", plan, line))[1:] for line in lines]


def settings(program: Program, home: Path) -> dict[str, str]:
    """What says where the program is, which is not on its usual ports."""
    return {
        "GATECHAT_DATA_DIR": str(home / "data"),
        "GATECHAT_ADMIN_URL": program.url("Admin API"),
        "GATECHAT_GATEWAY_URL": program.url("traffic"),
    }
