"""What is secret in a configuration, how it is hidden from models and logs, how what was hidden is put back.

Secret are: what the gateway encrypts (``encrypt_fields``); what a kind keeps secret (private keys,
credentials, tokens of secret managers); what a name says (password, secret, token, authorization, X-Api-Key
in a map of headers, …) at any depth; what a value shows by its form (private keys, "Bearer …", passwords in
URLs).
References (``$env://``, ``$secret://``) and bare variables (``$remote_addr``) are no secrets.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeAlias

from gatechat.apisix.kinds import KINDS
from gatechat.apisix.secret_fields import PLUGIN_SECRETS
from gatechat.apisix.validation import is_reference
from gatechat.assistant.change.model import JSON

REDACTED: Final = "[redacted]"
"""Stands for a secret that is there. Written back it means: keep what is there."""
CHANGED: Final = "[redacted, changed]"
"""Stands, in a diff, for a secret that differs from the one before."""
ENTER: Final = "[enter]"
"""Written where a secret belongs, it means: a person will enter it on the plan's page."""
GENERATE: Final = "[generate]"
"""Written where a secret belongs, it means: make one and show it to the person on the plan's page, once."""
REVEALS: Final = (
    "the secret that is there would be no secret here any more, and be read by all: write it anew"
)
"""What is wrong with a change that ``Redactor.covered`` finds."""

Path: TypeAlias = tuple[str | int, ...]

_SECRET_WORDS: Final = frozenset(
    {
        "password",
        "passwd",
        "passphrase",
        "passcode",
        "pwd",
        "secret",
        "secrets",
        "token",
        "tokens",
        "apikey",
        "apikeys",
        "authorization",
        "credential",
        "credentials",
        "accesskey",
        "secretkey",
        "privatekey",
        "masterkey",
        "jwt",
        "signature",
    }
)
"""A field whose name ends with one of these words holds a secret, if it is text."""
_KEY_BEFORE: Final = frozenset(
    {
        "api",
        "app",
        "private",
        "secret",
        "shared",
        "encryption",
        "encrypt",
        "decryption",
        "signing",
        "master",
        "auth",
        "access",
        "subscription",
        "license",
        "account",
        "service",
        "session",
        "functions",
        "hmac",
        "aes",
        "preshared",
        "client",
        "tls",
        "ssl",
        "rsa",
        "ssh",
    }
)
"""What makes a "key" at the end of a name a secret: api_key, private_key, …"""
_NO_SECRETS: Final = frozenset(
    {
        "public_key",
        "access_key_id",
        "key_id",
        "secret_id",
        "cookie",
        "token_type",
        "jwt",
        "signature",
        "credentials",
    }
)
"""Whole names that say the word and mean no secret; form and schema judge their values all the same."""
_SECRET_HEADERS: Final = frozenset(
    {"authorization", "proxy-authorization", "cookie", "set-cookie", "apikey", "x-jwt-assertion"}
)
_HEADER_END: Final = frozenset(
    {"key", "apikey", "token", "secret", "password", "credential", "credentials", "jwt", "signature", "auth"}
)
_HEADER_MAPS: Final = re.compile(r"(?:^|_)(?:headers?|header_map|query|queries|add|set|metadata|args)$")
_WORD: Final = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
_VARIABLE: Final = re.compile(r"\$(?:\{\w+\}|\w+)")
_LIKE_VARIABLE: Final = re.compile(
    r"\$?\{?(?:(?:http|arg|cookie|upstream|consumer|route|service|request|server|remote|ctx|graphql|post_arg)_[\w.-]+"
    r"|uri|host|scheme|remote_addr|args|query_string)\}?"
)
_REDACTED: Final = re.compile(r"\[redacted\b[^\]]*\]")
_FORMS: Final = (
    re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----"),
    re.compile(r"^(?:Bearer|Basic|Digest|Token|ApiKey|AWS4-HMAC-SHA256)\s+\S{6,}", re.I),
    re.compile(r"^eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*$"),
    re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    re.compile(r"\b(?:sk|pk|rk|ghp|gho|ghs|github_pat|glpat|xox[abpr]|hvs)[-_][A-Za-z0-9_-]{16,}"),
)
"""Values that are secrets wherever they stand."""
_USERINFO: Final = re.compile(r"(?P<before>[a-zA-Z][\w+.-]*://)(?P<secret>[^/\s@?#]+)@")
_ARGUMENT: Final = re.compile(r"(?P<before>[?&;](?P<name>[\w.~-]+)=)(?P<secret>[^&;\s#]+)")
_HEADER_LINE: Final = re.compile(r"(?P<before>\s*(?P<name>[A-Za-z0-9_-]+)\s*:\s*)(?P<secret>\S.*)", re.S)


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret text (or number) in a resource and its path from the resource's root."""

    path: Path
    value: JSON

    @property
    def dotted(self) -> str:
        return ".".join(map(str, self.path))


