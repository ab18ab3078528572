"""`gatechat export`, `import` and `move`, between two real gateways."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.cli.program import FREE_PORTS, gatechat, running
from tests.conftest import ADMIN_KEY, GatewayUnderTest

RESOURCES: dict[str, dict[str, Any]] = {
    "upstreams/1": {"nodes": {"127.0.0.1:1980": 1}, "type": "roundrobin"},
    "services/1": {"upstream_id": "1"},
    "consumer_groups/g": {"plugins": {"ip-restriction": {"whitelist": ["127.0.0.1"]}}},
    "consumers/jack": {"username": "jack", "group_id": "g"},
    "consumers/jack/credentials/laptop": {"plugins": {"key-auth": {"key": "s3cret-of-jack"}}},
    "plugin_configs/1": {"plugins": {"key-auth": {}}},
    "routes/1": {"uri": "/a/*", "service_id": "1", "plugin_config_id": "1"},
    "global_rules/1": {"plugins": {"request-id": {}}},
}


@pytest.fixture
def source(gateway: GatewayUnderTest) -> GatewayUnderTest:
    """A gateway with a resource of many kinds."""
    for path, value in RESOURCES.items():
        gateway.put(path, value)
    return gateway


@pytest.fixture
def target(tmp_path: Path) -> Iterator[httpx2.Client]:
    """The Admin API of an empty gateway of its own."""
    with running(
        tmp_path, "gateway", *FREE_PORTS, f"--data-dir={tmp_path}/target", ready="Ctrl-C"
    ) as program:
        url = program.said.partition("Admin API is ")[2].partition("/apisix")[0]
        key = (tmp_path / "target" / "admin-key").read_text().strip()
        with httpx2.Client(base_url=url, headers={"X-API-KEY": key}) as client:
            yield client


def of(gateway: GatewayUnderTest) -> list[str]:
    return [f"--admin-url={gateway.gateway.admin_url}", f"--admin-key={ADMIN_KEY}"]


def to(target: httpx2.Client) -> list[str]:
    return [f"--to={target.base_url}", f"--to-key={target.headers['X-API-KEY']}"]


def held(target: httpx2.Client) -> dict[str, Any]:
    """What the target holds of RESOURCES, without ids and times."""
    there = {}
    for path in RESOURCES:
        answer = target.get(f"/apisix/admin/{path}")
        if answer.status_code == 200:
            value = answer.json()["value"]
            there[path] = {k: v for k, v in value.items() if k not in ("id", "create_time", "update_time")}
    return there


def test_move_copies_everything_and_a_second_time_nothing(
    tmp_path: Path, source: GatewayUnderTest, target: httpx2.Client
) -> None:
    first = gatechat(tmp_path, "move", *of(source), *to(target))
    assert first.returncode == 0, first.stderr
    assert held(target) == RESOURCES
    assert "  + routes/1\n" in first.stdout
    assert "8 resources written." in first.stdout
    assert "s3cret-of-jack" not in first.stdout + first.stderr
    second = gatechat(tmp_path, "move", *of(source), *to(target))
    assert "0 resources to write" in second.stdout
    assert "8 there already" in second.stdout


def test_a_dry_run_shows_what_differs_and_writes_nothing(
    tmp_path: Path, source: GatewayUnderTest, target: httpx2.Client
) -> None:
    done = gatechat(tmp_path, "move", *of(source), *to(target), "--dry-run")
    assert done.returncode == 0
    assert "8 resources to write" in done.stdout
    assert "Nothing was written" in done.stdout
    assert held(target) == {}


def test_move_replaces_what_differs_and_leaves_alone_what_is_only_there(
    tmp_path: Path, source: GatewayUnderTest, target: httpx2.Client
) -> None:
    old = {"uri": "/old", "upstream": {"nodes": {"127.0.0.1:1980": 1}, "type": "roundrobin"}}
    for id in ("1", "mine"):
        assert target.put(f"/apisix/admin/routes/{id}", json=old).status_code == 201
    done = gatechat(tmp_path, "move", *of(source), *to(target))
    assert "  ~ routes/1 (plugin_config_id, service_id, upstream, uri)\n" in done.stdout
    assert "Only there, and left alone: routes/mine." in done.stdout
    assert held(target) == RESOURCES
    assert target.get("/apisix/admin/routes/mine").json()["value"]["uri"] == "/old"


def test_a_file_carries_everything_and_only_its_owner_can_read_it(
    tmp_path: Path, source: GatewayUnderTest, target: httpx2.Client
) -> None:
    file = tmp_path / "all.yaml"
    exported = gatechat(tmp_path, "export", str(file), *of(source))
    assert exported.returncode == 0, exported.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    admin = [f"--admin-url={target.base_url}"]
    key = {"GATECHAT_ADMIN_KEY": target.headers["X-API-KEY"]}
    imported = gatechat(tmp_path, "import", str(file), *admin, **key)
    assert imported.returncode == 0, imported.stderr
    assert held(target) == RESOURCES


def test_export_to_the_terminal_is_the_file(tmp_path: Path, source: GatewayUnderTest) -> None:
    done = gatechat(tmp_path, "export", "-", *of(source))
    assert done.stdout.startswith("upstreams:\n")
    assert done.stdout.endswith("#END\n")


def test_import_says_all_that_is_wrong_and_writes_nothing(tmp_path: Path, target: httpx2.Client) -> None:
    rows = [
        {"id": "1", "uri": "/good", "upstream": {"nodes": {"127.0.0.1:1": 1}, "type": "roundrobin"}},
        {"id": "2", "uri": 1},
        {"id": "3", "uri": "/a", "plugins": {"x": {}}},
    ]
    (tmp_path / "wrong.yaml").write_text(json.dumps({"routes": rows}))
    done = gatechat(
        tmp_path,
        "import",
        "wrong.yaml",
        f"--admin-url={target.base_url}",
        GATECHAT_ADMIN_KEY=target.headers["X-API-KEY"],
    )
    assert done.returncode == 1
    assert "routes/2: " in done.stderr
    assert "routes/3: " in done.stderr
    assert "Nothing was written." in done.stderr
    assert held(target) == {}


def test_an_admin_api_that_is_away_is_named(tmp_path: Path) -> None:
    done = gatechat(tmp_path, "export", "-", "--admin-url=http://127.0.0.1:1")
    assert done.returncode == 1
    assert "http://127.0.0.1:1 cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path, gateway: GatewayUnderTest) -> None:
    done = gatechat(tmp_path, "export", "none/all.yaml", *of(gateway))
    assert done.returncode == 1
    assert "none/all.yaml cannot be written: No such file" in done.stderr
