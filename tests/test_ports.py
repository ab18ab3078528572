"""A port that cannot be had is named, with who has it and what to do."""

from __future__ import annotations

import os
import socket

import pytest

from gatechat.ports import Port, PortError, bind, check, holder, is_loopback, url


def test_port_0_is_any_free_port() -> None:
    with bind(Port("assistant", "127.0.0.1", 0, "--port")) as bound:
        assert bound.getsockname()[1] > 0


def test_a_taken_port_is_named_with_its_holder_and_the_settings_that_change_it() -> None:
    with bind(Port("assistant", "127.0.0.1", 0, "--port")) as bound:
        number = bound.getsockname()[1]
        with pytest.raises(PortError) as caught:
            bind(Port("Admin API", "127.0.0.1", number, "--admin-port"))
    text = str(caught.value)
    assert text.startswith(f"Port {number} (Admin API) is taken by ")
    assert f"(process {os.getpid()})" in text
    assert f"--admin-port {number + 1} (or GATECHAT_ADMIN_PORT={number + 1})" in text


def test_every_taken_port_is_named_at_once() -> None:
    ports = [Port(what, "127.0.0.1", 0, f"--{what}-port") for what in ("one", "other")]
    with bind(ports[0]) as one, bind(ports[1]) as other:
        taken = [Port("x", "127.0.0.1", bound.getsockname()[1], "--port") for bound in (one, other)]
        with pytest.raises(PortError) as caught:
            check(*taken, Port("free", "127.0.0.1", 0, "--port"))
    assert len(str(caught.value).splitlines()) == 2


def test_a_port_on_every_network_is_taken_on_loopback_too() -> None:
    with (
        bind(Port("traffic", "0.0.0.0", 0, "--proxy-port")) as bound,
        pytest.raises(PortError, match="is taken"),
    ):
        bind(Port("traffic", "127.0.0.1", bound.getsockname()[1], "--proxy-port"))


def test_a_port_is_free_again_as_soon_as_its_listener_is_gone() -> None:
    with bind(Port("assistant", "127.0.0.1", 0, "--port")) as bound:
        number = bound.getsockname()[1]
        with socket.create_connection(("127.0.0.1", number)) as client:
            served, _ = bound.accept()
            served.close()
            assert client.recv(1) == b""
    check(Port("assistant", "127.0.0.1", number, "--port"))


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1"])
def test_an_address_that_is_not_ours_is_said_to_be_none(host: str) -> None:
    with pytest.raises(PortError, match=r"is no address of this machine"):
        bind(Port("traffic", host, 0, "--proxy-port"))


def test_ipv6_works() -> None:
    with bind(Port("traffic", "::1", 0, "--proxy-port")) as bound:
        assert bound.family is socket.AF_INET6


def test_nobody_holds_a_free_port() -> None:
    with bind(Port("assistant", "127.0.0.1", 0, "--port")) as bound:
        number = bound.getsockname()[1]
    assert holder(number) is None


@pytest.mark.parametrize(
    ("host", "seen"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),
        ("", "127.0.0.1"),
        ("::1", "[::1]"),
        ("::", "[::1]"),
        ("gate.test", "gate.test"),
    ],
)
def test_an_address_that_is_shown_can_be_called(host: str, seen: str) -> None:
    assert url(host, 80) == f"http://{seen}:80"


@pytest.mark.parametrize(
    ("host", "alone"),
    [
        ("localhost", True),
        ("127.1.2.3", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("", False),
        ("gate.test", False),
    ],
)
def test_loopback_is_this_machine_alone(host: str, alone: bool) -> None:
    assert is_loopback(host) is alone
