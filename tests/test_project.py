"""The project as a stranger finds it: documents, containers, lock files and tests fit the code."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from docs import generate
from gatechat.cli.commands import app

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "gatechat"
DOCUMENTS = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")})
COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())


def text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def shell_lines(document: Path) -> list[str]:
    """The commands in a document's shell blocks; continued lines are joined."""
    blocks = re.findall(r"```sh\n(.*?)```", document.read_text(encoding="utf-8"), re.DOTALL)
    return [
        line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines() if line.strip()
    ]


# Documents


def test_the_readmes_first_two_commands_are_make_up_and_make_test() -> None:
    commands = [line for line in shell_lines(ROOT / "README.md") if not line.startswith("curl ")]
    assert commands[:2] == ["make up", "make test"]


def test_the_pages_made_from_the_code_are_complete_and_current() -> None:
    made = generate.pages()
    stale = [str(path) for path, wanted in made.items() if not _holds(ROOT / "docs" / path, wanted)]
    assert not stale, "run make docs"
    assert {path.name for path in (ROOT / "docs/plugins").glob("*.md")} == {
        path.name for path in made if path.parent.name == "plugins"
    }


def _holds(path: Path, wanted: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == wanted


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_between_documents_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (document.parent / target).exists(), target


def test_every_page_can_be_reached_from_the_index() -> None:
    seen = {ROOT / "docs/index.md"}
    queue = list(seen)
    while queue:
        page = queue.pop()
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            found = (page.parent / target).resolve()
            below = sorted(found.glob("*.md")) if found.is_dir() else [found]
            new = {path for path in below if path.suffix == ".md" and path.exists()} - seen
            seen |= new
            queue += new
    assert set((ROOT / "docs").rglob("*.md")) <= seen


def test_every_gatechat_command_in_a_document_is_one_with_its_flags() -> None:
    for document in DOCUMENTS:
        for line in shell_lines(document):
            words = line.split()
            if "gatechat" not in words or words[0] == "docker":
                continue
            name, *flags = words[words.index("gatechat") + 1 :]
            command = COMMANDS[name]
            if hasattr(command, "commands"):
                command = command.commands[flags.pop(0)]
            known = {name for param in command.params for name in param.opts}
            assert {flag for flag in flags if flag.startswith("--")} <= known, f"{document.name}: {line}"


def test_every_make_target_in_a_document_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z]+):", text("Makefile"), re.MULTILINE))
    for document in DOCUMENTS:
        named = set(re.findall(r"`make ([a-z]+)`", document.read_text(encoding="utf-8")))
        named |= {line.split()[1] for line in shell_lines(document) if line.startswith("make ")}
        assert named <= targets, document.name


def test_every_setting_in_a_document_exists() -> None:
    known = {param.envvar for command in COMMANDS.values() for param in command.params if param.envvar}
    known |= {"GATECHAT_DATA_KEY"}  # the containers' own
    for document in DOCUMENTS:
        assert set(re.findall(r"GATECHAT_[A-Z_]*[A-Z]", document.read_text(encoding="utf-8"))) <= known, (
            document.name
        )


def test_the_readme_names_the_default_ports_and_every_command() -> None:
    defaults = {param.name: param.default for param in COMMANDS["up"].params}
    for setting in ("port", "admin_port", "proxy_port", "metrics_port", "demo_port"):
        assert f"http://127.0.0.1:{defaults[setting]}>" in text("README.md")
    for command in COMMANDS:
        assert re.search(rf"\| `gatechat {command}|, `{command} ", text("README.md")), command


