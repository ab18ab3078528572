"""Envoy: its bootstrap (pure) and its process (the only code that starts or stops it)."""

from gatechat.gateway.envoy.bootstrap import bootstrap
from gatechat.gateway.envoy.process import EnvoyError, EnvoyProcess

__all__ = ["EnvoyError", "EnvoyProcess", "bootstrap"]
