"""A player with a gateway and an upstream on free ports, for blocks that name 1980 and 1984."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def judged() -> Callable[[Path, str], list[str]]:
    """Plays a file and gives the verdicts."""
    from tests.judge.play import Player  # imports the gateway, which the other tests need not wait for
    from tests.judge.system import System
    from tests.judge.upstream import serving

    def play(checkout: Path, file: str) -> list[str]:
        with serving(checkout, {1980: 0}) as ports, contextlib.closing(System(proxy_port=0)) as system:
            return [outcome.verdict.value for outcome in Player(checkout, system, ports).play(file)]

    return play
