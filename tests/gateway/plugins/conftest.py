"""Fixtures for traffic through programs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.plugins.traffic import Traffic, serving


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Traffic]]:
    """``serving`` for the length of a module: programs -> Traffic."""
    with ExitStack() as stack:

        def start(*arguments: Any, **named: Any) -> Traffic:
            folder: Path = tmp_path_factory.mktemp("envoy")
            return stack.enter_context(serving(folder, *arguments, **named))

        yield start
