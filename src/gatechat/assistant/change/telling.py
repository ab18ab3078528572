"""Plans and changes in words, for a model, a terminal and the history. Never with a secret."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

from gatechat.assistant.change import diff
from gatechat.assistant.change.drift import Drift
from gatechat.assistant.change.model import Action, Change, Edit, Plan, Probe, Problem, State
from gatechat.assistant.change.redact import Redactor
from gatechat.assistant.ledger import Entry
from gatechat.assistant.view import text

_LONGEST_DIFF: Final = 3_000
_MOST_NAMES: Final = 5


def plan_text(plan: Plan, redactor: Redactor, page: str) -> str:
    """All that one must know of a plan, and what can be done with it now."""
    return "\n".join(_plan_lines(plan, redactor, page))


def _plan_lines(plan: Plan, redactor: Redactor, page: str) -> Iterator[str]:
    undoes = f", undoes {plan.undoes}" if plan.undoes else ""
    yield f"Plan {plan.id} ({plan.state.value}{undoes}): {text.line(plan.reason, 300)}"
    if plan.selected:
        yield f"Selected: {text.line(plan.selected, 300)}"
    yield text.fence(_told_by_the_gateway(plan, redactor, page))
    if plan.probes and not plan.problems:
        yield f"Probes when it is applied: {text.listed(map(_probe, plan.probes), _MOST_NAMES)}"
    if plan.secrets and plan.state in (State.WAITING, State.READY):
        yield f"A person must enter {', '.join(plan.secrets)} on {page}"
    yield how_to_go_on(plan, page)


def _told_by_the_gateway(plan: Plan, redactor: Redactor, page: str) -> Iterator[str]:
    """What names and quotes resources."""
    if plan.edits and not plan.problems:
        shown = diff.text(plan.edits, redactor)
        yield shown[:_LONGEST_DIFF]
        if len(shown) > _LONGEST_DIFF:
            yield f"… {len(shown) - _LONGEST_DIFF} more characters: {page}"
    if plan.problems:
        yield "It cannot be applied:"
        yield from (f"- {problem_line(it)}" for it in plan.problems)
    if plan.impact:
        yield "Impact:"
        yield from (f"- {text.line(it, 300)}" for it in plan.impact)
    if plan.problems:
        return
    reasons = "; ".join(text.line(it.text, 300) for it in plan.risks)
    yield f"Risk: {plan.risk.value}{f' ({reasons})' if reasons else ''}"
    more = [it for it in plan.decision.reasons if it not in reasons]
    if more and plan.decision.verdict != "allow":
        yield f"Policy: {plan.decision.verdict} ({'; '.join(text.line(it, 300) for it in more)})"


def _probe(probe: Probe) -> str:
    wanted = [f"answers {probe.status}"] if probe.status is not None else []
    wanted += [f"has header {': '.join(probe.header)}"] if probe.header else []
    wanted += [f"contains {probe.contains}"] if probe.contains else []
    what = f"{probe.method} {probe.path} {' and '.join(wanted) or 'is answered'}"
    return text.line(f"{what}{', or it is undone' if probe.required else ''}", 160)


def problem_line(problem: Problem) -> str:
    fix = f" ({problem.fix})" if problem.fix and problem.fix not in problem.message else ""
    path = f"{problem.path}: " if problem.path else ""
    return text.line(f"{path}{problem.message}{fix}", 500)


def how_to_go_on(plan: Plan, page: str) -> str:
    match plan.state:
        case State.READY:
            return f"Nothing is written yet. Apply it with apply (plan {plan.id})."
        case State.WAITING:
            return (
                f"Nothing is written yet. It waits for a person's approval: apply (plan {plan.id}) asks them "
                f"where the client can; otherwise give them {page} (or `gatechat approve {plan.id}`), and "
                "apply it after that."
            )
        case State.REFUSED if not plan.problems:
            return "The policy refuses it."
        case State.REFUSED:
            return "Nothing was written. Mend what is named and plan again."
        case State.APPLYING:
            return "It is being applied."
        case _:
            return "Plan anew."


def change_text(change: Change) -> str:
    """How an apply ended, and what showed it."""
    lines = [f"Change {change.id}: {text.line(change.text, 2_000)}"]
    for proof in change.proofs:
        detail = f" ({text.line(proof.detail, 300)})" if proof.detail else ""
        lines.append(
            f"- {proof.how} {text.line(proof.what, 200)}: "
            f"{'as planned' if proof.passed else 'NOT as planned'}{detail}"
        )
    if change.approval is not None:
        lines.append(f"Approved by {change.approval.by} ({change.approval.channel}).")
    if change.state is State.APPLIED:
        lines.append(f"undo (change {change.id}) plans the way back.")
    return "\n".join(lines)


def history_line(entry: Entry) -> str:
    """One change of the history in one line. ``entry`` is its end."""
    change = entry.body
    plan = change["plan"]
    names = [f"{it['target']['kind']}/{it['target']['id']}" for it in change["steps"]]
    undoes = f" (undoes {plan['undoes']})" if plan.get("undoes") else ""
    approval = change.get("approval")
    approved = f", approved by {approval['by']}" if approval else ""
    return (
        f"{when(entry.at)} {entry.subject} {change['state']}{undoes} by "
        f"{plan['by']}/{plan['face']}{approved}: "
        f"{text.line(plan['reason'], 120)} [{text.listed(names, _MOST_NAMES)}]"
    )


def history_row(entry: Entry) -> dict[str, Any]:
    """The same for programs."""
    change = entry.body
    plan = change["plan"]
    return {
        "entry": entry.seq,
        "change": entry.subject,
        "at": when(entry.at),
        "state": change["state"],
        "by": plan["by"],
        "reason": plan["reason"],
        "undoes": plan.get("undoes"),
        "resources": [f"{it['target']['kind']}/{it['target']['id']}" for it in change["steps"]],
    }


def drift_text(found: Sequence[Drift], redactor: Redactor) -> str:
    """What others changed since we last looked, with its diff."""
    if not found:
        return "Nothing was changed by others since we last looked."
    edits = [Edit(_action(it), it.target, it.before, it.after, None) for it in found]
    shown = text.fence(diff.text(edits, redactor)[:_LONGEST_DIFF])
    return f"{len(found)} changed by others since we last looked:\n{shown}"


def _action(drift: Drift) -> Action:
    if drift.before is None:
        return Action.CREATE
    return Action.DELETE if drift.after is None else Action.REPLACE


def when(at: float) -> str:
    """UTC, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
