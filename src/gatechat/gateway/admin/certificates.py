"""Certificates and private keys, checked before Envoy sees them."""

from __future__ import annotations

from collections.abc import Mapping

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from gatechat.apisix.validation import is_reference
from gatechat.gateway.model import JSON, Refused


def check_pair(certificate: str, key: str) -> None:
    """Refused unless both are PEM and belong together. A reference is only known later and passes."""
    if is_reference(certificate) or is_reference(key):
        return
    try:
        parsed = x509.load_pem_x509_certificate(certificate.encode())
    except ValueError as error:
        raise Refused("failed to parse cert: not a certificate in PEM form") from error
    try:
        private = load_pem_private_key(key.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Refused("failed to parse key: not a private key in PEM form without a password") from error
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if parsed.public_key().public_bytes(*form) != private.public_key().public_bytes(*form):
        raise Refused("the key does not belong to the certificate: their public keys differ")


def check_ssl(conf: Mapping[str, JSON]) -> None:
    """An ssl resource that fits its schema: each certificate with its key."""
    check_pair(conf["cert"], conf["key"])
    certs, keys = conf.get("certs", []), conf.get("keys", [])
    if len(certs) != len(keys):
        raise Refused("mismatched number of certs and keys")
    for number, (certificate, key) in enumerate(zip(certs, keys, strict=True), start=1):
        try:
            check_pair(certificate, key)
        except Refused as error:
            raise Refused(f"failed to handle cert-key pair[{number}]: {error.message}") from error
