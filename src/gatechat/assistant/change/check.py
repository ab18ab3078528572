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

from gatechat.apisix.kinds import KINDS, LARGEST_BODY, PREFIX
from gatechat.assistant.change.addresses import Resolve, places, resolve
from gatechat.assistant.change.by_schema import ADVICE, errors, plugin_errors
from gatechat.assistant.change.catalogue import Catalogue, Sends
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
from gatechat.assistant.change.references import name_of, references
from gatechat.assistant.change.words import instead, no_such_kind
from gatechat.assistant.view.configuration import Configuration

_STAND_IN: Final = "a-secret-that-a-person-will-enter-0000"
"""What is checked in place of a secret that is not there yet."""
_JSON_BODY: Final = {"content-type": "application/json"}
_NOT_YET: Final = re.compile("failed to fetch .+, response code: 404")
"""What APISIX says of a certificate, or of a superior stream route, that the same plan may make: whether it
does is seen by references.
"""
_READS_ONLY: Final = "the gateway refuses the assistant's admin key for writing ({}), so it cannot judge this"
_KEY: Final = "start the assistant with an Admin API key of the role admin (--admin-key)"
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
        by_person: bool = False,
        ask: bool = True,
        to_enter: Sequence[str] = (),
    ) -> list[Problem]:
        """``after``: the configuration with the edits in it. Not ``ask``: what the gateway will say
        itself when it is written to is left to it.

        Raises gatechat.assistant.problem.Problem when the gateway cannot be asked.
        """
        found = self._policy.problems(edits, probes, by_person=by_person)
        if not secrets_allowed:
            for edit in edits:
                found += self._inline_secrets(edit)
        for edit in edits:
            found += self._misplaced(edit)
        found += await self.addresses(edits)
        if ask:
            found += _absent(edits, after)
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
                yield Problem(edit.target, f"{name_of(edit.target)}.{secret.dotted}", text, REDACTED, ADVICE)

    def _misplaced(self, edit: Edit) -> Iterator[Problem]:
        """Where a person's secret would be read by all."""
        kind, after = edit.target.kind, _standing_in(edit.after)
        secret = {it.dotted for it in self.redactor.secrets(kind, after, edit.target.id)}
        for path in marked(edit.after, (ENTER, GENERATE)):
            if path not in secret:
                text = f"this is no secret field: what stands here is shown to all, so {ENTER} is for others"
                yield Problem(
                    edit.target, f"{name_of(edit.target)}.{path}", text, fix="write the value itself"
                )

    async def addresses(self, edits: Sequence[Edit]) -> list[Problem]:
        """What the edits would make the gateway connect to and must not, by what names mean now."""
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
                        Problem(edit.target, f"{name_of(edit.target)}.{place.path}", text, place.host, fix)
                    )
        return found

    # -- by the gateway's schemas ----------------------------------------------------------------------------

    def _by_schema(self, edit: Edit, catalogue: Catalogue, to_enter: Sequence[str]) -> list[Problem]:
        target, after = edit.target, _standing_in(edit.after or {})
        found: list[Problem] = []
        schema = catalogue.kinds.get(target.kind)
        whole = _with_id(target, after)
        if schema is not None and not _unshown(edit, to_enter):
            found += errors(target, schema, whole, name_of(target), edit.before)
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
            where = f"{name_of(target)}.{path}"
            if name not in known:
                fix = instead(name, known)
                found.append(Problem(target, where, f"this gateway has no plugin {name}", name, fix))
                continue
            found += plugin_errors(target, known[name], conf, where, side, old.get(path))
        return found

    def _metadata(self, edit: Edit, after: Mapping[str, JSON], catalogue: Catalogue) -> list[Problem]:
        target = edit.target
        plugin = catalogue.plugins.get(target.id) or catalogue.stream_plugins.get(target.id)
        if plugin is None:
            fix = instead(target.id, catalogue.plugins)
            return [
                Problem(target, name_of(target), f"this gateway has no plugin {target.id}", target.id, fix)
            ]
        if plugin.metadata is None:
            return []
        return errors(target, plugin.metadata, dict(after), name_of(target), edit.before)

    # -- by the gateway itself -------------------------------------------------------------------------------

    async def _by_gateway(self, asked: Sequence[Edit]) -> list[Problem]:
        found: list[Problem] = []
        for part in _parts(asked):
            answer = await self._admin.send(
                "POST", f"{PREFIX}/configs/validate".encode(), _JSON_BODY, _body(part)
            )
            if answer.status in (401, 403):
                return [Problem(None, "", _READS_ONLY.format(_words(answer.body)), fix=_KEY)]
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


def _absent(edits: Sequence[Edit], there: Configuration) -> Iterator[Problem]:
    """Resources of kinds that the gateway does not have."""
    for edit in edits:
        if edit.target.kind in there.absent:
            text, fix = no_such_kind(edit.target.kind)
            yield Problem(edit.target, name_of(edit.target), text, fix=fix)


def _same(secret: Secret) -> tuple[str, str]:
    """A secret counts as known only in a field of the same name."""
    names = [str(step) for step in secret.path if not isinstance(step, int)]
    return (names[-1] if names else "", str(secret.value))


def _unshown(edit: Edit, to_enter: Sequence[str]) -> bool:
    """A certificate whose private key is not known here: the gateway has it, or a person will enter it.

    What replaces another certificate needs its own key.
    """
    hidden = KINDS[edit.target.kind].hidden
    if not hidden or edit.after is None:
        return False
    missing = any(path.startswith(f"{name_of(edit.target)}.") for path in to_enter) or any(
        True for _ in marked(edit.after, (ENTER, GENERATE))
    )
    if missing or any(name in edit.after for name in hidden) or edit.before is None:
        return missing
    public = (name for name in ("cert", "certs") if edit.action is not Action.MERGE)
    return all(edit.before.get(name) == edit.after.get(name) for name in public)


def _without(edit: Edit, problems: Sequence[Problem]) -> Edit | None:
    """What the gateway is asked about: without the plugins known to be wrong; None if the rest is wrong."""
    after = edit.after or {}
    plugins = after.get("plugins")
    names = list(plugins) if isinstance(plugins, dict) else []
    bad = {
        name
        for name in names
        for it in problems
        if _inside(it.path, f"{name_of(edit.target)}.plugins.{name}")
    }
    rest = [
        it
        for it in problems
        if not any(_inside(it.path, f"{name_of(edit.target)}.plugins.{name}") for name in bad)
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
    """The problems in an answer of /configs/validate, but for references."""
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
        if _NOT_YET.match(str(error.get("error"))):
            continue
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
    path = ".".join([*([name_of(target)] if target else []), *inside, *steps])
    return Problem(target, path, words)


def _words(body: bytes) -> str:
    try:
        return str(json.loads(body).get("error_msg") or body.decode(errors="replace"))
    except (ValueError, AttributeError):
        return body[:300].decode(errors="replace")
