"""Where a gateway may be made to connect to: upstream nodes, health checks, URLs in plugins, secret managers.

Whoever can write an upstream can read whatever the gateway's machine can reach (server-side request forgery).
So link-local addresses (169.254.169.254 answers with a cloud machine's credentials), the Admin API and its
companions are never let through, however they are written; the policy may narrow the rest.
"""

from __future__ import annotations

import asyncio
import re
import socket
import unicodedata
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from gatechat.apisix.validation import is_reference
from gatechat.assistant.change.model import JSON

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network
Resolve: TypeAlias = Callable[[str], Awaitable[tuple[Address, ...]]]

CONTROL_PORTS: Final[Mapping[int, str]] = {
    9180: "the Admin API",
    9090: "APISIX's control API",
    2379: "etcd",
    2380: "etcd",
}
"""On the gateway's own machine. Source: config-default.yaml of APISIX 3.18."""

_METADATA_NAMES: Final = frozenset({"metadata.google.internal", "metadata.goog", "metadata", "instance-data"})
_METADATA: Final = frozenset(
    ip_address(text)
    for text in ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254")
)
"""Metadata services that are not link-local: Alibaba, Azure, Oracle, AWS, Google."""

_NAT64: Final = IPv6Network("64:ff9b::/96")
_COMPATIBLE: Final = IPv6Network("::/96")
_PART = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")
_HOST_PORT = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<host>[^:\[\]]+))(?::(?P<port>[0-9]+))?")
_NAME = re.compile(r"[\w-]+(?:\.[\w-]+)*")
"""What a resolver can be asked for; "_" is not for hosts (RFC 952), and containers are called so."""
_URL = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]*:[/\\]{2}")
_SCHEMELESS = re.compile(r"\s*[/\\]{2}[^/\\]")
_ETCD: Final = (2379, 2380)
_AT_ETCD: Final = "port {} is etcd's, which holds the whole configuration with its secrets"
_RESOLVE_SECONDS: Final = 2.0

_TO_BROWSERS: Final = frozenset(
    {
        "allow_origins",
        "allow_origins_by_regex",
        "redirect_uri",
        "post_logout_redirect_uri",
        "unauth_redirect_uri",
        "issuer",
        "sp_issuer",
        "logout_uri",
        "timing_allow_origins",
        "http_to_https",
        "whitelist",
        "blacklist",
        "body",
        "response_example",
        "no_proxy",
        "log_format",
    }
)
"""Fields of plugins whose URLs are told to clients or compared, and never connected to."""
_URL_FIELDS: Final = re.compile(r"(?:uri|url|endpoint|discovery|host|server|addr|addrs|proxy)$", re.I)
"""Where resty.http, which APISIX's plugins use, takes "//host/…" for a URL too."""
_HOST_FIELDS: Final = re.compile(
    r"(?:^|_)(?:hosts?|hostname|servers?|address|addrs?|nodes|sentinels|nameserver_list|ldap_uri|proxy|brokers?)$"
)
_NOT_FETCHED_PLUGINS: Final = frozenset(
    {"redirect", "cors", "referer-restriction", "proxy-rewrite", "response-rewrite", "mocking"}
)


@dataclass(frozen=True, slots=True)
class Place:
    """An address as it stands in a resource. ``port`` is None where the field tells none."""

    path: str
    host: str
    port: int | None


def places(kind: str, value: Mapping[str, JSON], id: str = "") -> Iterator[Place]:
    """Everything in a resource that a gateway would connect to."""
    match kind:
        case "upstreams":
            yield from _upstream(value, "")
        case "secrets":
            yield from _plugin(value, "")
        case "plugin_metadata":
            if id not in _NOT_FETCHED_PLUGINS:
                yield from _plugin(value, "")
        case _:
            if isinstance(value.get("upstream"), dict):
                yield from _upstream(value["upstream"], "upstream.")
            yield from _plugins(value.get("plugins"), "plugins.")


def _plugins(plugins: JSON, at: str) -> Iterator[Place]:
    for name, conf in plugins.items() if isinstance(plugins, dict) else ():
        if name not in _NOT_FETCHED_PLUGINS:
            yield from _plugin(conf, f"{at}{name}.")


def _upstream(value: Mapping[str, JSON], at: str) -> Iterator[Place]:
    nodes = value.get("nodes")
    found: list[Place] = []
    if isinstance(nodes, dict):
        found = [Place(f"{at}nodes.{node}", *_split(str(node))) for node in nodes]
    elif isinstance(nodes, list):
        found = [
            Place(f"{at}nodes.{number}.host", str(node["host"]), _port(node.get("port")))
            for number, node in enumerate(nodes)
            if isinstance(node, dict) and "host" in node
        ]
    default = 443 if value.get("scheme") in ("https", "grpcs") else 80
    yield from (Place(it.path, it.host, it.port or default) for it in found)
    if isinstance(value.get("service_name"), str) and value.get("discovery_type") == "dns":
        yield Place(f"{at}service_name", *_split(value["service_name"]))
    checks = value.get("checks")
    active = checks.get("active") if isinstance(checks, dict) else None
    if isinstance(active, dict):
        port = _port(active.get("port"))
        if isinstance(active.get("host"), str):
            yield Place(f"{at}checks.active.host", active["host"], port)
        if port is not None:
            yield from (Place(f"{at}checks.active.port", it.host, port) for it in found)


