"""get: one resource, as stored or in effect."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from gatechat.apisix.kinds import KINDS
from gatechat.assistant.operations.arguments import Words
from gatechat.assistant.operations.reading.needs import TEXT, Needs
from gatechat.assistant.operations.tool import Outcome
from gatechat.assistant.principal import Principal
from gatechat.assistant.view import text
from gatechat.assistant.view.configuration import JSON, Configuration
from gatechat.assistant.view.effective import Applied, consumer_plugins, effective, met_by
from gatechat.assistant.view.references import references

CALLED: Final = Words(also={"name": "id", "field": "fields", "username": "id"})
LARGEST: Final = 8_000
"""Characters of a value; of a larger one the fields and their sizes are told instead."""
INPUT: Final = {
    "type": "object",
    "additionalProperties": False,
    "required": ["kind", "id"],
    "properties": {
        "kind": {"enum": list(KINDS)},
        "id": {"type": "string", "description": "or name; jack/credentials/ID, vault/ID"},
        "view": {"enum": ["stored", "in effect"], "default": "stored"},
        "consumer": {"type": "string", "description": "in effect for whom"},
        "fields": {"type": "array", "items": TEXT, "description": "plugins.key-auth, …"},
    },
}
OUTPUT: Final = {
    "type": "object",
    "properties": {
        "value": {"type": "object"},
        "from": {"type": "object"},
        "modified_index": {"type": ["integer", "null"]},
    },
}


async def get(core: Needs, arguments: Mapping[str, Any], who: Principal) -> Outcome:
    """``value`` is redacted. In effect: ``from`` says where each part came from that is not its own."""
    kind = arguments["kind"]
    configuration = await core.live.configuration()
    id = configuration.resolve(kind, arguments["id"].removeprefix(f"{kind}/"))
    item = configuration.all(kind)[id]
    sources: dict[str, str] = {}
    value: Mapping[str, JSON] = item.value
    if arguments.get("view") == "in effect" or "consumer" in arguments:
        value, sources = in_effect(configuration, kind, id, arguments.get("consumer"))
    shown = text.cleaned(core.redactor.redact(kind, dict(value), id))
    fields = arguments.get("fields")
    missing: list[str] = []
    if fields:
        shown, missing = chosen(shown, fields)
    data = {"id": id, "value": shown, "from": sources, "modified_index": item.modified_index}
    head = [f"{kind}/{id}, {'in effect' if value is not item.value else 'as stored'}."]
    head += _around(configuration, kind, id)
    if missing:
        head.append(f"Not there: {', '.join(missing)}. Fields: {', '.join(sorted(value))}.")
    written = _written(shown)
    if len(written) > LARGEST:
        data["value"] = {}
        head.append(f"It has {len(written)} characters. Ask with fields for some of it; characters of each:")
        written = "\n".join(f"{name}: {len(_written(part))}" for name, part in _parts(shown))
    lines = [written, *(f"{part} from {source}" for part, source in sources.items())]
    return Outcome("\n".join((*head, text.fence(lines))), data)


def _written(value: JSON) -> str:
    return json.dumps(value, ensure_ascii=False)


def _parts(value: Mapping[str, JSON]) -> Iterable[tuple[str, JSON]]:
    for name, part in value.items():
        if name == "plugins" and isinstance(part, Mapping):
            yield from ((f"plugins.{plugin}", conf) for plugin, conf in part.items())
        else:
            yield name, part


def _around(configuration: Configuration, kind: str, id: str) -> Iterable[str]:
    known = references(configuration)
    used, broken = known.used.get((kind, id)), known.broken.get((kind, id))
    if used:
        yield f"Used by {text.listed(used, 10)}."
    if broken:
        yield f"BROKEN: refers to {', '.join(broken)}, which is not there."
    if kind == "consumers":
        credentials = [name for name in configuration.all("credentials") if name.startswith(f"{id}/")]
        if credentials:
            yield f"Credentials: {text.listed(credentials, 10)}."
    item = configuration.all(kind)[id]
    hidden = [name for name in KINDS[kind].hidden if name not in item.value]
    if hidden:
        yield f"Never shown by any Admin API: {', '.join(hidden)}."


def in_effect(
    configuration: Configuration, kind: str, id: str, consumer: str | None
) -> tuple[dict[str, JSON], dict[str, str]]:
    """The merged value, and part -> where it came from. For a route also as ``consumer`` meets it.

    Plugins that are switched off are left out. Raises Problem when there is no such consumer.
    """
    item = configuration.all(kind)[id]
    if kind == "consumers":
        plugins = consumer_plugins(configuration, id)
        merged, sources = _plugins(f"consumers/{id}", plugins)
        own = item.value.get("plugins") or {}
        return {**item.value, "plugins": {**own, **merged}}, sources
    if kind != "routes":
        return dict(item.value), {}
    route = effective(configuration).routes[id]
    if consumer is None:
        plugins = {name: one for name, one in route.plugins.items() if not one.off}
    else:
        plugins = met_by(route, configuration, configuration.resolve("consumers", consumer))
    merged, sources = _plugins(f"routes/{id}", plugins)
    value = {**route.fields, "plugins": merged}
    sources |= route.sources
    if route.backend.conf is not None:
        value["upstream"] = dict(route.backend.conf)
        if route.backend.source != f"routes/{id}":
            sources["upstream"] = route.backend.source
    if route.hosts_from not in ("", f"routes/{id}"):
        value["hosts"], sources["hosts"] = list(route.hosts), route.hosts_from
    if route.globals_:
        value["global_plugins"] = {one.name: dict(one.conf) for one in route.globals_}
        sources |= {f"global_plugins.{one.name}": one.source for one in route.globals_}
    return value, sources


def _plugins(own: str, plugins: Mapping[str, Applied]) -> tuple[dict[str, JSON], dict[str, str]]:
    merged = {name: dict(one.conf) for name, one in sorted(plugins.items())}
    return merged, {
        f"plugins.{name}": one.source for name, one in sorted(plugins.items()) if one.source != own
    }


def chosen(value: Mapping[str, JSON], fields: Sequence[str]) -> tuple[dict[str, JSON], list[str]]:
    """The parts at these dotted paths, by path, and the paths that lead nowhere. Names may hold dots."""
    found: dict[str, JSON] = {}
    missing = []
    for field in fields:
        there, part = _at(value, field)
        if there:
            found[field] = part
        else:
            missing.append(field)
    return found, missing


def _at(value: JSON, path: str) -> tuple[bool, JSON]:
    if isinstance(value, Mapping):
        if path in value:
            return True, value[path]
        for name, part in value.items():
            if path.startswith(f"{name}."):
                there, found = _at(part, path[len(name) + 1 :])
                if there:
                    return True, found
    elif isinstance(value, list):
        number, _, rest = path.partition(".")
        if number.isdigit() and int(number) < len(value):
            return _at(value[int(number)], rest) if rest else (True, value[int(number)])
    return False, None
