"""What a route means once its service and plugin_config are merged into it.

Source: APISIX's apisix/plugin.lua (merge_service_route), apisix/plugin_config.lua (merge) and
http_access_phase in apisix/init.lua: plugins of the route, then of the plugin_config, then of the service; of
the upstreams, the nearest ``upstream_id`` is preferred to the nearest inline ``upstream``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gatechat.gateway.model import JSON, Resource


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that the route refers to is gone (deleted by force); the route only answers ``status``."""

    status: int


@dataclass(frozen=True, slots=True)
class Named:
    """An upstream of its own, by id."""

    id: str


@dataclass(frozen=True, slots=True)
class Inline:
    """An upstream written in the route or the service."""

    conf: Mapping[str, JSON]


@dataclass(frozen=True, slots=True)
class Merged:
    """``hosts`` is None when the route takes any host. ``timeout`` is the route's own; the upstream's comes
    after it.
    """

    id: str
    value: Mapping[str, JSON]
    created: tuple[int, str]
    service: Mapping[str, JSON] | None
    hosts: tuple[str, ...] | None
    plugins: Mapping[str, JSON]
    upstream: Named | Inline | Missing | None
    timeout: Mapping[str, float] | None
    websocket: bool

    @property
    def scope(self) -> dict[str, JSON]:
        """What plugins and statistics know of where they run."""
        scope: dict[str, JSON] = {"route_id": self.id}
        if "name" in self.value:
            scope["route_name"] = self.value["name"]
        if self.service is not None:
            scope["service_id"] = str(self.service["id"])
            if "name" in self.service:
                scope["service_name"] = self.service["name"]
        return scope

    @property
    def uris(self) -> tuple[str, ...]:
        return tuple(self.value.get("uris") or (self.value["uri"],))

    @property
    def enabled(self) -> bool:
        return bool(self.value.get("status", 1) != 0)


def merge(route: Resource, service: Resource | None, plugin_config: Resource | None) -> Merged:
    """``service`` and ``plugin_config`` are what the route's ids refer to, None if nothing."""
    value = route.value
    missing = None
    if "plugin_config_id" in value and plugin_config is None:
        missing = Missing(503)
    elif "service_id" in value and service is None:
        missing = Missing(404)
    shared = service.value if service is not None else {}
    return Merged(
        id=route.id,
        value=value,
        created=(route.created_index, route.id),
        service={"id": service.id, **service.value} if service is not None else None,
        hosts=_hosts(value, shared),
        plugins={
            **_plugins_of(service),
            **_plugins_of(plugin_config),
            **value.get("plugins", {}),
        }
        if missing is None
        else {},
        upstream=missing or _upstream(value, shared),
        timeout=value.get("timeout"),
        websocket=bool(value.get("enable_websocket", shared.get("enable_websocket", False))),
    )


def _plugins_of(shared: Resource | None) -> dict[str, JSON]:
    """With ``_meta.parent``, for plugins that count: what a service counts is so for all its routes."""
    if shared is None:
        return {}
    parent = {"parent": f"{shared.kind}/{shared.id}"}
    return {
        name: {**conf, "_meta": {**conf.get("_meta", {}), **parent}}
        for name, conf in shared.value.get("plugins", {}).items()
    }


def _hosts(value: Mapping[str, JSON], service: Mapping[str, JSON]) -> tuple[str, ...] | None:
    hosts = value.get("hosts") or ([value["host"]] if "host" in value else service.get("hosts"))
    return tuple(dict.fromkeys(host.lower() for host in hosts)) if hosts else None


def _upstream(value: Mapping[str, JSON], service: Mapping[str, JSON]) -> Named | Inline | None:
    if "upstream_id" in value:
        return Named(str(value["upstream_id"]))
    if "upstream" in value:
        return Inline(value["upstream"])
    if "upstream_id" in service:
        return Named(str(service["upstream_id"]))
    if "upstream" in service:
        return Inline(service["upstream"])
    return None
