"""Where routes and upstreams behave otherwise than in Apache APISIX. The docs print it."""

from __future__ import annotations

from gatechat.gateway.plugin import Difference

DIFFERS: tuple[Difference, ...] = ()
