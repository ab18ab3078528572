"""What a change is made of. Plain data: everything here goes into the ledger as JSON and comes back equal."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

JSON: TypeAlias = Any


class Action(StrEnum):
    CREATE = "create"
    REPLACE = "replace"
    MERGE = "merge"
    DELETE = "delete"


class State(StrEnum):
    """Where a plan is. REFUSED: it has errors or the policy forbids it. WAITING: a person must approve it.

    READY: it may be applied. STALE and EXPIRED are final, as are APPLIED, FAILED (nothing of it is left) and
    UNDONE (applied, and undone by itself because a proof failed). BROKEN: it failed and could not be undone
    wholly; the ledger says what is left.
    """

    REFUSED = "refused"
    WAITING = "waiting"
    READY = "ready"
    APPLYING = "applying"
    APPLIED = "applied"
    FAILED = "failed"
    UNDONE = "undone"
    BROKEN = "broken"
    REJECTED = "rejected"
    STALE = "stale"
    EXPIRED = "expired"


class Level(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """``kind`` is the Admin API's plural, ``id`` as in gatechat.apisix.kinds: "1", "jack/credentials/c1"."""

    kind: str
    id: str


@dataclass(frozen=True, slots=True)
class Edit:
    """One resource. ``before`` and ``after`` are whole values without times; None: not there.

    ``version`` is the modifiedIndex that ``before`` was read at. ``notes`` say the defaults filled in.
    """

    action: Action
    target: Target
    before: dict[str, JSON] | None
    after: dict[str, JSON] | None
    version: int | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a plan cannot be. ``path``: the field ("routes/1.plugins.x.header"), ``fix``: what is right."""

    target: Target | None
    path: str
    message: str
    value: JSON = None
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a plan has a risk. ``rule`` is the name of the file in change/risk."""

    rule: str
    level: Level
    text: str


@dataclass(frozen=True, slots=True)
class Probe:
    """A request through the gateway that proves a plan. ``required``: the change is undone when it fails."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    status: int | None = None
    header: tuple[str, str] | None = None
    contains: str | None = None
    required: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What the policy says: "allow", "ask" or "refuse", and why."""

    verdict: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """``digest`` is over edits, probes and reason; an approval is bound to it. Times are Unix seconds."""

    id: str
    digest: str
    created: float
    expires: float
    by: str
    role: str
    face: str
    reason: str
    edits: tuple[Edit, ...]
    probes: tuple[Probe, ...]
    selected: str
    """The selection in words and its count ("24 routes with label tier=gold"), or ""."""
    problems: tuple[Problem, ...]
    impact: tuple[str, ...]
    risk: Level
    risks: tuple[Reason, ...]
    decision: Decision
    state: State
    undoes: str | None = None
    """The change that this plan takes back."""
    secrets: tuple[str, ...] = ()
    """Paths of secret fields that a person must fill in on the plan's page before it can be applied."""


@dataclass(frozen=True, slots=True)
class Approval:
    """Given once by a person, for one plan as it is."""

    plan: str
    digest: str
    by: str
    channel: str
    at: float
    expires: float


@dataclass(frozen=True, slots=True)
class Step:
    """What became of one edit: "done", "unchanged", "compensated", "not done", "not compensated"."""

    target: Target
    outcome: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Proof:
    """``how``: "probe", "control api" or "read back"; never more than was really looked at."""

    how: str
    what: str
    passed: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """The record of an apply. Its id is its plan's id."""

    id: str
    plan: Plan
    state: State
    started: float
    ended: float
    steps: tuple[Step, ...]
    proofs: tuple[Proof, ...]
    approval: Approval | None
    text: str
    """What happened, in a sentence or two."""
