"""An answer of the Admin API comes back without secrets, and byte for byte where it has none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gatechat.assistant.admin_client import Answer
from gatechat.assistant.change.redact import REDACTED, Redactor, Secret
from gatechat.assistant.change.shown import shown
from gatechat.assistant.problem import Problem

SECRET = "a-secret-of-the-tests"
REDACTOR = Redactor({"our-own": ["pin"]})


def _row(key: str, value: Any) -> dict[str, Any]:
    return {"key": f"/apisix/{key}", "value": value, "modifiedIndex": 7, "createdIndex": 7}


ROWS: dict[str, dict[str, Any]] = {
    "a credential": _row("consumers/jack/credentials/c", {"plugins": {"key-auth": {"key": SECRET}}}),
    "a consumer": _row("consumers/jack", {"plugins": {"jwt-auth": {"key": "jack", "secret": SECRET}}}),
    "a plugin on a route": _row("routes/1", {"uri": "/a", "plugins": {"csrf": {"key": SECRET}}}),
    "a custom plugin that told its secret": _row("routes/1", {"plugins": {"our-own": {"pin": SECRET}}}),
    "a secret manager": _row("secrets/vault/1", {"uri": "http://v", "token": SECRET}),
    "metadata": _row("plugin_metadata/our-own", {"pin": SECRET}),
    "a client key of an upstream": _row("upstreams/1", {"tls": {"client_key": SECRET}}),
    "a header": _row("services/1", {"plugins": {"proxy-rewrite": {"headers": {"X-Api-Key": SECRET}}}}),
    "a prefix of its own in etcd": {"key": "/mine/consumers/jack/credentials/c", "value": {"x-key": SECRET}}
    | {"value": {"plugins": {"key-auth": {"key": SECRET}}}},
}
AROUND: dict[str, Any] = {
    "alone": lambda row: row,
    "in a list": lambda row: {"total": 2, "list": [_row("routes/9", {"uri": "/9"}), row]},
    "in a list of v2": lambda row: {"count": 1, "node": {"key": "/apisix/x", "nodes": [row]}},
    "alone in v2": lambda row: {"action": "get", "node": row},
}


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("name", ROWS)
def test_a_secret_is_redacted_wherever_its_row_is(name: str, around: str) -> None:
    body = AROUND[around](ROWS[name])
    safe = shown(Answer(200, {}, json.dumps(body).encode()), REDACTOR)
    assert SECRET not in safe.body.decode()
    assert json.loads(safe.body) == json.loads(json.dumps(body).replace(SECRET, REDACTED))


OTHERS: dict[str, tuple[int, Any]] = {
    "a whole configuration by kinds": (200, {"consumers": [{"plugins": {"key-auth": {"key": SECRET}}}]}),
    "something unknown": (200, {"what": {"password": SECRET}}),
    "an error that repeats it": (400, {"error_msg": f'failed to match pattern with "{SECRET}"'}),
    "an error that repeats it deep inside": (400, {"errors": [{"error": f"wrong: {SECRET}"}]}),
    "a failure": (500, {"error_msg": f"etcd: {SECRET}"}),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_secret_is_redacted_in_what_is_no_row(name: str) -> None:
    status, body = OTHERS[name]
    safe = shown(Answer(status, {}, json.dumps(body).encode()), REDACTOR, [Secret(("key",), SECRET)])
    assert SECRET not in safe.body.decode()
    assert REDACTED in safe.body.decode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{ "list" : [ {"key":"/apisix/routes/1", "value":{"uri":"\\/a","n":1.50}} ],\n"total":1 }',
        b'{"deleted":"1","key":"/apisix/routes/1"}\n',
        b'{"value":{"plugins":{"key-auth":{}},"desc":"\xc3\xa4"},"key":"/apisix/routes/1"}',
        b'{"key":"/apisix/consumers/a","value":{"plugins":{"key-auth":{"key":"$env://KEY"}}}}',
        b'{"message":"Key not found"}\n',
        b"[]",
        b"null",
    ],
)
def test_without_a_secret_every_byte_stays(body: bytes) -> None:
    answer = Answer(200, {"content-type": "application/json"}, body)
    assert shown(answer, REDACTOR) is answer


def test_a_good_answer_that_cannot_be_read_is_not_shown() -> None:
    with pytest.raises(Problem) as problem:
        shown(Answer(200, {}, b"key: value"), REDACTOR)
    assert problem.value.status == 502


def test_a_failure_that_is_no_json_is_scrubbed_byte_by_byte() -> None:
    answer = Answer(503, {}, b"\xff upstream said " + SECRET.encode())
    safe = shown(answer, REDACTOR, [Secret(("key",), SECRET)])
    assert safe.body == b"\xff upstream said " + REDACTED.encode()
    plain = Answer(503, {}, b"\xff no luck")
    assert shown(plain, REDACTOR) is plain
