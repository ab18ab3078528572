from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from gatechat.apisix.kinds import KINDS
from gatechat.apisix.secret_fields import PLUGIN_SECRETS
from gatechat.assistant.change import diff
from gatechat.assistant.change.redact import (
    CHANGED,
    ENTER,
    REDACTED,
    Redactor,
    Secret,
    Unrestorable,
    encrypted_fields,
    marked,
)
from tests.assistant.change.planning import edit

R = Redactor()
FIELDS = [(plugin, field) for plugin, fields in PLUGIN_SECRETS.items() for field in fields]


def nested(path: str, value: Any) -> dict[str, Any]:
    for name in reversed(path.split(".")):
        value = {name: value}
    return dict(value)


def in_lists(value: Any, depth: int = 0) -> Any:
    """Every inner object in a list of two, the first without the secret."""
    if not isinstance(value, dict):
        return value
    inner = {name: in_lists(part, depth + 1) for name, part in value.items()}
    return [{"other": 1}, inner] if depth else inner


@pytest.mark.parametrize(("plugin", "field"), FIELDS)
@pytest.mark.parametrize("secret", ["the-canary", {"x-name": "the-canary"}, ["the-canary"]])
def test_every_secret_field_of_every_plugin_is_hidden_and_put_back(
    plugin: str, field: str, secret: Any
) -> None:
    conf = nested(field, secret)
    inside = {"plugins": {plugin: conf}}
    listed = {"plugins": {plugin: in_lists(conf)}}
    multi = {"plugins": {"multi-auth": {"auth_plugins": [{plugin: conf}]}}}
    action = {"plugins": {"workflow": {"rules": [{"actions": [[plugin, conf]]}]}}}
    for kind in (
        "routes",
        "services",
        "consumers",
        "consumer_groups",
        "plugin_configs",
        "global_rules",
        "credentials",
    ):
        for value in (inside, listed, multi, action):
            hidden = R.redact(kind, value)
            assert "the-canary" not in json.dumps(hidden)
            assert R.restore(kind, hidden, value) == value
    hidden = R.redact("plugin_metadata", conf, plugin)
    assert "the-canary" not in json.dumps(hidden)
    assert R.restore("plugin_metadata", hidden, conf, plugin) == conf
    assert "the-canary" not in json.dumps(R.redact("plugin_metadata", conf))


