"""Resources in, Envoy's configuration out. Pure: no disk, network, clock or database."""

from gatechat.gateway.translate.differs import DIFFERS
from gatechat.gateway.translate.options import Options
from gatechat.gateway.translate.translator import Translator

__all__ = ["DIFFERS", "Options", "Translator"]
