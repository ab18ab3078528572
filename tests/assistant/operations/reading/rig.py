"""A core as the reading tools know it, in front of a real gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from gatechat.assistant.admin_client import AdminClient
from gatechat.assistant.change.policy import Policy
from gatechat.assistant.change.redact import Redactor
from gatechat.assistant.operations.arguments import Arguments
from gatechat.assistant.operations.reading import (
    describe,
    explain_request,
    find,
    get,
    overview,
    send_request,
    traffic,
)
from gatechat.assistant.operations.tool import Outcome
from gatechat.assistant.principal import Principal, Role
from gatechat.assistant.problem import Problem
from gatechat.assistant.settings import AssistantSettings
from gatechat.assistant.view.live import Live
from tests.conftest import ADMIN_KEY, GatewayUnderTest

WHO = Principal("token:reader", Role.VIEWER, "mcp")
TOOLS: dict[str, Any] = {
    "describe": describe,
    "explain_request": explain_request,
    "find": find,
    "get": get,
    "overview": overview,
    "send_request": send_request,
    "traffic": traffic,
}


@dataclass
class Reader:
    """Calls a tool as the core does: arguments checked, a Problem as an outcome."""

    settings: AssistantSettings
    admin: AdminClient
    live: Live
    redactor: Redactor = field(default_factory=Redactor)
    policy: Policy = field(default_factory=Policy)

    async def call(self, name: str, /, **arguments: Any) -> Outcome:
        module = TOOLS[name]
        assert Arguments(module.INPUT).errors(arguments) == []
        try:
            outcome: Outcome = await getattr(module, name)(self, arguments, WHO)
        except Problem as problem:
            return Outcome.error(problem.message)
        return outcome


@asynccontextmanager
async def reader(gateway: GatewayUnderTest, **settings: Any) -> AsyncIterator[Reader]:
    told = AssistantSettings(
        **{
            "admin_url": gateway.gateway.admin_url,
            "admin_key": ADMIN_KEY,
            "gateway_url": gateway.gateway.proxy_url,
            "metrics_url": f"{gateway.gateway.metrics_url}/apisix/prometheus/metrics",
            **settings,
        }
    )
    admin = AdminClient(told.admin_url, told.admin_key, 10)
    try:
        yield Reader(told, admin, Live(admin))
    finally:
        await admin.close()
