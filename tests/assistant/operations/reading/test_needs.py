"""Secrets that a text quotes from the configuration are taken out."""

from __future__ import annotations

from gatechat.assistant.operations.reading.needs import scrubbed
from tests.assistant.operations.reading.rig import Reader
from tests.assistant.view.rig import configuration


async def test_the_secrets_of_the_named_resources_are_taken_out(core: Reader) -> None:
    known = configuration(routes={"1": {"vars": [["http_x_api_key", "==", "canary-4711"]]}})
    words = scrubbed(core, known, "it wants canary-4711, not x", [("routes", "1"), ("routes", "gone")])
    assert "canary-4711" not in words
    assert words.startswith("it wants ")
    assert words.endswith(", not x")
