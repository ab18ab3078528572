"""`make docs`: writes the pages of docs/ that say what the code says. ``pages()`` is what they should hold.

A page is never changed by hand: its text stands with the plugin, the setting or the rule that it is about.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer.main

from gatechat.apisix.kinds import KINDS
from gatechat.assistant.operations.tool import Tool
from gatechat.assistant.operations.tools import TOOLS
from gatechat.cli.commands import app
from gatechat.cli.options import settings
from gatechat.gateway.admin.differs import UNSUPPORTED
from gatechat.gateway.plugin import Difference, Plugin
from gatechat.gateway.plugins import REGISTRY
from gatechat.gateway.translate import BALANCERS, DIFFERS

DOCS = Path(__file__).parent
MADE = "<!-- Made by `make docs` from {source}. Change it there. -->\n\n"

PLUGINS_TEXT = """\
# Plugins of the embedded gateway

Each is Apache APISIX's plugin of that name: the same settings, the same answers. Each page lists where it
differs. Within a phase, what has the higher priority runs first. With an Apache APISIX behind the assistant,
that gateway's plugins are what there is.

"""
DIFFERENCES_TEXT = """\
# Where the embedded gateway differs from Apache APISIX

What it cannot do is refused with a 400 that names the field and says why: nothing is taken and ignored.
These are the differences that we know of.

There is no Control API (port 9090) and no Status API (7085), and no config.yaml: what it says stands in
[settings](settings.md), or is as APISIX's own defaults are. The health of upstreams is in the
[metrics](plugins/prometheus.md), `apisix_upstream_status`.

"""
TOOLS_TEXT = """\
# Tools

What an assistant can do, over [MCP](mcp.md) and every other face.
"""
SETTINGS_TEXT = """\
# Settings

Each can be given as a flag, in the environment, or in a TOML file. A flag wins over the environment, the
environment over the file. In the file, a setting has the flag's name with `_` for `-`:

```toml
# gatechat.toml
proxy_port = 8080
data_dir = "/srv/gatechat"
allowed_hosts = ["gate.example.com", "gate.internal"]
```

Without `--config`, two files are read where they are there: `gatechat.toml` in the platform's configuration
folder (`~/.config/gatechat/` on Linux), then `gatechat.toml` in the current folder, which wins. A name that
is no setting is refused. A file that holds a key or a token should be readable by its owner alone.

"""


def pages() -> dict[Path, str]:
    """Every generated page: its path below docs/ and its text."""
    made = {Path("plugins") / f"{name}.md": plugin_page(plugin) for name, plugin in REGISTRY.items()}
    made[Path("plugins/index.md")] = plugins_page()
    made[Path("differences.md")] = differences_page()
    made[Path("settings.md")] = settings_page()
    made[Path("tools.md")] = tools_page()
    return made


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def tools_page() -> str:
    return "".join(
        (MADE.format(source="src/gatechat/assistant/operations/tools.py"), TOOLS_TEXT, *map(_tool, TOOLS))
    )


def _tool(tool: Tool) -> str:
    hints = tool.hints
    facts = [
        "reads"
        if hints.read_only
        else "destructive"
        if hints.destructive
        else "changes nothing at the gateway",
        "asking twice is as asking once" if hints.idempotent else "",
        "reaches what is behind the gateway" if hints.open_world else "",
        f"from the role {tool.role.name.lower()}",
    ]
    rows = [list(row) for row in _fields(tool.input_schema, "")]
    arguments = (
        table(["Argument", "Type", "Default", "Meaning"], rows) if rows else "It takes no arguments.\n"
    )
    return f"\n## {tool.name}\n\n{tool.words} ({'; '.join(filter(None, facts))})\n\n{arguments}"


def plugin_page(plugin: Plugin) -> str:
    module = type(plugin).__module__.replace(".", "/")
    parts = [
        MADE.format(source=f"src/{module}.py"),
        f"# {plugin.name}\n\n{plugin.docs.strip()}\n",
        f"\nPriority {plugin.priority}"
        + (f"; phases: {', '.join(plugin.phases)}" if plugin.phases else "")
        + ("; it identifies the consumer" if plugin.auth else "")
        + ".\n",
    ]
    for title, schema in (
        ("Settings", plugin.schema),
        ("Settings of a consumer or credential", plugin.consumer_schema),
        ("Settings for all uses (plugin_metadata)", plugin.metadata_schema),
    ):
        if schema is not None:
            parts.append(f"\n## {title}\n\n{_settings(schema)}")
    parts.append(f"\n## Differences from Apache APISIX\n\n{_differences(plugin.differs)}")
    return "".join(parts)


def _settings(schema: Mapping[str, Any]) -> str:
    rows = [list(row) for row in _fields(schema, "")]
    return table(["Field", "Type", "Default", "Meaning"], rows) if rows else "There are none.\n"


def _fields(schema: Mapping[str, Any], below: str) -> Iterator[tuple[str, str, str, str]]:
    """A row for each field of an object schema, with the fields of objects and of lists' objects below it."""
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        path = f"{below}{name}"
        default = f"`{_json(field['default'])}`" if "default" in field else ""
        yield f"`{path}`", _type(field), "required" if name in required else default, _meaning(field)
        yield from _fields(field, f"{path}.")
        if isinstance(field.get("items"), dict):
            yield from _fields(field["items"], f"{path}[].")


