"""The one error that ends a command with words instead of a traceback."""

from __future__ import annotations


class CliError(Exception):
    """It cannot be done. The text says what was wrong and what to do; it may have several lines."""
