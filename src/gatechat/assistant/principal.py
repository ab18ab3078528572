"""Who asks: a name, a role, and the face through which they came."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Role(IntEnum):
    """Each may do what the ones before it may. A viewer reads, an editor plans and applies what needs no
    approval, an approver approves what others planned, an admin is who runs the commands on the data folder.
    """

    VIEWER = 1
    EDITOR = 2
    APPROVER = 3
    ADMIN = 4


@dataclass(frozen=True, slots=True)
class Principal:
    """``name`` is stable ("token:ci", "oauth:anna", "issuer:42", "token", "local");
    ``face`` is "mcp", "actions", "console", "cli" or "admin-api", and "" before a face has seen the request.

    ``person``: a human sits at this face (console page, terminal); only then can an approval be given.
    """

    name: str
    role: Role
    face: str
    person: bool = False
