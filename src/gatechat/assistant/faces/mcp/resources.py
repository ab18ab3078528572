"""What can be read by address: a plan, a route, the docs of a plugin, and the page that shows a plan."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final
from urllib.parse import unquote

PLAN_APP: Final = "ui://gatechat/plan.html"
"""Shows a plan where the client can show MCP Apps (extension io.modelcontextprotocol/ui)."""


@dataclass(frozen=True, slots=True)
class Template:
    """An address with one {variable}, and the tool call that its content is."""

    scheme: str
    variable: str
    title: str
    words: str
    tool: str
    argument: str
    fixed: tuple[tuple[str, str], ...] = ()

    @property
    def uri(self) -> str:
        return f"{self.scheme}://{{{self.variable}}}"

    def arguments(self, value: str) -> dict[str, Any]:
        return {**dict(self.fixed), self.argument: value}


TEMPLATES: Final[tuple[Template, ...]] = (
    Template("plan", "id", "A plan", "A plan with its diff, impact, risk and state.", "plan_state", "plan"),
    Template(
        "route", "id", "A route", "A route as the gateway has it.", "get", "id", fixed=(("kind", "routes"),)
    ),
    Template(
        "plugin-docs",
        "name",
        "Docs of a plugin",
        "A plugin's fields, an example, its traps.",
        "describe",
        "name",
    ),
)

_ADDRESS = re.compile(r"([a-z-]+)://(.+)")


def resolve(uri: str) -> tuple[str, dict[str, Any]] | None:
    """The tool call that an address stands for; None: there is nothing at it."""
    match = _ADDRESS.fullmatch(uri)
    for template in TEMPLATES:
        if match and match[1] == template.scheme:
            return template.tool, template.arguments(unquote(match[2]))
    return None


@cache
def plan_app() -> str:
    """The HTML document at PLAN_APP: whole in itself, it loads nothing."""
    return files("gatechat.assistant.faces.mcp").joinpath("static", "plan.html").read_text(encoding="utf-8")
