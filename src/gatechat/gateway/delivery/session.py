"""What one Envoy has been sent of one resource type, and what it still must be sent. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from itertools import count

from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DeltaDiscoveryResponse

UNKNOWN = ""
"""The version of a resource of which Envoy may hold anything: the response that touched it was refused."""


@dataclass(frozen=True, slots=True)
class Versioned:
    """A serialised resource and a version text that is equal only for equal bytes."""

    version: str
    body: bytes


@dataclass(slots=True)
class TypeSession:
    """Delta xDS for one type on one stream.

    Source of the rules: Envoy's documentation, "xDS REST and gRPC protocol", incremental variants.
    ``held`` is what Envoy holds, by name, as far as the responses sent so far make it so.
    """

    type_url: str
    wildcard: bool = False
    names: set[str] = field(default_factory=set)
    held: dict[str, str] = field(default_factory=dict)
    unanswered: dict[str, frozenset[str]] = field(default_factory=dict)
    """Nonce -> the names in that response."""
    asked: bool = False
    _complete: Mapping[str, Versioned] | None = None
    """What Envoy is known to hold exactly, so that ten thousand names are not compared for each change."""
    _nonces: count[int] = field(default_factory=lambda: count(1))

    def answered(self, nonce: str, accepted: bool) -> bool:
        """An ACK or NACK has come. False when it answers no response of this stream."""
        names = self.unanswered.pop(nonce, None)
        if names is None:
            return False
        if not accepted:
            # Envoy may have taken some of the resources: none of them is known any more.
            self._complete = None
            self.held.update((name, UNKNOWN) for name in names if self.wildcard or name in self.names)
        return True

    def subscribe(
        self, request: DeltaDiscoveryRequest, resources: Mapping[str, Versioned]
    ) -> DeltaDiscoveryResponse | None:
        """Takes the request's subscriptions, and answers those that need an answer.

        A name that is subscribed is always answered, also when it does not exist (it is then in
        removed_resources), unless the stream's first request says that Envoy still has this very version.
        """
        first, self.asked = not self.asked, True
        added, dropped = set(request.resource_names_subscribe), set(request.resource_names_unsubscribe)
        had_wildcard = self.wildcard
        if first:
            self.held = dict(request.initial_resource_versions)
        self.wildcard = "*" in added or (not added if first else self.wildcard and "*" not in dropped)
        added.discard("*")
        self.names = (self.names | added) - dropped
        for name in dropped:
            self.held.pop(name, None)
            self._complete = None
        if self.wildcard and not had_wildcard:
            added |= resources.keys() | self.held.keys()
        wanted = {name for name in added if not (first and self._current(name, resources))}
        nothing_yet = first and self.wildcard and not self.held
        return self._response(wanted, resources) if wanted or nothing_yet else None

    def update(self, resources: Mapping[str, Versioned]) -> DeltaDiscoveryResponse | None:
        """What Envoy must be sent to hold ``resources``; removals are left to `remove`."""
        if resources is self._complete:
            return None
        names = resources.keys() if self.wildcard else self.names & resources.keys()
        changed = {name for name in names if not self._current(name, resources)}
        return self._response(changed, resources) if changed else None

    def remove(self, resources: Mapping[str, Versioned]) -> DeltaDiscoveryResponse | None:
        """Takes from Envoy what is no longer in ``resources``."""
        if resources is self._complete:
            return None
        gone = self.held.keys() - resources.keys()
        return self._response(gone, resources) if gone else None

    def again(self, names: Set[str], resources: Mapping[str, Versioned]) -> DeltaDiscoveryResponse | None:
        """Sends those of ``names`` that Envoy holds once more, changed or not."""
        held = names & self.held.keys() & resources.keys()
        return self._response(held, resources) if held else None

    def complete(self, resources: Mapping[str, Versioned]) -> bool:
        """Whether Envoy has been sent all of ``resources``, and holds nothing else."""
        if resources is not self._complete:
            held = {name: resource.version for name, resource in resources.items()} == self.held
            self._complete = resources if held else None
        return self._complete is not None

    def _current(self, name: str, resources: Mapping[str, Versioned]) -> bool:
        resource = resources.get(name)
        return resource is not None and self.held.get(name) == resource.version

    def _response(self, names: Set[str], resources: Mapping[str, Versioned]) -> DeltaDiscoveryResponse:
        self._complete = None
        response = DeltaDiscoveryResponse(type_url=self.type_url, nonce=str(next(self._nonces)))
        for name in sorted(names):
            resource = resources.get(name)
            if resource is None:
                response.removed_resources.append(name)
                self.held.pop(name, None)
                continue
            entry = response.resources.add(name=name, version=resource.version)
            entry.resource.type_url = self.type_url
            entry.resource.value = resource.body
            self.held[name] = resource.version
        self.unanswered[response.nonce] = frozenset(names)
        return response