def _type(field: Mapping[str, Any]) -> str:
    kind = field.get("type")
    if "enum" in field:
        return " or ".join(f"`{_json(value)}`" for value in field["enum"])
    if kind is None:
        choices = field.get("oneOf") or field.get("anyOf") or ()
        return " or ".join(dict.fromkeys(_type(choice) for choice in choices)) or "any"
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _json(value: object) -> str:
    return json.dumps(value)


_LIMITS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "pattern": "matches `{}`",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "minProperties": "at least {} entries",
}


def _meaning(field: Mapping[str, Any]) -> str:
    limits = ", ".join(words.format(field[name]) for name, words in _LIMITS.items() if name in field)
    text = str(field.get("description", "")).strip()
    return " ".join(part for part in (text, f"({limits})" if limits else "") if part).replace("\n", " ")


def _differences(differs: Sequence[Difference]) -> str:
    if not differs:
        return "None known.\n"
    rows = [[f"`{d.field}`" if d.field else "all of it", _done(d.refused), d.text] for d in differs]
    return table(["Field", "When asked for", "What is different"], rows)


def _done(refused: bool) -> str:
    return "refused with 400" if refused else "taken"


def plugins_page() -> str:
    rows = [
        [
            f"[{plugin.name}]({plugin.name}.md)",
            str(plugin.priority),
            ", ".join(plugin.phases),
            _summary(plugin),
        ]
        for plugin in REGISTRY.values()
    ]
    return (
        MADE.format(source="src/gatechat/gateway/plugins/")
        + PLUGINS_TEXT
        + table(["Plugin", "Priority", "Phases", "What it does"], rows)
    )


def _summary(plugin: Plugin) -> str:
    """The first sentence of its page."""
    text = " ".join(plugin.docs.strip().partition("\n\n")[0].split())
    return text.partition(". ")[0].rstrip(".") + "."


def differences_page() -> str:
    parts = [
        MADE.format(source="src/gatechat/gateway/admin/differs.py and the plugins"),
        DIFFERENCES_TEXT,
        "## Resources\n\n",
        table(["Kind", "Field", "Refused because"], list(_resource_rows())),
        f"\nUpstreams balance by {', '.join(f'`{name}`' for name in BALANCERS)}; other types are refused.\n",
        "References to a secret manager (`$secret://`) are refused; `$env://NAME` works.\n",
        "\n## Routes and upstreams\n\n",
        table(["Field", "What is different"], [[f"`{one.field}`", one.text] for one in DIFFERS]),
        "\n## Plugins\n\nPlugins that are not on [this list](plugins/index.md) are refused as unknown.\n\n",
        table(["Plugin", "Field", "When asked for", "What is different"], list(_plugin_rows())),
    ]
    return "".join(parts)


def _resource_rows() -> Iterator[list[str]]:
    for rule in UNSUPPORTED:
        values = f" = {', '.join(f'`{value}`' for value in rule.values)}" if rule.values else ""
        field = f"`{rule.field}`{values}" if rule.field else "the whole kind"
        yield [", ".join(kind for kind in KINDS if kind in rule.kinds), field, rule.why]


def _plugin_rows() -> Iterator[list[str]]:
    for name, plugin in sorted(REGISTRY.items()):
        for difference in plugin.differs:
            field = f"`{difference.field}`" if difference.field else "all of it"
            yield [f"[{name}](plugins/{name}.md)", field, _done(difference.refused), difference.text]


def settings_page() -> str:
    used: dict[str, list[str]] = {}
    found: dict[str, Any] = {}
    for command, named in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        for name, param in settings(named).items():
            used.setdefault(name, []).append(f"`{command}`")
            found[name] = param
    rows = [
        [
            ", ".join(f"`{name}`" for name in (*param.opts, *param.secondary_opts)),
            f"`{param.envvar}`",
            _default(param),
            ", ".join(used[name]),
            str(param.help),
        ]
        for name, param in found.items()
    ]
    head = ["Flag", "Environment", "Default", "Used by", "Meaning"]
    return MADE.format(source="src/gatechat/cli/options.py") + SETTINGS_TEXT + table(head, rows)


def _default(param: Any) -> str:
    if isinstance(param.show_default, str):
        return param.show_default
    if param.default in (None, "", False):
        return ""
    return f"`{str(param.default).lower() if param.is_flag else param.default}`"


def main() -> None:
    """Writes every page and deletes those whose plugin is gone."""
    made = pages()
    for stale in set((DOCS / "plugins").glob("*.md")) - {DOCS / path for path in made}:
        stale.unlink()
    for path, text in made.items():
        (DOCS / path).parent.mkdir(exist_ok=True)
        (DOCS / path).write_text(text, encoding="utf-8")
    print(f"{len(made)} pages written.")


if __name__ == "__main__":
    main()
