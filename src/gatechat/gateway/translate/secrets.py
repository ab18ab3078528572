"""``$env://NAME`` and ``$env://NAME/field``: values that stand in the environment instead of the
configuration.

Source: APISIX's apisix/core/env.lua: the field is one of the JSON object that the variable holds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from gatechat.gateway.model import JSON

_PREFIX = "$env://"


def resolve(value: JSON, environment: Mapping[str, str]) -> JSON:
    """``value`` with the references replaced; one that leads nowhere stays as it is. What has none is not
    copied.
    """
    if isinstance(value, str):
        return _resolve(value, environment) if value[:7].lower() == _PREFIX else value
    if isinstance(value, dict):
        made = {name: resolve(item, environment) for name, item in value.items()}
        return made if any(made[name] is not item for name, item in value.items()) else value
    if isinstance(value, list):
        items = [resolve(item, environment) for item in value]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    return value


def _resolve(reference: str, environment: Mapping[str, str]) -> str:
    name, _, sub = reference[len(_PREFIX) :].partition("/")
    text = environment.get(name)
    if text is None or not sub:
        return reference if text is None else text
    try:
        found = json.loads(text)[sub]
    except (ValueError, KeyError, TypeError):
        return reference
    return found if isinstance(found, str) else json.dumps(found)
