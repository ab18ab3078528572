"""The official conformance suite of MCP against our own server."""
