"""The six jobs, each as a prompt that a person picks and a model works through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_END = (
    "Then plan it with a reason, show me the diff, the impact and the risk in a few lines, and apply it. If "
    "it waits "
    "for approval, give me the page and stop. When it is applied, tell me how it was proven and the id to "
    "undo it by."
)


@dataclass(frozen=True, slots=True)
class Argument:
    """``default``: what is meant when it is not given; None: it must be."""

    name: str
    words: str
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """``text`` names its arguments in braces."""

    name: str
    title: str
    words: str
    arguments: tuple[Argument, ...]
    text: str

    def fill(self, given: Mapping[str, str]) -> str:
        """Raises ValueError for an argument that is missing or that there is not; the text says which."""
        known = [argument.name for argument in self.arguments]
        unknown = sorted(set(given) - set(known))
        values = {a.name: given.get(a.name, "").strip() or a.default for a in self.arguments}
        missing = [name for name, value in values.items() if value is None]
        if unknown:
            raise ValueError(
                f"{self.name} has no argument {', '.join(unknown)}; it takes {', '.join(known) or 'none'}"
            )
        if missing:
            raise ValueError(f"{self.name} needs {', '.join(missing)}")
        return self.text.format_map(values)


_ROUTE = Argument("route", "Name, id or path of the route.")

PROMPTS: Final[tuple[Prompt, ...]] = (
    Prompt(
        "publish-api",
        "Publish an API",
        "Put a backend behind the gateway.",
        (
            Argument("backend", "Where the API runs: host:port."),
            Argument("path", "What callers ask for, for instance /speaker/*."),
            Argument("host", "The host name callers use; any when empty.", "any"),
        ),
        "Publish the API at {backend} through the gateway under {path} (host: {host}). Look with find "
        "whether a route "
        f"answers there already, and reuse an upstream that has this address. {_END}",
    ),
    Prompt(
        "protect-with-key",
        "Ask for an API key",
        "Let only callers with a key through.",
        (_ROUTE, Argument("consumer", "Who gets a key; nobody new when empty.", "nobody new")),
        "Protect {route} with key-auth, and give a key to this consumer: {consumer}. Look "
        "with get in "
        "effect whether something protects it already. The key is made or entered by a person on the plan's "
        "page: "
        f"never write one yourself. Prove it with a probe without a key that answers 401. {_END}",
    ),
    Prompt(
        "limit-rate",
        "Limit the rate",
        "So many requests in so much time, per caller.",
        (
            _ROUTE,
            Argument("limit", "For instance: 10 per minute."),
            Argument(
                "per", "Per consumer, client address or header; client address when empty.", "client address"
            ),
        ),
        "Limit {route} to {limit} (counted per: {per}). Read describe for limit-count first, and look "
        "whether a limit "
        f"holds already from a service, consumer group or global rule. {_END}",
    ),
    Prompt(
        "release-canary",
        "Release step by step",
        "Send a share of the traffic, or a version's callers, to a new backend.",
        (
            _ROUTE,
            Argument("backend", "Where the new version runs: host:port."),
            Argument(
                "share",
                "Percent of requests, or a header such as x-version=2; 10 when empty.",
                "10 percent",
            ),
        ),
        "Send a share of {route} to the new version at {backend} (share: {share}), with traffic-split if "
        "the gateway has "
        "it, otherwise with weighted nodes. Everything else keeps its backend. Say how to raise the share "
        "and how to go "
        f"back. {_END}",
    ),
    Prompt(
        "find-failure",
        "Find out why a request fails",
        "Which route answers, what it does, and what to mend.",
        (
            Argument("request", "Method, host and path, for instance GET api.example.com/speaker/1."),
            Argument("seen", "What comes back, for instance 404 or 502.", "not said"),
        ),
        "Find out why {request} fails (seen: {seen}). Use explain_request, then get in effect for the route "
        "it names, "
        "traffic for its errors and send_request to see it yourself. Tell me the cause and its evidence, "
        "and propose the "
        "smallest change. Change nothing before I say so.",
    ),
    Prompt(
        "review-security",
        "Review the security",
        "What can be reached without a key, what has no limit, what is risky.",
        (Argument("scope", "A host, path or label; everything when empty.", "everything"),),
        "Review the gateway's security (scope: {scope}). Use overview, then find for routes that are "
        "reachable without "
        "authentication, that have no rate limit, that run code, and that speak plain HTTP to their "
        "backends; then "
        "consumers and global rules. Rank what you find by risk, each with the routes and the change you "
        "would make. "
        "Change nothing before I say so.",
    ),
)
