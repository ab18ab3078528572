"""Redaction held against configurations that are made at random, around every secret field that is known."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from gatechat.apisix.kinds import KINDS
from gatechat.apisix.secret_fields import PLUGIN_SECRETS
from gatechat.assistant.change.redact import REDACTED, Redactor, encrypted_fields

ROUNDS = 40
CANARY = "canary"
_HEADER = "X-Whatever"
TAKE_PLUGINS = [kind.plural for kind in KINDS.values() if kind.plugins is not None]
PLAIN_NAMES = (
    "uri",
    "timeout",
    "size",
    "policy",
    "mode",
    "batch_max_size",
    "desc",
    "window",
    "rejected_code",
)
R = Redactor()


class Maker:
    """Makes configurations by a seed. ``canaries``: the secrets that are in what it made last."""

    def __init__(self, seed: str) -> None:
        self._dice = random.Random(seed)
        self.canaries: list[str] = []

    def plain(self, depth: int = 0) -> Any:
        dice = self._dice
        match dice.randrange(7 if depth < 2 else 5):
            case 0:
                return dice.randrange(10_000)
            case 1:
                return dice.random() < 0.5
            case 2:
                return None
            case 3 | 4:
                return dice.choice(("$remote_addr", "/a/*", "round", "", "ü", "200", "$secret://v/1/a/b"))
            case 5:
                return [self.plain(depth + 1) for _ in range(dice.randrange(3))]
            case _:
                return self.around(depth + 1)

    def around(self, depth: int = 0) -> dict[str, Any]:
        names = self._dice.sample(PLAIN_NAMES, self._dice.randrange(4))
        return {name: self.plain(depth) for name in names}

    def secret(self) -> Any:
        canary = f"{CANARY}-{len(self.canaries)}-{self._dice.randrange(10**9)}"
        self.canaries.append(canary)
        match self._dice.randrange(4):
            case 0:
                return [canary]
            case 1:
                return {_HEADER: canary}
            case _:
                return canary

    def along(self, path: list[str]) -> Any:
        """A value with a secret at ``path``; on the way there, arrays that the path does not name."""
        if not path:
            return self.secret()
        whole = self.around() | {path[0]: self.along(path[1:])}
        pairs = list(whole.items())
        self._dice.shuffle(pairs)
        return dict(pairs)

    def listed(self, value: Any, depth: int = 0) -> Any:
        """The same with some inner objects in lists, in which each entry can be told from the others."""
        if not isinstance(value, dict) or _HEADER in value:
            return value
        inner = {
            name: self.listed(part, depth + 1) if CANARY in json.dumps(part) else part
            for name, part in value.items()
        }
        if depth and self._dice.random() < 0.5:
            rows = [{"mode": f"other-{number}"} for number in range(self._dice.randrange(3))]
            rows.insert(self._dice.randrange(len(rows) + 1), inner)
            return rows
        return inner

    def resource(self, plugin: str, fields: tuple[str, ...]) -> dict[str, Any]:
        self.canaries = []
        conf: dict[str, Any] = self.around()
        for field in self._dice.sample(fields, self._dice.randrange(1, len(fields) + 1)):
            made = self.along(field.split("."))
            for name, part in made.items():
                if name not in conf or CANARY not in json.dumps(conf[name]):
                    conf[name] = part
        conf = self.listed(conf)
        self.canaries = [it for it in self.canaries if it in json.dumps(conf)]
        match self._dice.randrange(3):
            case 0:
                return {"plugins": {"multi-auth": {"auth_plugins": [{plugin: conf}]}}}
            case 1:
                return {"plugins": {"workflow": {"rules": [{"actions": [[plugin, conf]]}]}}}
            case _:
                return self.around() | {"plugins": {plugin: conf, "cors": {}}}


def without_secrets(value: Any) -> Any:
    """What must be left as it is: all but canaries."""
    if isinstance(value, dict):
        return {name: without_secrets(part) for name, part in value.items()}
    if isinstance(value, list):
        return [without_secrets(part) for part in value]
    return REDACTED if isinstance(value, str) and CANARY in value else value


@pytest.mark.parametrize("plugin", PLUGIN_SECRETS)
def test_whatever_stands_around_a_secret_it_is_hidden_alone_and_put_back(plugin: str) -> None:
    for number in range(ROUNDS):
        made = Maker(f"{plugin} {number}")
        value = made.resource(plugin, PLUGIN_SECRETS[plugin])
        kind = TAKE_PLUGINS[number % len(TAKE_PLUGINS)]
        hidden = R.redact(kind, value)
        assert hidden == without_secrets(value), "nothing but the secrets, and all of them"
        assert R.redact(kind, hidden) == hidden
        assert R.restore(kind, hidden, value) == value
        assert {str(it.value) for it in R.secrets(kind, value)} == set(made.canaries)
        before, after = R.compared(kind, value, value)
        assert (before, after) == (hidden, hidden)
        said = R.scrub(f"invalid: {json.dumps(value)}", R.secrets(kind, value))
        assert CANARY not in said


@pytest.mark.parametrize("seed", range(20))
def test_so_are_those_of_plugins_that_only_the_gateway_knows(seed: int) -> None:
    dice = random.Random(seed)
    fields = tuple(
        ".".join(
            dice.choice(("alpha", "beta", "gamma", "delta")) + str(n) for n in range(dice.randrange(1, 5))
        )
        for _ in range(3)
    )
    schema = {dice.choice(("schema", "consumer_schema", "metadata_schema")): {"encrypt_fields": [*fields]}}
    told = Redactor(encrypted_fields({"of-their-own": schema}))
    for number in range(ROUNDS):
        made = Maker(f"{seed} {number}")
        value = made.resource("of-their-own", fields)
        hidden = told.redact("routes", value)
        assert CANARY not in json.dumps(hidden)
        assert told.restore("routes", hidden, value) == value