class Unrestorable(ValueError):
    """A redacted value stands where nothing can be put back. ``path`` is dotted."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
        self.message = message


class Redactor:
    """``plugin_secret_fields``: plugin -> dotted paths, as the gateway tells them (``encrypted_fields``).

    Those of APISIX 3.18 are always known.
    """

    def __init__(self, plugin_secret_fields: Mapping[str, Sequence[str]] | None = None) -> None:
        told = plugin_secret_fields or {}
        self._fields = {
            name: tuple(dict.fromkeys((*PLUGIN_SECRETS.get(name, ()), *told.get(name, ()))))
            for name in {*PLUGIN_SECRETS, *told}
        }

    def redact(self, kind: str, value: JSON, id: str = "") -> JSON:
        """A copy with ``REDACTED`` for every secret. For plugin_metadata ``id`` is the plugin's name."""
        return self._mapped(kind, value, id, lambda _path, _old: REDACTED)

    def secrets(self, kind: str, value: JSON, id: str = "") -> list[Secret]:
        """Every secret that stands in ``value`` in plain text, markers left out."""
        found: list[Secret] = []

        def remember(path: Path, old: JSON) -> JSON:
            found.append(Secret(path, old))
            return old

        self._mapped(kind, value, id, remember)
        return found

    def compared(self, kind: str, before: JSON, after: JSON, id: str = "") -> tuple[JSON, JSON]:
        """Both redacted; a secret of ``after`` that is another than that of ``before`` is ``CHANGED``."""
        old = (
            {secret.path: secret.value for secret in self.secrets(kind, before, id)}
            if before is not None
            else {}
        )

        def shown(path: Path, new: JSON) -> str:
            return CHANGED if path in old and old[path] != new else REDACTED

        hidden = None if before is None else self.redact(kind, before, id)
        return hidden, None if after is None else self._mapped(kind, after, id, shown)

    def scrub(self, text: str, secrets: Sequence[Secret]) -> str:
        """``text``, which came from the gateway, without these secrets and without what looks like one."""
        for secret in sorted(secrets, key=lambda it: -len(str(it.value))):
            plain = str(secret.value)
            quoted = json.dumps(plain, ensure_ascii=False)[1:-1]  # as words that quote JSON have it
            if len(plain) >= 4:
                text = text.replace(plain, REDACTED).replace(quoted, REDACTED)
        text = _in_url(text, REDACTED)
        for form in _FORMS:
            text = form.sub(REDACTED, text)
        return text

    def restore(self, kind: str, new: JSON, old: JSON, id: str = "") -> JSON:
        """``new`` with every redacted value replaced by the secret that ``old`` has in that place.

        A list whose entries moved is matched by the entries' other fields. Raises Unrestorable.
        """
        hidden = self.redact(kind, old, id)
        return _restored(new, old, hidden, ())

    def covered(self, kind: str, before: JSON, after: JSON, id: str = "") -> tuple[JSON, list[str]]:
        """``after`` without the secrets of ``before`` that it would show, and where it would. What is around
        a value says whether it is secret: renamed to X-Any, the header X-Api-Key would tell its old value.
        """
        shown = set(_leaves(self.redact(kind, before, id)))
        kept = {(_names(it.path), str(it.value)) for it in self.secrets(kind, before, id)} - shown
        told: list[str] = []

        def cover(path: Path, value: JSON) -> JSON:
            if (_names(path), str(value)) not in kept:
                return value
            told.append(".".join(map(str, path)))
            return REDACTED

        hidden = self.redact(kind, after, id) if kept else after
        return (_both(after, hidden, cover) if kept else after), told

    def _mapped(self, kind: str, value: JSON, id: str, change: Callable[[Path, JSON], JSON]) -> JSON:
        if not isinstance(value, dict):
            return value
        known = KINDS.get(kind)
        walk = _Walk(self._fields, change, kind)
        fields = tuple(tuple(path.split(".")) for path in (known.secrets if known else ()))
        if kind == "plugin_metadata":
            name = id or str(value.get("id", ""))
            paths = self._fields.get(name)
            if paths is None:
                paths = tuple(dict.fromkeys(path for every in self._fields.values() for path in every))
            fields += tuple(tuple(path.split(".")) for path in paths)
        return walk.value(value, (), fields, _Around())


