"""`gatechat` as a process of its own, on free ports, seen from outside."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gatechat import cli

SOURCE = str(Path(cli.__file__).parents[2])

TIMEOUT = 30.0
"""Seconds after which a test that waits for the program fails."""

FREE_PORTS = ("--admin-port=0", "--proxy-port=0", "--metrics-port=0")
FREE_PORTS_OF_UP = (*FREE_PORTS, "--port=0", "--demo-port=0")


def environment(home: Path, **more: str) -> dict[str, str]:
    """Ours, without settings of gatechat, and with a home of the test's own.

    It runs the gatechat that is tested, whether that is installed or found over PYTHONPATH.
    """
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("GATECHAT_", "XDG_"))}
    ours = {"HOME": str(home), "PYTHONPATH": SOURCE, "PYTHONUNBUFFERED": "1"}
    return clean | ours | more


def gatechat(home: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "gatechat", *arguments],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        cwd=home,
        env=environment(home, **env),
    )


@dataclass
class Program:
    """A command that runs until it is told to stop. ``said`` is what it said until it was ready."""

    process: subprocess.Popen[str]
    said: str

    def url(self, what: str) -> str:
        """The address behind a word of the welcome ("assistant", "traffic", …)."""
        match = re.search(rf"^  {what}\s+(http://[\d.:]+)", self.said, re.MULTILINE)
        assert match, self.said
        return match.group(1)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Its exit code, and what it said after it was ready."""
        self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=TIMEOUT)
        return self.process.returncode, rest


@contextmanager
def running(
    home: Path, *arguments: str, ready: str, env: Mapping[str, str] | None = None
) -> Iterator[Program]:
    """Starts a command in a session of its own and waits until it says ``ready``, a regular expression."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gatechat", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=home,
        env=environment(home, **(env or {})),
        start_new_session=True,
    )
    assert process.stdout
    try:
        said = ""
        for line in process.stdout:
            said += line
            if re.search(ready, line):
                break
        else:
            raise AssertionError(f"it ended before it was ready:\n{said}")
        yield Program(process, said)
    finally:
        process.kill()
        process.communicate()


def descendants(pid: int) -> set[int]:
    """The processes below a process, just now."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):  # it has just ended
            continue
        parents[int(stat.parent.name)] = int(fields[1])
    found = {pid}
    while new := {child for child, parent in parents.items() if parent in found} - found:
        found |= new
    return found - {pid}
