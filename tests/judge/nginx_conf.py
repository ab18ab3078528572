"""Reads the ``--- config`` section of a block: the locations, and the Lua that answers in each."""

from __future__ import annotations

import re
from dataclasses import dataclass


class NotPlain(Exception):
    """The configuration does what only an nginx can; the message names it."""


@dataclass(frozen=True)
class Location:
    modifier: str
    path: str
    lua: str

    def answers(self, path: str) -> bool:
        if self.modifier == "=":
            return path == self.path
        if self.modifier in ("~", "~*"):
            return re.search(self.path, path) is not None
        return path.startswith(self.path)


@dataclass(frozen=True)
class Server:
    """A server of a block's ``--- http_config``: on ``port`` of 127.0.0.1, the locations answer."""

    port: int
    locations: tuple[Location, ...]
    gzip: bool = False


CLIENT_BY_FORWARDED_FOR = "real_ip_header X-Forwarded-For"
AS_WE_DO = (
    "real_ip_header X-Real-IP",
    CLIENT_BY_FORWARDED_FOR,  # play.py says the same in X-Real-IP
    "set_real_ip_from 127.0.0.1",
    "set_real_ip_from unix:",
)
"""Directives that say what the gateway does anyway."""

FILTERS = ("header_filter_by_lua_block", "body_filter_by_lua_block")
UNPLAYED = "error('a server with Lua filters')"

TOKEN = re.compile(r"\s+|#[^\n]*|([{};])|\"((?:\\.|[^\"\\])*)\"|'((?:\\.|[^'\\])*)'|([^\s{};\"']+)")
LUA_SKIP = re.compile(r"--\[(=*)\[|--[^\n]*|\[(=*)\[|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|[{}]", re.S)


def read_servers(config: str) -> list[Server]:
    """The servers of a ``--- http_config``. Raises NotPlain for all else that needs an nginx."""
    found: list[Server] = []
    position = 0
    while True:
        words, position, opened = _directive(config, position)
        if not words:
            return found
        if words == ["server"] and opened:
            server, position = _server(config, position)
            found.append(server)
        elif " ".join(words) not in AS_WE_DO:
            raise NotPlain(f"nginx directive {' '.join(words)}")


def _server(config: str, position: int) -> tuple[Server, int]:
    ports: list[int] = []
    locations: list[Location] = []
    gzip = False
    while True:
        words, position, opened = _directive(config, position)
        if not words:
            if len(ports) != 1:
                raise NotPlain("a server on several addresses")
            return Server(ports[0], tuple(_longest_first(locations)), gzip), position
        if words[0] == "listen" and len(words) == 2 and words[1].isdigit():
            ports.append(int(words[1]))
        elif words[0] == "location" and opened:
            location, position = _location(config, position, words)
            locations.append(location)
        elif words == ["gzip", "on"]:
            gzip = True
        elif words[0] not in ("server_name", "server_tokens", "gzip_types", "gzip_min_length"):
            raise NotPlain(f"nginx directive {words[0]}")


def read_locations(config: str) -> list[Location]:
    """The locations, longest path first. Raises NotPlain for directives that need an nginx."""
    found: list[Location] = []
    position = 0
    while True:
        words, position, opened = _directive(config, position)
        if not words:
            return _longest_first(found)
        if words[0] != "location" or not opened:
            raise NotPlain(f"nginx directive {words[0]}")
        location, position = _location(config, position, words)
        found.append(location)


def _longest_first(locations: list[Location]) -> list[Location]:
    return sorted(locations, key=lambda each: (each.modifier == "=", len(each.path)), reverse=True)


def _location(config: str, position: int, words: list[str]) -> tuple[Location, int]:
    lua, position = _content(config, position)
    return Location(words[1] if len(words) > 2 else "", words[-1], lua), position


def _content(config: str, position: int) -> tuple[str, int]:
    lua = ""
    while True:
        words, position, opened = _directive(config, position)
        if not words:
            return lua, position
        if words[0] == "content_by_lua_block" and opened:
            end = _lua_end(config, position)
            lua, position = config[position:end], end + 1
        elif words[0] in FILTERS and opened:
            lua, position = UNPLAYED, _lua_end(config, position) + 1
        else:
            raise NotPlain(f"nginx directive {words[0]}")


def _directive(config: str, position: int) -> tuple[list[str], int, bool]:
    """The words of the next directive, where it ends, whether it opens a block; no words: a block ended."""
    words: list[str] = []
    while position < len(config):
        match = TOKEN.match(config, position)
        if match is None:
            raise NotPlain("a configuration that is no nginx syntax")
        position = match.end()
        sign = match[1]
        if sign:
            return words, position, sign == "{"
        word = next((group for group in match.groups()[1:] if group is not None), None)
        if word is not None:
            words.append(word)
    return words, position, False


def _lua_end(config: str, position: int) -> int:
    depth = 1
    while match := LUA_SKIP.search(config, position):
        text = match[0]
        position = match.end()
        if text.endswith("["):
            level = match[1] if match[1] is not None else match[2]
            position = config.index(f"]{level}]", position) + len(level) + 2
        elif text == "{":
            depth += 1
        elif text == "}":
            depth -= 1
            if depth == 0:
                return match.start()
    raise NotPlain("a Lua block without its end")
