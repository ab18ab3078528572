"""Who asks for a sign-in: a program that registered itself here, or one that a URL describes."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Final

from gatechat.assistant.sign_in.database import Database
from gatechat.assistant.sign_in.oauth import documents, redirects
from gatechat.assistant.sign_in.oauth.client import Client, ClientError, check_flow, shown
from gatechat.assistant.sign_in.oauth.documents import Documents

MOST_REGISTERED: Final = 1_000
"""Registration is open to all. At the bound, the oldest goes that nobody signed in with."""


class Clients:
    """Registered clients are kept in the database, described ones are read where they describe themselves;
    ``described`` None: there are none of those.
    """

    def __init__(
        self, database: Database, described: Documents | None, now: Callable[[], float] = time.time
    ) -> None:
        self._db = database
        self._documents = described
        self._now = now

    def register(
        self,
        name: str | None,
        redirect_uris: Sequence[object],
        grant_types: Sequence[str] | None = None,
        response_types: Sequence[str] | None = None,
    ) -> Client:
        """A new public client (RFC 7591). Raises ClientError."""
        check_flow(grant_types, response_types)
        if not 0 < len(redirect_uris) <= redirects.MOST:
            raise ClientError(f"send 1 to {redirects.MOST} redirect_uris", "invalid_redirect_uri")
        for uri in redirect_uris:
            why_not = redirects.wrong(uri)
            if why_not is not None:
                raise ClientError(f"{uri!r}: {why_not}", "invalid_redirect_uri")
        uris = tuple(str(uri) for uri in redirect_uris)
        client = Client(secrets.token_urlsafe(16), shown(name, redirects.told(uris[0])), uris)
        with self._db.writing() as db:
            db.execute(
                "DELETE FROM oauth_clients WHERE id IN (SELECT id FROM oauth_clients WHERE id NOT IN"
                " (SELECT client FROM oauth_grants) ORDER BY made DESC LIMIT -1 OFFSET ?)",
                (MOST_REGISTERED - 1,),
            )
            row = (client.id, client.name, json.dumps(uris), self._now())
            db.execute("INSERT INTO oauth_clients (id, name, redirect_uris, made) VALUES (?, ?, ?, ?)", row)
        return client

    def registered(self, client_id: str) -> Client | None:
        row = self._db.one("SELECT id, name, redirect_uris FROM oauth_clients WHERE id = ?", client_id)
        return None if row is None else Client(row[0], row[1], tuple(json.loads(row[2])))

    def knows(self, client_id: str) -> bool:
        """Whether a client may have something from here: one that a URL describes, or that is registered."""
        return documents.is_url(client_id) or self.registered(client_id) is not None

    async def find(self, client_id: str) -> Client:
        """The client; one that is a URL is read there. Raises ClientError."""
        if documents.is_url(client_id):
            if self._documents is None:
                raise ClientError(
                    "descriptions of programs are not read here (--oauth-offline): let it register"
                )
            return await self._documents.client(client_id)
        client = self.registered(client_id)
        if client is None:
            raise ClientError("this program is not registered here, or no longer: let it connect anew")
        return client

    def presumed(self, client_id: str) -> str:
        """What to call a client before it was looked at: nothing is fetched. Raises ClientError."""
        if documents.is_url(client_id):
            return documents.host_of(client_id)
        client = self.registered(client_id)
        if client is None:
            raise ClientError("this program is not registered here, or no longer: let it connect anew")
        return client.name
