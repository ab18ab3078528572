"""Everything that is wrong with a plan, at once: what the gateway would say, references, addresses, policy.

The gateway is asked twice. Its schemas are asked for, so that every error of a resource is found and told
with its path and what is allowed there; and it is asked for its own judgement (POST /configs/validate, or
before APISIX 3.17 /schema/validate/{kind}), as plugins check more than their schemas say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import jsonschema_rs

from gatechat.apisix.kinds import KINDS, LARGEST_BODY, PREFIX
from gatechat.apisix.validation import is_reference
from gatechat.assistant.change.addresses import Resolve, places, resolve
from gatechat.assistant.change.catalogue import Catalogue, Plugin, Schema, Sends
from gatechat.assistant.change.model import JSON, Action, Edit, Probe, Problem, Target
from gatechat.assistant.change.policy import Policy, plugins_in
from gatechat.assistant.change.redact import (
    ENTER,
    GENERATE,
    REDACTED,
    Redactor,
    Secret,
    marked,
)
from gatechat.assistant.change.words import instead, listed
from gatechat.assistant.view.configuration import Configuration

_STAND_IN: Final = "a-secret-that-a-person-will-enter-0000"
"""What is checked in place of a secret that is not there yet."""
_ADVICE: Final = (
    'write "[enter]" to have a person enter it on the plan\'s page, "[generate]" to have one made and shown '
    "to them, or a reference ($env://NAME, $secret://manager/id/key)"
)
_JSON_BODY: Final = {"content-type": "application/json"}
_KINDS = jsonschema_rs.ValidationErrorKind
_MOST_OF_ONE: Final = 20
"""Problems told of one resource."""


class Checker:
    """``redactor`` may be replaced by one that knows the gateway's own plugins."""

    def __init__(self, admin: Sends, policy: Policy, resolver: Resolve = resolve) -> None:
        self._admin = admin
        self._policy = policy
        self._resolver = resolver
        self.redactor = Redactor()

    def by_schema(
        self, edits: Sequence[Edit], catalogue: Catalogue, to_enter: Sequence[str] = ()
    ) -> dict[Target, list[Problem]]:
        """What the gateway's schemas say of each resource. ``to_enter``: secrets that are still missing."""
        return {
            edit.target: self._by_schema(edit, catalogue, to_enter)
            for edit in edits
            if edit.after is not None
        }

    async def problems(
        self,
        edits: Sequence[Edit],
        after: Configuration,
        by_schema: Mapping[Target, Sequence[Problem]],
        probes: Sequence[Probe] = (),
        *,
        secrets_allowed: bool = False,
        ask: bool = True,
        to_enter: Sequence[str] = (),
    ) -> list[Problem]:
        """``after``: the configuration with the edits in it. Not ``ask``: what the gateway will say
        itself when it is written to is left to it.

        Raises gatechat.assistant.problem.Problem when the gateway cannot be asked.
        """
        found = self._policy.problems(edits, probes)
        if not secrets_allowed:
            for edit in edits:
                found += self._inline_secrets(edit)
        found += await self._addresses(edits)
        if ask:
            found += references(edits, after)
            for several in by_schema.values():
                found += several[:_MOST_OF_ONE]
            sound = [_without(edit, by_schema[edit.target]) for edit in edits if edit.after is not None]
            found += await self._by_gateway(
                [edit for edit in sound if edit is not None and not _unshown(edit, to_enter)]
            )
        return self._hidden(found, edits)

    def _hidden(self, problems: Sequence[Problem], edits: Sequence[Edit]) -> list[Problem]:
        """Without a secret in value, message or advice."""
        if not problems:
            return []
        secrets = {
            edit.target: [
                secret
                for side in (edit.before, edit.after)
                for secret in self.redactor.secrets(edit.target.kind, side, edit.target.id)
            ]
            for edit in edits
        }
        every = [secret for several in secrets.values() for secret in several]
        return [
            self._without_secrets(it, secrets.get(it.target, []) if it.target else every) for it in problems
        ]

    def _without_secrets(self, problem: Problem, secrets: Sequence[Secret]) -> Problem:
        value = None if isinstance(problem.value, dict | list) else problem.value
        if value is not None and any(secret.value == value for secret in secrets):
            value = REDACTED
        if isinstance(value, str):
            value = self.redactor.scrub(value, secrets)
        message, fix = (self.redactor.scrub(text, secrets) for text in (problem.message, problem.fix))
        return replace(problem, value=value, message=message, fix=fix)

    def _inline_secrets(self, edit: Edit) -> Iterator[Problem]:
        kind, id = edit.target.kind, edit.target.id
        there = {_same(secret) for secret in self.redactor.secrets(kind, edit.before, id)}
        for secret in self.redactor.secrets(kind, edit.after, id):
            if _same(secret) not in there:
                text = "a secret in plain text: whoever reads this conversation could use it"
                yield Problem(edit.target, f"{_name(edit.target)}.{secret.dotted}", text, REDACTED, _ADVICE)

    async def _addresses(self, edits: Sequence[Edit]) -> list[Problem]:
        found = []
        for edit in edits:
            kind, id = edit.target.kind, edit.target.id
            before = {(it.host, it.port) for it in places(kind, edit.before or {}, id)}
            for place in places(kind, edit.after or {}, id):
                if (place.host, place.port) in before:
                    continue
                why = await self._policy.addresses.refusal(place.host, place.port, self._resolver)
                if why:
                    text = f"the gateway may not be made to connect there: {why}"
                    fix = "name the backend's own address; the gateway's owner may allow others"
                    found.append(
                        Problem(edit.target, f"{_name(edit.target)}.{place.path}", text, place.host, fix)
                    )
        return found

    # -- by the gateway's schemas ----------------------------------------------------------------------------

    def _by_schema(self, edit: Edit, catalogue: Catalogue, to_enter: Sequence[str]) -> list[Problem]:
        target, after = edit.target, _standing_in(edit.after or {})
        found: list[Problem] = []
        schema = catalogue.kinds.get(target.kind)
        whole = _with_id(target, after)
        if schema is not None and not _unshown(edit, to_enter):
            found += _errors(target, schema, whole, _name(target), edit.before)
        if target.kind == "plugin_metadata":
            return found + self._metadata(edit, after, catalogue)
        if KINDS[target.kind].plugins is None:
            return found
        side = "consumer" if KINDS[target.kind].plugins == "consumer" else "route"
        known = catalogue.of(target.kind)
        old = dict(plugins_in(target, edit.before or {}))
        for path, conf in plugins_in(target, after):
            if not path.startswith("plugins.") or path.endswith("._meta.pre_function"):
                continue
            name = path.rpartition(".")[2]
            where = f"{_name(target)}.{path}"
            if name not in known:
                fix = instead(name, known)
                found.append(Problem(target, where, f"this gateway has no plugin {name}", name, fix))
                continue
            found += _plugin_errors(target, known[name], conf, where, side, old.get(path))
        return found

    def _metadata(self, edit: Edit, after: Mapping[str, JSON], catalogue: Catalogue) -> list[Problem]:
        target = edit.target
        plugin = catalogue.plugins.get(target.id) or catalogue.stream_plugins.get(target.id)
        if plugin is None:
            fix = instead(target.id, catalogue.plugins)
            return [Problem(target, _name(target), f"this gateway has no plugin {target.id}", target.id, fix)]
        if plugin.metadata is None:
            return []
        return _errors(target, plugin.metadata, dict(after), _name(target), edit.before)

    # -- by the gateway itself -------------------------------------------------------------------------------

    async def _by_gateway(self, asked: Sequence[Edit]) -> list[Problem]:
        found: list[Problem] = []
        for part in _parts(asked):
            answer = await self._admin.send(
                "POST", f"{PREFIX}/configs/validate".encode(), _JSON_BODY, _body(part)
            )
            if answer.status in (404, 405) or (answer.status == 400 and b'"errors"' not in answer.body):
                found += await self._one_by_one(part)
            elif answer.status != 200:
                found += _told(part, answer.body)
        return found

    async def _one_by_one(self, edits: Sequence[Edit]) -> list[Problem]:
        """Before APISIX 3.17. Some kinds it cannot check at all; those it judges when they are written."""
        found = []
        for edit in edits:
            target = edit.target
            body = json.dumps(_with_id(target, _standing_in(edit.after or {}))).encode()
            path = f"{PREFIX}/schema/validate/{target.kind}".encode()
            answer = await self._admin.send("POST", path, _JSON_BODY, body)
            if answer.status == 400:
                found.append(_gateway_problem(target, _words(answer.body)))
        return found


