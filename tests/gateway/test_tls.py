"""Encryption: a certificate of the user's or one that is made; beyond loopback never without."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import stat
from pathlib import Path

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from pb.api.certificate import Certificate, certificate_of, fingerprint
from pb.config.settings import GatewaySettings
from pb.errors import InvalidError, PermissionDeniedError, UnsupportedError
from pb.paths import Home
from tests.kit.cli import Cli
from tests.kit.faces import face

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.ensure()
    return home


def test_nothing_is_encrypted_unless_it_is_asked_for(home: Home) -> None:
    assert certificate_of(home, GatewaySettings()) is None


@needs_openssl
def test_a_certificate_is_made_once_and_kept_private(home: Home) -> None:
    settings = GatewaySettings(tls=True, names=("pb.example",), host="192.0.2.7")

    made = certificate_of(home, settings)
    again = certificate_of(home, settings)

    assert made is not None
    assert again is not None
    assert fingerprint(made) == fingerprint(again)
    assert stat.S_IMODE(made.key.stat().st_mode) == 0o600
    assert [path.name for path in home.root.iterdir() if path.name.startswith(".")] == []
    names = ssl._ssl._test_decode_cert(str(made.cert))["subjectAltName"]  # type: ignore[attr-defined]
    assert {"pb.example", "localhost", "127.0.0.1", "192.0.2.7"} <= {name for _, name in names}


@needs_openssl
def test_a_pair_that_cannot_be_used_is_refused(home: Home, tmp_path: Path) -> None:
    made = certificate_of(home, GatewaySettings(tls=True))
    assert made is not None
    other = Home(tmp_path / "other")
    other.ensure()
    others = certificate_of(other, GatewaySettings(tls=True))
    assert others is not None

    def refusal(cert: Path | None, key: Path | None) -> GatewaySettings:
        words = {"tls_cert": cert and str(cert), "tls_key": key and str(key)}
        return GatewaySettings(**words)

    with pytest.raises(InvalidError, match="needs its key"):
        certificate_of(home, refusal(made.cert, None))
    with pytest.raises(InvalidError, match="no certificate with its key"):
        certificate_of(home, refusal(made.cert, others.key))
    with pytest.raises(InvalidError, match="Cannot read"):
        certificate_of(home, refusal(tmp_path / "none", made.key))
    made.key.chmod(0o644)
    with pytest.raises(PermissionDeniedError, match="open to others"):
        certificate_of(home, refusal(made.cert, made.key))


def test_without_openssl_it_says_what_to_do(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(home.root))

    with pytest.raises(UnsupportedError) as caught:
        certificate_of(home, GatewaySettings(tls=True))

    assert "gateway.tls_cert" in str(caught.value.hint)


@needs_openssl
def test_everything_is_encrypted_and_nothing_is_answered_in_clear(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with face("gateway", home, environ={"PB_GATEWAY__TLS": "true"}) as gateway:
        record = gateway.record
        trusted = ssl.create_default_context(cafile=str(home / "gateway.crt"))
        token = (home / "gateway.token").read_text().strip()
        headers = {"authorization": f"Bearer {token}"}
        answer = httpx.get(
            f"{record['address']}/api/v1/jobs", headers=headers, verify=trusted, trust_env=False
        )
        own = {**headers, "origin": record["address"]}
        foreign = {**headers, "origin": record["address"].replace("https:", "http:")}
        origins = [
            httpx.get(
                f"{record['address']}/api/v1/jobs", headers=one, verify=trusted, trust_env=False
            ).status_code
            for one in (own, foreign)
        ]
        with socket.create_connection(("127.0.0.1", record["ports"]["http"]), 10) as plain:
            plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            clear = plain.recv(100)
        credentials = grpc.ssl_channel_credentials((home / "gateway.crt").read_bytes())
        with grpc.secure_channel(f"127.0.0.1:{record['ports']['grpc']}", credentials) as channel:
            health = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), metadata=list(headers.items()), timeout=20
            )
        pinged = Cli(home=home, cwd=tmp_path)("gateway", "status", "--json")
        gateway.stop()
        log = gateway.end()

    assert record["address"].startswith("https://")
    assert answer.json()["jobs"] == []
    assert origins == [200, 403]
    assert b"200" not in clear
    assert health.status == health_pb2.HealthCheckResponse.SERVING
    assert pinged.code == 0
    made = Certificate(cert=home / "gateway.crt", key=home / "gateway.key")
    assert fingerprint(made) in log


@needs_openssl
def test_beyond_loopback_it_listens_encrypted_to_its_names_only(tmp_path: Path) -> None:
    home = tmp_path / "home"
    environ = {"PB_GATEWAY__TLS": "true", "PB_GATEWAY__NAMES": "pb.example"}
    flags = ("--host", "0.0.0.0", "--port", "0", "--grpc-port", "0")
    with face("gateway", home, *flags, environ=environ) as gateway:
        port = gateway.record["ports"]["http"]
        trusted = ssl.create_default_context(cafile=str(home / "gateway.crt"))

        def status(name: str) -> int:
            url = f"https://127.0.0.1:{port}/healthz"
            headers = {"host": f"{name}:{port}"}
            return httpx.get(url, headers=headers, verify=trusted, trust_env=False).status_code

        named = {name: status(name) for name in ("127.0.0.1", "pb.example", "evil.example")}

    assert named == {"127.0.0.1": 200, "pb.example": 200, "evil.example": 421}


def test_beyond_loopback_in_clear_it_does_not_start(tmp_path: Path) -> None:
    with face("gateway", tmp_path / "home", "--host", "0.0.0.0") as gateway:
        gateway.end()

    assert gateway.process.returncode == 4
    assert "clear text" in gateway.said["error"]["message"]
    assert "gateway.tls" in gateway.said["error"]["hint"]
    assert json.dumps(gateway.said)
