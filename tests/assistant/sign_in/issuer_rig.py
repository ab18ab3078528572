"""A little OAuth issuer on a real port: metadata, keys, and tokens of every kind, also false ones."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.assistant import rig

AUDIENCE = "https://gate.example.com/mcp"
KINDS: dict[str, Any] = {
    "rsa": (lambda: rsa.generate_private_key(65537, 2048), RSAAlgorithm),
    "ec": (lambda: ec.generate_private_key(ec.SECP256R1()), ECAlgorithm),
    "ed": (ed25519.Ed25519PrivateKey.generate, OKPAlgorithm),
    "short": (lambda: rsa.generate_private_key(65537, 1024), RSAAlgorithm),
}


def private_key(kind: str, which: int = 0) -> Any:
    """The same one at each call: making an RSA key takes a while."""
    return _made(kind, which)


@cache
def _made(kind: str, which: int) -> Any:
    return KINDS[kind][0]()


def public_jwk(kind: str, kid: str | None, which: int = 0, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(KINDS[kind][1].to_jwk(private_key(kind, which).public_key()))
    return made | ({} if kid is None else {"kid": kid}) | more


@dataclass
class Issuer:
    """``keys`` is what it publishes; ``asked`` the paths it was asked for; ``status`` what it answers."""

    url: str = ""
    metadata_at: str = "/.well-known/oauth-authorization-server"
    metadata: dict[str, Any] = field(default_factory=dict)
    keys: list[dict[str, Any]] = field(
        default_factory=lambda: [public_jwk("rsa", "rsa"), public_jwk("ec", "ec"), public_jwk("ed", "ed")]
    )
    asked: list[str] = field(default_factory=list)
    status: int = 200

    async def answer(self, request: Request) -> Response:
        self.asked.append(request.url.path)
        if request.url.path == self.metadata_at:
            found = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"} | self.metadata
        elif request.url.path.endswith("/keys"):
            found = {"keys": self.keys}
        else:
            return Response(status_code=404)
        return JSONResponse(found, self.status)

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/{path:path}", self.answer)])

    def token(self, kind: str = "rsa", alg: str = "RS256", **claims: Any) -> str:
        """A good one, but for what is asked for; a claim of None is left out. ``lasts``: seconds from now."""
        return signed(private_key(kind), alg, {"kid": kind}, self.url, claims)


def signed(key: Any, alg: str, header: dict[str, Any], issuer: str, claims: dict[str, Any]) -> str:
    now = int(time.time())
    given: dict[str, Any] = {
        "iss": issuer,
        "aud": AUDIENCE,
        "sub": "anna",
        "exp": now + claims.pop("lasts", 300),
        "nbf": now - 5,
        "iat": now - 5,
        "roles": ["editor"],
    }
    whole = {name: value for name, value in (given | claims).items() if value is not None}
    return jwt.encode(whole, key, algorithm=alg, headers=header)


@asynccontextmanager
async def running(path: str = "", **more: Any) -> AsyncIterator[Issuer]:
    """``path``: of the issuer's URL."""
    issuer = Issuer(**more)
    async with rig.serving(issuer.app()) as port:
        issuer.url = f"http://127.0.0.1:{port}{path}"
        yield issuer
