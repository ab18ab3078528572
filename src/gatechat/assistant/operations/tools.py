"""The table of tools: what an assistant can do, in at most 12 rows. Every face is made from it.

All of it together is read by a model before its first word: see LARGEST_LIST.
"""

from __future__ import annotations

from typing import Final

from gatechat.assistant.operations.tool import Tool

LARGEST_TABLE: Final = 12
LARGEST_LIST: Final = 12_000
"""Characters of the whole answer to MCP's tools/list."""

TOOLS: Final[tuple[Tool, ...]] = ()
