"""MCP over stdin and stdout, for a client that starts us as its own process."""

from __future__ import annotations

from mcp.server.stdio import stdio_server

from gatechat.assistant.core import Core
from gatechat.assistant.faces.mcp.server import confirmation, create_server
from gatechat.assistant.faces.mcp.state_key import state_key
from gatechat.assistant.settings import AssistantSettings


async def serve(settings: AssistantSettings) -> None:
    """Until stdin ends. Nothing but MCP may be written to stdout meanwhile."""
    core = Core(settings)
    await core.start()
    try:
        server = create_server(core, state_key(settings.data_dir), confirmation(core))
        async with stdio_server() as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())
    finally:
        await core.close()
