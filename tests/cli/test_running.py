"""`gatechat up`, `serve`, `gateway` and `demo`, as processes, from start to end."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
from pathlib import Path

import httpx2
import pytest

from tests.cli.program import FREE_PORTS, FREE_PORTS_OF_UP, descendants, gatechat, running
from tests.conftest import ADMIN_KEY, GatewayUnderTest

WELCOME = r"^  curl http"


def commands(said: str) -> list[list[str]]:
    """The commands that are shown, as a shell reads them."""
    lines = said.replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines if line.startswith("  curl ")]


def run(command: list[str]) -> str:
    """Runs a shown curl; its answer."""
    done = subprocess.run([*command, "--silent", "--show-error"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_up_shows_commands_that_work_as_they_stand_and_makes_no_route_itself(tmp_path: Path) -> None:
    with running(tmp_path, *FREE_PORTS_OF_UP, f"--data-dir={tmp_path}/data", ready=WELCOME) as program:
        put, get = commands(program.said)
        assert "404 Route Not Found" in run(get)
        assert '"key":"/apisix/routes/1"' in run(put).replace(" ", "").replace("\\/", "/")
        assert "Undo for infrastructure" in run(get)


def test_a_second_start_serves_what_the_first_was_told(tmp_path: Path) -> None:
    arguments = ["up", *FREE_PORTS_OF_UP, f"--data-dir={tmp_path}/data"]
    with running(tmp_path, *arguments, "--demo-port=0", ready=WELCOME) as program:
        put = commands(program.said)[0]
        run(put)
        demo = program.url("demo API").rpartition(":")[2]
        assert program.stop()[0] == 0
    with running(tmp_path, *arguments, f"--demo-port={demo}", ready=WELCOME) as program:
        assert "Undo for infrastructure" in run(commands(program.said)[1])


@pytest.mark.parametrize("group", [False, True], ids=["to the process", "to the terminal's whole group"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_signal_stops_everything_without_a_word(
    tmp_path: Path, number: signal.Signals, group: bool
) -> None:
    with running(tmp_path, *FREE_PORTS_OF_UP, f"--data-dir={tmp_path}/data", ready=WELCOME) as program:
        children = descendants(program.process.pid)
        ports = [int(program.url(what).rpartition(":")[2]) for what in ("assistant", "Admin API", "traffic")]
        assert children
        if group:
            os.killpg(program.process.pid, number)
            rest, _ = program.process.communicate(timeout=30)
            code = program.process.returncode
        else:
            code, rest = program.stop(number)
    assert code == 0
    assert rest.strip() == ""
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))


def test_a_signal_while_it_starts_stops_it_too(tmp_path: Path) -> None:
    arguments = ["up", *FREE_PORTS_OF_UP, f"--data-dir={tmp_path}/data", "--log-level=debug"]
    with running(tmp_path, *arguments, ready="gatechat.cli: starting") as program:
        code, rest = program.stop(signal.SIGTERM)
    assert code == 0, rest
    assert "Traceback" not in rest


def test_the_admin_key_is_in_no_log(tmp_path: Path) -> None:
    arguments = ["up", *FREE_PORTS_OF_UP, f"--data-dir={tmp_path}/data", "--log-level=debug"]
    with running(tmp_path, *arguments, ready=WELCOME) as program:
        key = (tmp_path / "data" / "admin-key").read_text().strip()
        assert httpx2.get(
            f"{program.url('Admin API')}/apisix/admin/routes", headers={"X-API-KEY": key}
        ).is_success
        assert httpx2.get(f"{program.url('assistant')}/apisix/admin/routes").is_success
        _, rest = program.stop()
    assert key not in program.said + rest


def test_a_taken_port_is_named_before_anything_is_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        done = gatechat(tmp_path, *FREE_PORTS_OF_UP, f"--proxy-port={number}", f"--data-dir={tmp_path}/data")
    assert done.returncode == 1
    assert f"gatechat: Port {number} (traffic) is taken by " in done.stderr
    assert f"--proxy-port {number + 1} (or GATECHAT_PROXY_PORT={number + 1})" in done.stderr
    assert not (tmp_path / "data").exists()


def test_a_data_folder_in_use_is_named(tmp_path: Path) -> None:
    arguments = ["gateway", *FREE_PORTS, f"--data-dir={tmp_path}/data"]
    with running(tmp_path, *arguments, ready="Ctrl-C") as program:
        done = gatechat(tmp_path, *arguments)
        assert done.returncode == 1
        assert str(program.process.pid) in done.stderr
        assert f"{tmp_path}/data" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["up", "serve"])
def test_the_assistant_is_not_opened_to_others_without_a_token(tmp_path: Path, command: str) -> None:
    ports = FREE_PORTS_OF_UP if command == "up" else ["--port=0"]
    done = gatechat(tmp_path, command, *ports, "--host=0.0.0.0", f"--data-dir={tmp_path}/data")
    assert done.returncode == 1
    assert "--token or GATECHAT_TOKEN" in done.stderr


def test_with_a_token_it_is_opened_and_asks_for_it(tmp_path: Path) -> None:
    token = "a-token-of-the-tests"
    arguments = [*FREE_PORTS_OF_UP, "--host=0.0.0.0", f"--data-dir={tmp_path}/data"]
    with running(tmp_path, *arguments, ready=WELCOME, env={"GATECHAT_TOKEN": token}) as program:
        url = f"{program.url('assistant')}/apisix/admin/routes"
        assert httpx2.get(url).status_code == 401
        assert httpx2.get(url, headers={"Authorization": f"Bearer {token}"}).status_code == 200
        assert token not in program.said


def test_the_admin_api_is_not_opened_to_others_without_a_key(tmp_path: Path) -> None:
    arguments = [
        *FREE_PORTS,
        "--admin-host=0.0.0.0",
        "--no-admin-key-required",
        f"--data-dir={tmp_path}/data",
    ]
    done = gatechat(tmp_path, "gateway", *arguments)
    assert done.returncode == 1
    assert "stay on --admin-host 127.0.0.1" in done.stderr


def test_keys_of_ones_own_are_taken_from_the_environment_and_never_shown(tmp_path: Path) -> None:
    keys = {"GATECHAT_ADMIN_KEY": "the-admins-own-key", "GATECHAT_VIEWER_KEY": "the-viewers-own-key"}
    arguments = [*FREE_PORTS_OF_UP, f"--data-dir={tmp_path}/data", "--log-level=debug"]
    with running(tmp_path, *arguments, ready=WELCOME, env=keys) as program:
        assert httpx2.get(f"{program.url('assistant')}/apisix/admin/routes").status_code == 200
        routes = f"{program.url('Admin API')}/apisix/admin/routes"
        for key in keys.values():
            assert httpx2.get(routes, headers={"X-API-KEY": key}).status_code == 200
        assert httpx2.get(routes).status_code == 401
        _, rest = program.stop()
    assert not [key for key in keys.values() if key in program.said + rest]
    assert not (tmp_path / "data" / "admin-key").exists()


def test_on_loopback_the_admin_api_may_go_without_a_key(tmp_path: Path) -> None:
    (tmp_path / "gatechat.toml").write_text("admin_key_required = false\n")
    with running(tmp_path, *FREE_PORTS_OF_UP, f"--data-dir={tmp_path}/data", ready=WELCOME) as program:
        assert httpx2.get(f"{program.url('Admin API')}/apisix/admin/routes").status_code == 200


def test_the_addresses_that_clients_use_are_those_that_the_documents_name(tmp_path: Path) -> None:
    urls = ["--public-url=https://gate.example.com", "--gateway-url=https://api.example.com"]
    arguments = [*FREE_PORTS_OF_UP, *urls, f"--data-dir={tmp_path}/data", "--token=a-token-of-the-tests"]
    with running(tmp_path, *arguments, ready=WELCOME) as program:
        manifest = httpx2.get(f"{program.url('assistant')}/.well-known/ai-plugin.json").json()
    assert manifest["api"]["url"] == "https://gate.example.com/openapi.yaml"
    assert "https://api.example.com/speaker/1/sessions" in manifest["description_for_model"]


def test_serve_works_with_an_admin_api_that_runs_already(tmp_path: Path, gateway: GatewayUnderTest) -> None:
    gateway.put("routes/1", {"uri": "/here", "upstream": {"nodes": gateway.nodes(), "type": "roundrobin"}})
    arguments = ["serve", "--port=0", f"--admin-url={gateway.gateway.admin_url}"]
    with running(tmp_path, *arguments, ready="Ctrl-C", env={"GATECHAT_ADMIN_KEY": ADMIN_KEY}) as program:
        url = program.said.split()[4].rstrip(".")
        assert httpx2.get(f"{url}/apisix/admin/routes/1").json()["value"]["uri"] == "/here"
        assert descendants(program.process.pid) == set()
        assert program.stop() == (0, "")


def test_serve_finds_the_embedded_gateways_key_by_itself(tmp_path: Path) -> None:
    data = f"--data-dir={tmp_path}/data"
    with running(tmp_path, "gateway", *FREE_PORTS, data, ready="Ctrl-C") as gateway:
        admin_url = gateway.said.partition("Admin API is ")[2].partition("/apisix")[0]
        with running(
            tmp_path, "serve", "--port=0", data, f"--admin-url={admin_url}", ready="Ctrl-C"
        ) as program:
            url = program.said.split()[4].rstrip(".")
            assert httpx2.get(f"{url}/apisix/admin/routes").status_code == 200


def test_the_demo_runs_alone(tmp_path: Path) -> None:
    with running(tmp_path, "demo", "--demo-port=0", ready="Ctrl-C") as program:
        url = program.said.split()[6].rstrip(".")
        assert httpx2.get(f"{url}/speakers").status_code == 200
        assert program.stop(signal.SIGINT) == (0, "")
