"""The Admin API in memory."""

from __future__ import annotations

import pytest

from tests.gateway.admin.memory import Admin


@pytest.fixture
def admin() -> Admin:
    return Admin()