def test_every_room_is_in_the_room_table() -> None:
    rooms = {path.name for path in SOURCE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    for room in rooms:
        assert f"| `{room}/` |" in text("CONTRIBUTING.md")


def test_the_licence_is_apaches_second() -> None:
    assert "Version 2.0, January 2004" in text("LICENSE")


# Containers


def test_docker_compose_where_it_is_installed_takes_the_file_and_stops_without_env(tmp_path: Path) -> None:
    if subprocess.run(["sh", "-c", "docker compose version"], capture_output=True).returncode != 0:
        return  # the tests below parse the file
    config = ["docker", "compose", "--file", ROOT / "compose.yaml", "--env-file"]
    (tmp_path / "empty").touch()
    refused = subprocess.run([*config, tmp_path / "empty", "config"], capture_output=True, text=True)
    assert "run make env first" in refused.stderr
    _make_env(tmp_path / "env")
    subprocess.run([*config, tmp_path / "env", "config", "--quiet"], check=True, capture_output=True)


def test_the_services_are_those_that_the_documentation_lists() -> None:
    listed = {
        row[0]: row
        for row in re.findall(
            r"^\| `([\w-]+)` \| (?:`(\S+)`|built from `(\w+)`) \| (.*) \|$", *_containers_page()
        )
    }
    assert set(listed) == set(COMPOSE["services"])
    for name, service in COMPOSE["services"].items():
        _, image, built_from, ports = listed[name]
        assert image == service.get("image", "")
        assert (built_from == "Dockerfile") == (service.get("build") == ".")
        assert re.findall(r"\d+", ports) == [port.split(":")[1] for port in service.get("ports", [])]


def _containers_page() -> tuple[str, re.RegexFlag]:
    return text("docs/containers.md"), re.MULTILINE


def test_the_services_publish_their_ports_on_loopback_only() -> None:
    published = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert sorted(published) == ["127.0.0.1:5000:5000", "127.0.0.1:9080:9080", "127.0.0.1:9180:9180"]


def test_every_image_is_pinned_and_etcd_is_the_etcd_projects() -> None:
    images = {name: service["image"] for name, service in COMPOSE["services"].items() if "image" in service}
    assert re.fullmatch(r"apache/apisix:\d+\.\d+\.\d+-debian", images["apisix"])
    assert re.fullmatch(r"gcr\.io/etcd-development/etcd:v\d+\.\d+\.\d+", images["etcd"])
    bases = re.findall(r"^FROM (\S+)", text("Dockerfile"), re.MULTILINE)
    assert all(re.fullmatch(r"python:3\.\d+-slim-\w+", base) for base in bases)


def test_no_secret_has_a_default_and_make_env_generates_each(tmp_path: Path) -> None:
    used = set(re.findall(r"\$\{(GATECHAT_\w+)(.*?)\}", text("compose.yaml")))
    assert {rest for _, rest in used} == {":?run make env first"}
    made = [_make_env(tmp_path / name) for name in ("one", "other")]
    assert set(made[0]) == {name for name, _ in used}
    values = [value for env in made for value in env.values()]
    assert len(set(values)) == len(values)
    assert all(len(value) >= 32 and value.isalpha() for value in values)


def _make_env(path: Path) -> dict[str, str]:
    subprocess.run([ROOT / "container/make-env", path], check=True, capture_output=True)
    assert path.stat().st_mode & 0o777 == 0o600
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def test_apisix_takes_its_keys_from_the_environment_that_compose_gives_it() -> None:
    config = yaml.safe_load(text("container/apisix/config.yaml"))
    (key,) = config["deployment"]["admin"]["admin_key"]
    assert key == {"name": "admin", "key": "${{GATECHAT_ADMIN_KEY}}", "role": "admin"}
    assert config["deployment"]["admin"]["admin_key_required"] is True
    assert config["apisix"]["data_encryption"]["keyring"] == ["${{GATECHAT_DATA_KEY}}"]
    assert set(COMPOSE["services"]["apisix"]["environment"]) == {"GATECHAT_ADMIN_KEY", "GATECHAT_DATA_KEY"}
    assert config["deployment"]["etcd"]["host"] == ["http://etcd:2379"]
    assert config["deployment"]["admin"]["admin_listen"]["port"] == 9180
    assert config["apisix"]["node_listen"] == 9080


def test_the_assistants_environment_is_made_of_settings_that_serve_knows() -> None:
    environment = COMPOSE["services"]["chatgpt-config"]["environment"]
    assert set(environment) <= {param.envvar for param in COMMANDS["serve"].params}
    assert environment["GATECHAT_ADMIN_URL"] == "http://apisix:9180"
    assert environment["GATECHAT_EXAMPLE_BACKEND"] == "conference:5080"


def test_the_demos_command_is_one_that_exists() -> None:
    command, *flags = COMPOSE["services"]["conference"]["command"]
    assert {flag for flag in flags if flag.startswith("--")} <= {
        name for param in COMMANDS[command].params for name in param.opts
    }


def test_etcd_is_reached_by_apisix_alone() -> None:
    assert COMPOSE["networks"]["store"] == {"internal": True}
    on_store = {name for name, service in COMPOSE["services"].items() if "store" in service["networks"]}
    assert on_store == {"etcd", "apisix"}


def test_every_service_says_when_it_is_well_and_our_own_run_without_rights() -> None:
    dockerfile = text("Dockerfile")
    for service in COMPOSE["services"].values():
        assert "healthcheck" in service or ("build" in service and "\nHEALTHCHECK " in dockerfile)
        if "build" in service:
            assert service["read_only"] is True
            assert service["cap_drop"] == ["ALL"]
            assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.search(r"^USER (\d+)$", dockerfile, re.MULTILINE).group(1) != "0"  # type: ignore[union-attr]


def test_what_the_assistant_must_not_lose_is_in_a_volume_that_it_can_write() -> None:
    dockerfile = text("Dockerfile")
    (folder,) = re.findall(r"GATECHAT_DATA_DIR=(\S+)", dockerfile)
    assert re.search(rf"install --directory --owner=10001 --mode=700 {folder}$", dockerfile, re.MULTILINE)
    assert re.search(rf"^VOLUME {folder}$", dockerfile, re.MULTILINE)
    (mounted,) = COMPOSE["services"]["chatgpt-config"]["volumes"]
    volume, _, where = mounted.partition(":")
    assert volume in COMPOSE["volumes"]
    assert where == folder


def test_what_the_dockerfile_copies_is_there_and_let_through() -> None:
    let_through = set(re.findall(r"^!(\S+)$", text(".dockerignore"), re.MULTILINE))
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", text("Dockerfile"), re.MULTILINE)
    for source in " ".join(copies).split():
        assert (ROOT / source).exists()
        assert source in let_through
    assert text(".dockerignore").startswith("*\n")


# Packaging


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_file_has_a_hash_for_everything_and_names_no_index(name: str) -> None:
    lock = text(name)
    packages = re.split(r"\n(?=\S)", lock.strip())
    assert all(re.match(r"[\w.-]+==[\w.]+", package) and "--hash=sha256:" in package for package in packages)
    assert "://" not in lock
    assert "index" not in lock


def test_the_development_lock_holds_the_same_versions_as_the_other() -> None:
    pins = {name: set(re.findall(r"^[\w.-]+==\S+", text(name), re.MULTILINE)) for name in _locks()}
    assert pins["requirements.lock"] <= pins["requirements-dev.lock"]


def _locks() -> tuple[str, str]:
    return "requirements.lock", "requirements-dev.lock"


def test_every_dependency_is_locked() -> None:
    import tomllib

    project = tomllib.loads(text("pyproject.toml"))
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["build"]]
    names = {re.split(r"[<>=! ]", requirement)[0].lower() for requirement in wanted}
    assert names <= set(re.findall(r"^([\w.-]+)==", text("requirements.lock"), re.MULTILINE))


