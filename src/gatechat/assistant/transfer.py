"""A whole configuration out of an Admin API, for a file or for another Admin API.

A file holds keys in plain text: whoever writes it to disk makes it readable by its owner alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from gatechat.assistant.admin_client import AdminClient
from gatechat.assistant.change.model import Edit, Problem
from gatechat.assistant.declarative import Configuration, Value, to_yaml
from gatechat.assistant.view.live import Live


async def read(client: AdminClient) -> Configuration:
    """Everything an Admin API holds. Raises gatechat.assistant.problem.Problem when it cannot be read."""
    there = await Live(client).configuration(max_age=0)
    kinds: dict[str, dict[str, Value]] = {}
    for kind, id, item in there:
        kinds.setdefault(kind, {})[id] = dict(item.value)
    return Configuration(kinds)


def to_file(configuration: Configuration) -> str:
    """The declarative file's text. It says which private keys are missing in it."""
    lines = [f"#   {name}\n" for name in unreadable(configuration)]
    if lines:
        lines.insert(0, "# An Admin API never shows private keys. Before importing, add `key` to:\n")
    return to_yaml(configuration, head="".join(lines))


def unreadable(configuration: Configuration) -> list[str]:
    """The certificates without their private keys, which no Admin API shows, as "ssls/1"."""
    return [f"ssls/{id}" for id, value in configuration.kinds.get("ssls", {}).items() if "key" not in value]


def keyless(edits: Sequence[Edit]) -> list[Problem]:
    """A problem for each certificate that would be written without its key and has none there to keep."""
    text = (
        "no Admin API shows a private key, so it cannot be copied. "
        "Put this certificate there yourself, with its key, then repeat this."
    )
    return [
        Problem(edit.target, f"ssls/{edit.target.id}", text)
        for edit in edits
        if edit.target.kind == "ssls"
        and edit.after is not None
        and "key" not in edit.after
        and (
            edit.before is None or any(edit.before.get(it) != edit.after.get(it) for it in ("cert", "certs"))
        )
    ]
