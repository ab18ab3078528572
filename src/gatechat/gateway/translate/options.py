"""What the translation must know besides the resources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Options:
    """``proxy_address`` and ``proxy_port`` are where traffic arrives; ``shm_path`` is the file of shared
    counters.

    ``environment`` answers ``$env://NAME`` in plugin configurations, consumers and certificates.
    ``trusted_ca`` is the bundle that upstream certificates are checked with where ``tls.verify`` is on.
    """

    proxy_address: str
    proxy_port: int
    shm_path: str
    environment: Mapping[str, str] = field(default_factory=dict)
    trusted_ca: str = "/etc/ssl/certs/ca-certificates.crt"
