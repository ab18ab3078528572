"""Runs Lua that was written for OpenResty, one request at a time: a real LuaJIT with an ``ngx`` of ours."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import ssl
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from lupa.luajit21 import LuaRuntime

from .wire import Connection, Headers, Response

LUA = Path(__file__).with_name("lua")
JOBS = ThreadPoolExecutor(32, "judge-job")


@dataclass(frozen=True)
class Request:
    """What came in, in latin-1; ``target`` is the path with its query as sent."""

    method: str
    target: str
    headers: Headers
    body: str = ""
    port: int = 1984
    scheme: str = "http"

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    def variable(self, name: str) -> str | None:
        """An nginx variable; None where nginx has none."""
        path, _, query = self.target.partition("?")
        host = next((value for key, value in self.headers if key.lower() == "host"), "")
        fixed = {
            "uri": unquote_to_bytes(path).decode("latin-1"),
            "request_uri": self.target,
            "args": query,
            "host": re.sub(r":\d+$", "", host).lower(),
            "scheme": self.scheme,
            "server_port": str(self.port),
            "server_addr": "127.0.0.1",
            "remote_addr": "127.0.0.1",
            "request_method": self.method,
        }
        if name in fixed:
            return fixed[name]
        if name.startswith("arg_"):
            found = re.search(rf"(?:^|&){re.escape(name[4:])}=([^&]*)", query, re.I)
            return found and found[1]
        wanted = name.removeprefix("http_").replace("_", "-")
        if name.startswith("http_") or name in ("content_type", "content_length"):
            return next((value for key, value in self.headers if key.lower() == wanted), None)
        return None


@dataclass
class Answer:
    """What a script made of a request. ``outcome``: "done", "error" or "unsupported"; ``words`` say more."""

    status: int = 0
    headers: Headers = field(default_factory=list)
    body: str = ""
    outcome: str = "done"
    words: str = ""

    def response(self) -> Response:
        failed = self.outcome == "error"
        return Response(500 if failed else self.status or 200, "", self.headers, self.body, "")


Send = Callable[[str, str, Headers, str, str], Response]
"""Sends (method, URL, headers, body, HTTP version) and returns the answer; raises OSError."""

CheckSchema = Callable[[str, str, int], "tuple[str, str | None]"]
"""(plugin, configuration as JSON, 0 route | 1 consumer | 2 metadata) -> (defaults as JSON, refusal)."""


@dataclass(frozen=True)
class Outside:
    """What a script can reach beyond its own request."""

    checkout: Path
    send: Send
    check_schema: CheckSchema
    connect: Callable[[str, int], tuple[str, int]] = lambda host, port: (host, port)


class Job:
    """Something that takes time, for the threads of ngx.lua."""

    def __init__(self, future: Future[Any]) -> None:
        self._future = future

    def done(self) -> bool:
        return self._future.done()

    def result(self) -> Any:
        try:
            return self._future.result()
        except (OSError, ValueError) as error:
            return None, "connection refused" if isinstance(error, ConnectionRefusedError) else str(error)


class Received:
    """An HTTP answer, as modules.lua reads it."""

    def __init__(self, response: Response) -> None:
        self._response = response

    def status(self) -> int:
        return self._response.status

    def reason(self) -> str:
        return self._response.reason

    def body(self) -> str:
        return self._response.body

    def each_header(self, put: Callable[[str, str], None]) -> None:
        for name, value in self._response.headers:
            put(name, value)


class Found:
    """A regular expression's match, as ngx.lua reads it."""

    def __init__(self, match: re.Match[str]) -> None:
        self._match = match

    def count(self) -> int:
        return self._match.re.groups

    def group(self, index: int) -> str | None:
        return self._match[index]

    def names(self, result: Any) -> None:
        for name, value in self._match.groupdict().items():
            result[name] = value if value is not None else False

    def start(self, index: int = 0) -> int:
        return self._match.start(index)

    def stop(self, index: int = 0) -> int:
        return self._match.end(index)


