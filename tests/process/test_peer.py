"""Whose connection it is, from the kernel's tables as they really are."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pb.errors import UnsupportedError
from pb.process.peer import key_of, peer_uid
from tests.kit import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc/net/tcp")

CLIENT = """import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
sys.stdin.read()"""


@contextmanager
def connected(host: str) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a connection within this process: the server's and the client's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with (
        socket.create_server((host, 0), family=family) as server,
        socket.create_connection(server.getsockname()[:2]) as client,
    ):
        accepted, _ = server.accept()
        with accepted:
            yield accepted, client


def ends(accepted: socket.socket) -> tuple[tuple[str, int], tuple[str, int]]:
    return accepted.getpeername()[:2], accepted.getsockname()[:2]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_connection_of_our_own_is_ours(host: str) -> None:
    with connected(host) as (accepted, _):
        assert peer_uid(*ends(accepted)) == os.geteuid()


def test_an_ipv4_client_of_an_ipv6_socket_is_found() -> None:
    with (
        socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server,
        socket.create_connection(("127.0.0.1", server.getsockname()[1])),
    ):
        accepted, _ = server.accept()
        with accepted:
            assert ends(accepted)[0][0] == "::ffff:127.0.0.1"
            assert peer_uid(*ends(accepted)) == os.geteuid()


def test_nobody_owns_a_connection_that_is_not_there() -> None:
    with connected("127.0.0.1") as (accepted, _):
        (host, port), own = ends(accepted)

        assert peer_uid((host, port ^ 1), own) is None
        assert peer_uid(own, (host, port)) == os.geteuid()


def test_a_socket_that_its_owner_has_closed_proves_nothing() -> None:
    """The kernel lists it with uid 0 until the other end closes too, whoever it was."""
    with connected("127.0.0.1") as (accepted, client):
        client.close()

        assert eventually(lambda: peer_uid(*ends(accepted)) is None)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv")
def test_another_user_s_connection_is_theirs() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        stranger = subprocess.Popen(
            [
                *("setpriv", "--reuid", "65534", "--clear-groups"),
                *("/usr/bin/env", "python3", "-c", CLIENT),
                *("127.0.0.1", str(server.getsockname()[1])),
            ],
            stdin=subprocess.PIPE,
            cwd="/",
            env={"PATH": "/usr/bin:/bin"},
        )
        with stranger:
            server.settimeout(10)
            accepted, _ = server.accept()
            with accepted:
                assert peer_uid(*ends(accepted)) == 65534
            assert stranger.stdin
            stranger.stdin.close()
            stranger.wait(10)


def test_without_the_tables_the_answer_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError):
        peer_uid(("127.0.0.1", 1), ("127.0.0.1", 2), (str(tmp_path / "none"),))


def test_addresses_are_spelled_as_the_kernel_spells_them() -> None:
    little = sys.byteorder == "little"

    assert key_of(("127.0.0.1", 80)) == ("0100007F:0050" if little else "7F000001:0050")
    assert key_of(("::1", 80)).endswith("01000000:0050" if little else "00000001:0050")
