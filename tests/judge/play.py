"""Plays the blocks of one file in order against the gateway, and gives a verdict on each."""

from __future__ import annotations

import re
import socket
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from pathlib import Path

from . import expect, script
from .blocks import Block, Value, read_file
from .nginx_conf import CLIENT_BY_FORWARDED_FOR, Location, NotPlain, read_locations, read_servers
from .settings import Keys, Unsupported, keys_of
from .system import ADMIN, NGINX_PORT, AdminCall, System
from .upstream import more as serving_more
from .wire import Headers, Response, request_text


class Verdict(Enum):
    PASSED = "passed"
    FAILED = "failed"
    DECLARED = "declared difference"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True)
class Outcome:
    """``why`` holds the mismatches of a failed block, else the reason; ``words`` what the script said."""

    number: int
    name: str
    verdict: Verdict
    why: tuple[str, ...] = ()


NEEDS_NGINX = {
    "init_by_lua_block": "Lua inside APISIX",
    "extra_init_by_lua": "Lua inside APISIX",
    "extra_init_by_lua_start": "Lua inside APISIX",
    "extra_init_worker_by_lua": "Lua inside APISIX",
    "main_config": "an nginx configuration of its own",
    "upstream_server_config": "an nginx configuration of its own",
    "stream_enable": "stream proxying",
    "stream_request": "stream proxying",
    "stream_conf_enable": "stream proxying",
    "debug_config": "debug.yaml",
    "exec": "a shell command",
    "http2": "HTTP/2 from the test client",
    "http3": "HTTP/3 from the test client",
    "apisix_json": "apisix.json",
    "setup": "a shell command",
    "SKIP": "skipped by the file itself",
}

FOREIGN = re.compile(
    r"brotli_hello|httpbin\.local|\w\.test\.local|test_ipv6|127\.0\.0\.1:(?:7085|8200|2379|1053|10054)\b"
)
"""Servers that neither the gateway nor the upstream of the tests is."""
ELSEWHERE = ", which APISIX's test bench has"

DECLARED = re.compile(
    r"in the embedded gateway|stream mode is disabled, can not add stream routes|the embedded gateway"
    r"|counters are kept on this machine"
)
UNKNOWN_PLUGIN = re.compile(r"unknown plugin \[([\w-]+)\]")


def read_declared(file: Path) -> dict[tuple[str, int], str]:
    """declared.toml as (file, block) -> why."""
    found = {}
    for difference in tomllib.loads(file.read_text())["difference"]:
        for block in difference["blocks"]:
            path, _, number = block.rpartition(":")
            found[path, int(number)] = difference["why"]
    return found


@lru_cache
def _known(host: str) -> bool:
    try:
        return bool(socket.gethostbyname(host))
    except OSError:
        return False


class NotApplicable(Exception):
    """The block needs what plain HTTP cannot give it; the message says what."""


