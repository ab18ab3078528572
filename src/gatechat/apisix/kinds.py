"""The resource kinds of the Admin API: paths, methods, ids, references between them, fields that are secret.

Source: the Admin API page of the APISIX 3.18 documentation and ``apisix/admin/*.lua`` of that release.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from gatechat.apisix.schemas import SCHEMAS

PREFIX: Final = "/apisix/admin"
"""Where the Admin API lives."""

KEY_PREFIX: Final = "/apisix"
"""What the ``key`` of every resource begins with."""

LARGEST_BODY: Final = 1_572_864
"""Bytes in a request body (1.5 MiB)."""

PAGE_SIZES: Final = range(10, 501)


@dataclass(frozen=True, slots=True)
class Reference:
    """``field`` (a dotted path) of the referring kind holds the id of a resource of kind ``to``."""

    field: str
    to: str
    label: str
    """What APISIX calls the referred kind in "failed to fetch {label} info by {label} id [1]"."""


@dataclass(frozen=True, slots=True)
class User:
    """A reference seen from the other side: what keeps a resource from being deleted."""

    kind: str
    field: str
    label: str
    text: str
    """``{user}`` is the label and the id of the user, as in "route [1]"."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One resource kind. ``plural`` is its path segment, ``title`` its name in APISIX's messages.

    ``identity`` says where the id comes from: "id" (the path or the body's id), "username" (the body's
    username, which the path may repeat) or "path" (only the path).
    """

    plural: str
    schema: str | None
    title: str
    methods: frozenset[str]
    identity: str = "id"
    times: bool = True
    """Whether its value carries create_time and update_time."""
    plugins: Literal["route", "consumer"] | None = None
    """Which side of a plugin's schema ``plugins`` is checked against: "route" or "consumer"."""
    references: tuple[Reference, ...] = ()
    users: tuple[User, ...] = ()
    filters: frozenset[str] = frozenset()
    """Fields that ``?filter=`` may name."""
    secrets: tuple[str, ...] = ()
    """Dotted paths of secret fields, besides those inside ``plugins``."""
    hidden: tuple[str, ...] = ()
    """Fields that are written and never shown."""

    def key(self, id: str) -> str:
        """The ``key`` that the Admin API shows for a resource, e.g. /apisix/routes/1."""
        if self.plural == "credentials":
            return f"{KEY_PREFIX}/consumers/{id}"
        return f"{KEY_PREFIX}/{self.plural}/{id}"

    @property
    def json_schema(self) -> Mapping[str, Any] | None:
        return SCHEMAS[self.schema] if self.schema else None


_ALL = frozenset({"GET", "PUT", "POST", "PATCH", "DELETE"})
_NO_POST = _ALL - {"POST"}
_NO_PATCH = _ALL - {"PATCH"}
_PUT_ONLY = _ALL - {"POST", "PATCH"}

_TO_UPSTREAM = Reference("upstream_id", "upstreams", "upstream")
_TO_SERVICE = Reference("service_id", "services", "service")
_TO_PLUGIN_CONFIG = Reference("plugin_config_id", "plugin_configs", "plugin config")
_TO_GROUP = Reference("group_id", "consumer_groups", "consumer group")
_TO_CERTIFICATE = Reference("upstream.tls.client_cert_id", "ssls", "ssl")

_UPSTREAM_IN_USE = "can not delete this upstream, {user} is still using it now"
_UPSTREAM_IN_PLUGIN = "can not delete this upstream, plugin in {user} is still using it now"
_SPLIT = "plugins.traffic-split.rules.*.weighted_upstreams.*.upstream_id"
_PROTO_IN_USE = "can not delete this proto, {user} is still using it now"

