"""What a person may mean while they type an argument of a prompt or of a resource's address."""

from __future__ import annotations

import json
from typing import Final

from gatechat.assistant.core import Core

MOST: Final = 100
"""MCP, completion: values in one answer."""

_ROUTES: Final = {("route://{id}", "id")}
_PLUGINS: Final = {("plugin-docs://{name}", "name")}
_KINDS: Final = {"route": "routes", "consumer": "consumers"}
"""Arguments of prompts that name a resource, and its kind."""


async def complete(core: Core, of: str, argument: str, typed: str) -> list[str]:
    """``of``: a prompt's name or an address template. Values that contain ``typed``, those that begin with it
    first; none for what is free text. Raises Problem when the gateway cannot be asked.
    """
    if (of, argument) in _PLUGINS:
        known = await _plugins(core)
    elif (of, argument) in _ROUTES:
        known = await _names(core, "routes")
    elif "://" not in of and argument in _KINDS:
        known = await _names(core, _KINDS[argument])
    else:
        return []
    wanted = typed.lower()
    found = [value for value in known if wanted in value.lower()]
    return sorted(found, key=lambda value: (not value.lower().startswith(wanted), value))


async def _names(core: Core, kind: str) -> list[str]:
    configuration = await core.live.configuration()
    return list(configuration.all(kind))


async def _plugins(core: Core) -> list[str]:
    answer = await core.admin.send("GET", b"/apisix/admin/plugins/list", {"accept": "application/json"})
    return list(json.loads(answer.body)) if answer.status == 200 else []