def _plugin(conf: JSON, at: str) -> Iterator[Place]:
    """URLs anywhere, and hosts under a name that says so."""
    if isinstance(conf, dict):
        if {"nodes", "service_name"} & set(conf):
            yield from _upstream(conf, at)
        sibling = _port(conf.get("port"))
        for name, part in conf.items():
            if name in _TO_BROWSERS or name == "nodes":
                continue
            if name == "broker_list" and isinstance(part, dict):
                yield from (
                    Place(f"{at}{name}.{host}", str(host), _port(port)) for host, port in part.items()
                )
            elif isinstance(part, str):
                yield from _text(part, f"{at}{name}", name, sibling or _port(conf.get(f"{_stem(name)}port")))
            elif isinstance(part, list) and all(isinstance(item, str) for item in part):
                for number, item in enumerate(part):
                    yield from _text(item, f"{at}{name}.{number}", name, sibling)
            else:
                yield from _plugin(part, f"{at}{name}.")
    elif isinstance(conf, list):
        for number, part in enumerate(conf):
            yield from _plugin(part, f"{at}{number}.")


def _text(text: str, path: str, name: str, port: int | None) -> Iterator[Place]:
    if _URL.match(text) or (_URL_FIELDS.search(name) and _SCHEMELESS.match(text)):
        yield from (Place(path, host, own) for host, own in _of_url(text.strip()))
    elif _HOST_FIELDS.search(name) and text:
        host, own = _split(text)
        yield Place(path, host, own or port)


def _of_url(url: str) -> Iterator[tuple[str, int | None]]:
    """Host and port, as more than one reader may take them; where they cannot be told, all of it as a host,
    which none is.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        yield url, None
        return
    scheme = {"https": 443, "wss": 443, "http": 80, "ws": 80}.get(parts.scheme)
    user, at, _ = parts.netloc.rpartition("@")
    if not host or "\\" in parts.netloc:
        yield url, None
        return
    yield host, port or scheme
    if at and (first := _HOST_PORT.fullmatch(user)) and first["port"]:  # to resty.http, the host ends at ":"
        yield first["v6"] or first["host"], int(first["port"])


def _stem(name: str) -> str:
    """ "redis_" of "redis_host"."""
    return name.rpartition("_")[0] + "_" if "_" in name else ""


def _split(text: str) -> tuple[str, int | None]:
    """ "[::1]:80" is ("::1", 80). What is not written so comes back whole, as a host that is none."""
    match = _HOST_PORT.fullmatch(text.strip())
    if match is None:
        return text.strip(), None
    return match["v6"] or match["host"], _port(match["port"])


def _port(value: JSON) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | str) or not str(value).isascii():
        return None
    return int(value) if str(value).isdigit() else None


def literal(host: str) -> Address | None:
    """The address that ``host`` is in any notation that a resolver takes for one; None for a name.

    inet_aton's forms (2852039166, 0xa9fea9fe, 0251.0376.0251.0376, 169.254.43518), IPv6 with brackets or
    zone, wide digits. An IPv6 address that only wraps an IPv4 one (mapped, compatible, NAT64, 6to4) is that.
    """
    text = _plain(host).strip("[]").rstrip(".")
    try:
        return _unwrapped(IPv6Address(text.partition("%")[0])) if ":" in text else IPv4Address(text)
    except ValueError:
        return None if ":" in text else _inet_aton(text)


def _plain(host: str) -> str:
    """Without what looks different and is read alike: wide letters and digits, ideographic full stops."""
    return unicodedata.normalize("NFKC", host).replace("。", ".").strip()


def _inet_aton(text: str) -> IPv4Address | None:
    parts = text.split(".")
    if not 1 <= len(parts) <= 4 or not all(_PART.fullmatch(part) for part in parts):
        return None
    try:
        numbers = [_c_number(part) for part in parts]
    except ValueError:
        return None
    *heads, last = numbers
    if any(number > 255 for number in heads) or last >= 256 ** (5 - len(numbers)):
        return None
    whole = sum(number << (24 - 8 * place) for place, number in enumerate(heads))
    return IPv4Address(whole + last)


def _c_number(text: str) -> int:
    if text[:2] in ("0x", "0X"):
        return int(text[2:] or "0", 16)
    return int(text, 8 if text.startswith("0") and text != "0" else 10)


def _unwrapped(address: IPv6Address) -> Address:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


async def resolve(name: str) -> tuple[Address, ...]:
    """What this machine takes ``name`` for; nothing when it knows none: the gateway may."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_RESOLVE_SECONDS):
            found = await loop.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, TimeoutError):
        return ()
    texts = dict.fromkeys(str(entry[4][0]) for entry in found)
    return tuple(address for text in texts if (address := literal(text)) is not None)