@pytest.mark.parametrize(
    ("kind", "field"), [(kind.plural, field) for kind in KINDS.values() for field in kind.secrets]
)
def test_what_a_kind_keeps_secret_is_hidden(kind: str, field: str) -> None:
    assert "the-canary" not in json.dumps(R.redact(kind, nested(field, "the-canary")))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("routes", {"plugins": {"custom": {"password": "CANARY"}}}),
        ("routes", {"plugins": {"custom": {"deep": [{"er": {"clientSecret": "CANARY"}}]}}}),
        ("routes", {"plugins": {"custom": {"apiKey": "CANARY"}}}),
        ("routes", {"plugins": {"custom": {"api_key": "CANARY"}}}),
        ("routes", {"plugins": {"custom": {"tls": {"client_key": "CANARY"}}}}),
        ("routes", {"plugins": {"custom": {"ssl_key": "CANARY"}}}),
        ("routes", {"plugins": {"custom": {"access-token": "CANARY"}}}),
        ("routes", {"plugins": {"custom": {"PRIVATE_KEY": "CANARY"}}}),
        ("routes", {"plugins": {"custom": {"key": "CANARY"}}}),
        ("routes", {"plugins": {"custom": {"tokens": ["CANARY", "CANARY2"]}}}),
        ("routes", {"plugins": {"custom": {"password": 99887766}}}),
        ("routes", {"plugins": {"proxy-rewrite": {"headers": {"set": {"Authorization": "CANARY"}}}}}),
        ("routes", {"plugins": {"proxy-rewrite": {"headers": {"X-API-Key": "CANARY"}}}}),
        ("routes", {"plugins": {"proxy-rewrite": {"headers": {"add": {"Cookie": "CANARY"}}}}}),
        ("routes", {"plugins": {"response-rewrite": {"headers": {"add": ["X-Auth-Token: CANARY"]}}}}),
        ("routes", {"plugins": {"custom": {"request_headers": {"apikey": "CANARY"}}}}),
        ("routes", {"plugins": {"custom": {"anything": "Bearer CANARY1234"}}}),
        ("routes", {"plugins": {"custom": {"anything": "Basic Q0FOQVJZMTIzNA=="}}}),
        ("routes", {"plugins": {"custom": {"uri": "http://user:CANARY@host/"}}}),
        ("routes", {"plugins": {"custom": {"uri": "http://host/?a=1&api_key=CANARY&b=2"}}}),
        ("routes", {"desc": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJDQU5BUlkifQ.CANARYsig"}),
        ("routes", {"desc": "-----BEGIN RSA PRIVATE KEY-----\nCANARY"}),
        ("routes", {"labels": {"password": "CANARY"}}),
        ("routes", {"vars": [["http_authorization", "==", "CANARY"]]}),
        ("routes", {"vars": ["AND", ["arg_token", "!", "==", "CANARY"]]}),
        ("routes", {"vars": [["cookie_session", "in", ["CANARY"]]]}),
        ("routes", {"upstream": {"tls": {"client_key": "CANARY"}}}),
        ("routes", {"upstream": {"checks": {"active": {"req_headers": ["Authorization: CANARY"]}}}}),
        ("consumers", {"plugins": {"my-auth": {"phrase": "CANARY"}}}),
        ("credentials", {"plugins": {"whatever": {"phrase": "CANARY"}}}),
        ("routes", {"plugins": {"x": {"headers": [{"name": "X-Api-Key", "value": "CANARY"}]}}}),
    ],
)
def test_what_a_name_or_a_form_gives_away_is_hidden(kind: str, value: dict[str, Any]) -> None:
    hidden = R.redact(kind, value)
    text = json.dumps(hidden)
    assert "CANARY" not in text
    assert "99887766" not in text
    assert "Q0FOQVJZ" not in text
    assert REDACTED in text
    assert R.restore(kind, hidden, value) == value


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("routes", {"uri": "/token/*", "name": "secret", "desc": "the password page"}),
        ("routes", {"plugins": {"limit-count": {"key": "remote_addr", "policy": "local"}}}),
        ("routes", {"plugins": {"custom": {"key": "http_x_user"}}}),
        (
            "routes",
            {"plugins": {"key-auth": {"header": "apikey", "query": "apikey", "hide_credentials": True}}},
        ),
        ("routes", {"plugins": {"jwt-auth": {"cookie": "jwt", "header": "authorization"}}}),
        ("routes", {"plugins": {"openid-connect": {"token_endpoint_auth_method": "x", "scope": "openid"}}}),
        ("routes", {"plugins": {"api-breaker": {"break_response_headers": [{"key": "X-A", "value": "b"}]}}}),
        (
            "routes",
            {
                "plugins": {
                    "proxy-rewrite": {"headers": {"set": {"X-User": "me", "Authorization": "$http_x"}}}
                }
            },
        ),
        ("routes", {"plugins": {"proxy-rewrite": {"headers": {"remove": ["Authorization", "X-API-Key"]}}}}),
        (
            "routes",
            {
                "plugins": {
                    "traffic-split": {
                        "rules": [
                            {"weighted_upstreams": [{"upstream": {"hash_on": "header", "key": "x-user"}}]}
                        ]
                    }
                }
            },
        ),
        ("upstreams", {"type": "chash", "hash_on": "vars", "key": "remote_addr"}),
        (
            "consumers",
            {"username": "jack", "plugins": {"jwt-auth": {"key": "jack-key", "algorithm": "HS256"}}},
        ),
        (
            "consumers",
            {"username": "jack", "plugins": {"key-auth": {"key": "$secret://vault/main/jack/key"}}},
        ),
        (
            "consumers",
            {"username": "jack", "plugins": {"basic-auth": {"username": "jack", "password": "$env://JACK"}}},
        ),
        ("routes", {"vars": [["arg_name", "==", "jack"], ["uri", "~~", "^/token"]]}),
        ("ssls", {"cert": "-----BEGIN CERTIFICATE-----", "snis": ["a.example"]}),
    ],
)
def test_what_is_no_secret_stays_readable(kind: str, value: dict[str, Any]) -> None:
    assert R.redact(kind, value) == value
    assert R.secrets(kind, value) == []


def test_a_gateway_tells_the_secrets_of_its_own_plugins() -> None:
    attributes = {
        "mine": {
            "schema": {"encrypt_fields": ["a.b"]},
            "consumer_schema": {"encrypt_fields": ["c"]},
            "metadata_schema": {"encrypt_fields": ["d"]},
        },
        "none": {"schema": {}},
    }
    fields = encrypted_fields(attributes)
    assert fields == {"mine": ("a.b", "c", "d"), "none": ()}
    hidden = Redactor(fields).redact("routes", {"plugins": {"mine": {"a": [{"b": "x"}], "c": "y", "e": "z"}}})
    assert hidden == {"plugins": {"mine": {"a": [{"b": REDACTED}], "c": REDACTED, "e": "z"}}}


BROKERS = {
    "plugins": {
        "kafka-logger": {
            "brokers": [
                {"host": "a", "sasl_config": {"user": "u", "password": "one"}},
                {"host": "b", "sasl_config": {"user": "u", "password": "two"}},
            ]
        }
    }
}


