"""The command line: `gatechat up`, `serve`, `gateway`, `export`, `import`, `move`, `doctor`, `version`."""

from gatechat.cli.commands import main

__all__ = ["main"]
