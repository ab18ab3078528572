"""describe: what a kind or a plugin takes, as this gateway has it, with an example and what to beware of."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final
from urllib.parse import quote

from gatechat.apisix.kinds import KINDS, PREFIX
from gatechat.apisix.secret_fields import PLUGIN_SECRETS
from gatechat.assistant.operations.arguments import Words, kind_of
from gatechat.assistant.operations.reading import traps
from gatechat.assistant.operations.reading.needs import Needs
from gatechat.assistant.operations.tool import Outcome
from gatechat.assistant.principal import Principal
from gatechat.assistant.problem import Problem
from gatechat.assistant.view import schema_text, text
from gatechat.assistant.view.configuration import JSON, read_object

CALLED: Final = Words(also={"plugin": "name", "kind": "name"})
LARGEST: Final = 5_000
"""Characters of a schema in short; of a longer one only the outermost fields are told."""
INPUT: Final = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "description": "routes, … or a plugin; without it all plugins are listed"},
        "field": {"type": "string", "description": "only this field, deeper: policy, checks.active"},
    },
}
OUTPUT: Final = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "example": {"type": "object"}, "traps": {"type": "array"}},
}
_NOTHING: Final = traps.Notes()


async def describe(core: Needs, arguments: Mapping[str, Any], who: Principal) -> Outcome:
    """The schema is asked of the gateway, so it is right for its version and its own plugins."""
    name = arguments.get("name")
    if name in (None, "", "plugin", "plugins"):
        plugins = await _plugins(core)
        words = f"{len(plugins)} plugins, in the order in which they run:\n{text.fence(', '.join(plugins))}"
        return Outcome(f"{words}\nKinds: {', '.join(KINDS)}", {"plugins": text.cleaned(plugins)})
    kind = KINDS.get(kind_of(name) or "")
    if kind is not None:
        name = kind.plural
        notes = traps.KINDS.get(name, _NOTHING)
        schema = await _schema(core, f"schema/{kind.schema}") if kind.schema else None
        sides: dict[str, Mapping[str, JSON]] = {"": {**(schema or {}), "encrypt_fields": kind.secrets}}
    else:
        notes = traps.PLUGINS.get(name, _NOTHING)
        sides = await _plugin(core, name)
    found = list(_sides(sides, arguments.get("field", "")))
    data = {"name": name, "example": dict(notes.example), "traps": list(notes.traps)}
    said = [f"{name}. * is needed, ! a secret, = the default.", text.fence(found)]
    if notes.example and "field" not in arguments:
        said.append(f"Example: {json.dumps(notes.example, ensure_ascii=False)}")
        if notes.consumer is not None:
            said.append(f"In a credential: {json.dumps(notes.consumer, ensure_ascii=False)}")
    if notes.traps and "field" not in arguments:
        said += ["Beware:", *(f"- {trap}" for trap in notes.traps)]
    return Outcome("\n".join(said), data)


def _sides(sides: Mapping[str, Mapping[str, JSON]], field: str) -> Iterator[str]:
    """Raises Problem (404) when no side has the field."""
    chosen = {side: schema_text.at(schema, field) for side, schema in sides.items()}
    if not any(schema is not None for schema in chosen.values()):
        known = [
            line.partition(":")[0].strip("*! ")
            for side in sides.values()
            for line in schema_text.lines(side, 1)
        ]
        near = get_close_matches(field, known, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {text.listed(known, 40)}"
        raise Problem(404, f"field {field!r}: there is none; {hint}")
    for side, schema in chosen.items():
        if schema is None:
            continue
        found = list(schema_text.lines(schema))
        if sum(map(len, found)) > LARGEST:
            found = [*schema_text.lines(schema, 1), "({…}: ask with field)"]
        if side:
            yield f"[{side}]"
        yield from found or ["no fields"]


async def _plugin(core: Needs, name: str) -> dict[str, Mapping[str, JSON]]:
    """The sides of a plugin: on routes and the like, in consumers and credentials."""
    path = f"schema/plugins/{quote(name, safe='')}"
    schema = await _schema(core, path)
    if schema is None:
        plugins = await _plugins(core)
        near = get_close_matches(name, [*plugins, *KINDS], n=3, cutoff=0.5)
        hint = f"Did you mean {' or '.join(near)}?" if near else "describe without a name lists all plugins."
        raise Problem(404, f"{name!r} is no kind, and no plugin of this gateway. {hint}")
    sides = {"on routes, services, …": schema}
    consumer = await _schema(core, f"{path}?schema_type=consumer")
    if consumer is not None and consumer != schema:
        sides["in consumers and credentials"] = consumer
    secret = PLUGIN_SECRETS.get(name, ())
    return {side: {"encrypt_fields": secret, **schema} for side, schema in sides.items()}


async def _schema(core: Needs, path: str) -> Mapping[str, JSON] | None:
    answer = await core.admin.send("GET", f"{PREFIX}/{path}".encode(), {})
    return None if answer.status in (400, 404) else read_object(answer, path)


async def _plugins(core: Needs) -> list[str]:
    answer = await core.admin.send("GET", f"{PREFIX}/plugins/list".encode(), {})
    try:
        names = json.loads(answer.body) if answer.status == 200 else None
    except ValueError:
        names = None
    if not isinstance(names, list):
        raise Problem(502, f"the Admin API does not list its plugins: {answer.status}")
    return [str(name) for name in names]
