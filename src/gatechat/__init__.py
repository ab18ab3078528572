"""Run an API gateway by talking to an AI assistant."""

__version__ = "0.1.0"