KINDS: Final[Mapping[str, Kind]] = {
    kind.plural: kind
    for kind in (
        Kind(
            "routes",
            "route",
            "route",
            _ALL,
            plugins="route",
            references=(_TO_CERTIFICATE, _TO_UPSTREAM, _TO_SERVICE, _TO_PLUGIN_CONFIG),
            filters=frozenset({"service_id", "upstream_id"}),
            secrets=("upstream.tls.client_key",),
        ),
        Kind(
            "services",
            "service",
            "service",
            _ALL,
            plugins="route",
            references=(_TO_CERTIFICATE, _TO_UPSTREAM),
            users=(
                User(
                    "routes",
                    "service_id",
                    "route",
                    "can not delete this service directly, {user} is still using it now",
                ),
                User(
                    "stream_routes",
                    "service_id",
                    "stream_route",
                    "can not delete this service directly, {user} is still using it now",
                ),
            ),
            secrets=("upstream.tls.client_key",),
        ),
        Kind(
            "upstreams",
            "upstream",
            "upstream",
            _ALL,
            references=(Reference("tls.client_cert_id", "ssls", "ssl"),),
            users=(
                User("routes", _SPLIT, "route", _UPSTREAM_IN_PLUGIN),
                User("routes", "upstream_id", "route", _UPSTREAM_IN_USE),
                User("services", _SPLIT, "service", _UPSTREAM_IN_PLUGIN),
                User("services", "upstream_id", "service", _UPSTREAM_IN_USE),
                User("plugin_configs", _SPLIT, "plugin_config", _UPSTREAM_IN_PLUGIN),
                User("consumers", _SPLIT, "consumer", _UPSTREAM_IN_PLUGIN),
                User("consumer_groups", _SPLIT, "consumer_group", _UPSTREAM_IN_PLUGIN),
                User("global_rules", _SPLIT, "global_rules", _UPSTREAM_IN_PLUGIN),
            ),
            secrets=("tls.client_key",),
        ),
        Kind(
            "consumers",
            "consumer",
            "consumer",
            _PUT_ONLY,
            identity="username",
            plugins="consumer",
            references=(_TO_GROUP,),
        ),
        Kind("credentials", "credential", "credential", _PUT_ONLY, plugins="consumer"),
        Kind(
            "consumer_groups",
            "consumer_group",
            "consumer group",
            _NO_POST,
            plugins="route",
            users=(
                User(
                    "consumers",
                    "group_id",
                    "consumer",
                    "can not delete this consumer group, {user} is still using it now",
                ),
            ),
        ),
        Kind(
            "plugin_configs",
            "plugin_config",
            "plugin config",
            _NO_POST,
            plugins="route",
            users=(
                User(
                    "routes",
                    "plugin_config_id",
                    "route",
                    "can not delete this plugin config, {user} is still using it now",
                ),
            ),
        ),
        Kind("global_rules", "global_rule", "global rule", _NO_POST, plugins="route"),
        Kind("plugin_metadata", None, "plugin_metadata", _PUT_ONLY, identity="path", times=False),
        Kind("ssls", "ssl", "ssl", _ALL, secrets=("key", "keys"), hidden=("key", "keys")),
        Kind(
            "protos",
            "proto",
            "proto",
            _NO_PATCH,
            users=(
                User("routes", "plugins.grpc-transcode.proto_id", "route", _PROTO_IN_USE),
                User("services", "plugins.grpc-transcode.proto_id", "service", _PROTO_IN_USE),
            ),
        ),
        Kind(
            "secrets",
            None,
            "secret",
            _NO_POST,
            secrets=("token", "secret_access_key", "session_token", "auth_config.private_key"),
        ),
        Kind(
            "stream_routes",
            "stream_route",
            "stream route",
            _NO_PATCH,
            plugins="route",
            references=(_TO_UPSTREAM, _TO_SERVICE),
            filters=frozenset({"service_id", "upstream_id"}),
            secrets=("upstream.tls.client_key",),
        ),
    )
}
"""By path segment."""

WRITE_ORDER: Final = (
    "secrets",
    "ssls",
    "protos",
    "upstreams",
    "services",
    "plugin_configs",
    "consumer_groups",
    "consumers",
    "credentials",
    "plugin_metadata",
    "global_rules",
    "routes",
    "stream_routes",
)
"""What is referred to comes before what refers to it. Deleting goes the other way."""
