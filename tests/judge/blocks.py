"""The blocks of a Test::Nginx file. The files are Perl programs, so perl reads them (perl/t/APISIX.pm)."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

PERL = Path(__file__).with_name("perl")


@dataclass(frozen=True)
class Pattern:
    """A ``qr//`` of Perl, compiled by Python's re (what differs and is used is rewritten)."""

    regex: re.Pattern[str]

    @classmethod
    def of(cls, pattern: str, flags: str = "") -> Pattern:
        modes = re.NOFLAG
        for inner in re.findall(r"\(\?([imsx]+)\)", pattern):  # Python takes these at the start only
            flags += inner
        pattern = re.sub(r"\(\?[imsx]+\)", "", pattern)
        for letter, mode in (("i", re.I), ("m", re.M), ("s", re.S), ("x", re.X)):
            if letter in flags:
                modes |= mode
        return cls(re.compile(pattern.replace(r"\z", r"\Z").replace(r"\h", r"[ \t]"), modes))


Value: TypeAlias = "str | Pattern | list[Value] | None"


@dataclass(frozen=True)
class Block:
    """One ``=== TEST n: name``. Text is latin-1: a character is a byte of the file."""

    number: int
    name: str
    sections: Mapping[str, Value]

    def text(self, section: str) -> str | None:
        value = self.sections.get(section)
        return value if isinstance(value, str) else None


@dataclass(frozen=True)
class TestFile:
    """``keeps_memory``: nginx is reloaded between the blocks, else it is started anew for each."""

    blocks: tuple[Block, ...]
    keeps_memory: bool


def read_file(apisix: Path, file: str) -> TestFile:
    """The blocks of ``file`` (a path below the checkout ``apisix``), after the file's own preprocessors.

    Raises RuntimeError with perl's words if the file is no program that perl can run.
    """
    environment = {**os.environ, "TEST_NGINX_HTML_DIR": "/nonexistent", "TEST_NGINX_SERVER_PORT": "1984"}
    try:
        done = subprocess.run(
            ["perl", f"-I{PERL}", "-I.", file], cwd=apisix, env=environment, capture_output=True, check=False
        )
    except FileNotFoundError:
        raise RuntimeError("Test::Nginx files are Perl: install perl (Debian has it in perl-base)") from None
    if done.returncode != 0:
        raise RuntimeError(f"perl cannot read {file}: {done.stderr.decode(errors='replace').strip()}")
    found = json.loads(done.stdout)
    blocks = (
        Block(number, raw["name"].partition(":")[2].strip() or raw["name"], _decoded(raw["sections"]))
        for number, raw in enumerate(found["blocks"], start=1)
    )
    return TestFile(tuple(blocks), found["keeps_memory"])


def _decoded(sections: Mapping[str, object]) -> dict[str, Value]:
    return {name: _value(raw) for name, raw in sections.items()}


def _value(raw: object) -> Value:
    if isinstance(raw, list):
        return [_value(item) for item in raw]
    if isinstance(raw, dict):
        if "regex" in raw:
            return Pattern.of(raw["regex"], raw["flags"])
        raise RuntimeError(f"a section is a hash, which no runner reads: {raw}")
    return raw if isinstance(raw, str) or raw is None else str(raw)
