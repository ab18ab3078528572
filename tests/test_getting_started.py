"""What docs/getting-started.md and the README tell a newcomer to type does what they say."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.program import FREE_PORTS_OF_UP, Program, running
from tests.test_project import ROOT, shell_lines


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Program]:
    with running(tmp_path, *FREE_PORTS_OF_UP, f"--data-dir={tmp_path}/data", ready="^  curl http") as program:
        yield program


def typed(document: str, program: Program) -> Iterator[tuple[int, str]]:
    """Runs the document's curls on the program's ports; status and body of each."""
    ports = {"5000": "assistant", "9080": "traffic", "5080": "demo API"}
    for line in shell_lines(ROOT / document):
        if line.startswith("curl "):
            here = re.sub(
                r"127\.0\.0\.1:(5000|9080|5080)",
                lambda found: program.url(ports[found[1]]).removeprefix("http://"),
                line,
            )
            done = subprocess.run(
                ["sh", "-c", f"{here} --silent --write-out '\\n%{{http_code}}'"],
                capture_output=True,
                text=True,
                timeout=30,
                check=True,
            )
            body, _, status = done.stdout.rpartition("\n")
            yield int(status), body


def test_the_readme(up: Program) -> None:
    (created, _), (answered, body) = typed("README.md", up)
    assert created == 201
    assert answered == 200
    assert "Undo for infrastructure" in body


def test_getting_started_up_to_the_eleventh_request(up: Program) -> None:
    answers = typed("docs/getting-started.md", up)
    assert next(answers)[0] == 201  # the route
    status, body = next(answers)
    assert status == 200
    assert json.loads(body)["collection"]["items"]
    assert next(answers)[0] == 201  # the consumer
    assert next(answers)[0] == 200  # the route asks for a key now
    assert next(answers)[0] == 200  # with the key
    with_key = shell_lines(ROOT / "docs/getting-started.md")[-1].replace(
        "127.0.0.1:9080", up.url("traffic").removeprefix("http://")
    )
    statuses = []
    for command in [with_key] * 10 + [with_key.partition(" -H ")[0]]:
        done = subprocess.run(
            ["sh", "-c", f"{command} --silent --output /dev/null --write-out '%{{http_code}}'"],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        statuses.append(int(done.stdout))
    assert statuses == [200] * 9 + [429, 401]
