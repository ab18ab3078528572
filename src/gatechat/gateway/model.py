"""What every room of the gateway agrees on: resources, the state at one revision, edits, refusals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

JSON: TypeAlias = Any
"""A decoded JSON value. Objects are plain dicts; nobody changes one after it is in a State."""


class Refused(Exception):
    """The request cannot be done as asked; nothing was changed.

    ``status`` is the HTTP status for the caller; ``message`` says what was wrong, where, and what is right.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


@dataclass(frozen=True, slots=True)
class Resource:
    """One stored resource. ``kind`` is the Admin API's plural path segment ("routes", "credentials", …).

    ``id`` is the path below the kind: "1", for a credential "jack/credentials/c1", for a secret "vault/1".
    ``value`` is what the Admin API returns as ``value``, with id, create_time and update_time (Unix seconds).
    """

    kind: str
    id: str
    value: dict[str, JSON]
    created_index: int
    modified_index: int
    expires_at: float | None = None


_NOTHING: Mapping[str, Resource] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class State:
    """Every resource at one revision. Immutable: a write makes a new State, sharing what did not change."""

    revision: int = 0
    kinds: Mapping[str, Mapping[str, Resource]] = field(default_factory=dict)

    def all(self, kind: str) -> Mapping[str, Resource]:
        """The same object for as long as nothing of that kind changes, also when there is nothing."""
        return self.kinds.get(kind, _NOTHING)

    def get(self, kind: str, id: str) -> Resource | None:
        return self.all(kind).get(id)


@dataclass(frozen=True, slots=True)
class Put:
    """Create or replace. ``ttl`` in seconds; None keeps the resource for ever."""

    kind: str
    id: str
    value: dict[str, JSON]
    ttl: float | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    kind: str
    id: str


Edit: TypeAlias = Put | Delete
