from __future__ import annotations

import re
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gatechat.assistant.change import policy
from gatechat.assistant.change.model import Decision, Level, Plan, Probe, Reason, State
from gatechat.assistant.change.policy import PROTECTED, Mode, Policy, PolicyError, load, parse, probe_of
from gatechat.assistant.principal import Principal, Role
from tests.assistant.change.planning import case, edit, operation

EDITOR = Principal("token:ci", Role.EDITOR, "mcp")
ROUTE = {"uri": "/pay/*", "host": "api.bank.example", "labels": {"tier": "gold"}}


def a_plan(*edits: Any, risk: Level = Level.LOW, reached: bool = False) -> Plan:
    reasons = () if risk is Level.LOW else (Reason("opens", risk, "it opens"),)
    reasons += (Reason(PROTECTED, Level.HIGH, "routes/9 is protected"),) if reached else ()
    rest: dict[str, Any] = {"probes": (), "selected": "", "problems": (), "impact": ()}
    head = ("id", "digest", 0.0, 0.0, "token:ci", "editor", "mcp", "why")
    return Plan(
        *head, edits, **rest, risk=risk, risks=reasons, decision=Decision("ask", ()), state=State.WAITING
    )


CHANGE = edit("routes", "1", {"uri": "/a"}, {"uri": "/b"})
PAY = edit("routes", "7", ROUTE, {**ROUTE, "desc": "x"})


@pytest.mark.parametrize(
    ("text", "plan", "who", "verdict"),
    [
        ("", a_plan(CHANGE), EDITOR, "allow"),
        ("", a_plan(CHANGE, risk=Level.MEDIUM), EDITOR, "ask"),
        ("", a_plan(CHANGE, risk=Level.HIGH), EDITOR, "ask"),
        ("", a_plan(CHANGE), replace(EDITOR, role=Role.VIEWER), "refuse"),
        ('mode = "ask-always"', a_plan(CHANGE), EDITOR, "ask"),
        ('mode = "never-ask"', a_plan(CHANGE, risk=Level.HIGH), EDITOR, "allow"),
        ('mode = "read-only"', a_plan(CHANGE), replace(EDITOR, role=Role.ADMIN), "refuse"),
        ("largest_plan = 1", a_plan(CHANGE, PAY), EDITOR, "refuse"),
        ("largest_plan = 1", a_plan(CHANGE, PAY), replace(EDITOR, person=True), "allow"),
        ('mode = "never-ask"\nprotected.ids = ["routes/7"]', a_plan(PAY), EDITOR, "ask"),
        ('mode = "never-ask"\nprotected.ids = ["routes/*"]', a_plan(PAY), EDITOR, "ask"),
        ('mode = "never-ask"\nprotected.ids = ["routes/8"]', a_plan(PAY), EDITOR, "allow"),
        ('protected.labels = ["tier=gold"]', a_plan(PAY), EDITOR, "ask"),
        ('protected.labels = ["tier=*"]', a_plan(PAY), EDITOR, "ask"),
        ('protected.labels = ["tier=silver"]', a_plan(PAY), EDITOR, "allow"),
        ('protected.hosts = ["*.BANK.example"]', a_plan(PAY), EDITOR, "ask"),
        ('protected.hosts = ["other.example"]', a_plan(PAY), EDITOR, "allow"),
        ('protected.paths = ["/pay/refunds"]', a_plan(PAY), EDITOR, "ask"),
        ('protected.paths = ["/pay*"]', a_plan(edit("routes", "7", ROUTE, None)), EDITOR, "ask"),
        ('protected.paths = ["/pay*"]', a_plan(edit("routes", "9", None, ROUTE)), EDITOR, "ask"),
        ('protected.ids = ["routes/7"]\nprotected.refuse = true', a_plan(PAY), EDITOR, "refuse"),
        ('mode = "never-ask"', a_plan(CHANGE, reached=True), EDITOR, "ask"),
        ('mode = "never-ask"\nprotected.refuse = true', a_plan(CHANGE, reached=True), EDITOR, "refuse"),
        (
            'protected.paths = ["/pay*"]',
            a_plan(edit("routes", "7", {"uri": 5}, {"uri": ["x", 1]})),
            EDITOR,
            "allow",
        ),
        ('protected.hosts = ["a"]', a_plan(edit("ssls", "7", None, {"snis": 5, "sni": "A"})), EDITOR, "ask"),
    ],
)
def test_the_policy_decides(text: str, plan: Plan, who: Principal, verdict: str) -> None:
    decision = parse(f"[policy]\n{text}").decide(plan, who)
    assert decision.verdict == verdict
    assert decision.reasons


SHARED: dict[str, dict[str, Any]] = {
    "upstreams": {"u": {"nodes": {"10.0.0.1:80": 1}}, "v": {"nodes": {"10.0.0.2:80": 1}}},
    "services": {"s": {"hosts": ["api.bank.example"], "upstream_id": "u"}},
    "plugin_configs": {"p": {"plugins": {}}},
    "routes": {
        "pay": {"uri": "/pay/*", "service_id": "s", "plugin_config_id": "p", "labels": {"tier": "gold"}},
        "free": {"uri": "/free", "upstream_id": "v"},
    },
}


