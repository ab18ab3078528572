"""ADC's nested form: what it becomes, and what is refused by name."""

from __future__ import annotations

import pytest

from gatechat.assistant.declarative import Declared, FileProblem, from_yaml

WHOLE = """
services:
  - name: httpbin
    description: a service
    labels: {team: [a, b]}
    upstream:
      type: roundrobin
      nodes: [{host: httpbin.org, port: 80, weight: 1}]
    upstreams:
      - name: canary
        nodes: [{host: canary.org, port: 80, weight: 1}]
    hosts: [a.example]
    routes:
      - name: get-ip
        uris: [/ip]
        methods: [GET]
  - id: tcp
    name: tcp
    upstream: {nodes: [{host: a, port: 1, weight: 1}]}
    stream_routes:
      - {name: one, server_port: 9100}
consumers:
  - username: jack
    credentials:
      - {name: laptop, type: key-auth, config: {key: "${JACKS_KEY}"}}
global_rules:
  prometheus: {prefer_name: true}
plugin_metadata:
  http-logger: {log_format: {host: $host, path: "\\\\${HOME}"}}
ssls:
  - snis: [a.example, b.example]
    certificates:
      - {certificate: C1, key: K1}
      - {certificate: C2, key: K2}
"""


def adc(text: str) -> Declared:
    return from_yaml(("adc.yaml", text))


def test_every_kind_becomes_what_adc_makes_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JACKS_KEY", "jacks")
    kinds = adc(WHOLE).configuration.kinds
    (service,) = set(kinds["services"]) - {"tcp"}
    assert kinds["services"][service] == {
        "name": "httpbin",
        "desc": "a service",
        "labels": {"team": '["a","b"]'},
        "hosts": ["a.example"],
        "upstream_id": service,
    }
    assert kinds["upstreams"][service]["name"] == "httpbin"
    (canary,) = (value for value in kinds["upstreams"].values() if value["name"] == "canary")
    assert canary["labels"] == {"__ADC_UPSTREAM_SERVICE_ID": service}
    (route,) = kinds["routes"].values()
    assert route == {
        "name": "get-ip",
        "uris": ["/ip"],
        "methods": ["GET"],
        "service_id": service,
        "status": 1,
    }
    (stream,) = kinds["stream_routes"].values()
    assert stream == {"server_port": 9100, "service_id": "tcp", "labels": {"__ADC_NAME": "one"}}
    assert kinds["consumers"] == {"jack": {"username": "jack"}}
    ((id, credential),) = kinds["credentials"].items()
    assert id.startswith("jack/credentials/")
    assert credential == {"name": "laptop", "plugins": {"key-auth": {"key": "jacks"}}}
    assert kinds["global_rules"] == {"prometheus": {"plugins": {"prometheus": {"prefer_name": True}}}}
    assert kinds["plugin_metadata"] == {"http-logger": {"log_format": {"host": "$host", "path": "${HOME}"}}}
    (ssl,) = kinds["ssls"].values()
    assert ssl == {
        "snis": ["a.example", "b.example"],
        "cert": "C1",
        "key": "K1",
        "certs": ["C2"],
        "keys": ["K2"],
        "status": 1,
    }


IDS = [  # printf %s TEXT | sha1sum
    ("services", "s", "a0f1490a20d0211c997b44bc357e1972deab8ae3"),
    ("routes", "s.r", "8bb2facfbe806df850ef055057ed933dece594d3"),
    ("upstreams", "s.u", "7535fe5832344c3f62c8d5c86ad02d4b783323de"),
]


def test_ids_are_those_that_adc_gives_from_names() -> None:
    text = "services:\n- {name: s, upstream: {}, upstreams: [{name: u}], routes: [{name: r, uris: [/]}]}\n"
    kinds = adc(text).configuration.kinds
    for kind, _, id in IDS:
        assert id in kinds[kind]
    assert len(kinds["upstreams"]) == 2


def test_what_is_written_has_its_place() -> None:
    declared = adc("services:\n- name: s\n  routes:\n  - name: r\n    id: mine\n    uris: [/]\n")
    assert declared.places["routes", "mine"] == "adc.yaml:4"
    assert declared.covered == {"services", "routes", "stream_routes"}


WRONG: dict[str, tuple[str, str]] = {
    "a prefix": (
        "services:\n- {name: s, path_prefix: /v1}",
        "a service cannot have path_prefix: an Admin API has",
    ),
    "a slip": (
        "services:\n- name: s\n  routs: []",
        "adc.yaml:3: a service cannot have routs: did you mean routes?",
    ),
    "a route of its own": (
        "services:\n- name: s\nroutes: []",
        "this file, which is in ADC's form cannot have routes",
    ),
    "groups": ("consumer_groups: []\nglobal_rules: {}", "write them in the form of apisix.yaml"),
    "upstreams without the default one": (
        "services:\n- {name: s, upstreams: [{name: u}]}",
        "the one by default",
    ),
    "a route without a name": ("services:\n- {name: s, routes: [{uris: [/]}]}", "name is missing"),
    "a certificate without names": ("ssls:\n- certificates: [{certificate: C, key: K}]", "an ssl needs snis"),
    "a variable that is not there": (
        "global_rules:\n  cors: {allow_origins: '${NOT_THERE}'}",
        "adc.yaml:2: the environment has no NOT_THERE",
    ),
    "a rule that is no map": ("global_rules:\n  cors: 1", "must map plugins to their settings"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_map_plainly_is_refused_by_name(name: str) -> None:
    text, words = WRONG[name]
    with pytest.raises(FileProblem) as caught:
        adc(text)
    assert words in str(caught.value)
