"""find: which resources there are that …"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from gatechat.apisix.kinds import KINDS
from gatechat.assistant.change.words import instead
from gatechat.assistant.operations.arguments import Words, kind_of
from gatechat.assistant.operations.filters import OTHERWISE, understood
from gatechat.assistant.operations.reading.needs import COUNT, Needs
from gatechat.assistant.operations.tool import Outcome
from gatechat.assistant.principal import Principal
from gatechat.assistant.problem import Problem
from gatechat.assistant.view import text
from gatechat.assistant.view.configuration import Configuration
from gatechat.assistant.view.effective import own_plugins
from gatechat.assistant.view.find import FILTERS, PAGE, everywhere, lines, select, summary
from gatechat.assistant.view.rows import Row

CALLED: Final = Words(
    also={"filter": "where", "filters": "where", "type": "kind"},
    instead={
        **{name: f'it goes into where: {{"{name}": …}}' for name in (*FILTERS, *OTHERWISE)},
        "limit": "it shows 20 a page; where narrows",
        "where": 'give filters by name: {"plugin": "key-auth"}; text looks everywhere',
    },
)
_EXAMPLE: Final = '{"plugin": "key-auth"}'
_MOST_USES: Final = 10
_OF_EVERY_KIND: Final = frozenset({"text", "id", "name", "label"})
"""The filters that mean the same for every kind."""
INPUT: Final = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "kind": {"type": "string", "default": "routes", "description": "as get has them"},
        "where": {
            "type": "object",
            "description": f"all must fit: {', '.join(FILTERS)}. * is anything, a list any of its values. "
            f"holds: {FILTERS['holds'].words}",
        },
        "page": {"type": "integer", "minimum": 1, "description": f"rows, {PAGE} a page, not the summary"},
    },
}
OUTPUT: Final = {
    "type": "object",
    "properties": {"count": COUNT, "of": COUNT, "rows": {"type": "array"}, "next_page": COUNT},
}


async def find(core: Needs, arguments: Mapping[str, Any], who: Principal) -> Outcome:
    """Up to PAGE rows one by one; of more a summary that names as many as fit, unless a page is asked for."""
    kind = kind_of(arguments.get("kind", "routes")) or arguments["kind"]
    if kind in ("plugin", "plugins"):
        raise Problem(400, f"{kind}: describe tells of them; find with where {_EXAMPLE} tells who uses one")
    where, notes = understood(arguments.get("where", {}), FILTERS)
    if where == {"all": True}:
        where = {}
    configuration = await core.live.configuration()
    found = select(configuration, kind, where)
    total = len(configuration.all(kind))
    data: dict[str, Any] = {"count": len(found), "of": total}
    head = [f"Understood: {text.line('; '.join(notes), 200)}."] if notes else []
    head.append(_count(kind, found, total, where))
    aside = list(_elsewhere(configuration, kind, where))
    if not found:
        aside += [*_unknown(configuration, where), *_of_other_kinds(configuration, kind, where)]
    if kind in configuration.absent:
        head.append(f"This gateway has no {kind}.")
    if kind == "routes" and found and (common := everywhere(configuration)):
        head.append(common)
    page = arguments.get("page")
    if page is None and len(found) > PAGE:
        head.append("Alike ones together; page: 1 shows them one by one.")
        return Outcome("\n".join((*head, text.fence([*summary(found), *aside]))), data)
    number = page or 1
    shown = found[(number - 1) * PAGE : number * PAGE]
    if page is not None and not shown and found:
        return Outcome.error(f"page {number} is after the last; there are {-(-len(found) // PAGE)}.", **data)
    written = lines(shown)
    data["rows"] = [row.as_json() for row in shown[: len(written)]]
    if len(written) < len(shown):
        head.append(f"The first {len(written)} of {len(shown)}; ask for less with where.")
    if number * PAGE < len(found):
        data["next_page"] = number + 1
        head.append(f"Page {number} of {-(-len(found) // PAGE)}.")
    return Outcome("\n".join((*head, text.fence([*written, *aside])) if written or aside else head), data)


def _count(kind: str, found: Sequence[Row], total: int, where: Mapping[str, Any]) -> str:
    if not where:
        return f"{text.counted(total, kind)}."
    words = "; ".join(f"{name} {_said(value)}" for name, value in where.items())
    return f"{len(found)} of {text.counted(total, kind)}: {text.line(words, 200)}."


def _elsewhere(configuration: Configuration, kind: str, where: Mapping[str, Any]) -> Iterator[str]:
    """Who uses a plugin is asked of every kind."""
    wanted = {str(name).lower() for name in _list(where.get("plugin", ()))}
    own = [*own_plugins(configuration), *_in_credentials(configuration)]
    uses = [f"{other}/{id}" for name, other, id in own if name in wanted and other != kind]
    if uses:
        yield f"Also written in {text.listed(uses, _MOST_USES)}."


def _of_other_kinds(configuration: Configuration, kind: str, where: Mapping[str, Any]) -> Iterator[str]:
    """What fits, where the kind was not the right one."""
    if not where or not where.keys() <= _OF_EVERY_KIND:
        return
    fits = {
        other: [row.id for row in select(configuration, other, where)] for other in KINDS if other != kind
    }
    for other, ids in fits.items():
        if ids:
            yield text.line(f"Of {other}: {text.ranges(ids)}", 160)


def _in_credentials(configuration: Configuration) -> Iterator[tuple[str, str, str]]:
    for id, item in configuration.all("credentials").items():
        yield from ((name, "credentials", id) for name in item.value.get("plugins") or {})


def _unknown(configuration: Configuration, where: Mapping[str, Any]) -> Iterator[str]:
    """What was asked for, of plugins and labels, that is nowhere."""
    known = {"plugin": {name for name, _, _ in own_plugins(configuration)}, "label": _labels(configuration)}
    for name, there in known.items():
        for wanted in map(str, _list(where.get(name, ()))):
            if wanted not in there and "*" not in wanted:
                yield text.line(f"No {name} {wanted} is in use; {instead(wanted, there)}", 300)


def _labels(configuration: Configuration) -> set[str]:
    """ "tier" and "tier=gold" of every label."""
    every = [pair for _, _, item in configuration for pair in (item.value.get("labels") or {}).items()]
    return {str(name) for name, _ in every} | {f"{name}={value}" for name, value in every}


def _list(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return [f"{name}={part}" for name, part in value.items()]
    return list(value) if isinstance(value, list | tuple) else [value]


def _said(value: object) -> str:
    return " or ".join(map(str, value)) if isinstance(value, list) else str(value)
