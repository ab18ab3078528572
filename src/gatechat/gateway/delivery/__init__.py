"""The xDS server: Envoy asks here for its configuration and answers here whether it took it."""

from gatechat.gateway.delivery.server import XdsServer

__all__ = ["XdsServer"]
