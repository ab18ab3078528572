"""An Admin API in memory that can be made to lag, to refuse, to die and to come back; and plans without a
planner.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from starlette.types import Receive, Scope, Send

from gatechat.apisix.kinds import KINDS
from gatechat.assistant.admin_client import Answer
from gatechat.assistant.change.changes import Changes, Settings
from gatechat.assistant.change.execute import Executor
from gatechat.assistant.change.model import (
    Action,
    Decision,
    Edit,
    Level,
    Plan,
    Probe,
    Problem,
    State,
    Target,
)
from gatechat.assistant.change.policy import Policy
from gatechat.assistant.change.redact import Redactor
from gatechat.assistant.change.resources import Resources
from gatechat.assistant.change.turns import Turns
from gatechat.assistant.ledger import Ledger, Records
from gatechat.assistant.principal import Principal, Role
from gatechat.assistant.problem import Problem as Failure
from gatechat.assistant.view.live import Live

ANNA = Principal("token:anna", Role.EDITOR, "mcp")
BERT = Principal("token:bert", Role.EDITOR, "mcp")
PERSON = Principal("local", Role.ADMIN, "console", person=True)


class Dead(Exception):
    """The process was killed here."""


@dataclass
class AdminInMemory:
    """Stands where an AdminClient stands. ``before`` is called before each write, with its number (from 1),
    method and path, and may raise; ``after`` likewise when it is done. ``away``: nothing is answered.

    ``lag``: how often the deletion of an upstream is refused for a user that is gone.
    """

    values: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    versions: dict[tuple[str, str], int] = field(default_factory=dict)
    revision: int = 0
    lag: int = 0
    away: bool = False
    writes: list[tuple[str, str]] = field(default_factory=list)
    before: Callable[[int, str, str], None] = lambda number, method, path: None
    after: Callable[[int, str, str], None] = lambda number, method, path: None
    filled_in: dict[str, Any] = field(default_factory=dict)
    """Fields that it adds to every resource that lacks them, as APISIX adds defaults."""
    server: str = "APISIX/3.18.0"
    without: frozenset[str] = frozenset()
    """Kinds that are switched off, as APISIX's stream routes are."""

    def hold(self, kind: str, id: str, value: dict[str, Any] | None) -> None:
        """Somebody else writes (or deletes, with None)."""
        self.revision += 1
        if value is None:
            self.values.pop((kind, id), None)
            self.versions.pop((kind, id), None)
        else:
            self.values[kind, id] = value
            self.versions[kind, id] = self.revision

    def edit(
        self, kind: str, id: str, after: dict[str, Any] | None, before: dict[str, Any] | None = None
    ) -> Edit:
        """An edit of what is held now."""
        held = before if before is not None else self.values.get((kind, id))
        action = Action.DELETE if after is None else Action.CREATE if held is None else Action.REPLACE
        return Edit(action, Target(kind, id), held, after, self.versions.get((kind, id)))

    async def send(self, method: str, target: bytes, headers: dict[str, str], body: bytes = b"") -> Answer:
        answer = self._send(method, target, body)
        answer.headers["server"] = self.server
        return answer

    def _send(self, method: str, target: bytes, body: bytes) -> Answer:
        path = target.decode().partition("?")[0].removeprefix("/apisix/admin/")
        if self.away:
            raise Failure(502, "the Admin API is away")
        if method == "HEAD":
            return _answer(200, {})
        if path.partition("/")[0] in self.without:
            return _answer(400, {"error_msg": "stream mode is disabled, can not add stream routes"})
        if method == "GET":
            return self._get(path)
        if path.startswith(("schema/", "configs/")):
            return _answer(404, {"error_msg": "not found"})
        number = len(self.writes) + 1
        self.before(number, method, path)
        self.writes.append((method, path))
        answer = self._write(method, path, json.loads(body or b"null"))
        self.after(number, method, path)
        return answer

    def _get(self, path: str) -> Answer:
        kind, id = self._key(path)
        if id:
            value = self.values.get((kind, id))
            if value is None:
                return _answer(404, {"message": "Key not found"})
            return _answer(200, self._row(kind, id))
        if kind not in KINDS:
            return _answer(404, {"error_msg": "unsupported resource type"})
        rows = [self._row(k, i) for k, i in self.values if k == kind]
        return _answer(200, {"list": rows, "total": len(rows)})

    def _row(self, kind: str, id: str) -> dict[str, Any]:
        shown = {k: v for k, v in self.values[kind, id].items() if k not in KINDS[kind].hidden}
        version = self.versions[kind, id]
        whole = shown | {"id": id, "create_time": 1, "update_time": version}
        return {"key": KINDS[kind].key(id), "value": whole, "modifiedIndex": version, "createdIndex": 1}

    def _write(self, method: str, path: str, body: Any) -> Answer:
        kind, id = self._key(path)
        old = self.values.get((kind, id))
        if method == "DELETE":
            used = any(v.get("upstream_id") == id for (k, _), v in self.values.items() if k == "routes")
            if kind == "upstreams" and (used or self.lag > 0):
                self.lag -= 1
                words = "can not delete this upstream, route [1] is still using it now"
                return _answer(400, {"error_msg": words})
            if old is None:
                return _answer(404, {"message": "Key not found"})
            self.hold(kind, id, None)
            return _answer(200, {"deleted": "1", "key": KINDS[kind].key(id)})
        if body.get("bad"):
            return _answer(400, {"error_msg": "invalid configuration: bad is not allowed"})
        if method == "POST":
            id = f"{self.revision + 1:020d}"
        value = _merged(old or {}, body) if method == "PATCH" else self.filled_in | body
        self.hold(kind, id, value)
        return _answer(201 if old is None else 200, {"key": KINDS[kind].key(id), "value": value})

    @staticmethod
    def _key(path: str) -> tuple[str, str]:
        kind, _, id = path.partition("/")
        return ("credentials", id) if kind == "consumers" and "/credentials" in id else (kind, id)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The same as an ASGI app, for tests with other processes."""
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        answer = await self.send(scope["method"], scope["raw_path"], {}, body)
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})


def _answer(status: int, body: Any) -> Answer:
    return Answer(status, {"content-type": "application/json"}, json.dumps(body).encode())


def _merged(old: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    new = dict(old)
    for name, part in patch.items():
        if part is None:
            new.pop(name, None)
        elif isinstance(part, dict) and isinstance(new.get(name), dict):
            new[name] = _merged(new[name], part)
        else:
            new[name] = part
    return new


@dataclass
class PlainDrafts:
    """Plans with the verdict, probes and secrets that a test wants."""

    verdict: str = "allow"
    probes: tuple[Probe, ...] = ()
    secrets: tuple[str, ...] = ()
    now: Callable[[], float] = time.time
    made: int = 0

    async def of_request(self, request: Any, who: Principal) -> Plan:
        return await self.of_edits(request, "because", who, secrets=self.secrets)

    async def of_edits(
        self,
        edits: Sequence[Edit],
        reason: str,
        who: Principal,
        *,
        undoes: str | None = None,
        problems: Sequence[Problem] = (),
        secrets: Sequence[str] = (),
        checked: bool = True,
    ) -> Plan:
        self.made += 1
        wait = self.verdict == "ask" or secrets
        plan = Plan(
            id=f"p{self.made}",
            digest="",
            created=self.now(),
            expires=self.now() + 600,
            by=who.name,
            role=who.role.name.lower(),
            face=who.face,
            reason=reason,
            edits=tuple(edits),
            probes=self.probes,
            selected="",
            problems=tuple(problems),
            impact=(),
            risk=Level.HIGH if self.verdict == "ask" else Level.LOW,
            risks=(),
            decision=Decision(self.verdict, ("the test says so",)),
            state=State.REFUSED if problems else State.WAITING if wait else State.READY,
            undoes=undoes,
            secrets=tuple(secrets),
        )
        return replace(plan, digest=self.digest(plan))

    async def misled(self, edits: Sequence[Edit]) -> list[Problem]:
        return []

    def digest(self, plan: Plan) -> str:
        return hashlib.sha256(repr((plan.edits, plan.probes, plan.reason)).encode()).hexdigest()

    def diff(self, edit: Edit) -> str:
        return f"{edit.target.kind}/{edit.target.id}: {edit.before} -> {edit.after}"


@dataclass
class Bench:
    """A whole Changes on an Admin API in memory, whose clock stands still unless it is moved."""

    folder: Path
    admin: AdminInMemory = field(default_factory=AdminInMemory)
    drafts: PlainDrafts = field(default_factory=PlainDrafts)
    time: float = 1_000_000.0
    elicitation: bool = True
    patience: float = 0.2

    def __post_init__(self) -> None:
        self.drafts.now = lambda: self.time

    @contextmanager
    def changes(self, admin: Any = None) -> Iterator[Changes]:
        """As a process has it; a second one stands for a restart or for another process."""
        admin = admin or self.admin
        ledger = Ledger(self.folder / "ledger.db", now=lambda: self.time)
        turns = Turns(self.folder / "apply.lock", patience=5)
        resources = Resources(admin)
        yield Changes(
            records=Records(ledger, Redactor),
            drafts=self.drafts,
            live=Live(admin),
            resources=resources,
            turns=turns,
            settings=Settings(
                Policy(elicitation=self.elicitation),
                lambda id: f"http://localhost:5000/plans/{id}",
                lambda: self.time,
            ),
            executor=Executor(resources, self.patience),
        )
        turns.close()
        ledger.close()