# Tests

TESTED_THROUGH = {
    "apisix/secret_fields.py": "apisix/test_kinds.py",
    "assistant/change/approval.py": "assistant/change/test_changes.py",
    "assistant/change/entering.py": "assistant/change/test_changes.py",
    "assistant/change/losing.py": "assistant/change/test_impact.py",
    "assistant/change/model.py": "assistant/change/test_changes.py",
    "assistant/change/passing.py": "assistant/change/test_write_through.py",
    "assistant/change/resources.py": "assistant/change/test_execute.py",
    "assistant/change/runs.py": "assistant/change/test_changes.py",
    "assistant/change/setup.py": "assistant/change/test_write_through.py",
    "assistant/change/telling.py": "assistant/operations/changing/test_history.py",
    "assistant/change/turns.py": "assistant/change/test_changes.py",
    "assistant/faces/bodies.py": "assistant/faces/test_forwarder.py",
    "assistant/faces/console/*.py": "assistant/faces/test_console.py",
    "assistant/operations/changing/apply.py": "assistant/operations/changing/test_history.py",
    "assistant/operations/changing/needs.py": "assistant/operations/changing/test_history.py",
    "assistant/operations/changing/undo.py": "assistant/operations/changing/test_history.py",
    "assistant/ledger/migrations.py": "assistant/ledger/test_database.py",
    "assistant/ledger/records.py": "assistant/change/test_changes.py",
    "assistant/ledger/safe.py": "assistant/ledger/test_database.py",
    "assistant/change/catalogue.py": "assistant/change/test_check.py",
    "assistant/change/references.py": "assistant/change/test_check.py",
    "assistant/change/risk/*.py": "assistant/change/test_risk.py",
    "assistant/faces/mcp/*.py": "assistant/faces/test_mcp.py",
    "assistant/faces/pages.py": "assistant/test_app.py",
    "assistant/faces/web.py": "assistant/faces/test_console.py",
    "assistant/operations/changing/plan_state.py": "assistant/operations/changing/test_plan.py",
    "assistant/operations/*.py": "assistant/faces/test_openapi.py",
    "assistant/principal.py": "assistant/test_core.py",
    "assistant/problem.py": "assistant/test_app.py",
    "assistant/sign_in/contract.py": "assistant/sign_in/test_authenticate.py",
    "assistant/faces/sign_in/*.py": "assistant/faces/test_sign_in.py",
    "assistant/sign_in/oauth/body.py": "assistant/sign_in/oauth/test_endpoints.py",
    "assistant/sign_in/oauth/client.py": "assistant/sign_in/oauth/test_clients.py",
    "assistant/sign_in/migrations.py": "assistant/sign_in/test_database.py",
    "cli/errors.py": "cli/test_commands.py",
    "cli/options.py": "cli/test_commands.py",
    "cli/groups.py": "cli/test_commands.py",
    "cli/about_commands.py": "cli/test_commands.py",
    "cli/change_commands.py": "cli/test_changing.py",
    "cli/ledger_commands.py": "cli/test_reporting.py",
    "cli/running_commands.py": "cli/test_running.py",
    "cli/transfer_commands.py": "cli/test_transferring.py",
    "demo/*.py": "demo/test_app.py",
    "gateway/admin/*.py": "gateway/admin/test_resources.py",
    "gateway/delivery/*.py": "gateway/delivery/test_server.py",
    "gateway/envoy/launch.py": "gateway/envoy/test_process.py",
    "gateway/metrics_names.py": "gateway/test_metrics.py",
    "gateway/model.py": "gateway/test_apply.py",
    "gateway/plugin.py": "gateway/plugins/test_checks.py",
    "gateway/plugins/registry.py": "gateway/plugins/test_bundle.py",
    "gateway/snapshot.py": "gateway/delivery/test_server.py",
    "gateway/store/*.py": "gateway/store/test_database.py",
    "gateway/translate/*.py": "gateway/traffic/test_routing.py",
}
"""Files without a test file of their own name: what they do is tested at the door that they are behind."""


def test_every_source_file_has_its_test() -> None:
    untested = []
    used = set()
    for path in SOURCE.rglob("*.py"):
        module = path.relative_to(SOURCE)
        own = ROOT / "tests" / module.parent / f"test_{module.name}"
        if module.stem.startswith("__") or own.exists():
            continue
        through = [pattern for pattern in TESTED_THROUGH if module.match(pattern)]
        used.update(through)
        if not through:
            untested.append(str(module))
    assert not untested
    assert used == set(TESTED_THROUGH), "what has a test of its own now is not tested through another"
    assert all((ROOT / "tests" / test).exists() for test in TESTED_THROUGH.values())


def test_no_source_file_has_grown_past_one_reason_to_exist() -> None:
    long = {path.name: n for path in SOURCE.rglob("*.py") if (n := len(path.read_text().splitlines())) > 600}
    assert not long
