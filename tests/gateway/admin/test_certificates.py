"""Client certificates for upstreams: checked when written, their keys never shown."""

from __future__ import annotations

import datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.gateway.admin.memory import NODES, Admin, Step


@cache
def _pair(name: str) -> tuple[str, str]:
    """(certificate, key) in PEM form."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=3650))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.PEM).decode(), pem.decode()


def _ssl(cert: str, key: str) -> dict[str, str]:
    return {"type": "client", "cert": cert, "key": key}


async def test_a_client_certificate_is_stored_with_its_key_and_shown_without(admin: Admin) -> None:
    cert, key = _pair("a")
    await admin.walk(
        [
            Step("PUT", "/ssls/1", _ssl(cert, key), 201, {"value": {"cert": cert, "key": None}}),
            Step("GET", "/ssls/1", None, 200, {"value": {"cert": cert, "key": None}}),
            Step("PATCH", "/ssls/1", {"desc": "x"}, 200, {"value": {"desc": "x", "key": None}}),
            Step("PUT", "/upstreams/1", NODES | {"tls": {"client_cert_id": 1}}, 201),
        ]
    )
    listed = (await admin.send("GET", "/ssls")).text
    assert "PRIVATE KEY" not in listed
    assert admin.apply.state.all("ssls")["1"].value["key"] == key


async def test_a_key_of_another_certificate_is_refused(admin: Admin) -> None:
    answer = await admin.send("PUT", "/ssls/1", _ssl(_pair("a")[0], _pair("b")[1]))
    assert answer.status_code == 400
    assert "the key does not belong to the certificate" in answer.text


async def test_what_is_no_certificate_or_key_is_refused(admin: Admin) -> None:
    cert, key = _pair("a")
    for conf, text in (
        (_ssl("x" * 200, key), "failed to parse cert: "),
        (_ssl(cert, "x" * 200), "failed to parse key: "),
        (_ssl(cert, key) | {"certs": [cert], "keys": [key]}, 'property "certs" has no effect'),
        (_ssl(cert, key) | {"status": 0}, 'property "status" "0" has no effect'),
        ({"type": "client", "cert": cert}, 'property "key" is required'),
    ):
        answer = await admin.send("PUT", "/ssls/1", conf)
        assert answer.status_code == 400
        assert text in answer.json()["error_msg"]


async def test_a_pair_from_the_environment_is_checked_when_it_is_known(admin: Admin) -> None:
    assert (await admin.send("PUT", "/ssls/1", _ssl("$env://CERT", "$env://KEY"))).status_code == 201
