"""The plugins there are: every module of this package that defines a Plugin."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from gatechat.gateway.model import Refused
from gatechat.gateway.plugin import Plugin

_PACKAGE = __name__.rpartition(".")[0]
_FOLDER = Path(__file__).parent
_OURS = {"registry", "bundle", "checks", "program", "vars"}


def _discover() -> dict[str, Plugin]:
    found: dict[str, Plugin] = {}
    for module_info in pkgutil.iter_modules([str(_FOLDER)]):
        if module_info.name in _OURS:
            continue
        module = importlib.import_module(f"{_PACKAGE}.{module_info.name}")
        for item in vars(module).values():
            if isinstance(item, type) and issubclass(item, Plugin) and item.__module__ == module.__name__:
                found[item.name] = item()
    return dict(sorted(found.items(), key=lambda pair: (-pair[1].priority, pair[0])))


REGISTRY: Mapping[str, Plugin] = MappingProxyType(_discover())
"""name -> plugin, by falling priority."""


def plugin_of(name: str) -> Plugin:
    """Raises Refused for a plugin that there is not, for example in a configuration of a later version."""
    try:
        return REGISTRY[name]
    except KeyError:
        raise Refused(f"unknown plugin [{name}]") from None


def lua_of(plugin: Plugin) -> str | None:
    """The text of the plugin's Lua file; None when it has no phases."""
    if not plugin.phases:
        return None
    return (_FOLDER / f"{type(plugin).__module__.rpartition('.')[2]}.lua").read_text()