@dataclass(frozen=True, slots=True)
class Addresses:
    """The rules. ``own`` are endpoints that are never upstreams (the Admin API's URL, the assistant's own).

    ``networks`` and ``hosts`` (names with ``*``), once one of them is given, are all that is allowed.
    """

    networks: tuple[Network, ...] = ()
    hosts: tuple[str, ...] = ()
    own: tuple[str, ...] = ()

    async def refusal(self, host: str, port: int | None, resolver: Resolve = resolve) -> str | None:
        """Why the gateway may not connect there, None if it may.

        A name is judged by itself and by every address that it has now.
        """
        address = literal(host)
        if address is not None:
            return self._why_not(address, port, named=False) or await self._own(address, port, resolver)
        name = _plain(host).rstrip(".").lower()
        if is_reference(name):
            return (
                "where a reference leads is not known here, and the policy narrows it"
                if self._narrow
                else None
            )
        if not _NAME.fullmatch(name):
            return "this is no host: write a name or an address, with a port after one colon if need be"
        if name in _METADATA_NAMES:
            return f"{name} is a cloud's metadata service, which hands out the machine's credentials"
        if any(_is_at(url, name, port) for url in self.own):
            return "it controls the gateway"
        listed = any(fnmatchcase(name, pattern.lower()) for pattern in self.hosts)
        found = (
            (ip_address("127.0.0.1"),)
            if name == "localhost" or name.endswith(".localhost")
            else await resolver(name)
        )
        for one in found:
            wrong = self._why_not(one, port, named=listed) or await self._own(one, port, resolver)
            if wrong:
                return f"{name} is {one}: {wrong}"
        if port in _ETCD and not listed and not found:
            return _AT_ETCD.format(port)
        if self._narrow and not listed and not found:
            allowed = ", ".join(self.hosts) or "none by name"
            return f"{name} is none of the hosts that the policy allows ({allowed})"
        return None

    @property
    def _narrow(self) -> bool:
        return bool(self.networks or self.hosts)

    def _why_not(self, address: Address, port: int | None, *, named: bool) -> str | None:
        listed = any(address in network for network in self.networks if network.version == address.version)
        if address in _METADATA or address.is_link_local:
            if listed:
                return None
            return (
                "link-local addresses are where clouds hand out the machine's credentials (metadata service)"
            )
        if address.is_unspecified:
            return "this is no address to connect to; it would reach the gateway's own machine"
        if address.is_multicast or str(address) == "255.255.255.255":
            return "this is no address of one machine"
        if port is not None and port in CONTROL_PORTS and _is_here(address):
            return f"port {port} of the gateway's own machine is {CONTROL_PORTS[port]}"
        if port in _ETCD and not (named or listed):
            return _AT_ETCD.format(port)
        if self._narrow and not named and not listed and not self._host_listed(address):
            return "the policy allows upstreams only in " + ", ".join(map(str, (*self.networks, *self.hosts)))
        return None

    def _host_listed(self, address: Address) -> bool:
        return any(fnmatchcase(str(address), pattern) for pattern in self.hosts)

    async def _own(self, address: Address, port: int | None, resolver: Resolve) -> str | None:
        for url in self.own:
            parts = urlsplit(url)
            own_port = parts.port or (443 if parts.scheme == "https" else 80)
            if port not in (own_port, *CONTROL_PORTS) or not parts.hostname:
                continue
            here = literal(parts.hostname)
            mine = (here,) if here is not None else await resolver(parts.hostname)
            # the gateway's machine may not be this one
            if address in mine or (port == own_port and _is_here(address)):
                what = f"this is {url}" if port == own_port else f"this is on the machine of {url}"
                return f"{what}, which controls the gateway"
        return None


def _is_here(address: Address) -> bool:
    """Whether it is an address of this machine: only such a one can be bound."""
    if address.is_loopback:
        return True
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True


def _is_at(url: str, name: str, port: int | None) -> bool:
    parts = urlsplit(url)
    return parts.hostname == name and port == (parts.port or (443 if parts.scheme == "https" else 80))


def network(text: str) -> Network:
    """ "10.0.0.0/8", or one address. Raises ValueError."""
    return ip_network(text, strict=True)


def all_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    return tuple(network(text) for text in texts)