@pytest.mark.parametrize(
    ("protected", "change", "found"),
    [
        ('hosts = ["*.bank.example"]', operation("merge", "routes", "pay", {"desc": "x"}), "its host"),
        ('hosts = ["*.bank.example"]', operation("delete", "routes", "pay"), "its host"),
        (
            'hosts = ["*.bank.example"]',
            operation("create", "routes", "n", {"uri": "/n", "service_id": "s"}),
            "routes/n is protected by its host",
        ),
        ('paths = ["/pay/*"]', operation("merge", "upstreams", "u", {"retries": 1}), "its path"),
        ('paths = ["/pay/*"]', operation("merge", "services", "s", {"upstream_id": "v"}), "its path"),
        (
            'labels = ["tier=gold"]',
            operation("merge", "plugin_configs", "p", {"plugins": {"cors": {}}}),
            "its label",
        ),
        ('ids = ["routes/pay"]', operation("merge", "upstreams", "u", {"retries": 1}), "its id"),
        (
            'ids = ["routes/pay"]',
            operation("create", "global_rules", "g", {"plugins": {"cors": {}}}),
            "its id",
        ),
        ('ids = ["routes/pay"]', operation("merge", "upstreams", "v", {"retries": 1}), None),
        ('ids = ["routes/pay"]', operation("merge", "routes", "free", {"desc": "x"}), None),
        ("refuse = true", operation("merge", "upstreams", "u", {"retries": 1}), None),
    ],
)
def test_what_is_protected_is_so_by_what_it_shares_too(
    protected: str, change: Any, found: str | None
) -> None:
    made = case(SHARED, change)
    rules = parse(f"[policy.protected]\n{protected}")
    reasons = [it.text for it in rules.reached(made.edits, made.before, made.after)]
    assert [found in text for text in reasons] == [True] if found else reasons == []


@pytest.mark.parametrize(
    ("after", "path"),
    [
        ({"plugins": {"serverless-pre-function": {"functions": []}}}, "plugins.serverless-pre-function"),
        ({"plugins": {"serverless-post-function": {}}}, "plugins.serverless-post-function"),
        ({"plugins": {"ext-plugin-pre-req": {}}}, "plugins.ext-plugin-pre-req"),
        ({"plugins": {"ext-plugin-post-resp": {}}}, "plugins.ext-plugin-post-resp"),
        ({"plugins": {"exit-transformer": {}}}, "plugins.exit-transformer"),
        ({"plugins": {"body-transformer": {}}}, "plugins.body-transformer"),
        ({"plugins": {"mcp-bridge": {"command": "sh"}}}, "plugins.mcp-bridge"),
        ({"script": "return 1"}, "script"),
        ({"script_id": "1"}, "script_id"),
        ({"filter_func": "function() end"}, "filter_func"),
        ({"plugins": {"cors": {"_meta": {"pre_function": "x"}}}}, "plugins.cors._meta.pre_function"),
        (
            {"plugins": {"multi-auth": {"auth_plugins": [{"serverless-pre-function": {}}]}}},
            "plugins.multi-auth.auth_plugins.0.serverless-pre-function",
        ),
        (
            {"plugins": {"workflow": {"rules": [{"actions": [["serverless-pre-function", {}]]}]}}},
            "plugins.workflow.rules.0.actions.0.serverless-pre-function",
        ),
    ],
)
def test_what_runs_code_is_forbidden_by_default(after: dict[str, Any], path: str) -> None:
    (problem,) = Policy().problems([edit("routes", "1", None, after)])
    assert problem.path == f"routes/1.{path}"
    assert "forbidden by the policy" in problem.message
    assert not parse("[policy]\nforbidden_plugins = []").problems([edit("routes", "1", None, after)])


def test_a_forbidden_plugin_that_is_there_already_does_not_stand_in_the_way() -> None:
    plugins = {"serverless-pre-function": {"functions": ["x"]}}
    before = {"uri": "/a", "plugins": plugins}
    assert not Policy().problems([edit("routes", "1", before, {"uri": "/b", "plugins": plugins})])
    assert not Policy().problems([edit("routes", "1", before, {"uri": "/a"})])
    other = {"serverless-pre-function": {"functions": ["y"]}}
    assert Policy().problems([edit("routes", "1", before, {"uri": "/a", "plugins": other})])


def test_an_oversized_plan_is_a_problem_unless_a_person_made_it() -> None:
    (problem,) = parse("[policy]\nlargest_plan = 1").problems([CHANGE, PAY])
    assert "changes 2 resources" in problem.message
    assert not parse("[policy]\nlargest_plan = 1").problems([CHANGE, PAY], by_person=True)


