"""What the server lets happen, whatever a face or a model says: a file in plain TOML.

[policy]
mode = "ask-risky"             # ask-always, ask-risky, never-ask, read-only
largest_plan = 200             # resources in one plan, but for a person's own
elicitation = true             # whether a person may approve inside the client
pass_through = "medium"        # low, medium, high: what a write to /apisix/admin may risk and pass at once
inline_secrets = ["admin-api", "cli", "console"]  # faces that may write secrets in plain text
request_methods = ["GET", "HEAD", "OPTIONS"]      # what send_request and probes may use
forbidden_plugins = ["serverless-*", "script"]    # replaces the default: what runs code

[policy.protected]             # always asks, even in never-ask; refuse = true: is never changed
ids = ["routes/1", "ssls/*"]
labels = ["tier=gold"]
hosts = ["*.bank.example"]
paths = ["/pay/*"]
refuse = false

[policy.upstreams]             # once given, all that is allowed
networks = ["10.0.0.0/8"]
hosts = ["*.internal"]

[[policy.probes]]              # every change is undone when one of them fails
method = "GET"
path = "/health"
status = 200
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, Final

from gatechat.assistant.change.addresses import Addresses, network
from gatechat.assistant.change.model import JSON, Decision, Edit, Level, Plan, Probe, Problem, Reason, Target
from gatechat.assistant.change.words import instead
from gatechat.assistant.principal import Principal, Role
from gatechat.assistant.view.configuration import Configuration
from gatechat.assistant.view.effective import effective
from gatechat.assistant.view.exchange import chosen


class Mode(StrEnum):
    ASK_ALWAYS = "ask-always"
    ASK_RISKY = "ask-risky"
    NEVER_ASK = "never-ask"
    READ_ONLY = "read-only"


RUNS_CODE: Final[Mapping[str, str]] = {
    "serverless-pre-function": "runs Lua in the gateway",
    "serverless-post-function": "runs Lua in the gateway",
    "ext-plugin-*": "runs code of a plugin runner",
    "exit-transformer": "runs Lua in the gateway",
    "body-transformer": "its templates may hold Lua, which runs in the gateway",
    "mcp-bridge": "starts a program on the gateway's machine",
    "script": "runs Lua in the gateway",
    "script_id": "runs Lua in the gateway",
    "filter_func": "runs Lua in the gateway",
    "_meta.pre_function": "runs Lua in the gateway",
}
"""Plugins, and fields of routes and services, that run code out of the configuration (APISIX 3.18)."""


PROTECTED: Final = "protected"
"""The rule of the reasons that ``Policy.reached`` gives."""


class PolicyError(ValueError):
    """The file cannot be used; every line of the text names a line of the file and what would be right."""


@dataclass(frozen=True, slots=True)
class Protected:
    """Patterns with ``*``. ``ids`` are like "routes/1", ``labels`` like "tier=gold"."""

    ids: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    refuse: bool = False

    def why(self, target: Target, value: Mapping[str, JSON]) -> str | None:
        """What makes this resource protected, None if nothing does."""
        name = f"{target.kind}/{target.id}"
        labels = value.get("labels")
        texts = [f"{key}={text}" for key, text in labels.items()] if isinstance(labels, dict) else []
        tests: tuple[tuple[str, Sequence[str], Sequence[str], Callable[[str, str], bool]], ...] = (
            ("id", [name], self.ids, fnmatchcase),
            ("label", texts, self.labels, fnmatchcase),
            (
                "host",
                [text.lower() for text in _strings(value, "host", "hosts", "sni", "snis")],
                self.hosts,
                _overlap,
            ),
            ("path", _strings(value, "uri", "uris"), self.paths, _overlap),
        )
        for what, mine, patterns, fits in tests:
            for text in mine:
                for pattern in patterns:
                    if fits(text, pattern):
                        return f"{name} is protected by its {what} ({pattern})"
        return None


def _overlap(text: str, pattern: str) -> bool:
    """Whether a host or path, which may hold wildcards itself, has anything in common with a pattern."""
    return fnmatchcase(text, pattern) or ("*" in text and fnmatchcase(pattern, text))


def _strings(value: Mapping[str, JSON], one: str, many: str, *more: str) -> list[str]:
    found: list[str] = []
    for name in (one, many, *more):
        part = value.get(name)
        many_parts = part if isinstance(part, list) else [part]
        found += [it for it in many_parts if isinstance(it, str)]
    return found


@dataclass(frozen=True, slots=True)
class Policy:
    """See the module for the file. Made with ``load``; without a file it is ``Policy()``."""

    mode: Mode = Mode.ASK_RISKY
    largest_plan: int = 200
    elicitation: bool = True
    pass_through: Level = Level.MEDIUM
    inline_secrets: frozenset[str] = frozenset({"admin-api", "cli", "console"})
    request_methods: frozenset[str] = frozenset({"GET", "HEAD", "OPTIONS"})
    forbidden_plugins: tuple[str, ...] = tuple(RUNS_CODE)
    protected: Protected = field(default_factory=Protected)
    addresses: Addresses = field(default_factory=Addresses)
    probes: tuple[Probe, ...] = ()

    def decide(self, plan: Plan, who: Principal) -> Decision:
        """Whether ``plan`` may be applied at once, must be approved by a person, or must not be at all.

        Reads edits, risk and risks of the plan. That a plan has problems is not judged here.
        """
        if who.role < Role.EDITOR:
            return Decision(
                "refuse", (f"{who.name} has the role viewer, which reads; changes need an editor",)
            )
        if self.mode is Mode.READ_ONLY:
            return Decision("refuse", ("the policy is read-only: nothing is changed through the assistant",))
        if self._is_too_large(len(plan.edits), by_person=who.person):
            return Decision("refuse", (self._too_large(len(plan.edits)),))
        shared = (it.text for it in plan.risks if it.rule == PROTECTED)
        protected = tuple(dict.fromkeys((*self._protected(plan.edits), *shared)))
        if protected and self.protected.refuse:
            return Decision("refuse", protected)
        if self.mode is Mode.ASK_ALWAYS:
            return Decision("ask", ("the policy asks for every change", *protected))
        if protected:
            return Decision("ask", protected)
        if self.mode is Mode.ASK_RISKY and plan.risk is not Level.LOW:
            return Decision("ask", tuple(it.text for it in plan.risks if it.level is not Level.LOW))
        why = "the policy asks for no change" if self.mode is Mode.NEVER_ASK else "the risk is low"
        return Decision("allow", (why,))

    def reached(self, edits: Sequence[Edit], before: Configuration, after: Configuration) -> Iterator[Reason]:
        """Protected routes that edits reach without naming what protects them: by a service, upstream or
        plugin config that they share, by a host that they have from their service, by a global rule.
        """
        if self.protected == Protected(refuse=self.protected.refuse):
            return
        edited = {f"{edit.target.kind}/{edit.target.id}" for edit in edits}
        everywhere = any(edit.target.kind == "global_rules" for edit in edits)
        seen: set[str] = set()
        for configuration in (before, after):
            for id, route in effective(configuration).routes.items():
                parts = {
                    f"routes/{id}",
                    f"services/{route.service}",
                    f"plugin_configs/{route.plugin_config}",
                    route.backend.source,
                }
                if not everywhere and not parts & edited:
                    continue
                value = {**route.item.value, "hosts": list(route.hosts)}
                why = self.protected.why(Target("routes", id), value)
                if why and why not in seen:
                    seen.add(why)
                    yield Reason(PROTECTED, Level.HIGH, why)

    def decide_passing(self, plan: Plan, who: Principal) -> Decision | None:
        """What lets a write to the Admin API pass at once although a plan of its risk would wait; None:
        nothing does, as its risk is too high or is not the only reason to ask.
        """
        levels = tuple(Level)
        if levels.index(plan.risk) > levels.index(self.pass_through):
            return None
        if self.decide(replace(plan, risk=Level.LOW), who).verdict != "allow":
            return None
        why = f"a call of the Admin API with a risk of {plan.risk.value} passes (pass_through)"
        return Decision("allow", (why, *plan.decision.reasons))

    def _is_too_large(self, size: int, *, by_person: bool) -> bool:
        return size > self.largest_plan and not by_person

    def _too_large(self, size: int) -> str:
        most = f"the policy allows {self.largest_plan} in one plan (largest_plan)"
        return f"the plan changes {size} resources; {most}"

    def _protected(self, edits: Sequence[Edit]) -> Iterator[str]:
        for edit in edits:
            whys = (self.protected.why(edit.target, value) for value in (edit.before, edit.after) if value)
            yield from dict.fromkeys(why for why in whys if why)

    def problems(
        self, edits: Sequence[Edit], probes: Sequence[Probe] = (), *, by_person: bool = False
    ) -> list[Problem]:
        """What nobody can approve: size, plugins, methods of probes. ``addresses`` judges by itself.

        ``by_person``: what a person plans may have any size.
        """
        too_large = self._is_too_large(len(edits), by_person=by_person)
        found = [Problem(None, "", self._too_large(len(edits)))] if too_large else []
        for edit in edits:
            found += self._forbidden(edit)
        for number, probe in enumerate(probes):
            if probe.method not in self.request_methods:
                allowed = ", ".join(sorted(self.request_methods))
                text = f"probes may use {allowed} (request_methods of the policy)"
                found.append(Problem(None, f"probes.{number}.method", text, probe.method))
        return found

    def _forbidden(self, edit: Edit) -> Iterator[Problem]:
        if edit.after is None:
            return
        before = dict(plugins_in(edit.target, edit.before or {}))
        for path, conf in plugins_in(edit.target, edit.after):
            name = plugin_at(path)
            pattern = self.forbids(name)
            if pattern is not None and before.get(path) != conf:
                why = f": it {RUNS_CODE[pattern]}" if pattern in RUNS_CODE else ""
                text = f"{name} is forbidden by the policy{why}"
                fix = "leave it out, or have the gateway's owner take it from forbidden_plugins"
                where = f"{edit.target.kind}/{edit.target.id}.{path}"
                yield Problem(edit.target, where, text, fix=fix)

    def forbids(self, plugin: str) -> str | None:
        """The pattern that forbids this plugin or field."""
        return next((it for it in self.forbidden_plugins if fnmatchcase(plugin, it)), None)


_CODE_FIELDS: Final = ("script", "script_id", "filter_func")


def plugins_in(target: Target, value: Mapping[str, JSON]) -> Iterator[tuple[str, JSON]]:
    """Path and configuration of every plugin, also of those inside other plugins, and of code fields."""
    if target.kind == "plugin_metadata":
        yield target.id, value
        return
    yield from ((name, value[name]) for name in _CODE_FIELDS if name in value)
    for name, conf in _items(value.get("plugins")):
        yield f"plugins.{name}", conf
        yield from _inside(name, conf, f"plugins.{name}")


def plugin_at(path: str) -> str:
    """The plugin or code field at a path of ``plugins_in``."""
    return "_meta.pre_function" if path.endswith("._meta.pre_function") else path.rpartition(".")[2]


def _inside(name: str, conf: JSON, at: str) -> Iterator[tuple[str, JSON]]:
    meta = conf.get("_meta") if isinstance(conf, dict) else None
    if isinstance(meta, dict) and "pre_function" in meta:
        yield f"{at}._meta.pre_function", meta["pre_function"]
    if name == "multi-auth":
        for number, one in enumerate(_list(conf, "auth_plugins")):
            for inner, inner_conf in _items(one):
                yield f"{at}.auth_plugins.{number}.{inner}", inner_conf
                yield from _inside(inner, inner_conf, f"{at}.auth_plugins.{number}.{inner}")
    elif name == "workflow":
        for number, rule in enumerate(_list(conf, "rules")):
            for place, action in enumerate(_list(rule, "actions")):
                if isinstance(action, list) and action and isinstance(action[0], str):
                    inner_conf = action[1] if len(action) > 1 else {}
                    yield f"{at}.rules.{number}.actions.{place}.{action[0]}", inner_conf


def _items(value: JSON) -> list[tuple[str, JSON]]:
    return list(value.items()) if isinstance(value, dict) else []


def _list(value: JSON, name: str) -> list[JSON]:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, list) else []


def load(path: Path, own: Sequence[str] = ()) -> Policy:
    """The policy in a file. ``own``: URLs that are never upstreams. Raises PolicyError with all errors."""
    try:
        return parse(path.read_text("utf-8"), own)
    except PolicyError as error:
        raise PolicyError("\n".join(f"{path}: {line}" for line in str(error).splitlines())) from None
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(f"{path}: the policy cannot be read: {error}") from error


def parse(text: str, own: Sequence[str] = ()) -> Policy:
    """See ``load``."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        end = f"line {max(1, len(text.splitlines()))}"
        words = str(error).replace("end of document", f"end of document, {end}")
        raise PolicyError(f"this is no TOML: {words}") from error
    return _Reader(text).policy(document, tuple(own))


