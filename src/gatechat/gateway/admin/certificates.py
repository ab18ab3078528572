"""Certificates and private keys, checked before Envoy sees them."""

from __future__ import annotations

from gatechat.apisix.validation import is_reference
from gatechat.gateway.model import Refused


def check_pair(certificate: str, key: str) -> None:
    """Refused unless both are PEM and belong together. A reference is only known later and passes."""
    # Imported when the first certificate comes: 9 MB that few gateways need.
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

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
