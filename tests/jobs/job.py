"""The table's columns: one job in a user's words, played by a function, checked outside of the tools."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from tests.jobs.model import Model
from tests.jobs.outside import Outside

Play: TypeAlias = Callable[[Model, Outside], Awaitable[None]]


@dataclass(frozen=True)
class Job:
    """``plugins``, ``credentials``: what the gateway must have. ``on_page``: the client asks nobody, and a
    person says yes on the plan's page.
    """

    words: str
    play: Play
    plugins: tuple[str, ...]
    on_page: bool
    credentials: bool

    @property
    def name(self) -> str:
        return self.play.__name__

    def lacks(self, outside: Outside) -> str:
        """Why it is not possible on this gateway, "" if it is."""
        missing = [name for name in self.plugins if name not in outside.plugins]
        if missing:
            return f"the gateway has no plugin {', '.join(missing)}"
        return (
            ""
            if outside.credentials or not self.credentials
            else "the gateway has no credentials (APISIX 3.11)"
        )


JOBS: Final[list[Job]] = []


def job(
    words: str, *plugins: str, on_page: bool = False, credentials: bool = False
) -> Callable[[Play], Play]:
    """Puts the function that plays a job into the table."""

    def added(play: Play) -> Play:
        JOBS.append(Job(words, play, plugins, on_page, credentials))
        return play

    return added
