"""A person's yes to one plan as it is: who may give it, what it is bound to, when it lapses."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from gatechat.assistant.change.model import Approval, Decision, Plan, State
from gatechat.assistant.principal import Principal, Role
from gatechat.assistant.problem import Problem

SECONDS: Final = 600.0
"""How long an approval may be used."""

CHANNELS: Final = ("console", "cli", "elicitation")


class NotApproved(Problem):
    """The approval does not count; the message says why and how to get one that does."""

    def __init__(self, message: str) -> None:
        super().__init__(403, message)


def grant(
    plan: Plan, who: Principal, channel: str, *, now: float, elicitation: bool, entered: Collection[str] = ()
) -> Approval:
    """``elicitation``: whether the policy takes a yes given inside the client. ``entered``: the secrets
    that a person has filled in. Raises NotApproved.
    """
    if who.role < Role.APPROVER:
        raise NotApproved(
            f"{who.name} is {who.role.name.lower()}; an approver must say yes: on the plan's page, or with "
            f"`gatechat approve {plan.id}` in a terminal"
        )
    if channel not in CHANNELS:
        raise NotApproved(f"there is no channel {channel!r}; there are {', '.join(CHANNELS)}")
    if channel == "elicitation" and not elicitation:
        raise NotApproved(
            "the policy takes no yes from inside the client; a person must give it on the plan's page"
        )
    if channel != "elicitation" and not who.person:
        raise NotApproved(
            "only a person can approve: on the plan's page, or with `gatechat approve` in a terminal"
        )
    if plan.state is not State.WAITING:
        raise NotApproved(f"the plan is {plan.state.value}: only one that waits can be approved")
    if missing := [path for path in plan.secrets if path not in entered]:
        raise NotApproved(f"enter {', '.join(missing)} on the plan's page first")
    return Approval(plan.id, plan.digest, who.name, channel, now, now + SECONDS)


def current(plan: Plan, approval: Approval | None, now: float) -> State:
    """The state that the plan is in when time is taken into account."""
    if plan.state is State.READY and approval is not None and now > approval.expires:
        return State.EXPIRED
    if plan.state is State.WAITING and now > plan.expires:
        return State.EXPIRED
    if plan.state is State.READY and approval is None and now > plan.expires:
        return State.EXPIRED
    return plan.state


def check(plan: Plan, approval: Approval | None, digest: str, who: Principal, decision: Decision) -> None:
    """Whether ``who`` may apply the plan with this approval. ``digest`` is the plan's, reckoned anew;
    ``decision`` what the policy says of it now, which may be another policy than when it was made.

    Raises NotApproved. An approval is for who asked: another assistant cannot use it, a person who approves
    may.
    """
    if plan.digest != digest or (
        approval is not None and (approval.digest, approval.plan) != (digest, plan.id)
    ):
        raise NotApproved("the approval is for another plan than this one: plan anew")
    if decision.verdict == "refuse":
        raise NotApproved("; ".join(decision.reasons))
    if approval is None and "ask" in (decision.verdict, plan.decision.verdict):
        raise NotApproved("the policy asks for a person's approval, and there is none")
    if who.name != plan.by and not (who.person and who.role >= Role.APPROVER):
        raise NotApproved(
            f"the plan is {plan.by}'s and may be applied by {plan.by} only, or by a person who approves"
        )