_FieldPaths: TypeAlias = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class _Around:
    """What the surroundings of a value say. ``name``: of the nearest field.

    ``key``: a field named just "key" is a secret; ``text``: so is every text (an unknown way to sign in).

    ``pair``: the name in a pair of name and value ({"key": "X-Api-Key", "value": "…"}).
    """

    name: str = ""
    key: bool = False
    text: bool = False
    pair: str | None = None


class _Walk:
    """One pass over one resource."""

    def __init__(
        self, plugins: Mapping[str, Sequence[str]], change: Callable[[Path, JSON], JSON], kind: str
    ) -> None:
        self._plugins = plugins
        self._change = change
        self._kind = kind

    def value(self, value: JSON, at: Path, fields: _FieldPaths, around: _Around) -> JSON:
        """``fields``: what is secret below here; an empty path among them means all of it."""
        if () in fields:
            return self._all(value, at)
        if isinstance(value, dict):
            key = around.key and "hash_on" not in value  # an upstream inside a plugin: its key is hashed
            around = _Around(around.name, key, around.text, _pair(value))
            return {
                name: self._member(name, part, (*at, name), fields, around) for name, part in value.items()
            }
        if isinstance(value, list):
            compared = _compared_to_a_secret(value)
            return [
                self._all(part, (*at, n)) if n == compared else self._item(value, n, (*at, n), fields, around)
                for n, part in enumerate(value)
            ]
        return self._by_form(value, at)

    def _member(self, name: str, part: JSON, here: Path, fields: _FieldPaths, around: _Around) -> JSON:
        below = tuple(path[1:] for path in fields if path[:1] == (name,))
        if () in below:
            return self._all(part, here)
        if isinstance(part, dict) and (
            here[-2:-1] == ("plugins",) or (len(here) > 1 and name in self._plugins)
        ):
            return self._plugin(name, part, here, below)
        if around.pair is not None and name in _PAIR_NAMES:
            return self._by_form(part, here)
        if not isinstance(part, dict) and self._is_secret(name, part, around):
            return self._all(part, here)
        if not isinstance(part, dict | list):
            return self._by_form(part, here)
        return self.value(part, here, below, _Around(name, around.key, around.text, around.pair))

    def _is_secret(self, name: str, part: JSON, around: _Around) -> bool:
        if isinstance(part, list) and not all(isinstance(item, str) for item in part):
            return False
        if around.pair is not None and name == "value":
            return named_secret(around.pair) or _secret_header(around.pair)
        if named_secret(name) or (_HEADER_MAPS.search(around.name) and _secret_header(name)):
            return True
        if not isinstance(part, str):
            return False
        if around.key and name == "key":
            return _LIKE_VARIABLE.fullmatch(part) is None
        return around.text and name not in _OPEN_TEXTS

    def _plugin(self, name: str, conf: JSON, here: Path, below: _FieldPaths) -> JSON:
        paths = tuple(tuple(path.split(".")) for path in self._plugins.get(name, ()))
        unknown = name not in PLUGIN_SECRETS and name not in _OPEN_PLUGINS
        signs_in = self._kind == "credentials" or (self._kind == "consumers" and "auth" in name)
        return self.value(conf, here, (*below, *paths), _Around(name, unknown, unknown and signs_in))

    def _item(self, row: list[JSON], n: int, here: Path, fields: _FieldPaths, around: _Around) -> JSON:
        before = row[n - 1] if n else None
        if isinstance(row[n], dict) and isinstance(before, str) and before in self._plugins:
            return self._plugin(before, row[n], here, fields)  # an action of workflow: ["limit-count", {…}]
        return self.value(row[n], here, fields, around)

    def _all(self, value: JSON, at: Path) -> JSON:
        if isinstance(value, dict):
            return {key: self._all(part, (*at, key)) for key, part in value.items()}
        if isinstance(value, list):
            return [self._all(part, (*at, number)) for number, part in enumerate(value)]
        if value is None or isinstance(value, bool) or _is_open(value):
            return value
        return self._change(at, value)

    def _by_form(self, value: JSON, at: Path) -> JSON:
        if not isinstance(value, str) or _is_open(value):
            return value
        if any(form.search(value) for form in _FORMS):
            return self._change(at, value)
        line = _HEADER_LINE.fullmatch(value)
        if line and _secret_header(line["name"]) and not _is_open(line["secret"]):
            return self._part(at, value, lambda marker: f"{line['before']}{marker}")
        if "://" in value and _in_url(value, REDACTED) != value:
            return self._part(at, value, lambda marker: _in_url(value, marker))
        return value

    def _part(self, at: Path, value: str, shown: Callable[[str], str]) -> JSON:
        """A text of which only a part is secret: the rest stays readable where a marker takes its place."""
        marker = self._change(at, value)
        return shown(marker) if isinstance(marker, str) and _REDACTED.fullmatch(marker) else marker


