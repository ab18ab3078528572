"""Keys, roles, networks, and the headers for browsers."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from gatechat.gateway.admin import AdminSettings
from tests.gateway.admin.memory import KEY, ROUTE, Admin

VIEWER = "the-viewer-key"
SETTINGS = AdminSettings(admin_key=KEY, viewer_key=VIEWER)


@pytest.mark.parametrize(
    ("name", "method", "path", "headers", "status", "description"),
    [
        ("no key", "GET", "/routes", {}, 401, "missing apikey"),
        ("a wrong key", "GET", "/routes", {"X-API-KEY": "wrong"}, 401, "wrong apikey"),
        ("a key that is not ASCII", "GET", "/routes?api_key=%FF", {}, 401, "wrong apikey"),
        ("the admin's key", "PUT", "/routes/1", {"X-API-KEY": KEY}, 201, None),
        ("the admin's key in the query", "PUT", f"/routes/1?api_key={KEY}", {}, 201, None),
        ("the admin's key in a cookie", "PUT", "/routes/1", {"Cookie": f"x_api_key={KEY}"}, 201, None),
        ("the admin's key with underscores", "PUT", "/routes/1", {"x_api_key": KEY}, 201, None),
        ("the viewer's key to read", "GET", "/routes", {"X-API-KEY": VIEWER}, 200, None),
        (
            "the viewer's key to write",
            "PUT",
            "/routes/1",
            {"X-API-KEY": VIEWER},
            401,
            "invalid method for role viewer",
        ),
        ("no key for plugins", "GET", "/plugins/list", {}, 401, "missing apikey"),
        ("no key for what is not there", "GET", "/nothing", {}, 401, "missing apikey"),
        ("no key to check", "POST", "/schema/validate/routes", {}, 401, "missing apikey"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else "",
)
async def test_keys(
    name: str, method: str, path: str, headers: dict[str, str], status: int, description: str | None
) -> None:
    body = ROUTE if method == "PUT" else None
    answer = await Admin(SETTINGS).send(method, path, body, headers)
    assert answer.status_code == status
    if description:
        assert answer.json() == {"error_msg": "failed to check token", "description": description}


async def test_without_admin_key_required_anyone_near_may_write() -> None:
    admin = Admin(AdminSettings(admin_key=None, admin_key_required=False))
    assert (await admin.send("PUT", "/routes/1", ROUTE, headers={})).status_code == 201


@pytest.mark.parametrize(
    ("origin", "status"), [("https://evil.example", 403), ("http://localhost:3000", 200)]
)
async def test_without_a_key_web_pages_of_other_machines_are_refused(origin: str, status: int) -> None:
    admin = Admin(AdminSettings(admin_key=None, admin_key_required=False))
    answer = await admin.send("GET", "/routes", headers={"Origin": origin})
    assert answer.status_code == status


def test_a_required_key_cannot_be_empty() -> None:
    with pytest.raises(ValueError, match="admin_key is empty"):
        AdminSettings(admin_key="")


def test_keys_are_not_shown() -> None:
    assert KEY not in repr(SETTINGS)
    assert VIEWER not in repr(SETTINGS)


@pytest.mark.parametrize(
    ("address", "status"),
    [("127.0.0.9", 200), ("::1", 200), ("::ffff:127.0.0.1", 200), ("192.0.2.1", 403), ("unknown", 403)],
)
async def test_only_the_networks_of_allow_admin_are_answered(address: str, status: int) -> None:
    assert (await Admin(address=address).send("GET", "/routes")).status_code == status


async def test_allow_admin_can_be_widened() -> None:
    settings = AdminSettings(admin_key=KEY, allow_admin=(ip_network("192.0.2.0/24"),))
    assert (await Admin(settings, address="192.0.2.1").send("GET", "/routes")).status_code == 200


async def test_a_preflight_needs_no_key(admin: Admin) -> None:
    answer = await admin.send("OPTIONS", "/routes/1", headers={})
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Methods"] == "POST, GET, PUT, OPTIONS, DELETE, PATCH"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


async def test_every_answer_may_be_read_by_a_browser_that_knows_the_key(admin: Admin) -> None:
    assert (await admin.send("GET", "/routes")).headers["Access-Control-Allow-Origin"] == "*"


async def test_head_of_the_root_says_that_the_admin_api_is_there(admin: Admin) -> None:
    answer = await admin.send("HEAD", "", headers={})
    assert answer.status_code == 200