def _name(target: Target) -> str:
    return f"{target.kind}/{target.id}"


def _same(secret: Secret) -> tuple[str, str]:
    """A secret counts as known only in a field of the same name."""
    names = [str(step) for step in secret.path if not isinstance(step, int)]
    return (names[-1] if names else "", str(secret.value))


def _unshown(edit: Edit, to_enter: Sequence[str]) -> bool:
    """A certificate whose private key is not known here: the gateway has it, or a person will enter it."""
    hidden = KINDS[edit.target.kind].hidden
    if not hidden or edit.after is None:
        return False
    missing = any(path.startswith(f"{_name(edit.target)}.") for path in to_enter) or any(
        True for _ in marked(edit.after, (ENTER, GENERATE))
    )
    return missing or (edit.action is Action.MERGE and not any(name in edit.after for name in hidden))


def _without(edit: Edit, problems: Sequence[Problem]) -> Edit | None:
    """What the gateway is asked about: without the plugins known to be wrong; None if the rest is wrong."""
    after = edit.after or {}
    plugins = after.get("plugins")
    names = list(plugins) if isinstance(plugins, dict) else []
    bad = {
        name for name in names for it in problems if _inside(it.path, f"{_name(edit.target)}.plugins.{name}")
    }
    rest = [
        it
        for it in problems
        if not any(_inside(it.path, f"{_name(edit.target)}.plugins.{name}") for name in bad)
    ]
    if rest or not isinstance(plugins, dict):
        return None if problems else edit
    kept = {name: conf for name, conf in plugins.items() if name not in bad}
    return replace(edit, after=after | {"plugins": kept}) if bad else edit