_PAIR_NAMES: Final = ("key", "name", "header")


def _pair(value: Mapping[str, JSON]) -> str | None:
    names = [value[name] for name in _PAIR_NAMES if isinstance(value.get(name), str)]
    return names[0] if "value" in value and names else None


_OPEN_PLUGINS: Final = frozenset(
    {"api-breaker", "ldap-auth", "multi-auth", "traffic-split", "wolf-rbac", "workflow"}
)
"""Plugins of APISIX without a secret of their own that have a "key", or that consumers sign in with."""
_OPEN_TEXTS: Final = frozenset({"id", "key_id", "name", "username", "algorithm"})


def is_redacted(value: JSON) -> bool:
    """Whether a value is, or holds, the marker of something that was hidden."""
    return isinstance(value, str) and _REDACTED.search(value) is not None


def marked(value: JSON, markers: Sequence[str], at: str = "") -> Iterator[str]:
    """The dotted paths at which one of these markers stands."""
    if isinstance(value, dict | list):
        for name, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from marked(part, markers, f"{at}.{name}" if at else str(name))
    elif value in markers:
        yield at


def _is_open(value: JSON) -> bool:
    """A text that tells nothing: empty, a reference, a variable, one of our markers."""
    if not isinstance(value, str):
        return False
    if value == "" or is_reference(value) or value in (ENTER, GENERATE) or _REDACTED.fullmatch(value):
        return True
    return _VARIABLE.fullmatch(value) is not None


@lru_cache(4096)
def named_secret(name: str) -> bool:
    if name.lower() in _NO_SECRETS:
        return False
    words = [word.lower() for word in _WORD.findall(name)]
    if not words:
        return False
    if words[-1] in _SECRET_WORDS:
        return True
    return words[-1] in ("key", "keys") and len(words) > 1 and words[-2] in _KEY_BEFORE


@lru_cache(4096)
def _secret_header(name: str) -> bool:
    words = [word.lower() for word in _WORD.findall(name)]
    return name.lower() in _SECRET_HEADERS or (bool(words) and words[-1] in _HEADER_END)


def _compared_to_a_secret(value: Sequence[JSON]) -> int | None:
    """The place of the secret in a condition of ``vars`` like ["http_x_api_key", "==", "…"]."""
    if len(value) not in (3, 4) or not all(isinstance(part, str) for part in value[:2]):
        return None
    match = re.fullmatch(r"(?:http|arg|cookie|post_arg)_(\w+)", value[0])
    if match is None or not (_secret_header(match[1].replace("_", "-")) or value[0].startswith("cookie_")):
        return None
    return len(value) - 1


