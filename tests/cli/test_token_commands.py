"""`gatechat token`: made in one process, taken and refused at once in another."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import httpx2
import pytest

from gatechat.assistant.principal import Role
from gatechat.assistant.sign_in import PREFIX, Database
from gatechat.assistant.sign_in.database import FILE
from gatechat.assistant.sign_in.oauth import Client, Grants, Person
from gatechat.assistant.sign_in.oauth.grants import s256
from tests.cli.program import gatechat, running
from tests.conftest import ADMIN_KEY, GatewayUnderTest


def token(home: Path, *arguments: str) -> str:
    """What the command answers; it must not fail."""
    done = gatechat(home, "token", *arguments, f"--data-dir={home}/data")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_token_counts_in_a_running_assistant_from_making_to_revoking(
    gateway: GatewayUnderTest, tmp_path: Path
) -> None:
    first = token(tmp_path, "make", "first", "--role=viewer")
    arguments = [
        "serve",
        "--port=0",
        "--host=0.0.0.0",
        f"--admin-url={gateway.gateway.admin_url}",
        f"--data-dir={tmp_path}/data",
    ]
    env = {"GATECHAT_ADMIN_KEY": ADMIN_KEY}
    with running(tmp_path, *arguments, ready="Ctrl-C", env=env) as program:
        address = re.search(r"http://[\d.:]+\d", program.said)
        assert address
        with httpx2.Client(base_url=address[0], trust_env=False) as client:

            def asked(method: str, secret: str | None) -> int:
                headers = {"authorization": f"Bearer {secret}"} if secret else {}
                answer = client.request(method, "/apisix/admin/routes/1", headers=headers)
                return answer.status_code

            assert asked("GET", None) == 401
            assert asked("GET", first) == 404
            assert asked("DELETE", first) == 403
            second = token(tmp_path, "make", "second", "--role", "editor", "--expires", "1h")
            assert asked("DELETE", second) == 404
            assert token(tmp_path, "revoke", "second") == "second is revoked."
            assert asked("DELETE", second) == 401
            assert asked("GET", first) == 404
        _, rest = program.stop()
    assert first not in program.said + rest
    assert second not in program.said + rest


def test_a_token_is_shown_once_and_noted_without_it(tmp_path: Path) -> None:
    done = gatechat(
        tmp_path, "token", "make", "ci", "--role=editor", "--expires=90d", f"--data-dir={tmp_path}/data"
    )
    made = done.stdout.strip()
    assert re.fullmatch(rf"{PREFIX}[\w-]{{43}}", made)
    assert "ci is editor for 90d" in done.stderr
    listed = token(tmp_path, "list")
    assert re.search(r"^ci +editor +\S+ +\S+ +never$", listed, re.MULTILINE)
    token(tmp_path, "revoke", "ci")
    told = gatechat(tmp_path, "audit", "export", f"--data-dir={tmp_path}/data").stdout
    assert re.findall(r'"what":"([^"]+)"', told) == ["token made", "token revoked"]
    assert '"body":{"lasts":7776000.0,"role":"editor","token":"ci"}' in told
    assert made not in listed + told


def test_a_list_of_none_says_how_to_make_one(tmp_path: Path) -> None:
    assert "gatechat token make NAME --role editor" in token(tmp_path, "list")


WRONG = {
    "a role that there is not": (
        ["make", "a", "--role=root"],
        "there are viewer, editor, approver and admin",
    ),
    "a time without a unit": (["make", "a", "--role=viewer", "--expires=90"], "as in 12h or 90d"),
    "no time": (["make", "a", "--role=viewer", "--expires=0d"], "as in 12h or 90d"),
    "a name that is none": (["make", "a b", "--role=viewer"], "is no name for a token"),
    "a token that there is not": (["revoke", "a"], "There is no token a; there are: none."),
}


@pytest.mark.parametrize(("arguments", "says"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said(arguments: list[str], says: str, tmp_path: Path) -> None:
    done = gatechat(tmp_path, "token", *arguments, f"--data-dir={tmp_path}/data")
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_the_programs_that_people_let_in_are_listed_and_shut_out(tmp_path: Path) -> None:
    token(tmp_path, "make", "anna", "--role=editor")
    with closing(Database(tmp_path / "data" / FILE)) as database:
        grants = Grants(database, "https://gate.example/mcp")
        chat = Client("chat", "Chat of the World", ("https://chat.example/back",))
        code = grants.make(
            chat,
            Person("owner", Role.ADMIN, None),
            Role.VIEWER,
            challenge=s256("v" * 43),
            redirect_uri=chat.redirect_uris[0],
            scope="viewer",
        )
        grants.exchange(code, "chat", "v" * 43, None)
    listed = token(tmp_path, "list").splitlines()[-1]
    id = listed.split()[0]
    assert re.fullmatch(rf"{id} +Chat of the World +owner +viewer +\S+ +\S+ +never", listed)
    assert token(tmp_path, "revoke", id) == f"{id} is revoked."
    assert "Chat" not in token(tmp_path, "list")
    assert gatechat(tmp_path, "token", "revoke", id, f"--data-dir={tmp_path}/data").returncode == 1
