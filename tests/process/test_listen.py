"""Binding ports: loopback only, a free one on request, and a taken one with its owner's name."""

from __future__ import annotations

import os
import socket

import pytest

from pb.errors import ConflictError, InvalidError, PbError, PermissionDeniedError
from pb.process.listen import listen, loopback_address


@pytest.mark.parametrize(
    ("host", "address"),
    [("localhost", "127.0.0.1"), ("127.0.0.1", "127.0.0.1"), ("[::1]", "::1"), ("::1", "::1")],
)
def test_loopback_hosts_are_taken(host: str, address: str) -> None:
    assert loopback_address(host, "gateway.host") == address


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.1", "8.8.8.8", "fe80::1"])
def test_anything_beyond_loopback_is_refused_and_says_why(host: str) -> None:
    with pytest.raises(PermissionDeniedError, match="clear text") as raised:
        loopback_address(host, "gateway.host")

    assert "gateway.host" in str(raised.value.hint)


@pytest.mark.parametrize("host", ["example.org", "", "127.0.0.1:80", "127.1", "nonsense"])
def test_a_name_is_no_address(host: str) -> None:
    with pytest.raises(InvalidError, match="not an address"):
        loopback_address(host, "gateway.host")


def test_port_zero_picks_a_free_one_that_answers() -> None:
    with listen("127.0.0.1", 0, setting="gateway.port") as listener:
        port = listener.getsockname()[1]

        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            assert client.getpeername() == ("127.0.0.1", port)


def test_a_taken_port_names_its_owner_and_what_to_set() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        owner = rf"Port {port} is taken by \S.* \(PID {os.getpid()}\)"

        with pytest.raises(ConflictError, match=owner) as raised:
            listen("127.0.0.1", port, setting="gateway.port")

    assert "gateway.port" in str(raised.value.hint)


def test_a_port_that_a_sharer_offers_to_share_is_not_shared() -> None:
    sharer = socket.socket()
    sharer.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    with sharer:
        sharer.bind(("127.0.0.1", 0))
        sharer.listen()

        with pytest.raises(ConflictError):
            listen("127.0.0.1", sharer.getsockname()[1], setting="gateway.port")


@pytest.mark.parametrize("port", [-1, 65_536])
def test_an_impossible_port_is_invalid(port: int) -> None:
    with pytest.raises(InvalidError, match="no port"):
        listen("127.0.0.1", port, setting="gateway.port")


def test_an_address_that_this_machine_lacks_is_an_error_in_words() -> None:
    with pytest.raises(PbError, match="Cannot listen on"):
        listen("192.0.2.1", 0, setting="gateway.port")