class LuaSocket:
    """ngx.socket.tcp, once it is connected."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def handshake(self, name: str | None, verify: bool | None) -> Any:
        raise NotImplementedError("sslhandshake")

    def send(self, data: str) -> Any:
        try:
            self._connection.send(data)
        except OSError as error:
            return None, str(error)
        return len(data)

    def receive(self, what: Any) -> Any:
        try:
            if what in ("*a", "a"):
                return self._connection.read_all()
            if what in ("*l", "l"):
                line = self._connection.read_line()
                return line.rstrip("\r\n") if line.endswith("\n") else (None, "closed", line)
            return self._connection.read(int(what))
        except TimeoutError:
            return None, "timeout", ""
        except OSError:
            return None, "closed", ""

    def close(self) -> None:
        self._connection.__exit__()


@lru_cache(512)
def _compiled(pattern: str, options: str) -> re.Pattern[str]:
    flags = re.NOFLAG
    for letter, flag in (("i", re.I), ("s", re.S), ("m", re.M), ("x", re.X)):
        if letter in options:
            flags |= flag
    return re.compile(pattern, flags)


class Host:
    """The ``host`` of ngx.lua for one request. Names and shapes are those that the Lua side calls."""

    def __init__(self, request: Request, outside: Outside) -> None:
        self._request = request
        self._outside = outside
        self.answer = Answer()

    def write(self, text: str) -> None:
        self.answer.body += text

    def flush(self) -> None:
        """All is sent at the end."""

    def finish(self, status: int) -> None:
        self.answer.status = status

    def set_header(self, name: str, value: str | None) -> None:
        if value is None:
            self.answer.headers = [pair for pair in self.answer.headers if pair[0].lower() != name.lower()]
        else:
            self.answer.headers.append((name, value))

    def get_header(self, name: str) -> str | None:
        return next((value for key, value in self.answer.headers if key.lower() == name.lower()), None)

    def method(self) -> str:
        return self._request.method

    def body(self) -> str:
        return self._request.body

    def var(self, name: str) -> str | None:
        return self._request.variable(name)

    def each_header(self, put: Callable[[str, str], None]) -> None:
        for name, value in self._request.headers:
            put(name, value)

    def request(self, method: str, url: str, pairs: Any, body: str, version: float) -> Job:
        flat = list(pairs.values())
        headers = list(zip(flat[::2], flat[1::2], strict=True))
        work = JOBS.submit(self._outside.send, method, url, headers, body, str(version))
        return Job(_mapped(work, Received))

    def sleep(self, seconds: float) -> Job:
        return Job(JOBS.submit(time.sleep, max(seconds, 0)))

    def nap(self) -> None:
        time.sleep(0.001)

    def connect(self, address: str, port: int) -> Any:
        try:
            return LuaSocket(Connection(*self._outside.connect(address, int(port))).__enter__())
        except OSError as error:
            return None, "connection refused" if isinstance(error, ConnectionRefusedError) else str(error)

    def websocket_accept(self, key: str) -> str:
        digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode("latin-1")).digest()
        return base64.b64encode(digest).decode()

    def check_schema(self, plugin: str, configuration: str, kind: int) -> Any:
        return self._outside.check_schema(plugin, configuration, int(kind))

    def checkout_module(self, name: str) -> str | None:
        file = self._outside.checkout / "t" / (name.replace(".", "/") + ".lua")
        return file.read_text("latin-1") if file.exists() else None

    def re_search(self, subject: str, pattern: str, options: str, at: int) -> Found | None:
        compiled = _compiled(pattern, options)
        match = (compiled.match if "a" in options else compiled.search)(subject, int(at) - 1)
        return Found(match) if match else None

    now = staticmethod(time.time)
    md5 = staticmethod(lambda text: hashlib.md5(text.encode("latin-1")).hexdigest())
    sha1_bin = staticmethod(lambda text: hashlib.sha1(text.encode("latin-1")).digest().decode("latin-1"))
    crc32 = staticmethod(lambda text: binascii.crc32(text.encode("latin-1")))
    http_time = staticmethod(lambda seconds: formatdate(seconds, usegmt=True))
    escape_uri = staticmethod(lambda text: quote(text.encode("latin-1"), safe="!'()*-._~"))
    unescape_uri = staticmethod(lambda text: unquote_to_bytes(text.replace("+", " ")).decode("latin-1"))
    encode_base64 = staticmethod(lambda text: base64.b64encode(text.encode("latin-1")).decode())

    @staticmethod
    def decode_base64(text: str) -> str | None:
        try:
            return base64.b64decode(text, validate=True).decode("latin-1")
        except binascii.Error:
            return None


def _mapped(work: Future[Response], to: Callable[[Response], Any]) -> Future[Any]:
    mapped: Future[Any] = Future()

    def finished(done: Future[Response]) -> None:
        error = done.exception()
        if error is not None:
            mapped.set_exception(error)
        else:
            mapped.set_result(to(done.result()))

    work.add_done_callback(finished)
    return mapped


class Script:
    """A LuaJIT of its own with ngx and the modules; ``entry`` is Lua source that returns the handler."""

    def __init__(self, source: str, name: str, request: Request, outside: Outside) -> None:
        self._host = Host(request, outside)
        self._lua = LuaRuntime(encoding="latin-1", unpack_returned_tuples=True, register_eval=False)
        load = self._lua.eval(
            "function(text, name, ...) return assert(loadstring(text, '=' .. name))(...) end"
        )
        ngx, self._run = load(_source("ngx.lua"), "ngx.lua", self._host)
        self._lua.globals().ngx = ngx
        json = load(_source("json.lua"), "json.lua")
        load(_source("modules.lua"), "modules.lua", self._host, json)
        self._handler = self._lua.eval(
            "function(text, name) return assert(loadstring(text, '=' .. name)) end"
        )(source, name)

    def answer(self) -> Answer:
        outcome, words = self._run(self._handler)
        answer = self._host.answer
        answer.outcome, answer.words = str(outcome), str(words)
        return answer


@lru_cache
def _source(name: str) -> str:
    return (LUA / name).read_text("latin-1")


def run(source: str, name: str, request: Request, outside: Outside) -> Answer:
    """Runs ``source`` as the content handler of ``request``."""
    return Script(source, name, request, outside).answer()


def client_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
