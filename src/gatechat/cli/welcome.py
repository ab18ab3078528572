"""What `gatechat up` shows: where everything is, and the assistant's first call to copy."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass

from gatechat import __version__
from gatechat.demo.data import conference


@dataclass(frozen=True, slots=True)
class Addresses:
    """URLs without a trailing slash. ``mcp``: the public one, with which clients compare what it says."""

    assistant: str
    mcp: str
    admin: str
    proxy: str
    demo: str


def welcome(at: Addresses, *, asks_token: bool) -> str:
    """The text. The token is named and not shown: terminals are recorded."""
    route = {
        "uri": "/speaker/*",
        "upstream": {"type": "roundrobin", "nodes": {at.demo.removeprefix("http://"): 1}},
    }
    token = ' -H "Authorization: Bearer $GATECHAT_TOKEN"' if asks_token else ""
    speaker = conference().speakers[1]
    titles = [f'"{session.title}"' for session in conference().find_sessions(speaker=speaker)]
    return f"""\
gatechat {__version__} is up. Ctrl-C stops all of it.

  assistant   {at.assistant}   (plugin manifest: /.well-known/ai-plugin.json)
  MCP         {at.mcp}   (for ChatGPT, Claude, Codex, Cursor)
  Admin API   {at.admin}/apisix/admin
  traffic     {at.proxy}
  demo API    {at.demo}   (a conference; nothing is routed to it yet)

This is the call an assistant makes to put the conference behind the gateway. Copy it into another terminal:

  curl -X PUT {at.assistant}/apisix/admin/routes/1{token} -H 'Content-Type: application/json' \\
    -d {shlex.quote(json.dumps(route))}

And this is then answered through the gateway, with {speaker.name}'s sessions: {", ".join(titles)}.

  curl {at.proxy}/speaker/1/sessions
"""