_TOP: Final = (
    "mode",
    "largest_plan",
    "elicitation",
    "pass_through",
    "inline_secrets",
    "request_methods",
    "forbidden_plugins",
    "protected",
    "upstreams",
    "probes",
)
_FACES: Final = frozenset({"mcp", "actions", "console", "cli", "admin-api"})
_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
_PROBE: Final = ("method", "path", "headers", "status", "header", "contains")


class _Reader:
    """Takes a document apart, collecting everything that is wrong."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()
        self._wrong: list[tuple[int, str]] = []

    def policy(self, document: dict[str, Any], own: tuple[str, ...]) -> Policy:
        self._known(document, (), ("policy",))
        top = self._table(document, ("policy",))
        self._known(top, ("policy",), _TOP)
        default = Policy()
        mode = self._text(top, ("policy", "mode"), frozenset(it.value for it in Mode)) or default.mode.value
        passes = self._text(top, ("policy", "pass_through"), frozenset(it.value for it in Level))
        size = top.get("largest_plan", default.largest_plan)
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            self._say(("policy", "largest_plan"), "must be a whole number from 1")
            size = default.largest_plan
        policy = Policy(
            mode=Mode(mode),
            largest_plan=size,
            elicitation=self._flag(top, ("policy", "elicitation"), True),
            pass_through=Level(passes or default.pass_through),
            inline_secrets=frozenset(
                self._texts(top, ("policy", "inline_secrets"), default.inline_secrets, _FACES)
            ),
            request_methods=frozenset(
                self._texts(top, ("policy", "request_methods"), default.request_methods, _METHODS)
            ),
            forbidden_plugins=tuple(
                self._texts(top, ("policy", "forbidden_plugins"), default.forbidden_plugins)
            ),
            protected=self._protected(top),
            addresses=self._addresses(top, own),
            probes=self._probes(top),
        )
        if self._wrong:
            lines = (f"line {line}: {words}" if line else words for line, words in sorted(self._wrong))
            raise PolicyError("\n".join(lines))
        return policy

    def _protected(self, top: dict[str, Any]) -> Protected:
        path = ("policy", "protected")
        table = self._table(top, path)
        self._known(table, path, ("ids", "labels", "hosts", "paths", "refuse"))
        lists = {
            name: tuple(self._texts(table, (*path, name), ())) for name in ("ids", "labels", "hosts", "paths")
        }
        for name, sign, example in (("ids", "/", "routes/1"), ("labels", "=", "tier=gold")):
            for text in lists[name]:
                if sign not in text:
                    self._say((*path, name), f'"{text}" must be written like "{example}"')
        hosts = tuple(host.lower() for host in lists["hosts"])
        return Protected(
            lists["ids"], lists["labels"], hosts, lists["paths"], self._flag(table, (*path, "refuse"), False)
        )

    def _addresses(self, top: dict[str, Any], own: tuple[str, ...]) -> Addresses:
        path = ("policy", "upstreams")
        table = self._table(top, path)
        self._known(table, path, ("networks", "hosts"))
        networks = []
        for text in self._texts(table, (*path, "networks"), ()):
            try:
                networks.append(network(text))
            except ValueError as error:
                self._say(
                    (*path, "networks"), f'"{text}" is no network like "{IPv4Network("10.0.0.0/8")}": {error}'
                )
        return Addresses(tuple(networks), tuple(self._texts(table, (*path, "hosts"), ())), own)

    def _probes(self, top: dict[str, Any]) -> tuple[Probe, ...]:
        rows = top.get("probes", [])
        path = ("policy", "probes")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            self._say(path, "must be tables: [[policy.probes]]")
            return ()
        return tuple(
            probe for number, row in enumerate(rows) if (probe := self._probe(row, number)) is not None
        )

    def _probe(self, row: dict[str, Any], number: int) -> Probe | None:
        path = ("policy", "probes")
        self._known(row, path, _PROBE, number)
        if set(row) - set(_PROBE):
            return None
        try:
            return probe_of(row | {"required": True})
        except ValueError as error:
            self._say(path, str(error), number)
            return None

    def _table(self, parent: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
        table = parent.get(path[-1], {})
        if isinstance(table, dict):
            return table
        self._say(path, f"must be a table: [{'.'.join(path)}]")
        return {}

    def _known(
        self, table: dict[str, Any], path: tuple[str, ...], known: Sequence[str], number: int = 0
    ) -> None:
        for name in table:
            if name not in known:
                self._say((*path, name), f"there is no such key; {instead(name, known)}", number)

    def _flag(self, table: dict[str, Any], path: tuple[str, ...], default: bool) -> bool:
        value = table.get(path[-1], default)
        if isinstance(value, bool):
            return value
        self._say(path, "must be true or false")
        return default

    def _text(self, table: dict[str, Any], path: tuple[str, ...], allowed: frozenset[str]) -> str | None:
        value = table.get(path[-1])
        if value is None or (isinstance(value, str) and value in allowed):
            return value
        self._say(path, f"{value!r} is none of them; {instead(str(value), allowed)}")
        return None

    def _texts(
        self,
        table: dict[str, Any],
        path: tuple[str, ...],
        default: Any,
        allowed: frozenset[str] | None = None,
    ) -> list[str]:
        value = table.get(path[-1])
        if value is None:
            return list(default)
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            self._say(path, 'must be a list of texts: ["…", "…"]')
            return list(default)
        for item in value:
            if allowed is not None and item not in allowed:
                self._say(path, f'"{item}" is none of them; {instead(item, allowed)}')
        return value

    def _say(self, path: tuple[str, ...], words: str, number: int = 0) -> None:
        self._wrong.append((self._line(path, number), f"{'.'.join(path)}: {words}"))

    def _line(self, path: tuple[str, ...], number: int) -> int:
        """The line (from 1) where ``path`` is set, in the ``number``-th table of an array; 0: unknown."""
        table: tuple[str, ...] = ()
        seen: dict[tuple[str, ...], int] = {}
        best = 0
        for at, line in enumerate(self._lines, 1):
            head = re.match(r"\s*(\[\[?)\s*([^\]]+?)\s*\]", line)
            if head:
                table = tuple(part.strip().strip("\"'") for part in head[2].split("."))
                seen[table] = seen.get(table, -1) + 1
                here = table
            else:
                key = re.match(r"\s*([\w\-.\"' ]+?)\s*=", line)
                if key is None:
                    continue
                here = (*table, *(part.strip().strip("\"'") for part in key[1].split(".")))
            if here == path[: len(here)] and seen.get(table, 0) == number * (table == ("policy", "probes")):
                best = at
                if here == path:
                    return at
        return best


def probe_of(row: Mapping[str, JSON]) -> Probe:
    """A probe as it is written in a policy or a plan. Raises ValueError that says what would be right.

    Keys: method (GET), path (begins with "/"), headers, status, header ("name: value"), contains, required.
    """
    unknown = [name for name in row if name not in (*_PROBE, "required")]
    if unknown:
        raise ValueError(f"{unknown[0]}: there is no such key; {instead(unknown[0], (*_PROBE, 'required'))}")
    method, path, status = row.get("method", "GET"), row.get("path"), row.get("status")
    headers, header, contains = row.get("headers", {}), row.get("header"), row.get("contains")
    if not isinstance(method, str) or method.upper() not in _METHODS:
        raise ValueError(f"method: must be one of {', '.join(sorted(_METHODS))}")
    if not isinstance(path, str) or not re.match(r"/(?!/)", path) or not path.isprintable():
        raise ValueError(
            'path: must begin with one "/"; probes go to the gateway only, and name no host here'
        )
    if not isinstance(headers, dict) or not all(isinstance(text, str) for text in headers.values()):
        raise ValueError('headers: must be texts by name: {Host = "api.example.com"}')
    chosen(headers)
    if status is not None and (
        not isinstance(status, int) or isinstance(status, bool) or not 100 <= status <= 599
    ):
        raise ValueError("status: must be a status code")
    if header is not None and (not isinstance(header, str) or ":" not in header):
        raise ValueError('header: must be written "name: value"')
    if contains is not None and not isinstance(contains, str):
        raise ValueError("contains: must be a part of the expected body")
    if not isinstance(row.get("required", False), bool):
        raise ValueError("required: must be true or false")
    name, _, text = (header or "").partition(":")
    return Probe(
        method.upper(),
        path,
        dict(headers),
        status,
        (name.strip().lower(), text.strip()) if header else None,
        contains,
        row.get("required", False),
    )