def _inside(path: str, place: str) -> bool:
    return path == place or path.startswith(f"{place}.")


def _standing_in(value: JSON) -> Any:
    if isinstance(value, dict):
        return {name: _standing_in(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_standing_in(part) for part in value]
    return _STAND_IN if value in (ENTER, GENERATE) else value


def _with_id(target: Target, value: Mapping[str, JSON]) -> dict[str, JSON]:
    if target.kind in ("consumers", "secrets", "plugin_metadata", "credentials") or not target.id:
        return dict(value)
    return {"id": target.id, **value}


# -- schema errors --------------------------------------------------------------------------------------


def _plugin_errors(
    target: Target, plugin: Plugin, conf: JSON, where: str, side: str, before: JSON
) -> list[Problem]:
    schema = plugin.consumer if side == "consumer" and plugin.consumer is not None else plugin.schema
    if not isinstance(conf, dict):
        return [Problem(target, where, "takes an object", conf, "write {} for a plugin without settings")]
    found = _errors(target, schema, conf, where, before)
    return found


def _errors(target: Target, schema: Schema, value: JSON, where: str, before: JSON) -> list[Problem]:
    """Every error of ``value``, and the fields that the gateway would silently ignore."""
    validator = _validator(schema)
    found: list[Problem] = []
    for error in validator.iter_errors(value) if validator is not None else ():
        found += _problems(target, schema, error, where)
    unknown = {problem.path for problem in found}
    for path, problem in _ignored(target, schema, value, where, before):
        if path not in unknown:
            found.append(problem)
    return found


_compiled: dict[int, tuple[Schema, jsonschema_rs.Draft7Validator | None]] = {}
"""By the identity of the schema, which is kept with it so that it stays its own."""
_MOST_COMPILED: Final = 500


def _validator(schema: Schema) -> jsonschema_rs.Draft7Validator | None:
    """None for a schema that only APISIX can read (a pattern of PCRE): then the gateway alone judges."""
    found = _compiled.get(id(schema))
    if found is None:
        try:
            made = jsonschema_rs.Draft7Validator(dict(schema), validate_formats=True)
        except (jsonschema_rs.ValidationError, ValueError):
            made = None
        if len(_compiled) >= _MOST_COMPILED:
            _compiled.clear()
        found = _compiled[id(schema)] = (schema, made)
    return found[1]


def _problems(
    target: Target, schema: Schema, error: jsonschema_rs.ValidationError, where: str
) -> Iterator[Problem]:
    kind, value = error.kind, error.instance
    if is_reference(value) and isinstance(
        kind, _KINDS.Enum | _KINDS.Format | _KINDS.MaxLength | _KINDS.MinLength | _KINDS.Pattern
    ):
        return
    at = ".".join([where, *map(str, error.instance_path)])
    match kind:
        case _KINDS.AdditionalProperties():
            known = _properties_at(schema, error.schema_path)
            for name in kind.unexpected:
                yield Problem(target, f"{at}.{name}", "there is no such field", fix=instead(name, known))
        case _KINDS.Required():
            yield Problem(target, f"{at}.{kind.property}", "is needed", fix=_needed(kind.property))
        case _KINDS.Enum():
            options = [str(it) for it in kind.options]
            fix = instead(str(value), options)
            allowed = f"allowed are {listed(options)}"
            yield Problem(
                target, at, f"is none of its values; {allowed}", value, fix if "did you" in fix else allowed
            )
        case _KINDS.Type():
            types = " or ".join(kind.types)
            yield Problem(
                target, at, f"must be {types}, not {_type(value)}", value, _of_type(kind.types, value)
            )
        case _KINDS.AnyOf() | _KINDS.OneOfNotValid():
            yield from _alternatives(target, schema, error, where, at)
        case _KINDS.OneOfMultipleValid():
            yield Problem(
                target, at, "says the same in several ways that exclude each other", fix="keep one of them"
            )
        case _KINDS.Not():
            yield Problem(target, at, "has fields that exclude each other", fix="keep one of them")
        case _:
            yield Problem(target, at, _sentence(error.message, value), value)


def _alternatives(
    target: Target, schema: Schema, error: jsonschema_rs.ValidationError, where: str, at: str
) -> Iterator[Problem]:
    kind = error.kind
    context = kind.context if isinstance(kind, _KINDS.AnyOf | _KINDS.OneOfNotValid) else []
    needed: list[list[str]] = []
    deeper: list[Problem] = []
    depth = len(error.instance_path)
    for branch in context:
        missing = [it.kind.property for it in branch if isinstance(it.kind, _KINDS.Required)]
        for inner in branch:
            if len(inner.instance_path) > depth and not isinstance(inner.kind, _KINDS.Type):
                deeper += list(_problems(target, schema, inner, where))
        if missing:
            needed.append(missing)
    if deeper and not needed:
        yield from _first_of_each(deeper)
    elif needed:
        least = min(map(len, needed))
        ways = dict.fromkeys(" and ".join(missing) for missing in needed if len(missing) == least)
        yield Problem(
            target,
            at,
            f"needs {' or '.join(ways)}",
            fix="give one of them" if len(ways) > 1 else _needed(next(iter(ways))),
        )
    else:
        yield Problem(target, at, _sentence(error.message, error.instance), error.instance)


def _first_of_each(problems: Sequence[Problem]) -> list[Problem]:
    return list({problem.path: problem for problem in reversed(problems)}.values())[::-1]


def _needed(name: str) -> str:
    secret = name in ("key", "secret") or re.search(r"password|secret|token|private_key", name)
    return _ADVICE if secret else f"give {name}"


def _type(value: JSON) -> str:
    names = {
        dict: "an object",
        list: "a list",
        str: "a text",
        bool: "true or false",
        int: "a number",
        float: "a number",
    }
    return "null" if value is None else names.get(type(value), "that")


def _of_type(types: Sequence[str], value: JSON) -> str:
    if isinstance(value, str) and {"integer", "number"} & set(types) and re.fullmatch(r"-?\d+", value):
        return f"write {value} without quotes"
    if "array" in types and not isinstance(value, dict | list):
        return "write it as a list: [ … ]"
    return ""


def _sentence(message: str, value: JSON) -> str:
    """The validator's words, without the value in front of them."""
    shown = json.dumps(value, ensure_ascii=False)
    text = message.removeprefix(shown).strip() if not isinstance(value, dict | list) else message
    return text if len(text) <= 200 else f"{text[:200]}…"


def _properties_at(schema: Schema, path: Sequence[str | int]) -> list[str]:
    place: Any = schema
    for step in list(path)[:-1]:
        place = place[step]
    return list(place.get("properties", ())) if isinstance(place, dict) else []


def _ignored(
    target: Target, schema: Schema, value: JSON, where: str, before: JSON
) -> Iterator[tuple[str, Problem]]:
    """Fields that the schema neither names nor forbids: APISIX takes them, and does nothing with them.

    What stands there already unchanged is left alone.
    """
    if not isinstance(value, dict):
        if isinstance(value, list) and isinstance(schema.get("items"), dict):
            for number, part in enumerate(value):
                yield from _ignored(target, schema["items"], part, f"{where}.{number}", None)
        return
    known, open_ = _known_fields(schema)
    old = before if isinstance(before, dict) else {}
    for name, part in value.items():
        inner = known.get(name)
        path = f"{where}.{name}"
        if isinstance(inner, Mapping):
            yield from _ignored(target, inner, part, path, old.get(name))
        elif known and not open_ and name not in ("_meta", "disable") and old.get(name, _ABSENT) != part:
            yield path, Problem(target, path, _IGNORED, fix=instead(name, known))


_ABSENT: Final = object()
_IGNORED: Final = "there is no such field: the gateway would ignore it"


def malformed(problems: Sequence[Problem]) -> bool:
    """Whether a value has not the shape that the rest of the code may rely on."""
    return any(problem.message != _IGNORED for problem in problems)


def _known_fields(schema: Schema) -> tuple[dict[str, Any], bool]:
    """The fields named anywhere in a schema of an object, and whether others are meant to be taken."""
    known: dict[str, Any] = {}
    open_ = isinstance(schema.get("additionalProperties"), dict) or bool(schema.get("patternProperties"))
    properties = schema.get("properties")
    if isinstance(properties, dict):
        known |= properties
    nested = [
        part
        for key in ("allOf", "anyOf", "oneOf")
        for part in schema.get(key) or ()
        if isinstance(part, dict)
    ]
    nested += [schema[key] for key in ("if", "then", "else", "not") if isinstance(schema.get(key), dict)]
    dependencies = schema.get("dependencies")
    if isinstance(dependencies, dict):
        nested += [part for part in dependencies.values() if isinstance(part, dict)]
    if "$ref" in schema:
        open_ = True
    for part in nested:
        more, also_open = _known_fields(part)
        known = more | known
        open_ = open_ or also_open
    return known, open_


# -- references -----------------------------------------------------------------------------------------


def references(edits: Sequence[Edit], after: Configuration) -> list[Problem]:
    """What would point to nothing: from what is written, and to what is deleted."""
    found: list[Problem] = []
    deleted = {edit.target for edit in edits if edit.after is None}
    written = {edit.target for edit in edits if edit.after is not None}
    for edit in edits:
        found += (
            _dangling(edit, after) if edit.after is not None else _still_used(edit.target, after, written)
        )
    for edit in edits:
        if edit.target.kind == "credentials" and edit.after is not None:
            consumer = edit.target.id.partition("/")[0]
            if after.get("consumers", consumer) is None and Target("consumers", consumer) not in deleted:
                fix = instead(consumer, after.all("consumers"))
                text = f"there is no consumer {consumer}"
                found.append(Problem(edit.target, _name(edit.target), text, consumer, fix))
    return found


def _dangling(edit: Edit, after: Configuration) -> Iterator[Problem]:
    value = edit.after or {}
    links = [(reference.field, reference.to) for reference in KINDS[edit.target.kind].references]
    for kind in KINDS.values():
        links += [(user.field, kind.plural) for user in kind.users if user.kind == edit.target.kind]
    for field, to in dict.fromkeys(links):
        for path, id in _at(value, field.split(".")):
            if after.get(to, str(id)) is None:
                fix = instead(str(id), after.all(to))
                yield Problem(
                    edit.target,
                    f"{_name(edit.target)}.{path}",
                    f"there is no {to}/{id} after this plan",
                    id,
                    fix,
                )


def _still_used(target: Target, after: Configuration, written: set[Target]) -> Iterator[Problem]:
    users: list[str] = []
    for user in KINDS[target.kind].users:
        for id, item in after.all(user.kind).items():
            if Target(user.kind, id) in written:
                continue  # told where it is written
            if any(str(found) == target.id for _, found in _at(item.value, user.field.split("."))):
                users.append(f"{user.kind}/{id}")
    if users:
        text = f"{_name(target)} cannot be deleted: {listed(sorted(set(users)))} would still use it"
        yield Problem(target, _name(target), text, fix="change or delete those in the same plan")


def _at(value: JSON, path: Sequence[str], walked: str = "") -> Iterator[tuple[str, JSON]]:
    if not path:
        if isinstance(value, str | int) and not isinstance(value, bool):
            yield walked, value
        return
    head, rest = path[0], path[1:]
    if head == "*" and isinstance(value, list):
        for number, part in enumerate(value):
            yield from _at(part, rest, f"{walked}.{number}" if walked else str(number))
    elif isinstance(value, Mapping) and head in value:
        yield from _at(value[head], rest, f"{walked}.{head}" if walked else head)


# -- the gateway's own judgement ------------------------------------------------------------------------


def _parts(edits: Sequence[Edit]) -> Iterator[list[Edit]]:
    """As many at once as a body may hold."""
    part: list[Edit] = []
    size = 0
    for edit in edits:
        length = len(json.dumps(edit.after)) + 200
        if part and size + length > LARGEST_BODY:
            yield part
            part, size = [], 0
        part.append(edit)
        size += length
    if part:
        yield part


def _body(edits: Sequence[Edit]) -> bytes:
    document: dict[str, list[dict[str, JSON]]] = {}
    for edit in edits:
        kind = "consumers" if edit.target.kind == "credentials" else edit.target.kind
        value = _standing_in(edit.after)
        named = value if edit.target.kind == "consumers" else {"id": edit.target.id or "new", **value}
        document.setdefault(kind, []).append(named)
    return json.dumps(document, separators=(",", ":")).encode()


def _told(edits: Sequence[Edit], body: bytes) -> list[Problem]:
    """The problems in an answer of /configs/validate."""
    try:
        errors = json.loads(body)["errors"]
    except (ValueError, KeyError, TypeError):
        return [Problem(None, "", f"the gateway refuses this: {_words(body)}")]
    places: dict[str, list[Edit]] = {}
    for edit in edits:
        places.setdefault("consumers" if edit.target.kind == "credentials" else edit.target.kind, []).append(
            edit
        )
    found = []
    for error in errors:
        rows = places.get(str(error.get("resource_type")), [])
        index = error.get("index")
        target = rows[index].target if isinstance(index, int) and index < len(rows) else None
        found.append(_gateway_problem(target, str(error.get("error"))))
    return found


def _gateway_problem(target: Target | None, words: str) -> Problem:
    """APISIX names the field inside its words: property "a" validation failed: property "b" …"""
    steps = re.findall(r'property "([^"]+)" validation failed', words)
    plugin = re.search(r"failed to check the configuration of plugin (\S+)", words)
    inside = ["plugins", plugin[1]] if plugin and steps[:2] != ["plugins", plugin[1]] else []
    path = ".".join([*([_name(target)] if target else []), *inside, *steps])
    return Problem(target, path, words)


def _words(body: bytes) -> str:
    try:
        return str(json.loads(body).get("error_msg") or body.decode(errors="replace"))
    except (ValueError, AttributeError):
        return body[:300].decode(errors="replace")
