"""One exchange: bounded, to one address, nothing followed."""

from __future__ import annotations

import asyncio
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gatechat.assistant.problem import Problem
from gatechat.assistant.view.exchange import exchange
from tests.assistant import rig


async def test_the_target_goes_out_byte_for_byte_and_the_answer_comes_back() -> None:
    admin = rig.AdminStandIn(headers={"content-type": "text/plain", "x-a": "1"}, body=b"hello")
    async with rig.serving(admin) as port:
        reply = await exchange(
            f"http://127.0.0.1:{port}", "GET", "//a/../%2e?q", {"Host": "foo.com"}, seconds=5, most=99
        )
    assert (admin.asked[0].path, admin.asked[0].query) == ("//a/../%2e", "q")
    assert admin.asked[0].headers["host"] == "foo.com"
    assert (reply.status, reply.body, reply.cut, dict(reply.headers)["x-a"]) == (200, b"hello", False, "1")


async def test_what_a_request_line_cannot_hold_is_escaped() -> None:
    admin = rig.AdminStandIn()
    async with rig.serving(admin) as port:
        await exchange(
            f"http://127.0.0.1:{port}", "GET", "/straße a\r\nX: y?ü", {"x-a": "ü"}, seconds=5, most=99
        )
    assert (admin.asked[0].path, admin.asked[0].query) == ("/stra%C3%9Fe%20a%0D%0AX:%20y", "%C3%BC")
    assert "x" not in admin.asked[0].headers


async def test_of_a_large_answer_only_the_beginning_is_read() -> None:
    async with rig.serving(rig.AdminStandIn(body=b"x" * 1_000_000)) as port:
        reply = await exchange(f"http://127.0.0.1:{port}", "GET", "/", {}, seconds=5, most=1000)
    assert (len(reply.body), reply.cut) == (1000, True)


async def test_who_does_not_answer_in_time_is_given_up() -> None:
    silent = rig.AdminStandIn(go=asyncio.Event())
    silent.go.clear()
    async with rig.serving(silent) as port:
        with pytest.raises(Problem, match=r"did not answer within 0\.2 s"):
            await exchange(f"http://127.0.0.1:{port}", "GET", "/", {}, seconds=0.2, most=10)
        silent.go.set()


async def test_who_is_not_there_is_said_with_what_to_do() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(Problem, match="does not answer"):
            await exchange(f"http://127.0.0.1:{taken.getsockname()[1]}", "GET", "/", {}, seconds=5, most=10)


async def test_over_tls_the_host_of_the_header_is_asked_for_and_must_show_its_certificate(
    tmp_path: Path,
) -> None:
    asked: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_self_signed(tmp_path, "a.example"))
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    async with server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for headers in ({"Host": "a.example:443"}, {}):
            with pytest.raises(Problem, match="certificate verify failed"):
                await exchange(url, "GET", "/", headers, seconds=5, most=10)
    assert asked == ["a.example", None]


def _self_signed(folder: Path, name: str) -> Path:
    """A file with a key and a certificate of its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = x509.CertificateBuilder(subject, subject, key.public_key(), 1, now, now + timedelta(days=1))
    file = folder / "both.pem"
    file.write_bytes(
        certificate.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
        + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return file
