"""A change whose process was killed, or whose Admin API went away: looked at as it lies there, and ended.

All of it is there: it is finished. Less is there: it is taken back, as it would have been at the time;
whoever wanted it may ask again, on a gateway that has not moved under their feet.
"""

from __future__ import annotations

from gatechat.assistant.change.execute import NO_ID, OTHERS, Done, Execution, Executor, in_order, unchanged
from gatechat.assistant.change.model import Edit, Plan
from gatechat.assistant.change.resources import Resources, as_written, same_resource


async def recover(plan: Plan, resources: Resources, executor: Executor, *, may_finish: bool) -> Execution:
    """``may_finish``: False for one that was being taken back already. Raises Problem when the gateway is
    away.
    """
    execution = Execution([await _look(edit, resources) for edit in in_order(plan.edits)])
    if may_finish and all(done.outcome in ("done", "unchanged") for done in execution.steps):
        return execution
    execution.failure = "it was broken off before it was complete"
    await executor.compensate(execution.steps)
    return execution


async def _look(edit: Edit, resources: Resources) -> Done:
    """How far this step came."""
    if edit.target.id == "":
        return Done(edit, "not compensated", NO_ID)
    found = await resources.get(edit.target)
    if same_resource(edit.before, edit.after):
        return Done(edit, "unchanged")
    if unchanged(edit, found) or same_resource(edit.before, None if found is None else found.value):
        return Done(edit, "not done")
    if as_written(edit.target, edit.after, found):
        return Done(edit, "done", left=found)
    return Done(edit, "not compensated", OTHERS)
