"""`gatechat mcp`: a process that speaks MCP on stdin and stdout, and nothing else on stdout."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from tests.assistant import rig as http_rig
from tests.assistant.faces import mcp_rig as rig
from tests.cli.program import environment, gatechat


@pytest.mark.parametrize("era", rig.ERAS)
async def test_an_assistant_starts_us_and_talks_to_us(tmp_path: Path, era: str) -> None:
    admin = http_rig.AdminStandIn()
    async with http_rig.serving(admin) as port:
        command = StdioServerParameters(
            command=sys.executable,
            args=[
                "-m",
                "gatechat",
                "mcp",
                f"--admin-url=http://127.0.0.1:{port}",
                f"--data-dir={tmp_path}/data",
                "--log-level=debug",
            ],
            env=environment(tmp_path),
            cwd=tmp_path,
        )
        mode = "legacy" if era != rig.ERAS[0] else "auto"
        async with Client(command, mode=mode) as client:
            assert client.protocol_version == era
            assert len((await client.list_prompts()).prompts) == 6
            page = await client.read_resource("ui://gatechat/plan.html")
            assert page.contents
    assert (tmp_path / "data" / "mcp-state-key").exists()


def test_a_policy_that_cannot_be_read_is_told_on_stderr_and_nothing_is_served(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('[policy]\nmode = "trust-me"\n')
    for command in ("mcp", "serve"):
        done = gatechat(tmp_path, command, f"--policy-file={policy}", f"--data-dir={tmp_path}/data")
        assert done.returncode == 1
        assert done.stdout == ""
        assert "policy.toml: line 2" in done.stderr
