"""OAuth 2.1 as MCP's clients need it: our own small authorization server, and the documents that lead to it.

The wire's shapes are the MCP SDK's models. Its request handlers are not used, because (mcp 2.3)

- AuthorizationHandler sends the browser to a client's address before anybody has signed in, and here everyone
  may register (an open redirector, RFC 9700, section 4.11.2); its errors lack ``iss`` (RFC 9207, section 2)
  and are JSON where a person reads; a request without code_challenge_method counts as S256;
- TokenHandler does not compare ``resource`` with the grant's and has other error codes than RFC 6749,
  section 5.2, for a wrong redirect_uri or grant_type;
- RegistrationHandler makes secrets for clients that need none, and knows redirect URIs only as a URL library
  writes them anew, where they must be compared as they were sent;
- RevocationHandler refuses public clients: it asks for a client_secret.
"""

from gatechat.assistant.sign_in.oauth.client import Client, ClientError
from gatechat.assistant.sign_in.oauth.clients import Clients
from gatechat.assistant.sign_in.oauth.documents import Documents
from gatechat.assistant.sign_in.oauth.endpoints import PATHS, metadata_routes, routes
from gatechat.assistant.sign_in.oauth.grants import Grant, Grants, Person, Refused
from gatechat.assistant.sign_in.oauth.request import AuthorizationRequest, RequestError
from gatechat.assistant.sign_in.oauth.server import AuthorizationServer

__all__ = [
    "PATHS",
    "AuthorizationRequest",
    "AuthorizationServer",
    "Client",
    "ClientError",
    "Clients",
    "Documents",
    "Grant",
    "Grants",
    "Person",
    "Refused",
    "RequestError",
    "metadata_routes",
    "routes",
]
