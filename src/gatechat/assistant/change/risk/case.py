"""What a rule looks at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gatechat.assistant.change.impact import Impact
from gatechat.assistant.change.model import JSON, Edit
from gatechat.assistant.change.policy import plugin_at, plugins_in
from gatechat.assistant.view.configuration import Configuration
from gatechat.assistant.view.text import listed


@dataclass(frozen=True, slots=True)
class Case:
    """A plan, with the configuration before and after it."""

    edits: Sequence[Edit]
    before: Configuration
    after: Configuration
    impact: Impact

    def new_plugins(self) -> Iterator[tuple[Edit, str, JSON, JSON]]:
        """(edit, plugin, configuration, the one before or None) of what is written anew or differently."""
        for edit in self.edits:
            old = dict(plugins_in(edit.target, edit.before or {}))
            for path, conf in plugins_in(edit.target, edit.after or {}):
                if old.get(path) != conf:
                    yield edit, plugin_at(path), conf, old.get(path)


def name(edit: Edit) -> str:
    return f"{edit.target.kind}/{edit.target.id}"


def few(words: Sequence[str]) -> str:
    """The first of them and how many more."""
    return listed(dict.fromkeys(words), 3)