def _in_url(text: str, marker: str) -> str:
    """Passwords before an "@", and arguments whose name is that of a secret, replaced by ``marker``."""

    def argument(match: re.Match[str]) -> str:
        open_name = not (named_secret(match["name"]) or _secret_header(match["name"]))
        return match[0] if open_name or _is_open(match["secret"]) else match["before"] + marker

    text = _USERINFO.sub(lambda match: f"{match['before']}{marker}@", text)
    return _ARGUMENT.sub(argument, text) if "://" in text else text


def _restored(new: JSON, old: JSON, hidden: JSON, at: Path) -> JSON:
    if isinstance(new, dict):
        olds, hiddens = (it if isinstance(it, dict) else {} for it in (old, hidden))
        return {
            key: _restored(part, olds.get(key), hiddens.get(key), (*at, key)) for key, part in new.items()
        }
    if isinstance(new, list):
        return _restored_list(new, old, hidden, at)
    if not is_redacted(new):
        return new
    if old is None or hidden == old or isinstance(old, dict | list):
        raise Unrestorable(
            ".".join(map(str, at)), "it is redacted, and there is no secret in this place to keep"
        )
    if new not in (hidden, REDACTED, CHANGED):
        raise Unrestorable(
            ".".join(map(str, at)),
            "a part of it is redacted and the rest was changed: write all of it, or nothing of it",
        )
    return old


def _restored_list(new: list[JSON], old: JSON, hidden: JSON, at: Path) -> list[JSON]:
    olds, hiddens = (it if isinstance(it, list) else [] for it in (old, hidden))
    taken: set[int] = set()
    result: list[JSON] = []
    for number, part in enumerate(new):
        if not _holds_redacted(part):
            result.append(part)
            continue
        same = next(
            (n for n, it in enumerate(hiddens) if n not in taken and _unmarked(it) == _unmarked(part)), None
        )
        place = (
            same if same is not None else number if len(new) == len(olds) and number not in taken else None
        )
        if place is None:
            path = ".".join(map(str, (*at, number)))
            raise Unrestorable(
                path, "it cannot be told which secret is meant, as the list has changed: write it anew"
            )
        taken.add(place)
        result.append(_restored(part, olds[place], hiddens[place], (*at, number)))
    return result


def _names(path: Path) -> Path:
    """A path without the places in lists, whose entries move."""
    return tuple(step for step in path if isinstance(step, str))


def _leaves(value: JSON, at: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every single value, as text, with the names above it."""
    if isinstance(value, dict | list):
        for name, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(part, (*at, name))
    else:
        yield _names(at), str(value)


def _both(value: JSON, hidden: JSON, change: Callable[[Path, JSON], JSON], at: Path = ()) -> JSON:
    """A copy of ``value``, changed in each place that ``hidden``, which is its redacted copy, shows."""
    if isinstance(value, dict):
        return {name: _both(part, hidden[name], change, (*at, name)) for name, part in value.items()}
    if isinstance(value, list):
        return [_both(part, hidden[n], change, (*at, n)) for n, part in enumerate(value)]
    return change(at, value) if value == hidden else value


def _holds_redacted(value: JSON) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_redacted, value.values()))
    return any(map(_holds_redacted, value)) if isinstance(value, list) else is_redacted(value)


def _unmarked(value: JSON) -> JSON:
    """With one marker for all kinds of redacted values."""
    if isinstance(value, dict):
        return {key: _unmarked(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_unmarked(part) for part in value]
    return _REDACTED.sub(REDACTED, value) if isinstance(value, str) else value


def encrypted_fields(attributes: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Plugin -> secret fields, out of what ``GET /apisix/admin/plugins?all=true`` answers."""
    return {
        name: tuple(dict.fromkeys(_encrypted(of))) for name, of in attributes.items() if isinstance(of, dict)
    }


def _encrypted(attributes: Mapping[str, Any]) -> Iterator[str]:
    for which in ("schema", "consumer_schema", "metadata_schema"):
        schema = attributes.get(which)
        fields = schema.get("encrypt_fields") if isinstance(schema, dict) else None
        yield from (field for field in fields or () if isinstance(field, str))
