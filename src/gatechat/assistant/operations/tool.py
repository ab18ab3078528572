"""The columns of the table of tools.

Each tool is a module in `reading` or `changing` that holds its function and, beside it, ``INPUT`` and
``OUTPUT``: small JSON Schemas (2020-12) of objects. The rest of a row (name, words, hints) is in `tools`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from gatechat.assistant.operations.arguments import Words
from gatechat.assistant.principal import Principal, Role

if TYPE_CHECKING:
    from gatechat.assistant.core import Core

Schema: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """``text`` is what a model reads: all it needs to go on. ``data`` is the same for programs, as the tool's
    output schema has it; an error may have none. Neither carries a secret. ``status`` is what HTTP says of an
    error.
    """

    text: str
    data: dict[str, Any] = field(default_factory=dict)
    is_error: bool = False
    status: int = 400

    @classmethod
    def error(cls, text: str, status: int = 400, **data: Any) -> Outcome:
        """``text`` says what was wrong and how to go on."""
        return cls(text, data, is_error=True, status=status)


@dataclass(frozen=True, slots=True)
class Hints:
    """MCP's tool annotations, all said aloud: a client takes what is not said as the worst.

    ``open_world``: it reaches past the gateway's configuration.
    """

    read_only: bool
    destructive: bool
    idempotent: bool
    open_world: bool


Run: TypeAlias = "Callable[[Core, dict[str, Any], Principal], Awaitable[Outcome]]"
"""The arguments are valid by the input schema when it is called."""


@dataclass(frozen=True, slots=True)
class Tool:
    """``words`` tell a model when to use it and what it gets; ``role`` is the least that may; ``called`` is
    what its arguments are also called.
    """

    name: str
    title: str
    words: str
    hints: Hints
    input_schema: Schema
    output_schema: Schema
    run: Run
    role: Role = Role.VIEWER
    called: Words = field(default_factory=Words)
