"""What a block's config.yaml asks of the gateway, and which of it has no bearing on a plain HTTP answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from .blocks import Block

NO_BEARING = re.compile(
    r"apisix\.(node_listen|proxy_mode|stream_proxy|enable_admin|enable_resolv_search_opt|enable_ipv6"
    r"|trusted_addresses|router\.http|enable_control|router\.ssl|data_encryption\.enable_encrypt_fields=False)"
    r"|deployment\.(role|role_traditional|role_data_plane|etcd|admin\.admin_api_version=v3)"
    r"|nginx_config\.(error_log|error_log_level|worker_processes)"
    r"|plugin_attr\.prometheus\.(refresh_interval|enable_export_server|export_uri|export_addr)"
)


class Unsupported(Exception):
    """A setting that the embedded gateway does not have; the message names it."""


@dataclass(frozen=True)
class Keys:
    """Who may use the Admin API; with no keys, everybody."""

    admin: str | None = None
    viewer: str | None = None


def keys_of(block: Block) -> Keys:
    """Raises Unsupported for a setting with a bearing on answers that the embedded gateway does not have."""
    merged: dict[str, Any] = {}
    for section in ("yaml_config", "extra_yaml_config"):
        text = block.text(section)
        if text:
            try:
                merged |= yaml.safe_load(text) or {}
            except yaml.YAMLError as error:
                raise Unsupported(f"{section} is no YAML: {error}") from error
    # without a key in its settings, APISIX makes one that no request of the tests knows
    keys = Keys("unknown to the tests") if "admin" in (merged.get("deployment") or {}) else Keys()
    for path, value in _leaves(merged):
        if path == "deployment.admin.admin_key":
            keys = _keys(value)
        elif path == "deployment.admin.admin_key_required":
            keys = keys if value else Keys()
        elif not NO_BEARING.match(f"{path}={value}"):
            raise Unsupported(f"the setting {path}")
    return keys


def _keys(value: Any) -> Keys:
    by_role = {key["role"]: str(key["key"]) for key in value or []}
    return Keys(by_role.get("admin"), by_role.get("viewer"))


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _leaves(item, f"{path}.{name}" if path else str(name))
    elif value is not None or path == "deployment.admin.admin_key":
        yield path, value
