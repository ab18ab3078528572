"""Tokens of an external issuer: what counts, and every way in which one may not."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gatechat.assistant.principal import Principal, Role
from gatechat.assistant.problem import Problem
from gatechat.assistant.settings import AssistantSettings, SettingsError
from gatechat.assistant.sign_in.issuer import IssuerTokens
from tests.assistant import rig
from tests.assistant.sign_in import issuer_rig
from tests.assistant.sign_in.issuer_rig import AUDIENCE, Issuer, private_key, public_jwk, signed

HOUR = 3600


def verifier(issuer: Issuer, **settings: Any) -> IssuerTokens:
    told = AssistantSettings(issuer=issuer.url, **{"public_url": AUDIENCE.removesuffix("/mcp")} | settings)
    return IssuerTokens(told, issuer.url)


GOOD: dict[str, tuple[str, str, dict[str, Any]]] = {
    "RSA": ("rsa", "RS256", {}),
    "RSA with PSS, by the same key": ("rsa", "PS256", {}),
    "an elliptic curve": ("ec", "ES256", {}),
    "Edwards' curve": ("ed", "EdDSA", {}),
    "one of several audiences": ("rsa", "RS256", {"aud": ["https://other.example", AUDIENCE]}),
    "without nbf and iat": ("rsa", "RS256", {"nbf": None, "iat": None}),
    "just over, by another clock": ("rsa", "RS256", {"lasts": -10}),
}


@pytest.mark.parametrize(("kind", "alg", "claims"), GOOD.values(), ids=GOOD)
async def test_a_token_of_the_issuer_counts(kind: str, alg: str, claims: dict[str, Any]) -> None:
    async with issuer_rig.running() as issuer:
        found = await verifier(issuer).principal(issuer.token(kind, alg, **claims))
    assert found == Principal("issuer:anna", Role.EDITOR, "")


def unsigned(issuer: Issuer) -> str:
    return signed(None, "none", {"kid": "rsa"}, issuer.url, {})


def by_the_public_key(issuer: Issuer) -> str:
    """HS256 with the text of the RSA public key as the password: what fools a verifier without a list of
    algorithms. PyJWT itself refuses to make one.
    """
    pem = private_key("rsa").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    _, body, _ = issuer.token().split(".")
    header = (
        base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "kid": "rsa"}).encode()).rstrip(b"=").decode()
    )
    mac = jwt.get_algorithm_by_name("HS256")
    seal = mac.sign(f"{header}.{body}".encode(), pem)
    return f"{header}.{body}.{base64.urlsafe_b64encode(seal).rstrip(b'=').decode()}"


def altered(issuer: Issuer) -> str:
    head, body, seal = issuer.token().split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "==")) | {"roles": ["admin"]}
    return f"{head}.{_encoded(json.dumps(claims).encode())}.{seal}"


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


BAD: dict[str, tuple[Callable[[Issuer], str], str]] = {
    "unsigned": (unsigned, "'none' is not taken"),
    "signed with the public key as a password": (by_the_public_key, "'HS256' is not taken"),
    "altered": (altered, "signature is wrong"),
    "signed with another key": (
        lambda it: signed(private_key("rsa", 1), "RS256", {"kid": "rsa"}, it.url, {}),
        "signature is wrong",
    ),
    "signed with a key that is not published": (
        lambda it: signed(private_key("rsa", 1), "RS256", {"kid": "mine"}, it.url, {}),
        "does not have",
    ),
    "with a key of its own beside it": (
        lambda it: signed(
            private_key("rsa", 1), "RS256", {"kid": "rsa", "jwk": public_jwk("rsa", "rsa", 1)}, it.url, {}
        ),
        "signature is wrong",
    ),
    "without a key id where there are several": (
        lambda it: signed(private_key("rsa"), "RS256", {}, it.url, {}),
        "does not have",
    ),
    "with an algorithm that is not the key's": (
        lambda it: signed(private_key("rsa"), "RS256", {"kid": "ec"}, it.url, {}),
        "does not count",
    ),
    "by a key that is too short": (lambda it: it.token("short"), "below the minimum"),
    "for another audience": (lambda it: it.token(aud="https://other.example"), f"than {AUDIENCE}"),
    "for a longer audience": (lambda it: it.token(aud=f"{AUDIENCE}/more"), f"than {AUDIENCE}"),
    "without an audience": (lambda it: it.token(aud=None), "aud"),
    "expired": (lambda it: it.token(lasts=-HOUR), "it has expired; sign in again"),
    "without an end": (lambda it: it.token(exp=None), "exp"),
    "not yet": (lambda it: it.token(nbf=int(time.time()) + HOUR), "does not count yet"),
    "from the future": (lambda it: it.token(iat=int(time.time()) + HOUR), "does not count yet"),
    "of nobody": (lambda it: it.token(sub=None), "sub"),
    "of nobody, in no letters": (lambda it: it.token(sub=""), "its sub is no name"),
    "of somebody with a line break": (lambda it: it.token(sub="anna\nadmin"), "its sub is no name"),
    "of another kind": (
        lambda it: signed(private_key("rsa"), "RS256", {"kid": "rsa", "typ": "logout+jwt"}, it.url, {}),
        "no access token",
    ),
}


@pytest.mark.filterwarnings("ignore:The RSA key is 1024 bits long")
@pytest.mark.parametrize(("make", "says"), BAD.values(), ids=BAD)
async def test_a_token_that_is_wrong_is_refused_with_the_reason(
    make: Callable[[Issuer], str], says: str
) -> None:
    async with issuer_rig.running() as issuer:
        issuer.keys.append(public_jwk("short", "short"))
        token = make(issuer)
        with pytest.raises(Problem, match=says) as problem:
            await verifier(issuer).principal(token)
    assert problem.value.status == 401
    assert 'error="invalid_token"' in (problem.value.headers or {})["www-authenticate"]
    assert token not in problem.value.message


OTHERS = ["", "gatechat_x", "a.b.c", "a.b", "....", "e30.e30.e30", f"{'a' * 9000}.{'b' * 9000}.c"]


@pytest.mark.parametrize("token", OTHERS)
async def test_what_is_no_token_of_the_issuer_asks_it_nothing(token: str) -> None:
    async with issuer_rig.running() as issuer:
        assert await verifier(issuer).principal(token) is None
        foreign = signed(private_key("rsa"), "RS256", {"kid": "rsa"}, "https://evil.example", {})
        assert await verifier(issuer).principal(foreign) is None
        not_understood = {"kid": "rsa", "crit": ["x"], "x": 1}  # RFC 7515, section 4.1.11
        extended = signed(private_key("rsa"), "RS256", not_understood, issuer.url, {})
        assert await verifier(issuer).principal(extended) is None
        assert issuer.asked == []


ROLES: dict[str, tuple[dict[str, Any], dict[str, Any], Role | None]] = {
    "a list": ({}, {"roles": ["viewer"]}, Role.VIEWER),
    "the highest of several": ({}, {"roles": ["viewer", "approver", "x"]}, Role.APPROVER),
    "a text with spaces": (
        {"issuer_role_claim": "scope"},
        {"scope": "openid editor"},
        Role.EDITOR,
    ),
    "a path": (
        {"issuer_role_claim": "realm.roles"},
        {"realm": {"roles": ["admin"]}},
        Role.ADMIN,
    ),
    "a name with dots": (
        {"issuer_role_claim": "https://gate.example.com/roles"},
        {"https://gate.example.com/roles": ["admin"]},
        Role.ADMIN,
    ),
    "names of theirs": ({"issuer_roles": ("sre=approver", "a=b=viewer")}, {"roles": ["sre"]}, Role.APPROVER),
    "a name of theirs with =": ({"issuer_roles": ("a=b=viewer",)}, {"roles": ["a=b"]}, Role.VIEWER),
    "ours where theirs are named": ({"issuer_roles": ("sre=approver",)}, {"roles": ["admin"]}, None),
    "in capitals": ({}, {"roles": ["ADMIN"]}, None),
    "none": ({}, {"roles": []}, None),
    "no claim": ({}, {"roles": None}, None),
    "a number": ({}, {"roles": 4}, None),
    "numbers": ({}, {"roles": [4]}, None),
    "a path through a text": ({"issuer_role_claim": "roles.x"}, {"roles": "admin"}, None),
}


@pytest.mark.parametrize(("settings", "claims", "role"), ROLES.values(), ids=ROLES)
async def test_the_role_is_what_the_claim_says_and_else_none(
    settings: dict[str, Any], claims: dict[str, Any], role: Role | None
) -> None:
    async with issuer_rig.running() as issuer:
        tokens = verifier(issuer, **settings)
        if role is not None:
            assert await tokens.principal(issuer.token(**claims)) == Principal("issuer:anna", role, "")
            return
        with pytest.raises(Problem, match="gives no role here") as problem:
            await tokens.principal(issuer.token(**claims))
    assert problem.value.status == 403
    assert "insufficient_scope" in (problem.value.headers or {})["www-authenticate"]


@pytest.mark.parametrize("roles", ["sre", "=admin", "sre=root", "sre=", ""])
def test_a_mapping_of_roles_that_cannot_be_read_is_refused(roles: str) -> None:
    with pytest.raises(SettingsError, match="is not like sre=approver"):
        IssuerTokens(AssistantSettings(issuer_roles=(roles,)), "https://id.example.com")


async def test_the_audience_may_be_another() -> None:
    async with issuer_rig.running() as issuer:
        tokens = verifier(issuer, issuer_audience="gateway")
        assert await tokens.principal(issuer.token(aud="gateway")) is not None
        with pytest.raises(Problem, match="than gateway"):
            await tokens.principal(issuer.token())


async def test_over_http_its_people_come_in_with_their_roles_and_fail_closed() -> None:
    admin = rig.AdminStandIn()
    async with (
        issuer_rig.running() as issuer,
        rig.serving(admin) as admin_port,
        rig.assistant(admin_port, issuer=issuer.url, issuer_audience=AUDIENCE) as port,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):

        async def call(method: str = "GET", **claims: Any) -> httpx2.Response:
            headers = {"authorization": f"Bearer {issuer.token(**claims)}"}
            return await client.request(method, "/apisix/admin/routes/1", headers=headers)

        assert (await call()).status_code == 200
        assert (await call("DELETE", roles="viewer")).status_code == 403
        assert (await call(aud="x")).status_code == 401
        challenged = await client.get("/apisix/admin/routes")
        assert challenged.status_code == 401
        assert challenged.headers["www-authenticate"] == (
            f'Bearer resource_metadata="http://localhost:{port}/.well-known/oauth-protected-resource/mcp"'
        )
        metadata = (await client.get("/.well-known/oauth-protected-resource/mcp")).json()
        assert metadata["authorization_servers"] == [issuer.url]
        assert {asked.method for asked in admin.asked} == {"GET"}


async def test_while_the_issuer_is_away_nobody_of_it_comes_in() -> None:
    async with issuer_rig.running() as issuer:
        token = issuer.token()
    async with (
        rig.assistant(rig.free_port(), issuer=issuer.url, issuer_audience=AUDIENCE) as port,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        answer = await client.get("/apisix/admin/routes", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "30"
    assert issuer.url in answer.json()["error_msg"]
