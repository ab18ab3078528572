"""`gatechat plan -f`, with `export`: files and the gateway, there and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.terminal import Terminal
from tests.conftest import GatewayUnderTest

EVERYTHING: dict[str, dict[str, Any]] = {
    "upstreams/1": {"nodes": {"127.0.0.1:1980": 1}, "type": "roundrobin"},
    "services/1": {"upstream_id": "1", "desc": "Grüße: yes, 2026-11-20"},
    "consumer_groups/g": {"plugins": {"ip-restriction": {"whitelist": ["127.0.0.1"]}}},
    "consumers/jack": {"username": "jack", "group_id": "g"},
    "consumers/jack/credentials/laptop": {"plugins": {"key-auth": {"key": "s3cret-of-jack"}}},
    "plugin_configs/1": {"plugins": {"key-auth": {}}},
    "global_rules/1": {"plugins": {"request-id": {}}},
    "routes/1": {"uri": "/a/*", "service_id": "1", "plugin_config_id": "1", "labels": {"tier": "gold"}},
    "routes/2": {"uris": ["/b"], "upstream": {"nodes": [{"host": "127.0.0.1", "port": 1980, "weight": 1}]}},
}
ROUTE = {"uri": "/t", "upstream": {"nodes": {"127.0.0.1:1980": 1}}}


@pytest.fixture
def terminal(tmp_path: Path, gateway: GatewayUnderTest) -> Terminal:
    return Terminal(tmp_path, gateway)


@pytest.fixture
def full(terminal: Terminal) -> Terminal:
    for path, value in EVERYTHING.items():
        terminal.gateway.put(path, value)
    return terminal


@pytest.mark.parametrize("how", [[], ["--redact"]], ids=["whole", "redacted"])
def test_what_was_exported_is_nothing_to_change(full: Terminal, how: list[str]) -> None:
    exported = full.piped("export", "all.yaml", *how)
    assert exported.returncode == 0, exported.stderr
    assert ("s3cret-of-jack" in (full.folder / "all.yaml").read_text()) == (how == [])
    done = full.piped("plan", "-f", "all.yaml", "--delete", "--detailed-exitcode")
    assert (done.returncode, done.stderr) == (0, "")
    assert "nothing to change" in done.stdout


def test_a_redacted_file_that_changes_something_else_keeps_the_secret(full: Terminal) -> None:
    full.piped("export", "--redact", "all.yaml")
    file = full.folder / "all.yaml"
    file.write_text(
        file.read_text().replace("id: jack/credentials/laptop", "id: jack/credentials/laptop\n  desc: new")
    )
    code, out = full.run("plan", "-f", "all.yaml", typed="no")
    assert code == 1
    assert '+  "desc": "new"' in out
    assert "s3cret" not in out
    made = full.json("plan", "-f", "all.yaml")
    full.run("approve", made["id"], typed=made["digest"][:8])
    done = full.piped("apply", made["id"])
    assert done.returncode == 0, done.stderr
    there = full.gateway.admin.get("/apisix/admin/consumers/jack/credentials/laptop").json()["value"]
    assert (there["desc"], there["plugins"]["key-auth"]["key"]) == ("new", "s3cret-of-jack")


def test_a_redacted_value_where_there_is_no_secret_is_said_with_its_place(terminal: Terminal) -> None:
    (terminal.folder / "c.yaml").write_text(
        "consumers:\n- username: eve\n  plugins: {key-auth: {key: '[redacted]'}}\n"
    )
    done = terminal.piped("plan", "-f", "c.yaml")
    assert done.returncode == 1
    assert "consumers/eve.plugins.key-auth.key: it is redacted, and there is no secret" in done.stdout
    assert "c.yaml:2: consumers/eve" in done.stderr


def test_defaults_that_a_gateway_fills_in_are_no_difference(terminal: Terminal) -> None:
    filled = {"scheme": "http", "pass_host": "pass", "hash_on": "vars", "type": "roundrobin"}
    terminal.gateway.put("upstreams/u", {"nodes": {"127.0.0.1:1": 1}, **filled})
    (terminal.folder / "u.yaml").write_text("upstreams:\n- id: u\n  nodes: {'127.0.0.1:1': 1}\n")
    assert "nothing to change" in terminal.piped("plan", "-f", "u.yaml").stdout


def test_only_what_differs_is_planned_and_what_only_the_gateway_has_is_named(full: Terminal) -> None:
    (full.folder / "r.yaml").write_text("routes:\n- {id: 1, uri: /c, service_id: '1'}\n")
    done = full.piped("plan", "-f", "r.yaml", "--detailed-exitcode")
    assert done.returncode == 2
    assert "1 to replace." in done.stdout
    assert '-  "plugin_config_id": "1"' in done.stdout
    assert "1 only in the gateway, and left alone: routes/2. --delete deletes them." in done.stdout


def test_only_kinds_that_the_files_speak_of_are_deleted(full: Terminal) -> None:
    (full.folder / "r.yaml").write_text("routes: []\n#END\n")
    assert "nothing to change" in full.piped("plan", "-f", "r.yaml").stdout
    done = full.piped("plan", "-f", "r.yaml", "--delete")
    assert "2 to delete." in done.stdout
    assert "7 of kinds that no file speaks of, and left alone" in done.stdout
    assert full.there("1")


def test_a_folder_of_files_is_one_configuration(terminal: Terminal) -> None:
    (terminal.folder / "conf" / "deeper").mkdir(parents=True)
    (terminal.folder / "conf/a.yaml").write_text(f"routes:\n- {json.dumps({'id': 'a', **ROUTE})}\n")
    (terminal.folder / "conf/deeper/b.yml").write_text("upstreams:\n- {id: u, nodes: {'127.0.0.1:1': 1}}\n")
    made = terminal.json("plan", "-f", "conf/")
    assert [(it["kind"], it["id"], it["action"]) for it in made["changes"]] == [
        ("upstreams", "u", "create"),
        ("routes", "a", "create"),
    ]
    (terminal.folder / "conf/deeper/b.yml").write_text("routes:\n- {id: a, uri: /}\n")
    done = terminal.piped("plan", "-f", "conf/")
    assert done.returncode == 1
    assert "conf/deeper/b.yml:2: routes/a is in conf/a.yaml:2 already" in done.stderr


def test_stdin_is_a_file(terminal: Terminal) -> None:
    done = terminal.piped("plan", "-f", "-", typed="upstreams:\n- {id: u, nodes: {'127.0.0.1:1': 1}}\n")
    assert "create upstreams/u" in done.stdout


def test_what_the_gateway_would_refuse_is_said_with_its_place_and_what_is_right(terminal: Terminal) -> None:
    (terminal.folder / "r.yaml").write_text(
        f"routes:\n- {json.dumps({'id': 'a', **ROUTE, 'plugins': {'key-auht': {}}})}\n"
    )
    done = terminal.piped("plan", "-f", "r.yaml", "--detailed-exitcode")
    assert done.returncode == 1
    assert 'no plugin key-auht (did you mean "key-auth"?)' in done.stdout
    assert "r.yaml:2: routes/a" in done.stderr


def test_in_a_pipeline_what_the_policy_lets_pass_is_applied(terminal: Terminal) -> None:
    (terminal.folder / "u.yaml").write_text("upstreams:\n- {id: u, nodes: {'127.0.0.1:1': 1}}\n")
    done = terminal.piped("plan", "-f", "u.yaml", "--apply", "--reason", "a pipeline")
    assert done.returncode == 0, done.stderr
    assert "Applied: 1 of 1" in done.stdout
    assert "by local/cli: a pipeline [upstreams/u]" in terminal.piped("history").stdout
    assert terminal.piped("plan", "-f", "u.yaml", "--apply", "--detailed-exitcode").returncode == 0


@pytest.mark.parametrize(
    ("flags", "page"),
    [
        ([], "http://localhost:5000/plans/"),
        (["--port", "5500"], "http://localhost:5500/plans/"),
        (["--port", "5500", "--public-url", "https://gate.example.com"], "https://gate.example.com/plans/"),
    ],
)
def test_in_a_pipeline_what_must_wait_waits_and_says_where(
    terminal: Terminal, flags: list[str], page: str
) -> None:
    (terminal.folder / "r.yaml").write_text(f"routes:\n- {json.dumps({'id': 't', **ROUTE})}\n")
    done = terminal.piped("plan", "-f", "r.yaml", "--apply", *flags)
    assert done.returncode == 3
    assert f"waits for a person: {page}" in done.stderr
    assert not terminal.there()


def test_at_a_terminal_it_is_applied_after_a_yes(terminal: Terminal) -> None:
    (terminal.folder / "r.yaml").write_text(f"routes:\n- {json.dumps({'id': 't', **ROUTE})}\n")
    code, out = terminal.run("plan", "-f", "r.yaml", typed="yes")
    assert (code, terminal.there()) == (1, False)
    assert "To say yes, type " in out


def test_the_policy_file_counts_on_the_command_line_too(terminal: Terminal) -> None:
    (terminal.folder / "read-only.toml").write_text('[policy]\nmode = "read-only"\n')
    (terminal.folder / "u.yaml").write_text("upstreams:\n- {id: u, nodes: {'127.0.0.1:1': 1}}\n")
    done = terminal.piped("plan", "-f", "u.yaml", "--apply", "--policy-file", "read-only.toml")
    assert done.returncode == 1
    assert "refuses" in done.stdout


def test_the_undo_of_a_changed_key_brings_the_old_one_back(full: Terminal) -> None:
    credential = "/apisix/admin/consumers/jack/credentials/laptop"
    rows = {
        "consumers": [{"id": "jack/credentials/laptop", "plugins": {"key-auth": {"key": "another-s3cret"}}}]
    }
    (full.folder / "c.yaml").write_text(json.dumps(rows))
    made = full.json("plan", "-f", "c.yaml")
    full.run("approve", made["id"], typed=made["digest"][:8])
    assert full.piped("apply", made["id"]).returncode == 0
    assert "another-s3cret" in full.gateway.admin.get(credential).text
    back = full.json("undo", made["id"])
    assert "s3cret" not in json.dumps(back)
    full.run("approve", back["id"], typed=back["digest"][:8])
    assert full.piped("apply", back["id"]).returncode == 0
    assert (
        full.gateway.admin.get(credential).json()["value"]["plugins"]["key-auth"]["key"] == "s3cret-of-jack"
    )
