"""The pages: plain HTML with one style, no script, nothing loaded from anywhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Final

from gatechat.assistant.change.diff import Difference
from gatechat.assistant.change.model import Change, Plan, State
from gatechat.assistant.change.telling import problem_line, when
from gatechat.assistant.view.text import clean

_STYLE: Final = files(__package__).joinpath("static", "console.css").read_text(encoding="utf-8")
_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS: Final = {
    "content-security-policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


def plan_page(
    plan: Plan,
    differences: Sequence[Difference],
    token: str,
    *,
    entered: Iterable[str] = (),
    makes: Iterable[str] = (),
    change: Change | None = None,
    said: str = "",
) -> str:
    """``token`` goes into every form. ``makes``: the secrets that we make when the field stays empty."""
    parts = [
        f"<p class=soft>{_text(plan.by)} by way of {_text(plan.face)}, {when(plan.created)}"
        f"{f', undoes {_link(plan.undoes)}' if plan.undoes else ''}</p>",
        f"<p class=box role=status>{_text(said)}</p>" if said else "",
        f"<p><b>{_text(plan.reason)}</b></p>",
        f"<p class=soft>{_text(plan.selected)}</p>" if plan.selected else "",
        _list("It cannot be applied", [problem_line(it) for it in plan.problems]),
        _ended(change) if change else _actions(plan, token, set(entered), set(makes)),
        f'<h2>Risk: <span class="{plan.risk.value}">{plan.risk.value}</span></h2>'
        + _items([it.text for it in plan.risks]),
        _list("Impact", plan.impact),
        "<h2>What changes</h2>" if differences else "",
        *(_difference(it) for it in differences),
        f"<p class=soft>Plan <code>{_text(plan.id)}</code>, digest <code>{_text(plan.digest)}</code></p>",
    ]
    return _page(f"Plan {plan.id}: {plan.state.value}", "\n".join(part for part in parts if part))


def _actions(plan: Plan, token: str, entered: set[str], makes: set[str]) -> str:
    if plan.state is State.READY:
        return (
            f"<div class=box>It may be applied.{_buttons(plan, token, ('apply', 'Apply now', 'yes'))}</div>"
        )
    if plan.state is not State.WAITING:
        return ""
    missing = [path for path in plan.secrets if path not in entered]
    why = "".join(f"<li>{_text(it)}</li>" for it in plan.decision.reasons)
    asks = f"<div class=box>It waits for your yes, because:<ul>{why}</ul>"
    if missing:
        return f"{asks}{_secrets(plan, token, missing, makes)}{_buttons(plan, token, _REJECT)}</div>"
    return f"{asks}{_buttons(plan, token, *_APPROVE, _REJECT)}</div>"


_REJECT: Final = ("reject", "Reject", "no")
_APPROVE: Final = (
    ("approve-and-apply", "Approve and apply", "yes"),
    ("approve", "Approve; the assistant applies it", "no"),
)


def _buttons(plan: Plan, token: str, *buttons: tuple[str, str, str]) -> str:
    return "<div>" + "".join(_button(plan, token, *it) for it in buttons) + "</div>"


def _button(plan: Plan, token: str, action: str, words: str, look: str) -> str:
    return (
        f'<form method=post action="/plans/{_text(plan.id)}/{action}">{_hidden(plan, token)}'
        f"<button class={look}>{words}</button></form>"
    )


def _hidden(plan: Plan, token: str) -> str:
    return (
        f'<input type=hidden name=token value="{_text(token)}">'
        f'<input type=hidden name=digest value="{_text(plan.digest)}">'
    )


def _secrets(plan: Plan, token: str, missing: Sequence[str], makes: set[str]) -> str:
    fields = "".join(_field(path, may_be_empty=path in makes) for path in missing)
    return (
        f'<form method=post action="/plans/{_text(plan.id)}/secrets">{_hidden(plan, token)}'
        f"<p>It needs secrets that no assistant may see:</p>{fields}"
        "<button class=yes>Keep them</button></form>"
    )


def _field(path: str, *, may_be_empty: bool) -> str:
    note = " (leave it empty: one is made, and shown once)" if may_be_empty else ""
    required = "" if may_be_empty else " required"
    name = f'name="secret:{_text(path)}"'
    field = f"<input type=password autocomplete=off {name}{required}>"
    return f"<label><code>{_text(path)}</code>{note}{field}</label>"


def _ended(change: Change) -> str:
    proofs = [
        f"{it.how}: {it.what}: {'as planned' if it.passed else 'NOT as planned'} {it.detail}"
        for it in change.proofs
    ]
    approval = change.approval
    words = f"Approved by {approval.by} ({approval.channel})" if approval else ""
    approved = f"<p class=soft>{_text(words)}</p>" if words else ""
    return f"<div class=box><p>{_text(change.text)}</p>{_items(proofs)}{approved}</div>"


def _difference(it: Difference) -> str:
    rows = "".join(
        f"<tr><td{_side(row.mark, '-~', 'minus')}>{_text(row.left)}</td>"
        f"<td{_side(row.mark, '+~', 'plus')}>{_text(row.right)}</td></tr>"
        for row in it.rows
    )
    notes = _items(it.notes)
    name = f"{it.action} {it.target.kind}/{it.target.id}"
    return f"<h3>{_text(name)}</h3>{notes}<div class=scroll><table>{rows}</table></div>"


def _side(mark: str, marks: str, name: str) -> str:
    return f" class={name}" if mark in marks else ""


def shown_once(plan: Plan, made: Mapping[str, str]) -> str:
    """What we made up for the person, who must take it now."""
    rows = "".join(
        f"<p><code>{_text(path)}</code><br><b><code>{_text(secret)}</code></b></p>"
        for path, secret in made.items()
    )
    on = f'<p><a href="/plans/{_text(plan.id)}">On to the plan</a></p>'
    return _page("Take these with you", f"<p>They are shown this once, and to you alone.</p>{rows}{on}")


def list_page(waiting: Sequence[Plan]) -> str:
    rows = "".join(
        f"<li>{_link(it.id)} <span class={it.risk.value}>{it.risk.value}</span> {_text(it.reason)}</li>"
        for it in waiting
    )
    return _page("Plans that wait", f"<ul>{rows}</ul>" if rows else "<p>None waits for you.</p>")


def message_page(title: str, words: str) -> str:
    return _page(title, f"<p>{_text(words)}</p>")


def door_page(url: str) -> str:
    """For who has no cookie."""
    return _page(
        "Only people come in here",
        "<p>Open the link that <code>gatechat up</code> printed in its terminal. It works once; "
        "<code>gatechat console</code> prints another.</p><p>Or answer in a terminal: "
        f"<code>gatechat approve ID</code>.</p><p class=soft>{_text(url)}</p>",
    )


def _list(title: str, words: Sequence[str]) -> str:
    return f"<h2>{title}</h2>{_items(words)}" if words else ""


def _items(words: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{_text(it)}</li>" for it in words) + "</ul>" if words else ""


def _link(id: str) -> str:
    return f'<a href="/plans/{_text(id)}"><code>{_text(id)}</code></a>'


def _text(value: object) -> str:
    return escape(clean(str(value)))


def _page(title: str, body: str) -> str:
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_text(title)}</title>
<link rel="icon" href="/logo.png">
<style>{_STYLE}</style>
<h1>{_text(title)}</h1>
{body}
</html>
"""
