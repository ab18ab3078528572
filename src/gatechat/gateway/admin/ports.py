"""What the Admin API needs of the rooms below it: something that applies writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from gatechat.gateway.model import Edit, State

Plan: TypeAlias = Callable[[State], Sequence[Edit]]
"""Given the State at the moment of writing, what to write. May raise Refused: then nothing is written."""


class Written(Protocol):
    """A write that is stored. Not acknowledged: Envoy did not say in time that it serves it."""

    @property
    def state(self) -> State: ...

    @property
    def acknowledged(self) -> bool: ...


class Apply(Protocol):
    @property
    def state(self) -> State: ...

    async def write(self, plan: Plan) -> Written: ...