@dataclass
class Player:
    checkout: Path
    system: System
    moved: Mapping[int, int] = field(default_factory=dict)
    """Where the upstream's ports really are, for those that are elsewhere."""
    declared: Mapping[tuple[str, int], str] = field(default_factory=dict)
    """The entries of declared.toml: (file, block) -> why."""
    _file: str = ""
    _doubts: dict[str, tuple[Verdict, str]] = field(default_factory=dict)
    """Resources that are not as the file left them in APISIX: path -> why."""

    def play(self, file: str, only: int | None = None) -> Iterator[Outcome]:
        """Plays all blocks (they build on each other) up to ``only``, which alone is reported."""
        self.system.fresh()
        self._file = file
        self._doubts.clear()
        read = read_file(self.checkout, file)
        forgets = not read.keeps_memory and any(_counts(block) for block in read.blocks)
        for block in read.blocks:
            if forgets:
                self.system.forget()
            block = self._with_moved_ports(block)
            outcome = self._block(block)
            if only is None or only == block.number:
                yield outcome
            if only == block.number:
                return

    def _with_moved_ports(self, block: Block) -> Block:
        sections = dict(block.sections)
        for named, port in self.moved.items():
            if named != port:
                for section, value in sections.items():
                    if isinstance(value, str):
                        sections[section] = value.replace(f"127.0.0.1:{named}", f"127.0.0.1:{port}")
        return Block(block.number, block.name, sections)

    def _block(self, block: Block) -> Outcome:
        self.system.calls.clear()
        self.system.control_api_asked = False
        refusals: list[str] = []
        reason = _static_reason(block)
        found: list[expect.Mismatch] = []
        try:
            self._settle(block)
            found = self._judge(block, refusals)
        except NotApplicable as cannot:
            reason = reason or str(cannot)
            self._doubt_all(block, reason)
        except (Unsupported, NotPlain) as cannot:
            reason = reason or f"needs {cannot}"
            self._doubt_all(block, reason)
        self._add_doubts(block)
        outcome = self._outcome(block, reason, found)
        self._drop_doubts()
        if reason is not None and reason.endswith(ELSEWHERE):
            self._doubt_all(block, reason)
        return outcome

    def _outcome(self, block: Block, reason: str | None, found: Sequence[expect.Mismatch]) -> Outcome:
        declared = next((call.message for call in self.system.calls if self._is_declared(call)), None)
        if reason is not None:
            return Outcome(block.number, block.name, Verdict.NOT_APPLICABLE, (reason,))
        if not found:
            return Outcome(block.number, block.name, Verdict.PASSED)
        if self.system.control_api_asked:
            return Outcome(block.number, block.name, Verdict.NOT_APPLICABLE, ("asks the Control API",))
        declared = declared or self.declared.get((self._file, block.number))
        if declared is not None:
            return Outcome(block.number, block.name, Verdict.DECLARED, (declared,))
        if self._doubts:
            path, (verdict, why) = next(iter(self._doubts.items()))
            return Outcome(block.number, block.name, verdict, (f"builds on {path}: {why}",))
        return Outcome(block.number, block.name, Verdict.FAILED, tuple(str(mismatch) for mismatch in found))

    def _settle(self, block: Block) -> None:
        """Has the gateway run with the block's settings and standalone configuration."""
        try:
            keys = keys_of(block)
        except Unsupported:
            self.system.ready(Keys())
            raise
        self.system.ready(keys)
        standalone = block.text("apisix_yaml")
        if standalone is not None:
            self._doubts.clear()
            for call in self.system.load(standalone):
                self._doubts[call.resource] = (
                    Verdict.NOT_APPLICABLE,
                    f"apisix.yaml is written through the Admin API, which refuses this: {call.message}",
                )

    def _judge(self, block: Block, refusals: list[str]) -> list[expect.Mismatch]:
        locations = read_locations(block.text("config") or "")
        servers = read_servers(block.text("http_config") or "")
        with serving_more(self.checkout, servers):
            return self._compare(block, locations, refusals)

    def _compare(
        self, block: Block, locations: Sequence[Location], refusals: list[str]
    ) -> list[expect.Mismatch]:
        requests = list(_requests(block))
        if not requests:
            raise NotApplicable("sends no request")
        found: list[expect.Mismatch] = []
        for index, request in enumerate(requests):
            try:
                answer = self._answer(block, request, locations, refusals)
            except OSError as error:
                found.append(expect.Mismatch("answer", "one", f"{type(error).__name__}: {error}"))
                continue
            found += expect.mismatches(block, answer, index, len(requests), refusals)
        return found

    def _answer(
        self, block: Block, request: script.Request, locations: Sequence[Location], refusals: list[str]
    ) -> Response:
        location = next((location for location in locations if location.answers(request.path)), None)
        if location is None or request.path.startswith(ADMIN):
            text = request_text(request.method, request.target, request.headers, request.body)
            timeout = float(str(block.sections.get("timeout") or 10).strip().rstrip("s"))
            return self.system.exchange(request.method, request.path, text, timeout=max(timeout, 10))

        def check_schema(plugin: str, configuration: str, kind: int) -> tuple[str, str | None]:
            defaults, why = self.system.check_schema(plugin, configuration, kind)
            if why is not None:
                refusals.append(why)
            return defaults, why

        outside = script.Outside(self.checkout, self.system.send, check_schema, self.system.place)
        answer = script.run(location.lua, location.path, request, outside)
        if answer.outcome == "unsupported":
            raise NotApplicable(f"needs {answer.words}")
        response = answer.response()
        if answer.outcome == "error":
            return Response(500, "", [], f"Lua error: {answer.words}", "")
        return response

    def _is_declared(self, call: AdminCall) -> bool:
        if call.status < 400:
            return False
        if DECLARED.search(call.message):
            return True
        plugin = UNKNOWN_PLUGIN.search(call.message)
        named = plugin[1] if plugin else _named_plugin(call.path)
        return named is not None and (self.checkout / "apisix" / "plugins" / f"{named}.lua").exists()

    def _add_doubts(self, block: Block) -> None:
        """Keeps in mind which resources a declared refusal left away."""
        for call in self.system.calls:
            if call.method in ("PUT", "PATCH", "POST") and self._is_declared(call):
                self._doubts[call.resource] = (Verdict.DECLARED, f"TEST {block.number}: {call.message}")

    def _drop_doubts(self) -> None:
        """A resource that was written whole, or deleted, is as the file means it to be."""
        for call in self.system.calls:
            if (call.method == "PUT" and call.status < 300) or (
                call.method == "DELETE" and call.status in (200, 404)
            ):
                self._doubts.pop(call.resource, None)

    def _doubt_all(self, block: Block, reason: str) -> None:
        """Nobody knows what the rest of the block's script would have written."""
        config = block.text("config") or ""
        if re.search(r"HTTP_(PUT|POST|PATCH|DELETE)|etcd\.(set|delete)|\"(PUT|POST|PATCH|DELETE)\"", config):
            for path in re.findall(rf"{ADMIN}/([\w/.-]+)|etcd\.(?:set|delete)\(\s*[\"']/([\w/.-]+)", config):
                name = path[0] or path[1]
                self._doubts[name.strip("/")] = (Verdict.NOT_APPLICABLE, f"TEST {block.number} {reason}")


