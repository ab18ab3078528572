"""Who calls: credentials in, a principal out. Every face takes its principal from here.

`guard` asks `SignIn.authenticate` once per request and puts the principal into the request's ASGI scope;
a face reads it with `principal_of(scope, face)` and refuses with `require(principal, role, …)`.

A way to sign in is a `contract.Verifier` that is given to `SignIn`: it knows the tokens that it gave out.
What lasts is in one SQLite file (`Database`), which several processes may share.
"""

from gatechat.assistant.sign_in.authenticate import SignIn
from gatechat.assistant.sign_in.contract import LOCAL, SHARED_TOKEN, principal_of, require
from gatechat.assistant.sign_in.database import Database
from gatechat.assistant.sign_in.tokens import PREFIX, Token, Tokens

__all__ = [
    "LOCAL",
    "PREFIX",
    "SHARED_TOKEN",
    "Database",
    "SignIn",
    "Token",
    "Tokens",
    "principal_of",
    "require",
]
