"""The columns of the table of operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal


class Risk(Enum):
    """What can go wrong: nothing, a change that can be changed back, something that is gone."""

    READ = "read"
    WRITE = "write"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Parameter:
    """``words`` within 700 characters. A path parameter is always required, a query parameter never."""

    name: str
    place: Literal["path", "query"]
    words: str
    schema: Mapping[str, Any]
    example: Any = None


@dataclass(frozen=True, slots=True)
class Body:
    """``schema`` names a component; ``example``, given a backend's "host:port", makes a body that works."""

    schema: str
    example: Callable[[str], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Operation:
    """``path`` is the Admin API's, with {parameters}; ``summary`` and ``words`` have 300 characters at most.

    ``answer`` names the component of a successful answer, ``statuses`` its status codes with what each says.
    """

    name: str
    method: Literal["get", "post", "put", "patch", "delete"]
    path: str
    tag: str
    summary: str
    words: str
    risk: Risk
    answer: str
    statuses: Mapping[int, str]
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
