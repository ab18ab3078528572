"""`gatechat export`, `import` and `move`, between two real gateways."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from gatechat.assistant.declarative import Configuration, to_yaml
from gatechat.cli import transferring
from gatechat.cli.changing import opened
from gatechat.cli.errors import CliError
from tests.assistant.apisix_releases import EVERYTHING, KEY, AdminApi, served
from tests.cli.program import FREE_PORTS, gatechat, running
from tests.cli.terminal import Terminal
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
    assert second.returncode == 0, second.stderr
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
    assert not (tmp_path / "moves").exists()


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
    assert "routes/2.uri: " in done.stderr
    assert "routes/3.plugins.x: " in done.stderr
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


# -- the road of every change: policy, ledger, undo ----------------------------------------------------------


@pytest.fixture
def terminal(tmp_path: Path, gateway: GatewayUnderTest) -> Terminal:
    return Terminal(tmp_path, gateway)


ROUTE = {"uri": "/t", "upstream": {"nodes": {"127.0.0.1:1980": 1}, "type": "roundrobin"}}


def write(terminal: Terminal, *routes: dict[str, Any]) -> None:
    rows = [{"id": f"t{number or ''}", **route} for number, route in enumerate(routes)]
    (terminal.folder / "all.yaml").write_text(json.dumps({"routes": rows}))


def id_in(text: str) -> str:
    found = re.search(r"Change (\w+): ", text)
    assert found, text
    return found[1]


def test_an_import_is_in_the_history_and_is_taken_back(terminal: Terminal) -> None:
    write(terminal, ROUTE)
    done = terminal.piped("import", "all.yaml")
    assert done.returncode == 0, done.stderr
    assert "Applied: 1 of 1 resources written." in done.stdout
    id = id_in(done.stdout)
    history = terminal.piped("history").stdout
    assert f"{id} applied by local/cli, approved by local: import all.yaml [routes/t]" in history
    assert "Approved by local (cli)." in terminal.piped("show", id).stdout
    assert "Nothing was changed by others" in terminal.piped("drift").stdout
    assert terminal.there()
    code, out = terminal.run("undo", id)
    assert (code, terminal.there()) == (0, False), out


def test_a_dry_run_of_an_import_leaves_nothing_that_could_be_applied(terminal: Terminal) -> None:
    write(terminal, ROUTE)
    done = terminal.piped("import", "all.yaml", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "  + routes/t\n" in done.stdout
    assert "Every change would be taken." in done.stdout
    assert not terminal.there()
    assert terminal.json("history") == {"changes": [], "waiting": []}


FORBIDDEN: dict[str, tuple[str, dict[str, Any], str]] = {
    "read-only refuses all": ('mode = "read-only"', ROUTE, "the policy is read-only"),
    "a plugin that runs code": (
        "",
        {**ROUTE, "plugins": {"serverless-pre-function": {"functions": ["return function() end"]}}},
        "serverless-pre-function is forbidden by the policy",
    ),
    "a protected path": ('[policy.protected]\npaths = ["/t"]\nrefuse = true', ROUTE, "routes/t is protected"),
    "a metadata service": (
        "",
        {"uri": "/t", "upstream": {"nodes": {"169.254.169.254:80": 1}, "type": "roundrobin"}},
        "the gateway may not be made to connect there",
    ),
}


@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["for good", "dry run"])
@pytest.mark.parametrize("name", FORBIDDEN)
def test_the_policy_refuses_an_import(terminal: Terminal, name: str, dry: list[str]) -> None:
    policy, route, words = FORBIDDEN[name]
    (terminal.folder / "policy.toml").write_text(f"[policy]\n{policy}\n")
    write(terminal, route)
    done = terminal.piped("import", "all.yaml", *dry)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Nothing was written." in done.stderr
    assert not terminal.there()


def test_the_size_of_plans_is_limited_for_assistants_only(terminal: Terminal) -> None:
    (terminal.folder / "policy.toml").write_text("[policy]\nlargest_plan = 1\n")
    write(terminal, ROUTE, {**ROUTE, "uri": "/other"})
    refused = terminal.piped("plan", "-f", "all.yaml")
    assert "the policy allows 1 in one plan" in refused.stdout
    done = terminal.piped("import", "all.yaml")
    assert done.returncode == 0, done.stderr
    code, out = terminal.run("undo", id_in(done.stdout))
    assert (code, terminal.there("t"), terminal.there("t1")) == (0, False, False), out
    code, out = terminal.run("plan", "-f", "all.yaml")
    assert (code, terminal.there("t"), terminal.there("t1")) == (0, True, True), out


def test_at_a_terminal_a_long_import_says_how_far_it_is(terminal: Terminal) -> None:
    write(terminal, *({**ROUTE, "uri": f"/{number}"} for number in range(60)))
    code, out = terminal.run("import", "all.yaml")
    assert (code, terminal.there("t59")) == (0, True), out
    assert "Writing" in out
    assert "100%" in out
    assert "Writing" not in terminal.piped("import", "all.yaml").stderr


def test_a_redacted_value_in_an_import_keeps_the_secret_that_is_there(terminal: Terminal) -> None:
    terminal.gateway.put("consumers/jack", {"username": "jack", "plugins": {"key-auth": {"key": "s3cret"}}})
    terminal.piped("export", "--redact", "all.yaml")
    file = terminal.folder / "all.yaml"
    file.write_text(file.read_text().replace("username: jack", "username: jack\n  desc: new"))
    assert "[redacted]" in file.read_text()
    assert "  ~ consumers/jack (desc)\n" in terminal.piped("import", "all.yaml").stdout
    there = terminal.gateway.admin.get("/apisix/admin/consumers/jack").json()["value"]
    assert (there["desc"], there["plugins"]["key-auth"]["key"]) == ("new", "s3cret")


def test_a_secret_that_a_person_must_enter_stops_an_import(terminal: Terminal) -> None:
    row = {"username": "eve", "plugins": {"key-auth": {"key": "[enter]"}}}
    (terminal.folder / "all.yaml").write_text(json.dumps({"consumers": [row]}))
    done = terminal.piped("import", "all.yaml")
    assert done.returncode == 1
    assert "enter consumers/eve.plugins.key-auth.key on http://localhost:5000/plans/" in done.stderr


def test_a_move_has_a_history_of_its_own_and_says_how_to_take_it_back(
    tmp_path: Path, source: GatewayUnderTest, target: httpx2.Client
) -> None:
    policy = '[[policy.probes]]\npath = "/only-here"\nstatus = 200\n'
    (tmp_path / "policy.toml").write_text(policy)
    folder = [f"--data-dir={tmp_path}"]
    done = gatechat(tmp_path, "move", *of(source), *to(target), *folder)
    assert done.returncode == 0, done.stderr
    assert "Nothing was changed" in gatechat(tmp_path, "history", *of(source), *folder).stdout
    back = re.search(r"^  gatechat (undo .+)$", done.stdout, re.MULTILINE)
    assert back, done.stdout
    made = gatechat(tmp_path, *shlex.split(back[1]), "--json", GATECHAT_ADMIN_KEY=target.headers["X-API-KEY"])
    assert len(json.loads(made.stdout)["changes"]) == 8, made.stderr


def test_the_policy_counts_where_it_is_moved_to(
    tmp_path: Path, source: GatewayUnderTest, target: httpx2.Client
) -> None:
    (tmp_path / "policy.toml").write_text('[policy]\nmode = "read-only"\n')
    done = gatechat(tmp_path, "move", *of(source), *to(target), f"--data-dir={tmp_path}")
    assert done.returncode == 1
    assert "the policy is read-only" in done.stderr
    assert held(target) == {}


# -- into an APISIX of another release -----------------------------------------------------------------------


@dataclass
class Release:
    """An Admin API, and the settings to reach it with."""

    api: AdminApi
    settings: dict[str, Any]
    folder: Path

    async def take(self, kinds: dict[str, dict[str, Any]], *, dry_run: bool = False) -> None:
        """Imports this configuration."""
        file = self.folder / "all.yaml"
        file.write_text(to_yaml(Configuration(kinds)))
        await transferring.import_from(self.settings, file, dry_run=dry_run)

    async def history(self) -> list[str]:
        """How imports ended, the newest first."""
        async with opened(self.settings) as core:
            return [entry.state or "" for entry in await core.changes.history()]


@pytest_asyncio.fixture
async def release(tmp_path: Path) -> AsyncIterator[Release]:
    api = AdminApi()
    async with served(api) as url:
        settings = {"admin_url": url, "admin_key": KEY, "data_dir": tmp_path, "gateway_url": url}
        yield Release(api, settings, tmp_path)


async def test_everything_arrives_in_an_order_in_which_references_are_there_first(release: Release) -> None:
    await release.take(EVERYTHING)
    assert release.api.held == EVERYTHING
    assert release.api.writes == [
        "secrets/vault/1",
        "ssls/1",
        "protos/1",
        "upstreams/1",
        "services/1",
        "plugin_configs/1",
        "consumer_groups/g",
        "consumers/jack",
        "consumers/jack/credentials/laptop",
        "plugin_metadata/http-logger",
        "global_rules/1",
        "routes/1",
        "routes/a.b-c_d",
        "stream_routes/1",
    ]
    await release.take(EVERYTHING)
    assert len(release.api.writes) == 14


async def test_a_certificate_without_its_key_stops_it_before_anything_is_written(release: Release) -> None:
    without_key = {**EVERYTHING, "ssls": {"1": {"cert": "PEM", "snis": ["a.test"]}}}
    with pytest.raises(CliError, match=r"ssls/1: no Admin API shows a private key"):
        await release.take(without_key)
    assert release.api.writes == []
    release.api.held["ssls"] = json.loads(json.dumps(EVERYTHING["ssls"]))
    await release.take(without_key)
    assert release.api.held == EVERYTHING


WRONG = {"routes": {"1": {"uri": "/a"}, "2": {"wrong": 1}, "3": {"wrong": 1}}}
ONE_BY_ONE = ("configs/validate",)


@pytest.mark.parametrize("without", [(), ONE_BY_ONE], ids=["checked at once", "checked one by one"])
@pytest.mark.parametrize("dry_run", [False, True], ids=["for good", "dry run"])
async def test_all_that_is_wrong_is_said_before_anything_is_written(
    release: Release, without: tuple[str, ...], dry_run: bool
) -> None:
    release.api.without_checks = without
    with pytest.raises(CliError) as caught:
        await release.take(WRONG, dry_run=dry_run)
    lines = str(caught.value).splitlines()
    assert [line.partition(":")[0] for line in lines[:2]] == ["routes/2", "routes/3"]
    assert lines[-1] == "Nothing was written."
    assert release.api.writes == []


async def test_what_an_older_release_cannot_check_is_taken_back_when_it_refuses_it(release: Release) -> None:
    release.api.without_checks = (*ONE_BY_ONE, "schema/validate/routes")
    with pytest.raises(CliError, match="is failed"):
        await release.take({"upstreams": EVERYTHING["upstreams"], **WRONG})
    assert release.api.writes == ["upstreams/1", "routes/1"]
    assert not any(release.api.held.values())


async def test_a_kind_that_an_older_release_lacks_is_said_before_anything_is_written(
    release: Release,
) -> None:
    release.api.without_kinds = ("secrets",)
    with pytest.raises(CliError, match=r"secrets/vault/1: this gateway has no secrets"):
        await release.take(EVERYTHING)
    assert release.api.writes == []


async def test_a_refusal_on_the_way_takes_back_what_was_written_and_says_so(
    release: Release, capsys: pytest.CaptureFixture[str]
) -> None:
    release.api.refuses_writes_of = ("services/1",)
    with pytest.raises(CliError, match="is failed"):
        await release.take(EVERYTHING)
    out = capsys.readouterr().out
    assert "Nothing was changed: services/1 was refused: 400 invalid configuration" in out
    assert "What was written before that was taken back." in out
    assert release.api.writes[-1] == "upstreams/1"
    assert not any(release.api.held.values())
    release.api.refuses_writes_of = ()
    await release.take(EVERYTHING)
    assert release.api.held == EVERYTHING
    assert await release.history() == ["applied", "failed"]


async def test_an_import_that_is_interrupted_is_written_to_its_end(
    release: Release, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = asyncio.Event()
    release.api.wrote = begun.set
    taking = asyncio.create_task(release.take(EVERYTHING))
    await begun.wait()
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
    assert release.api.held == EVERYTHING
    assert "It is written to its end; `gatechat undo" in capsys.readouterr().err
    assert await release.history() == ["applied"]


async def test_no_value_is_shown_with_a_difference(
    release: Release, capsys: pytest.CaptureFixture[str]
) -> None:
    jack = {"username": "jack", "plugins": {"key-auth": {"key": "s3cret"}}}
    for there in ({}, {"consumers": {"jack": {"username": "jack"}}}):
        release.api.held = there
        await release.take({"consumers": {"jack": jack}})
    said = "".join(capsys.readouterr())
    assert "  ~ consumers/jack (plugins)\n" in said
    assert "s3cret" not in said