def brokers(*rows: tuple[str, str]) -> dict[str, Any]:
    listed = [{"host": host, "sasl_config": {"user": "u", "password": password}} for host, password in rows]
    return {"plugins": {"kafka-logger": {"brokers": listed}}}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (brokers(("a", REDACTED), ("b", REDACTED)), brokers(("a", "one"), ("b", "two"))),
        (brokers(("b", REDACTED), ("a", REDACTED)), brokers(("b", "two"), ("a", "one"))),
        (brokers(("b", REDACTED)), brokers(("b", "two"))),
        (brokers(("a", CHANGED), ("b", "new")), brokers(("a", "one"), ("b", "new"))),
        (brokers(("c", "new"), ("b", REDACTED)), brokers(("c", "new"), ("b", "two"))),
    ],
)
def test_a_redacted_value_written_back_keeps_what_is_there(written: Any, meant: Any) -> None:
    assert R.restore("routes", written, BROKERS) == meant


@pytest.mark.parametrize(
    ("written", "old"),
    [
        ({"plugins": {"key-auth": {"key": REDACTED}}}, {"plugins": {}}),
        ({"desc": REDACTED}, {"desc": "plain"}),
        ({"desc": REDACTED}, None),
        (brokers(("c", REDACTED)), BROKERS),
        ({"a": f"http://{REDACTED}@other/"}, {"a": "http://u:p@host/"}),
    ],
)
def test_a_redacted_value_with_nothing_behind_it_is_an_error(written: Any, old: Any) -> None:
    with pytest.raises(Unrestorable):
        R.restore("consumers", written, old)


def test_a_partly_redacted_url_written_back_is_kept() -> None:
    old = {"plugins": {"x": {"uri": "http://u:p@host/?token=t&a=1"}}}
    assert R.restore("routes", R.redact("routes", old), old) == old


def test_a_diff_says_that_a_secret_changed_and_not_what_it_is() -> None:
    old = {"plugins": {"key-auth": {"key": "one"}}}
    new = {"plugins": {"key-auth": {"key": "two"}}}
    before, after = R.compared("consumers", old, new)
    assert before["plugins"]["key-auth"]["key"] == REDACTED
    assert after["plugins"]["key-auth"]["key"] == CHANGED


def test_words_of_the_gateway_are_scrubbed() -> None:
    secrets = [Secret(("plugins", "key"), "hunter2-hunter2"), Secret(("n",), 123456)]
    text = 'failed to match "hunter2-hunter2" 123456, http://u:p@h/?token=abc Bearer abcdefghij'
    scrubbed = R.scrub(text, secrets)
    for part in ("hunter2", "123456", "u:p", "abc "):
        assert part not in scrubbed


def test_places_for_secrets_to_come_are_found() -> None:
    value = {"plugins": {"key-auth": {"key": ENTER}}, "list": [ENTER]}
    assert list(marked(value, (ENTER,))) == ["plugins.key-auth.key", "list.0"]


def test_of_200_planted_secrets_none_is_seen() -> None:
    """In every secret field of every plugin, of every kind and by name: redacted, in diffs, in text."""
    planted = 0
    seen: list[str] = []
    canaries: list[str] = []
    for number, (plugin, field) in enumerate(FIELDS * 3):
        canary = f"canary-{number:04}-zq"
        canaries.append(canary)
        planted += 1
        value = {"uri": "/x", "plugins": {plugin: nested(field, canary)}}
        other = copy.deepcopy(value) | {"desc": "changed"}
        changed = json.loads(json.dumps(value).replace(canary, canary + "-new"))
        for kind in ("routes", "consumers"):
            one = diff.difference(edit(kind, "1", value, other), R)
            two = diff.difference(edit(kind, "1", value, changed), R)
            three = diff.difference(edit(kind, "1", None, value), R)
            whole = [edit(kind, "1", value, changed), edit(kind, "2", value, None)]
            shown = [it.text for it in (one, two, three)] + [
                str(it.rows) + str(it.as_json()) for it in (one, two, three)
            ]
            seen += [
                canary
                for text in (*shown, diff.text(whole, R), json.dumps(R.redact(kind, value)))
                if canary in text
            ]
        secrets = R.secrets("routes", value)
        seen += [canary for text in [R.scrub(f'property "x" is "{canary}"', secrets)] if canary in text]
    assert planted >= 200
    assert seen == []


def test_a_secret_is_taken_out_of_words_that_quote_it_as_json() -> None:
    secret = 'the-"canary"\\of\nthe tests'
    words = f"{json.dumps(['http_x_api_key', '==', secret])} does not hold"
    assert R.scrub(words, [Secret(("vars", 0, 2), secret)]) == (
        '["http_x_api_key", "==", "[redacted]"] does not hold'
    )
