"""What stands at which address."""

from __future__ import annotations

import struct

import httpx2
import pytest
import yaml

from tests.assistant import rig
from tests.assistant.conftest import Talk


@pytest.mark.parametrize(
    ("path", "type"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/legal", "text/html; charset=utf-8"),
        ("/.well-known/ai-plugin.json", "application/json"),
        ("/openapi.json", "application/json"),
        ("/openapi.yaml", "application/yaml"),
        ("/logo.png", "image/png"),
        ("/healthz", "application/json"),
    ],
)
async def test_every_address_answers_with_its_type(talk: Talk, path: str, type: str) -> None:
    answer = await talk.client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, type)
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_yaml_and_json_are_the_same_document(talk: Talk) -> None:
    as_yaml, as_json = await talk.client.get("/openapi.yaml"), await talk.client.get("/openapi.json")
    assert not as_yaml.text.startswith("{")
    assert yaml.safe_load(as_yaml.text) == as_json.json()


async def test_the_logo_is_a_png_of_512_by_512(talk: Talk) -> None:
    png = (await talk.client.get("/logo.png")).content
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", png[16:24]) == (512, 512)


async def test_the_pages_run_no_script_and_load_nothing_from_elsewhere(talk: Talk) -> None:
    for path in ("/", "/legal"):
        page = await talk.client.get(path)
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "<script" not in page.text


async def test_settings_are_escaped_in_the_pages() -> None:
    nasty = 'a"><script>alert(1)</script>@example.com'
    async with (
        rig.assistant(rig.free_port(), contact_email=nasty, example_backend="<b>:1") as port,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        for path in ("/", "/legal"):
            text = (await client.get(path)).text
            assert "<script>" not in text
            assert "<b>" not in text


@pytest.mark.parametrize(
    ("status", "says"), [(200, "answers"), (401, "refuses the assistant"), (502, "answers with errors")]
)
async def test_health_says_whether_the_admin_api_answers(talk: Talk, status: int, says: str) -> None:
    talk.admin.status = status
    answer = await talk.client.get("/healthz")
    assert answer.status_code == 200
    assert answer.json()["admin_api"].startswith(says)
    assert answer.json()["status"] == ("ok" if status == 200 else "degraded")


async def test_health_answers_while_the_admin_api_is_away() -> None:
    async with (
        rig.assistant(rig.free_port()) as port,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        answer = await client.get("/healthz")
    assert answer.status_code == 200
    assert answer.json()["admin_api"].startswith("does not answer")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/apisix/admin", 404),
        ("POST", "/openapi.yaml", 405),
        ("PUT", "/", 405),
    ],
)
async def test_errors_are_json_that_says_what_to_do(talk: Talk, method: str, path: str, status: int) -> None:
    answer = await talk.client.request(method, path)
    assert answer.status_code == status
    assert len(answer.json()["error_msg"]) > 30
