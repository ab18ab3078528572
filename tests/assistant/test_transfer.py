"""Configurations read out of an Admin API, as those of several APISIX releases behave."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from gatechat.assistant import transfer
from gatechat.assistant.admin_client import AdminClient
from gatechat.assistant.change.model import Action, Edit, Target
from gatechat.assistant.declarative import from_yaml
from gatechat.assistant.problem import Problem
from tests.assistant.apisix_releases import EVERYTHING, KEY, AdminApi, served


@pytest.fixture
def api() -> AdminApi:
    """It holds everything."""
    return AdminApi(held=json.loads(json.dumps(EVERYTHING)))


@pytest_asyncio.fixture
async def client(api: AdminApi) -> AsyncIterator[AdminClient]:
    async with served(api) as url:
        client = AdminClient(url, KEY, 5)
        yield client
        await client.close()


def readable() -> dict[str, dict[str, Any]]:
    """Everything, as far as an Admin API shows it."""
    shown: dict[str, dict[str, Any]] = json.loads(json.dumps(EVERYTHING))
    del shown["ssls"]["1"]["key"]
    return shown


async def test_everything_is_read_without_ids_and_times(client: AdminClient) -> None:
    assert (await transfer.read(client)).kinds == readable()


async def test_an_empty_gateway_is_an_empty_configuration(api: AdminApi, client: AdminClient) -> None:
    api.held = {}
    configuration = await transfer.read(client)
    assert len(configuration) == 0
    assert transfer.to_file(configuration) == "#END\n"


async def test_an_older_apisix_without_a_kind_has_none_of_it(api: AdminApi, client: AdminClient) -> None:
    api.without_kinds = ("credentials", "secrets")
    assert set((await transfer.read(client)).kinds) == set(EVERYTHING) - {"credentials", "secrets"}


async def test_a_wrong_key_is_said_to_be_wrong(api: AdminApi) -> None:
    async with served(api) as url:
        client = AdminClient(url, "wrong", 5)
        with pytest.raises(Problem, match="refuses the admin key"):
            await transfer.read(client)
        await client.close()


async def test_a_file_holds_what_was_read_and_says_what_it_could_not_read(client: AdminClient) -> None:
    configuration = await transfer.read(client)
    text = transfer.to_file(configuration)
    assert from_yaml(("all.yaml", text)).configuration.kinds == configuration.kinds
    assert "add `key` to:\n#   ssls/1\n" in text
    assert text.endswith("#END\n")
    assert "- username: jack\n" in text
    assert "- id: jack/credentials/laptop\n" in text


CERTIFICATES: dict[str, tuple[dict[str, Any] | None, dict[str, Any] | None, bool]] = {
    "a new one without its key cannot be copied": (None, {"cert": "A"}, True),
    "a new one with its key can": (None, {"cert": "A", "key": "K"}, False),
    "the same one, changed elsewhere, keeps its key": ({"cert": "A"}, {"cert": "A", "snis": ["b"]}, False),
    "another one needs its own key": ({"cert": "A"}, {"cert": "B"}, True),
    "another second one does too": ({"cert": "A", "certs": ["C"]}, {"cert": "A", "certs": ["D"]}, True),
    "a deletion needs none": ({"cert": "A"}, None, False),
}


@pytest.mark.parametrize("name", CERTIFICATES)
def test_of_certificates(name: str) -> None:
    before, after, wrong = CERTIFICATES[name]
    found = transfer.keyless([Edit(Action.REPLACE, Target("ssls", "1"), before, after, None)])
    assert [(it.path, "private key" in it.message) for it in found] == [("ssls/1", True)] * wrong
