"""The server behind the gateway: the checkout's own t/lib/server.lua, run under our ngx."""

from __future__ import annotations

import contextlib
import gzip
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from io import BufferedIOBase
from pathlib import Path

from . import script
from .nginx_conf import Location, Server
from .wire import Headers, Response

TLS_PORT = 1983
PORTS: Mapping[int, int] = {port: port for port in (1980, 1981, 1982, TLS_PORT, 5044)}
"""The ports that the files name, and where we serve them."""
CLOSE = 444  # nginx's own status: close the connection and say nothing
SWITCHING = 101
APISIX_HANDLERS = (Location("", "/", 'require("lib.server").go()'),)
NOTHING = Location("", "/", "ngx.exit(404)")
REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 500: "Internal Server Error"}


class PortTaken(Exception):
    """A port that the test files name belongs to another process."""


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 256

    def __init__(
        self,
        address: tuple[str, int],
        checkout: Path,
        tls: ssl.SSLContext | None,
        locations: Sequence[Location] = APISIX_HANDLERS,
        *,
        compress: bool = False,
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.tls = tls
        self.locations = locations
        self.compress = compress
        self.connections: set[socket.socket] = set()
        self.outside = script.Outside(checkout, _no_requests, lambda *_: ("{}", "no gateway here"))
        super().__init__(address, _Handler)

    def server_close(self) -> None:
        """Closes what the gateway keeps open, too: the next server on this port is another."""
        super().server_close()
        for connection in tuple(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that the gateway drops is no error of the upstream."""


def _no_requests(*_: object) -> Response:
    raise OSError("the upstream sends no requests")


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def setup(self) -> None:
        if self.server.tls is not None:
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        super().setup()
        self.server.connections.add(self.request)

    def finish(self) -> None:
        self.server.connections.discard(self.request)
        super().finish()

    def handle(self) -> None:
        while self._one():
            pass

    def _one(self) -> bool:
        line = self.rfile.readline().decode("latin-1").rstrip("\r\n")
        if not line:
            return False
        method, target, version = line.split(" ", 2)
        headers = list(_headers(self.rfile))
        names = {name.lower(): value for name, value in headers}
        if names.get("expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = _body(self.rfile, names)
        port = self.server.server_address[1]
        scheme = "https" if self.server.tls else "http"
        request = script.Request(method, target, headers, body, port, scheme)
        location = next((each for each in self.server.locations if each.answers(request.path)), NOTHING)
        answer = script.run(location.lua, "upstream", request, self.server.outside)
        if answer.outcome == "done" and answer.words in (str(CLOSE), "-1"):
            return False
        if self.server.compress and "gzip" in names.get("accept-encoding", "") and answer.body:
            answer.body = gzip.compress(answer.body.encode("latin-1"), mtime=0).decode("latin-1")
            kept = [pair for pair in answer.headers if pair[0].lower() != "content-length"]
            answer.headers = [*kept, ("Content-Encoding", "gzip")]
        keep = (
            answer.status != SWITCHING
            and version == "HTTP/1.1"
            and names.get("connection", "").lower() != "close"
        )
        self.wfile.write(_rendered(answer, method, keep).encode("latin-1"))
        return keep


def _headers(stream: BufferedIOBase) -> Iterator[tuple[str, str]]:
    while (line := stream.readline().decode("latin-1").rstrip("\r\n")) != "":
        name, _, value = line.partition(":")
        yield name, value.strip()


def _body(stream: BufferedIOBase, names: dict[str, str]) -> str:
    if names.get("transfer-encoding", "").lower() != "chunked":
        return stream.read(int(names.get("content-length", "0"))).decode("latin-1")
    body = b""
    while size := int(stream.readline().split(b";")[0], 16):
        body += stream.read(size)
        stream.readline()
    stream.readline()
    return body.decode("latin-1")


def _rendered(answer: script.Answer, method: str, keep: bool) -> str:
    status = answer.response().status
    body = answer.body
    if status == SWITCHING:
        head = "".join(f"{name}: {value}\r\n" for name, value in answer.headers)
        return f"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n{head}\r\n{body}"
    error_page = answer.outcome != "done" or (status >= 400 and not body)
    if error_page:
        body = f"<html><head><title>{status} {REASONS.get(status, '')}</title></head></html>\r\n"
    headers: Headers = [("Server", "openresty")]
    names = {name.lower() for name, _ in answer.headers}
    if "content-type" not in names:
        headers.append(("Content-Type", "text/html" if error_page else "text/plain"))
    headers += [pair for pair in answer.headers if pair[0].lower() not in ("connection", "transfer-encoding")]
    headers.append(("Connection", "keep-alive" if keep else "close"))
    if "content-length" not in names:
        if body and not error_page:
            headers.append(("Transfer-Encoding", "chunked"))
            body = f"{len(body):x}\r\n{body}\r\n0\r\n\r\n"
        else:
            headers.append(("Content-Length", str(len(body))))
    head = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}\r\n{head}\r\n" + (
        "" if method == "HEAD" else body
    )


@contextlib.contextmanager
def serving(checkout: Path, ports: Mapping[int, int] = PORTS) -> Iterator[Mapping[int, int]]:
    """Serves until left; a port 0 becomes any free one, as the mapping that is given back says.

    Raises PortTaken, naming the port.
    """
    places = [("127.0.0.1", named, port) for named, port in ports.items()]
    if socket.has_ipv6 and ports is PORTS:
        places.append(("::1", 1980, 1980))
    served: dict[int, int] = {}
    with contextlib.ExitStack() as stack:
        for host, named, port in places:
            try:
                server = _Server((host, port), checkout, _tls(checkout) if named == TLS_PORT else None)
            except OSError as error:
                if ":" in host:
                    continue  # a machine without IPv6
                raise PortTaken(
                    f"{host}:{port} must be free for the upstream of the tests: {error.strerror}"
                ) from error
            served[named] = server.server_address[1]
            _start(server, stack)
        yield served


@contextlib.contextmanager
def more(checkout: Path, servers: Sequence[Server]) -> Iterator[None]:
    """Serves the servers of a block until left. Raises PortTaken."""
    with contextlib.ExitStack() as stack:
        for each in servers:
            try:
                _start(
                    _Server(("127.0.0.1", each.port), checkout, None, each.locations, compress=each.gzip),
                    stack,
                )
            except OSError as error:
                raise PortTaken(f"127.0.0.1:{each.port} must be free: {error.strerror}") from error
        yield


def _start(server: _Server, stack: contextlib.ExitStack) -> None:
    stack.callback(server.server_close)
    stack.callback(server.shutdown)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()


def _tls(checkout: Path) -> ssl.SSLContext:
    certificates = checkout / "t" / "certs"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "apisix.crt", certificates / "apisix.key")
    return context
