"""Encryption: whose certificate is good, and that nothing is told to any other."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pb.api.certificate import Certificate, certificate_of, fingerprint
from pb.client import AsyncClient, Client
from pb.config.settings import GatewaySettings
from pb.errors import InvalidError, PermissionDeniedError
from pb.paths import Home
from tests.kit.cli import Cli
from tests.kit.faces import Told, face

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    home = tmp_path_factory.mktemp("tls") / "home"
    with face("gateway", home, environ={"PB_GATEWAY__TLS": "true"}) as told:
        yield told


@pytest.fixture
def token(gateway: Told) -> str:
    return (gateway.home / "gateway.token").read_text().strip()


def certificate(home: Path) -> Certificate:
    return Certificate(cert=home / "gateway.crt", key=home / "gateway.key")


def test_the_gateway_of_a_home_is_known_by_its_certificate(gateway: Told) -> None:
    with Client(home=gateway.home) as client:
        assert client.url.startswith("https://")
        assert client.health()["alive"] is True


def test_it_is_trusted_by_its_file_or_its_sha_256(gateway: Told, token: str) -> None:
    url, digits = gateway.record["address"], fingerprint(certificate(gateway.home))
    pairs = (digits[i : i + 2] for i in range(0, 64, 2))
    for trust in (str(gateway.home / "gateway.crt"), digits, ":".join(pairs).upper()):
        with Client(url, token, trust=trust) as client:
            assert client.health()["alive"] is True

    async def alive() -> bool:
        async with AsyncClient(url, token, trust=digits) as client:
            return (await client.health())["alive"]

    assert asyncio.run(alive()) is True


@pytest.mark.parametrize("trust", [None, "0" * 64])
def test_who_is_not_trusted_is_told_nothing(gateway: Told, token: str, trust: str | None) -> None:
    url = gateway.record["address"]

    async def ask() -> None:
        async with AsyncClient(url, token, trust=trust) as client:
            await client.health()

    with pytest.raises(PermissionDeniedError, match="not trusted") as found:
        asyncio.run(ask())
    with Client(url, token, trust=trust) as client, pytest.raises(PermissionDeniedError):
        client.health()
    assert "--trust" in str(found.value.hint)
    if trust is not None:
        assert fingerprint(certificate(gateway.home)) in str(found.value)


def test_a_token_is_not_shown_to_one_with_another_certificate(tmp_path: Path) -> None:
    impostor = Home(tmp_path / "impostor")
    impostor.ensure()
    made = certificate_of(impostor, GatewaySettings(tls=True))
    assert made is not None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.cert, made.key)
    heard: list[bytes] = []

    def listen(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.settimeout(30)
            try:
                with context.wrap_socket(connection, server_side=True) as talk:
                    heard.append(talk.recv(65536))
            except OSError:
                pass  # it was left at once

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=listen, args=(server,))
        thread.start()
        url = f"https://127.0.0.1:{server.getsockname()[1]}"
        with Client(url, "t" * 40, trust="1" * 64) as client, pytest.raises(PermissionDeniedError):
            client.status()
        thread.join(30)

    assert b"".join(heard) == b""


def test_the_command_trusts_what_it_is_told_to(gateway: Told, tmp_path: Path) -> None:
    env = {"PB_URL": gateway.record["address"], "PB_TOKEN_FILE": f"{gateway.home}/gateway.token"}
    cli = Cli(home=tmp_path / "here", cwd=tmp_path, env=env)
    digits = fingerprint(certificate(gateway.home))

    assert cli("job", "list").code == 4
    assert cli("job", "list", "--trust", f"{gateway.home}/gateway.crt").code == 0
    assert cli("job", "list", env={"PB_TRUST": digits}).code == 0
    assert cli("job", "list", "--trust", "0" * 64).code == 4


def test_what_is_no_certificate_is_refused(gateway: Told, token: str, tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nonsense")
    for trust in (str(nonsense), str(tmp_path / "none.pem")):
        with pytest.raises(InvalidError, match="cannot be trusted"):
            Client(gateway.record["address"], token, trust=trust)
