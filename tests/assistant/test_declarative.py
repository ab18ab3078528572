"""Files: what they hold, where, and what is wrong with them."""

from __future__ import annotations

import pytest

from gatechat.assistant.declarative import Configuration, FileProblem, from_yaml, to_yaml

FILES: dict[str, tuple[str, str]] = {
    "no YAML": ("routes: [", "f:1: this is no YAML"),
    "a list": ("- 1", "f:1: a file maps kinds to lists"),
    "an unknown kind": ("upstreems: []", "f:1: upstreems: there is no such kind; did you mean upstreams?"),
    "a kind like no other": ("xyz: []", "f:1: xyz: there is no such kind; there are routes, services"),
    "plugins": ("plugins: []", "f:1: plugins: which plugins a gateway loads is said in its config.yaml"),
    "a kind of its own for credentials": (
        "credentials: []",
        "f:1: credentials: write them among the consumers",
    ),
    "a kind that is no list": ("routes: {}", "f:1: routes: must be a list"),
    "a row that is no mapping": ("routes: [1]", "f:1: routes: must be a list of mappings"),
    "a row without an id": ("routes:\n- uri: /a", "f:2: routes: this one has no id"),
    "an id that is a truth": ("routes:\n- id: true", "f:2: routes: this one has no id"),
    "a consumer without a name": ("consumers:\n- plugins: {}", "f:2: consumers: this one has no username"),
    "an id twice": ("routes:\n- id: 1\n- id: '1'", "f:3: routes/1 is in f:2 already"),
    "a field twice": ("routes:\n- id: 1\n  uri: /a\n  uri: /b", "f:2: this is no YAML: uri is given twice"),
    "a value that JSON has not": ("routes:\n- {id: 1, uri: !!binary YQ==}", "f: it holds what JSON has not"),
    "a number that JSON has not": ("routes:\n- {id: 1, priority: .nan}", "f: it holds what JSON has not"),
    "half a character": ('routes:\n- {id: 1, uri: "\\ud800"}', "f: it holds what JSON has not"),
    "a Python object": ("routes: !!python/object/apply:os.getcwd []", "f:1: this is no YAML"),
    "an environment variable of APISIX": (
        "routes:\n- id: 1\n  uri: ${{PATH}}",
        "f:2: routes/1: '${{PATH}}' is only replaced in a gateway's own files; write $env://NAME",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_what_is_wrong_with_a_file_is_said_with_its_line(name: str) -> None:
    text, words = FILES[name]
    with pytest.raises(FileProblem) as caught:
        from_yaml(("f", text))
    assert words in str(caught.value)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(FileProblem) as caught:
        from_yaml(("a", "routez: []\nroutes:\n- uri: /a\n- uri: /b\n"), ("b", "x: []"))
    assert [problem.partition(": ")[0] for problem in caught.value.problems] == ["a:1", "a:3", "a:4", "b:1"]


APISIXS_OWN = """
# a comment
routes:
  - id: 1
    uri: /hello
    desc: 2026-11-20
    upstream:
      nodes:
        "127.0.0.1:1980": 1
        8080: 2
consumers:
  - username: rose
  - id: rose/credentials/one
    plugins:
      key-auth:
        key: rose-key
"""


@pytest.mark.parametrize("end", ["", "#END\n"])
def test_apisixs_own_file_is_understood_with_its_end_or_without(end: str) -> None:
    declared = from_yaml(("apisix.yaml", APISIXS_OWN + end))
    assert declared.configuration.kinds == {
        "routes": {
            "1": {
                "uri": "/hello",
                "desc": "2026-11-20",
                "upstream": {"nodes": {"127.0.0.1:1980": 1, "8080": 2}},
            }
        },
        "consumers": {"rose": {"username": "rose"}},
        "credentials": {"rose/credentials/one": {"plugins": {"key-auth": {"key": "rose-key"}}}},
    }
    assert declared.places["routes", "1"] == "apisix.yaml:4"
    assert declared.places["credentials", "rose/credentials/one"] == "apisix.yaml:13"


@pytest.mark.parametrize("text", ["", "#END\n", "routes:\n", "routes: []"])
def test_an_empty_file_is_an_empty_configuration(text: str) -> None:
    declared = from_yaml(("f", text))
    assert len(declared.configuration) == 0
    assert declared.covered == ({"routes"} if "routes" in text else set())


def test_several_files_are_one_configuration() -> None:
    one, other = "routes:\n- {id: a, uri: /a}\n", "---\nroutes:\n- {id: b, uri: /b}\n---\nservices: []\n"
    declared = from_yaml(("one", one), ("other", other))
    assert set(declared.configuration.kinds["routes"]) == {"a", "b"}
    assert declared.covered == {"routes", "services"}


def test_an_id_in_two_files_is_said_with_both_places() -> None:
    with pytest.raises(FileProblem, match=r"^two:1: routes/1 is in one:2 already$"):
        from_yaml(("one", "routes:\n- id: 1\n"), ("two", "routes: [{id: 1}]\n"))


def test_what_was_written_is_read_again() -> None:
    configuration = Configuration(
        {
            "consumers": {"jack": {"username": "jack", "desc": "Grüße, 2026-11-20, yes"}},
            "credentials": {"jack/credentials/1": {"plugins": {"key-auth": {"key": "012"}}}},
            "routes": {"a.b-c_d": {"uri": "/*", "vars": [["arg_a", "==", None]], "desc": "#END\nx: y"}},
        }
    )
    text = to_yaml(configuration)
    assert from_yaml(("f", text)).configuration.kinds == configuration.kinds
    assert text.endswith("#END\n")
