"""Resources in, Envoy's configuration out. Pure: no disk, network, clock or database."""

from gatechat.gateway.translate.balance import BALANCERS
from gatechat.gateway.translate.differs import DIFFERS
from gatechat.gateway.translate.options import Options
from gatechat.gateway.translate.translator import Translator
from gatechat.gateway.translate.upstreams import compile_upstream

__all__ = ["BALANCERS", "DIFFERS", "Options", "Translator", "compile_upstream"]
