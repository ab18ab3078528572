"""A client as the authorization server knows it, from whichever source."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from gatechat.assistant.view.text import line

LONGEST_NAME: Final = 60


@dataclass(frozen=True, slots=True)
class Client:
    """A public client. ``name`` is what it calls itself, fit to be shown: on one line, short, without marks
    that are not seen. ``host`` vouches for it (its metadata document came from there); None: nobody does.
    """

    id: str
    name: str
    redirect_uris: tuple[str, ...]
    host: str | None = None


class ClientError(Exception):
    """The client cannot be used. ``error`` is the code of RFC 7591, section 3.2.2."""

    def __init__(self, message: str, error: str = "invalid_client_metadata") -> None:
        super().__init__(message)
        self.message = message
        self.error = error


def shown(name: object, otherwise: str) -> str:
    """A client's name, fit to be shown."""
    return (line(name, LONGEST_NAME) if isinstance(name, str) else "") or otherwise


def check_flow(grant_types: Iterable[str] | None, response_types: Iterable[str] | None) -> None:
    """Raises ClientError unless the client takes codes. What it says of itself is optional (RFC 7591)."""
    if grant_types is not None and "authorization_code" not in grant_types:
        raise ClientError("grant_types must have authorization_code: this server knows no other beginning")
    if response_types is not None and "code" not in response_types:
        raise ClientError("response_types must have code")