def test_probes_use_the_methods_that_the_policy_allows() -> None:
    (problem,) = Policy().problems([], [Probe("POST", "/x")])
    assert problem.path == "probes.0.method"
    assert not parse('[policy]\nrequest_methods = ["POST"]').problems([], [Probe("POST", "/x")])


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(
        """
        [policy]
        mode = "ask-always"
        largest_plan = 5
        elicitation = false
        inline_secrets = ["cli"]
        forbidden_plugins = ["cors"]
        [policy.protected]
        ids = ["routes/1"]
        [policy.upstreams]
        networks = ["10.0.0.0/8", "fd00::/8"]
        hosts = ["*.internal"]
        [[policy.probes]]
        path = "/health"
        status = 200
        header = "X-Ok: yes"
        """
    )
    found = load(file, own=["http://127.0.0.1:9180"])
    assert (found.mode, found.largest_plan, found.elicitation) == (Mode.ASK_ALWAYS, 5, False)
    assert found.inline_secrets == {"cli"}
    assert found.forbidden_plugins == ("cors",)
    assert [str(it) for it in found.addresses.networks] == ["10.0.0.0/8", "fd00::/8"]
    assert found.addresses.own == ("http://127.0.0.1:9180",)
    assert found.probes == (Probe("GET", "/health", status=200, header=("x-ok", "yes"), required=True),)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[policy]\nmod = 'x'", 2, 'policy.mod: there is no such key; did you mean "mode"?'),
        ("[policy]\nmode = 'ask-risk'", 2, 'did you mean "ask-risky"?'),
        ("[polcy]\n", 1, 'did you mean "policy"?'),
        ("[policy]\n\nlargest_plan = 0", 3, "must be a whole number from 1"),
        ("[policy]\nlargest_plan = true", 2, "must be a whole number from 1"),
        ("[policy]\nelicitation = 'yes'", 2, "must be true or false"),
        ("[policy]\nforbidden_plugins = 'cors'", 2, "must be a list of texts"),
        ("[policy]\ninline_secrets = ['mpc']", 2, 'did you mean "mcp"?'),
        ("[policy]\n[policy.protected]\nid = ['x']", 3, 'did you mean "ids"?'),
        ("[policy]\nprotected.ids = ['1']", 2, 'must be written like "routes/1"'),
        ("[policy.protected]\nlabels = ['gold']", 2, 'must be written like "tier=gold"'),
        ("[policy]\nprotected = 1", 2, "must be a table"),
        ("[policy.upstreams]\nnetworks = ['10.0.0.1/8']", 2, "is no network like"),
        ("[[policy.probes]]\npath = '/a'\n[[policy.probes]]\npth = '/b'", 4, 'did you mean "path"?'),
        ("[[policy.probes]]\npath = 'http://evil/'", 1, "path: must begin with one"),
        ("[policy]\nprobes = 1", 2, "must be tables"),
    ],
)
def test_what_is_wrong_in_the_file_is_told_with_its_line(text: str, line: int, words: str) -> None:
    with pytest.raises(PolicyError) as error:
        parse(text)
    first = str(error.value).splitlines()[0]
    assert first.startswith(f"line {line}: ")
    assert words in str(error.value)


def test_all_errors_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "p.toml"
    file.write_text("[policy]\nmod = 1\nlargest_plan = 'x'\n")
    with pytest.raises(PolicyError) as error:
        load(file)
    assert [line.partition(": ")[0] for line in str(error.value).splitlines()] == [str(file)] * 2


@pytest.mark.parametrize("text", ["[policy", "a = "])
def test_what_is_no_toml_is_told_with_its_line(text: str) -> None:
    with pytest.raises(PolicyError, match="line 1"):
        parse(text)


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="cannot be read"):
        load(tmp_path / "nothing.toml")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"path": "//evil"}, "path"),
        ({"path": "http://evil/"}, "path"),
        ({"path": "/a\r\nHost: evil"}, "path"),
        ({"path": "/a", "headers": {"a": "b\r\nHost: evil"}}, "headers"),
        ({"path": "/a", "headers": {"a b": "c"}}, "headers"),
        ({"path": "/a", "headers": {"Content-Length": "1"}}, "belongs to the connection"),
        ({"path": "/a", "headers": {"a": "ü"}}, "must be ASCII"),
        ({"path": "/a", "method": "BREW"}, "method"),
        ({"path": "/a", "status": 99}, "status"),
        ({"path": "/a", "headers": {"a": 1}}, "headers"),
        ({"path": "/a", "header": "x"}, "header"),
        ({"path": "/a", "contains": 1}, "contains"),
        ({"path": "/a", "required": "yes"}, "required"),
        ({"path": "/a", "host": "evil"}, "there is no such key"),
        ({}, "path"),
    ],
)
def test_a_probe_that_is_not_understood_is_an_error(row: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        probe_of(row)


def test_the_examples_of_the_documentation_are_policies() -> None:
    page = (Path(__file__).parents[3] / "docs" / "policy.md").read_text("utf-8")
    (block,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert parse(block).protected.labels == ("tier=gold",)
    assert parse(textwrap.dedent((policy.__doc__ or "").partition("\n\n")[2])).largest_plan == 200
    assert all(f"`{name}`" in page for name in policy.RUNS_CODE)
