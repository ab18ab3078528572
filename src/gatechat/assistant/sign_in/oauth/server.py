"""The authorization server put together: what the sign-in page and the endpoints both work with."""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from gatechat.assistant.principal import Role
from gatechat.assistant.settings import AssistantSettings
from gatechat.assistant.sign_in import contract
from gatechat.assistant.sign_in.contract import SHARED_TOKEN
from gatechat.assistant.sign_in.database import Database
from gatechat.assistant.sign_in.oauth.client import ClientError
from gatechat.assistant.sign_in.oauth.clients import Clients
from gatechat.assistant.sign_in.oauth.documents import Documents
from gatechat.assistant.sign_in.oauth.grants import Grants, Person, hash_of
from gatechat.assistant.sign_in.oauth.request import AuthorizationRequest, RequestError, check, parameters
from gatechat.assistant.sign_in.tokens import Tokens


class AuthorizationServer:
    """One issuer (the assistant's own address) for one resource (its /mcp)."""

    def __init__(
        self, settings: AssistantSettings, database: Database, documents: Documents | None = None
    ) -> None:
        self.issuer = settings.url
        self.resource = contract.resource(settings)
        self.clients = Clients(database, None if settings.oauth_offline else documents or Documents())
        self.grants = Grants(database, self.resource, settings.token)
        self._tokens = Tokens(database)
        self._shared = settings.token

    async def person(self, token: str) -> Person | None:
        """Who proves themselves with a token of `gatechat token`, or with the one that all share; None: with
        none that counts. What was granted to a program proves no person.
        """
        if self._shared is not None and hmac.compare_digest(token.encode(), self._shared.encode()):
            return Person(SHARED_TOKEN.name, SHARED_TOKEN.role, hash_of(token))
        found = await self._tokens.principal(token)
        if found is None:
            return None
        return Person(found.name.removeprefix("token:"), found.role, hash_of(token))

    def presumed(self, query: Iterable[tuple[str, str]]) -> str:
        """What the client is called, before anybody signed in: nothing is fetched for strangers. Raises
        RequestError.
        """
        asked = parameters(query)
        try:
            return self.clients.presumed(_client_id(asked))
        except ClientError as error:
            raise RequestError(error.message) from error

    async def request(self, query: Iterable[tuple[str, str]]) -> AuthorizationRequest:
        """What a client asks of a person who has signed in. Raises RequestError."""
        asked = parameters(query)
        try:
            client = await self.clients.find(_client_id(asked))
        except ClientError as error:
            raise RequestError(error.message) from error
        return check(asked, client, self.resource, self.issuer)

    def grant(self, request: AuthorizationRequest, person: Person, role: Role) -> str:
        """Where the browser goes with the code. ``role`` is one of the request's choices for the person.
        Raises Refused.
        """
        code = self.grants.make(
            request.client,
            person,
            role,
            challenge=request.challenge,
            redirect_uri=request.redirect_uri,
            scope=request.scope(role),
        )
        return request.granted(code)


def _client_id(asked: dict[str, list[str]]) -> str:
    if "client_id" not in asked:
        raise RequestError("the program did not say which one it is (client_id)")
    return asked["client_id"][0]
