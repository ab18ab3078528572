"""MCP: the table of tools for ChatGPT, Claude, Codex, Cursor and any other client, over HTTP at /mcp and
over stdio.

One server answers the 2026-07-28 revision, where every request stands alone, and the older ones with their
handshake.
"""
