"""overview: what there is, and what deserves a look, on one screen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cryptography import x509

from gatechat.assistant.operations.reading.needs import Needs
from gatechat.assistant.operations.tool import Outcome
from gatechat.assistant.principal import Principal
from gatechat.assistant.view import text
from gatechat.assistant.view.configuration import Configuration
from gatechat.assistant.view.effective import own_plugins
from gatechat.assistant.view.find import everywhere, select

SOON: Final = timedelta(days=30)
_MOST_PLUGINS: Final = 15
INPUT: Final = {"type": "object", "additionalProperties": False, "properties": {}}
OUTPUT: Final = {"type": "object", "properties": {"counts": {"type": "object"}, "notes": {"type": "array"}}}


async def overview(core: Needs, arguments: Mapping[str, Any], who: Principal) -> Outcome:
    """Counts of each kind, plugins in use, and what is open, unlimited, broken, unused or about to expire."""
    configuration = await core.live.configuration()
    counts = {kind: len(items) for kind, items in configuration.kinds.items() if items}
    gateway = "the embedded gateway" if configuration.embedded else "Apache APISIX"
    head = [
        f"{gateway} ({text.line(configuration.server, 60)}), Admin API {core.settings.admin_url}, "
        f"traffic {core.settings.gateway_url}. You are {who.name}, {who.role.name.lower()}.",
        ", ".join(text.counted(number, kind) for kind, number in counts.items()) or "It is empty.",
    ]
    absent = sorted(configuration.absent)
    if absent:
        head.append(f"This gateway has no {', '.join(absent)}.")
    notes = list(_notes(configuration))
    lines = [*_plugins(configuration), *notes]
    after = "find lists (where narrows), get shows one, describe tells what a plugin takes, plan changes."
    written = [text.fence(lines)] if lines else []
    return Outcome("\n".join((*head, *written, after)), {"counts": counts, "notes": text.cleaned(notes)})


def _plugins(configuration: Configuration) -> Iterator[str]:
    used = Counter(name for name, _, _ in own_plugins(configuration))
    ordered = sorted(used.items(), key=lambda pair: (-pair[1], pair[0]))
    if ordered:
        yield "Plugins: " + text.listed((f"{name} {count}" for name, count in ordered), _MOST_PLUGINS)
    if common := everywhere(configuration):
        yield common


def _notes(configuration: Configuration) -> Iterator[str]:
    for holds, joint in (("reachable without authentication", ""), ("no rate limit", "with ")):
        found = select(configuration, "routes", {"holds": holds})
        if found:
            yield f"{text.counted(len(found), 'routes')} {joint}{holds}"
    off = [row.handle for row in select(configuration, "routes", {"status": "off"})]
    if off:
        yield f"{text.counted(len(off), 'routes')} off: {_ids(off)}"
    for kind in configuration.kinds:
        broken = [row.handle for row in select(configuration, kind, {"holds": "broken reference"})]
        if broken:
            yield f"{text.counted(len(broken), kind)} with a broken reference: {_ids(broken)}"
        unused = [row.handle for row in select(configuration, kind, {"holds": "unused"})]
        if unused:
            what = "without a credential" if kind == "consumers" else "not used"
            yield f"{text.counted(len(unused), kind)} {what}: {_ids(unused)}"
    yield from _certificates(configuration, datetime.now(UTC))


def _ids(ids: list[str]) -> str:
    return text.line(text.ranges(ids), 120)


def _certificates(configuration: Configuration, now: datetime) -> Iterator[str]:
    for id, item in configuration.all("ssls").items():
        try:
            certificate = x509.load_pem_x509_certificate(str(item.value.get("cert", "")).encode())
        except ValueError:
            yield f"ssls/{id}: its certificate cannot be read"
            continue
        end = certificate.not_valid_after_utc
        if end < now + SOON:
            yield f"ssls/{id}: its certificate {'expired' if end < now else 'expires'} on {end:%Y-%m-%d}"
