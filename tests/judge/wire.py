"""HTTP/1.1 as the test files write it: what they say reaches the socket byte for byte."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass, field

Headers = list[tuple[str, str]]


@dataclass(frozen=True)
class Response:
    """``head`` is the raw status line and headers; ``body`` has its chunks joined; all text is latin-1."""

    status: int
    reason: str
    headers: Headers
    body: str
    head: str

    def header(self, name: str) -> str | None:
        """The values of a header, joined as Perl's HTTP::Headers joins them; None if it is not there."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(values) if values else None


@dataclass
class Connection:
    """One connection to a server, kept open between exchanges."""

    host: str
    port: int
    timeout: float = 5.0
    tls: ssl.SSLContext | None = None
    server_name: str | None = None
    _socket: socket.socket | None = field(default=None, init=False)
    _buffer: bytes = field(default=b"", init=False)

    def __enter__(self) -> Connection:
        plain = socket.create_connection((self.host, self.port), self.timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = (
            plain if self.tls is None else self.tls.wrap_socket(plain, server_hostname=self.server_name)
        )
        return self

    def __exit__(self, *error: object) -> None:
        assert self._socket is not None
        self._socket.close()

    def send(self, text: str) -> None:
        assert self._socket is not None
        self._socket.sendall(text.encode("latin-1"))

    def read_line(self) -> str:
        """A line with its end; without one if the server closed the connection."""
        while b"\n" not in self._buffer and self._more():
            pass
        line, newline, self._buffer = self._buffer.partition(b"\n")
        return (line + newline).decode("latin-1")

    def read(self, count: int) -> str:
        while len(self._buffer) < count:
            if not self._more():
                raise ConnectionError(f"the server closed after {len(self._buffer)} of {count} bytes")
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken.decode("latin-1")

    def read_all(self) -> str:
        while self._more():
            pass
        taken, self._buffer = self._buffer, b""
        return taken.decode("latin-1")

    def _more(self) -> bool:
        assert self._socket is not None
        piece = self._socket.recv(65536)
        self._buffer += piece
        return bool(piece)

    def response(self, method: str) -> Response:
        """Reads the answer to a ``method`` request, passing over 1xx."""
        while True:
            line = self.read_line()
            if not line:
                raise ConnectionError("the server closed the connection without an answer")
            _, _, rest = line.rstrip("\r\n").partition(" ")
            code, _, reason = rest.partition(" ")
            head, headers = line, []
            while (line := self.read_line()) not in ("\r\n", "\n", ""):
                head += line
                name, _, value = line.rstrip("\r\n").partition(":")
                headers.append((name, value.strip()))
            if int(code) >= 200 or int(code) == 101:
                break
        found = {name.lower(): value for name, value in headers}
        if method == "HEAD" or int(code) in (204, 304):
            body = ""
        elif int(code) == 101:
            body = self.read_all()
        elif "chunked" in found.get("transfer-encoding", "").lower():
            body = self._chunks()
        elif "content-length" in found:
            body = self.read(int(found["content-length"]))
        else:
            body = self.read_all()
        return Response(int(code), reason, headers, body, head)

    def _chunks(self) -> str:
        body = ""
        while size := int(self.read_line().split(";")[0], 16):
            body += self.read(size)
            self.read_line()
        while self.read_line() not in ("\r\n", "\n", ""):
            pass
        return body


def request_text(method: str, target: str, headers: Headers, body: str, version: str = "1.1") -> str:
    """The request on the wire; Content-Length is added where there is a body and no length is given."""
    names = {name.lower() for name, _ in headers}
    if (body or method in ("POST", "PUT", "PATCH")) and not names & {"content-length", "transfer-encoding"}:
        headers = [*headers, ("Content-Length", str(len(body)))]
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"{method} {target} HTTP/{version}\r\n{lines}\r\n{body}"
