"""The notes name plugins and kinds that there are."""

from __future__ import annotations

from gatechat.apisix.kinds import KINDS
from gatechat.assistant.operations.reading import traps
from gatechat.assistant.view.effective import AUTHENTICATION, RATE_LIMITS


def test_every_kind_has_its_notes() -> None:
    assert set(traps.KINDS) == set(KINDS)


def test_the_common_ways_in_and_limits_have_notes() -> None:
    assert {"key-auth", "jwt-auth", "basic-auth", "hmac-auth", "openid-connect"} <= AUTHENTICATION & set(
        traps.PLUGINS
    )
    assert {"limit-count", "limit-req", "limit-conn"} <= RATE_LIMITS & set(traps.PLUGINS)
