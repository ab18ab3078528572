"""Ports and addresses of this machine. A port that is taken is named, with who holds it and what to do."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

LOOPBACK = "127.0.0.1"


class PortError(Exception):
    """A port cannot be listened on. The text says why and what to do; it may have several lines."""


@dataclass(frozen=True, slots=True)
class Port:
    """A port to listen on: ``what`` is for people, ``flag`` the option that changes it ("--port")."""

    what: str
    host: str
    number: int
    flag: str


def bind(port: Port) -> socket.socket:
    """A socket bound to the port, not yet listening. Raises PortError."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            port.host, port.number, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise PortError(
            f"{port.host} ({port.what}) is no address of this machine: {error.strerror}"
        ) from error
    bound = socket.socket(family, kind, protocol)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(address)
        bound.listen(128)  # two sockets with SO_REUSEADDR can be bound to one port; only one can listen
    except OSError as error:
        bound.close()
        raise PortError(_explain(port, error)) from error
    return bound


def url(host: str, port: int) -> str:
    """Where this machine reaches what listens on ``host``, also when that is every address."""
    host = {"": LOOPBACK, "0.0.0.0": LOOPBACK, "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether a server bound to ``host`` can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check(*ports: Port) -> None:
    """Raises PortError, with every port that cannot be had, unless each can be listened on just now."""
    problems = []
    for port in ports:
        try:
            bind(port).close()
        except PortError as problem:
            problems.append(str(problem))
    if problems:
        raise PortError("\n".join(problems))


def _explain(port: Port, error: OSError) -> str:
    variable = "GATECHAT_" + port.flag.removeprefix("--").replace("-", "_").upper()
    another = f"choose another port: {port.flag} {port.number + 1} (or {variable}={port.number + 1})"
    if error.errno == errno.EADDRINUSE:
        owner = holder(port.number)
        who = f"by {owner}" if owner else "by another program"
        return f"Port {port.number} ({port.what}) is taken {who}. Stop that program, or {another}."
    if error.errno == errno.EACCES:
        return f"Port {port.number} ({port.what}) needs the rights of root; {another}."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{port.host} ({port.what}) is no address of this machine; 127.0.0.1 and 0.0.0.0 always are."
    return f"Port {port.number} ({port.what}) cannot be listened on: {error.strerror}; {another}."


def holder(number: int) -> str | None:
    """Who listens on a TCP port, as "python3 (process 123)"; None where the system does not tell."""
    inodes = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        with suppress(OSError):
            for line in table.read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == number:
                    inodes.add(f"socket:[{fields[9]}]")
    if not inodes:
        return None
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it is another user's, or it has just ended
            for descriptor in (process / "fd").iterdir():
                if os.readlink(descriptor) in inodes:
                    return f"{(process / 'comm').read_text().strip()} (process {process.name})"
    return None