def _counts(block: Block) -> bool:
    """Whether what APISIX holds in memory (counters) decides about answers."""
    return any("limit-count" in text for text in block.sections.values() if isinstance(text, str))


def _static_reason(block: Block) -> str | None:
    for section, need in NEEDS_NGINX.items():
        if section in block.sections:
            return f"needs {need} ({section})"
    text = "".join(
        text for section, text in block.sections.items() if isinstance(text, str) and section != "http_config"
    )
    if foreign := FOREIGN.search(text):
        return f"needs {foreign[0]}{ELSEWHERE}"
    if '"test.com:' in text and not _known("test.com"):
        return f"needs test.com in /etc/hosts{ELSEWHERE}"
    if not expect.is_judged(block):
        return "checks the error log only"
    return None


def _named_plugin(path: str) -> str | None:
    found = re.match(rf"{ADMIN}/(?:schema/)?(?:plugins|plugin_metadata)/([\w-]+)$", path)
    return found[1] if found else None


def _requests(block: Block) -> Iterator[script.Request]:
    raw = block.text("raw_request")
    if raw is not None:
        first, _, rest = raw.partition("\r\n")
        head, _, body = rest.partition("\r\n\r\n")
        yield _request(first, _header_lines(head), body)
        return
    if "exec" in block.sections:
        return
    piped = block.sections.get("pipelined_requests") or block.sections.get("request")
    texts = piped if isinstance(piped, list) else [piped] if piped is not None else []
    for index, text in enumerate(texts):
        if isinstance(text, list):
            text = "".join(str(part.get("value", part) if isinstance(part, dict) else part) for part in text)
        more = _header_lines(_nth(block.sections.get("more_headers"), index))
        if CLIENT_BY_FORWARDED_FOR in (block.text("http_config") or ""):
            more += [("X-Real-IP", value) for name, value in more if name.lower() == "x-forwarded-for"]
        first, newline, body = str(text).partition("\n")
        yield _request(first.strip(), more, body if newline else "")


def _nth(value: Value, index: int) -> str:
    if isinstance(value, list):
        value = value[index] if index < len(value) else None
    return value if isinstance(value, str) else ""


def _request(line: str, headers: Headers, body: str) -> script.Request:
    method, _, rest = line.partition(" ")
    target = rest.strip()
    if target.endswith(("HTTP/1.1", "HTTP/1.0")):
        target = target[:-8].strip()
    names = {name.lower() for name, _ in headers}
    if "host" not in names:
        headers = [("Host", "localhost"), *headers]
    if "connection" not in names:
        headers = [*headers, ("Connection", "close")]
    return script.Request(method, target, headers, body, NGINX_PORT)


def _header_lines(text: str) -> Headers:
    pairs = (line.rstrip("\r").partition(":") for line in text.split("\n") if line.strip())
    return [(name, value.lstrip(" ")) for name, _, value in pairs]
