"""What the Admin API answers to a write, /apisix/admin/… on the assistant's port answers too: each request is
sent to both, on the same configuration, and the answers are compared.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import httpx2
import pytest

from tests.assistant import rig
from tests.conftest import ADMIN_KEY, GatewayUnderTest, LoopThread

KEY: Final = "the-key-of-the-app"
NODES: Final = {"127.0.0.1:9": 1}
ROUTE: Final = {"uri": "/a", "upstream": {"nodes": NODES}}
LIMITED: Final = {"limit-count": {"count": 5, "time_window": 60, "key": "remote_addr"}}
THERE: Final[dict[str, dict[str, Any]]] = {
    "upstreams/u": {"nodes": NODES},
    "services/s": {"upstream_id": "u"},
    "routes/1": {"uri": "/one", "name": "one", "labels": {"a": "b"}, "service_id": "s", "plugins": LIMITED},
    "routes/own": {"uri": "/own", "hosts": ["a.example", "b.example"], "upstream": {"nodes": NODES}},
    "plugin_configs/p": {"plugins": LIMITED},
    "consumer_groups/g": {"plugins": LIMITED},
    "consumers/jack": {"username": "jack", "group_id": "g"},
    "consumers/jack/credentials/c": {"plugins": {"key-auth": {"key": "the-key-of-jack"}}},
    "global_rules/gr": {"plugins": {"cors": {}}},
    "plugin_metadata/prometheus": {"disabled_labels": {}},
}
"""What is in the gateway before each request."""


@dataclass(frozen=True)
class Case:
    method: str
    target: str
    body: Any = None
    """JSON, or bytes that are sent as they are."""

    @property
    def content(self) -> bytes | None:
        if self.body is None or isinstance(self.body, bytes):
            return self.body
        return json.dumps(self.body).encode()


GOOD: Final[dict[str, Case]] = {
    "a new route": Case("PUT", "routes/2", ROUTE),
    "a route that is there": Case("PUT", "routes/1", ROUTE),
    "a route by the id in its body": Case("PUT", "routes", ROUTE | {"id": "2"}),
    "a route by a number in its body": Case("PUT", "routes", ROUTE | {"id": 2}),
    "a route with the same id twice": Case("PUT", "routes/2", ROUTE | {"id": "2"}),
    "a route with a slash at the end": Case("PUT", "routes/2/", ROUTE),
    "a route whose id the gateway chooses": Case("POST", "routes", ROUTE),
    "a route with a slash, whose id the gateway chooses": Case("POST", "routes/", ROUTE),
    "a route that goes by itself": Case("PUT", "routes/2?ttl=600", ROUTE),
    "a posted route that goes by itself": Case("POST", "routes?ttl=600", ROUTE),
    "unknown arguments": Case("PUT", "routes/2?x=1&y", ROUTE),
    "numbers as Lua has them": Case("PUT", "routes/2", b'{"uri":"/a","priority":1.0,"service_id":"s"}'),
    "text beyond ASCII": Case("PUT", "routes/2", ROUTE | {"desc": "S\u00e4\u4e16 \U0001f600"}),
    "an upstream": Case("PUT", "upstreams/v", {"nodes": NODES, "retries": 1}),
    "an upstream whose nodes are a list": Case(
        "PUT", "upstreams/v", {"nodes": [{"host": "127.0.0.1", "port": 9, "weight": 1}]}
    ),
    "a posted upstream": Case("POST", "upstreams", {"nodes": NODES}),
    "a service": Case("PUT", "services/t", {"upstream_id": "u"}),
    "a consumer": Case("PUT", "consumers", {"username": "jill"}),
    "a consumer by its name": Case("PUT", "consumers/jill", {"username": "jill"}),
    "a credential": Case("PUT", "consumers/jack/credentials/d", {"plugins": {"key-auth": {"key": KEY}}}),
    "a credential with its id": Case(
        "PUT", "consumers/jack/credentials/d", {"id": "d", "plugins": {"key-auth": {"key": KEY}}}
    ),
    "a credential by the id in its body": Case(
        "PUT", "consumers/jack/credentials", {"id": "d", "plugins": {"key-auth": {"key": KEY}}}
    ),
    "a plugin config": Case("PUT", "plugin_configs/q", {"plugins": LIMITED}),
    "a consumer group": Case("PUT", "consumer_groups/h", {"plugins": LIMITED}),
    "a global rule": Case("PUT", "global_rules/2", {"plugins": LIMITED}),
    "plugin metadata": Case(
        "PUT", "plugin_metadata/prometheus", {"disabled_labels": {"http_status": ["node"]}}
    ),
    "a patch": Case("PATCH", "routes/1", {"desc": "x", "labels": {"c": "d"}}),
    "a patch that takes away": Case("PATCH", "routes/1", {"labels": {"a": None}, "name": None}),
    "a patch of a list": Case("PATCH", "routes/own", {"hosts": ["c.example"]}),
    "an empty patch": Case("PATCH", "routes/1", {}),
    "a patch with its id": Case("PATCH", "routes/1", {"id": "1", "desc": "x"}),
    "a patch that empties an object": Case("PATCH", "routes/1", {"plugins": {}}),
    "a patch of the time of the last change": Case("PATCH", "routes/1", {"update_time": 1700000000}),
    "a patch of one plugin": Case("PATCH", "routes/1/plugins/cors", {"allow_origins": "http://a.example"}),
    "a patch of a text": Case("PATCH", "routes/1/desc", "words"),
    "a patch of a number": Case("PATCH", "routes/1/priority", 7),
    "a patch of nodes": Case("PATCH", "upstreams/u/nodes", {"127.0.0.1:8": 1}),
    "a patch of nodes with a list": Case(
        "PATCH", "upstreams/u/nodes", [{"host": "127.0.0.1", "port": 8, "weight": 2}]
    ),
    "a patch of one node": Case("PATCH", "upstreams/u/nodes/127.0.0.1%3A8", 1),
    "a patch of a whole part": Case("PATCH", "routes/own/upstream", {"nodes": {"127.0.0.1:7": 1}}),
    "a patch of what is not there yet": Case("PATCH", "routes/own/labels/new", "x"),
    "a patch of a service": Case("PATCH", "services/s", {"desc": "x"}),
    "a patch of a consumer group": Case("PATCH", "consumer_groups/g", {"desc": "x"}),
    "a patch of a plugin config": Case("PATCH", "plugin_configs/p", {"desc": "x"}),
    "a patch of a global rule": Case("PATCH", "global_rules/gr/plugins", {"cors": {}}),
    "a deleted route": Case("DELETE", "routes/1"),
    "a deleted route with a slash": Case("DELETE", "routes/1/"),
    "a deletion by force": Case("DELETE", "upstreams/u?force=true"),
    "a deleted consumer": Case("DELETE", "consumers/jack"),
    "a deleted credential": Case("DELETE", "consumers/jack/credentials/c"),
    "deleted metadata": Case("DELETE", "plugin_metadata/prometheus"),
    "a check of a route": Case("POST", "schema/validate/routes", ROUTE),
    "a check of all": Case("POST", "configs/validate", {"routes": [ROUTE | {"id": "9"}]}),
}
"""What the Admin API takes."""

BAD: Final[dict[str, Case]] = {
    "no JSON": Case("PUT", "routes/2", b"{"),
    "words": Case("PUT", "routes/2", b"hello"),
    "more after the JSON": Case("PUT", "routes/2", b'{"uri":"/a"} x'),
    "no UTF-8": Case("PUT", "routes/2", b'{"uri":"\xff"}'),
    "no body": Case("PUT", "routes/2"),
    "no body to post": Case("POST", "routes"),
    "no body to patch": Case("PATCH", "routes/1"),
    "null": Case("PUT", "routes/2", b"null"),
    "a list": Case("PUT", "routes/2", []),
    "a number": Case("PUT", "routes/2", 5),
    "a text to patch with": Case("PATCH", "routes/1", "x"),
    "a list to patch with": Case("PATCH", "routes/1", [1]),
    "a name that is there twice": Case("PUT", "routes/2", b'{"uri":"/a","uri":"/b"}'),
    "not a number": Case("PUT", "routes/2", b'{"priority":NaN}'),
    "a number that is too large": Case("PUT", "routes/2", b'{"priority":1e400}'),
    "an integer that is too large": Case("PUT", "routes/2", b'{"priority":99999999999999999999}'),
    "half a surrogate": Case("PUT", "routes/2", b'{"uri":"/a","desc":"\\ud800"}'),
    "what is nested too deep": Case("PUT", "routes/2", b'{"uri":' + b"[" * 200 + b"]" * 200 + b"}"),
    "what no stack can hold": Case("PUT", "routes/2", b"[" * 100_000),
    "another id in the body": Case("PUT", "routes/2", ROUTE | {"id": "3"}),
    "a patch with null": Case("PATCH", "routes/1/name", b"null"),
    "a deletion with half a body": Case("DELETE", "routes/1", b"{"),
    "an id with a blank": Case("PUT", "routes/a%20b", ROUTE),
    "an id with a colon": Case("PUT", "routes/a%3Ab", ROUTE),
    "an id that is too long": Case("PUT", f"routes/{'x' * 65}", ROUTE),
    "no id": Case("PUT", "routes", ROUTE),
    "an id in a posted body": Case("POST", "routes", ROUTE | {"id": "2"}),
    "an id in a post's path": Case("POST", "routes/2", ROUTE),
    "a consumer with another name": Case("PUT", "consumers/jill", {"username": "bob"}),
    "a consumer without a name": Case("PUT", "consumers/jill", {}),
    "a consumer whose name is none": Case("PUT", "consumers", {"username": "a b"}),
    "a credential for nobody": Case(
        "PUT", "consumers/nobody/credentials/d", {"plugins": {"key-auth": {"key": KEY}}}
    ),
    "a credential without an id": Case(
        "PUT", "consumers/jack/credentials", {"plugins": {"key-auth": {"key": KEY}}}
    ),
    "a credential with another id": Case(
        "PUT", "consumers/jack/credentials/d", {"id": "e", "plugins": {"key-auth": {"key": KEY}}}
    ),
    "a credential of a plugin that signs nobody in": Case(
        "PUT", "consumers/jack/credentials/d", {"plugins": {"cors": {}}}
    ),
    "credentials without their consumer": Case("PUT", "credentials/d", {"plugins": {}}),
    "a wrong type": Case("PUT", "routes/2", ROUTE | {"uri": 5}),
    "a wrong type in a patch": Case("PATCH", "routes/1", {"priority": "high"}),
    "a wrong type in a part": Case("PATCH", "routes/1/plugins", "x"),
    "an unknown field": Case("PUT", "routes/2", ROUTE | {"lables": {}}),
    "a field that the gateway sets": Case("PUT", "routes/2", ROUTE | {"create_time": 5}),
    "an unknown plugin": Case("PUT", "routes/2", ROUTE | {"plugins": {"key-aut": {}}}),
    "a plugin that is configured wrongly": Case("PUT", "routes/2", ROUTE | {"plugins": {"limit-count": {}}}),
    "a plugin that is patched wrongly": Case("PATCH", "routes/1/plugins/limit-count/count", -1),
    "plugins that are no object": Case("PUT", "routes/2", ROUTE | {"plugins": [1]}),
    "metadata of an unknown plugin": Case("PUT", "plugin_metadata/nothing", {}),
    "metadata that is wrong": Case("PUT", "plugin_metadata/prometheus", {"disabled_labels": 5}),
    "metadata without a plugin": Case("PUT", "plugin_metadata", {}),
    "a route to nowhere": Case("PUT", "routes/2", {"uri": "/a"}),
    "an upstream that is not there": Case("PUT", "routes/2", {"uri": "/a", "upstream_id": "none"}),
    "a service that is not there": Case("PUT", "routes/2", {"uri": "/a", "service_id": "none"}),
    "a plugin config that is not there": Case("PUT", "routes/2", ROUTE | {"plugin_config_id": "none"}),
    "a group that is not there": Case("PUT", "consumers", {"username": "jill", "group_id": "none"}),
    "an upstream without nodes": Case("PUT", "upstreams/v", {}),
    "nodes that are none": Case("PATCH", "upstreams/u/nodes", "127.0.0.1:8"),
    "a part inside a text": Case("PATCH", "routes/1/uri/deeper/still", "x"),
    "a part inside a list": Case("PATCH", "routes/own/hosts/0", "x"),
    "another id in a patch": Case("PATCH", "routes/1", {"id": "2"}),
    "a patched id": Case("PATCH", "routes/1/id", "2"),
    "a patch of what is not there": Case("PATCH", "routes/none", {"desc": "x"}),
    "a patch of a part of what is not there": Case("PATCH", "routes/none/desc", "x"),
    "a patch of nothing": Case("PATCH", "routes", {"desc": "x"}),
    "a deletion of what is not there": Case("DELETE", "routes/none"),
    "a deletion of nothing": Case("DELETE", "routes"),
    "a deletion of what is used": Case("DELETE", "upstreams/u"),
    "a deletion of a service that is used": Case("DELETE", "services/s"),
    "a deletion of a group that is used": Case("DELETE", "consumer_groups/g"),
    "a deletion without the right force": Case("DELETE", "upstreams/u?force=1"),
    "a deleted part": Case("DELETE", "routes/1/desc"),
    "a part that is put": Case("PUT", "routes/1/desc", "x"),
    "a time to live that is none": Case("PUT", "routes/2?ttl=soon", ROUTE),
    "a time to live in the past": Case("PUT", "routes/2?ttl=-1", ROUTE),
    "an empty time to live": Case("PUT", "routes/2?ttl=", ROUTE),
    "a method that consumers have not": Case("PATCH", "consumers/jack", {}),
    "a method that credentials have not": Case("POST", "consumers/jack/credentials", {}),
    "a method that global rules have not": Case("POST", "global_rules", {"plugins": {}}),
    "an unknown kind": Case("PUT", "machines/1", {}),
    "no kind": Case("PUT", "", {}),
    "a write to a schema": Case("PUT", "schema/routes", {}),
    "a deleted plugin": Case("DELETE", "plugins/cors"),
    "a reload by POST": Case("POST", "plugins/reload"),
    "a check of what is wrong": Case("POST", "schema/validate/routes", {"uri": 5}),
    "a check of an unknown kind": Case("POST", "schema/validate/machines", {}),
    "a check of all that is wrong": Case("POST", "configs/validate", {"routes": [{"uri": 5}]}),
    "a proto, which the embedded gateway has not": Case("PUT", "protos/1", {"content": "x"}),
    "a secret manager, which the embedded gateway has not": Case(
        "PUT", "secrets/vault/1", {"uri": "http://127.0.0.1:1", "prefix": "x", "token": "t"}
    ),
    "a secret manager without an id": Case("PUT", "secrets/vault", {}),
    "a stream route, which the embedded gateway has not": Case("PUT", "stream_routes/1", {}),
    "a certificate that is none": Case("PUT", "ssls/1", {"cert": "x", "key": "y", "snis": ["a.example"]}),
}
"""What the Admin API refuses."""


@pytest.fixture(scope="module", params=["never-ask", "ask-always"])
def through(
    request: pytest.FixtureRequest,
    session_gateway: GatewayUnderTest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[httpx2.Client]:
    """Calls an assistant with this policy."""
    folder = tmp_path_factory.mktemp("assistant")
    (folder / "policy.toml").write_text(f'[policy]\nmode = "{request.param}"\n')
    settings = {"admin_key": ADMIN_KEY, "data_dir": folder}
    serving = rig.assistant(session_gateway.gateway.admin_url, **settings)
    loop = LoopThread()
    port = loop.run(serving.__aenter__())  # type: ignore[arg-type]
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client:
        yield client
    loop.run(serving.__aexit__(None, None, None))  # type: ignore[arg-type]
    loop.close()
    session_gateway.clear()


def _fill(gateway: GatewayUnderTest) -> None:
    gateway.clear()
    for path, value in THERE.items():
        gateway.put(path, value)


def _answer(client: httpx2.Client, case: Case) -> tuple[int, str | None, Any]:
    """Status, type and body; times and chosen ids as zeros, the one secret redacted, and without the body
    that an error repeats, as secrets may be in it.
    """
    headers = {"content-type": "application/json"}
    answer = client.request(
        case.method, f"/apisix/admin/{case.target}", content=case.content, headers=headers
    )
    text = re.sub(r'("(?:create|update)_time":)\d+', r"\g<1>0", answer.text.replace(KEY, "[redacted]"))
    body = json.loads(re.sub(r"\b\d{20}\b", "0" * 20, text) or "null")
    if isinstance(body, dict):
        body.pop("req_body", None)
    return answer.status_code, answer.headers.get("content-type"), body


@pytest.mark.parametrize("through", ["never-ask"], indirect=True)
@pytest.mark.parametrize("name", GOOD)
def test_a_write_is_answered_as_the_admin_api_answers_it(
    name: str, session_gateway: GatewayUnderTest, through: httpx2.Client
) -> None:
    _fill(session_gateway)
    direct = _answer(session_gateway.admin, GOOD[name])
    _fill(session_gateway)
    assert direct[0] in (200, 201), direct
    assert _answer(through, GOOD[name]) == direct


@pytest.mark.parametrize("name", BAD)
def test_what_the_admin_api_refuses_is_refused_in_its_words_whatever_the_policy(
    name: str, session_gateway: GatewayUnderTest, through: httpx2.Client
) -> None:
    _fill(session_gateway)
    direct = _answer(session_gateway.admin, BAD[name])
    assert direct[0] >= 400, direct
    assert _answer(through, BAD[name]) == direct
