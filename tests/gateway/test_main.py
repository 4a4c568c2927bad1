"""The gateway as a process: ready means that it answers; it leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.kit.faces import face


def bearer(home: Path) -> dict[str, str]:
    return {"authorization": f"Bearer {(home / 'gateway.token').read_text().strip()}"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def test_ready_means_that_both_faces_answer_where_the_pid_file_says(home: Path) -> None:
    with face("gateway", home) as gateway:
        record = gateway.record
        health = httpx.get(f"{record['address']}/healthz", trust_env=False)
        jobs = httpx.get(f"{record['address']}/api/v1/jobs", headers=bearer(home), trust_env=False)
        with grpc.insecure_channel(f"127.0.0.1:{record['ports']['grpc']}") as channel:
            status = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(),
                metadata=list(bearer(home).items()),
                timeout=10,
            )

        assert gateway.said["ok"] is True
        assert record["pid"] == gateway.process.pid == gateway.said["pid"]
        assert record["address"] == f"http://127.0.0.1:{record['ports']['http']}"
        assert health.json()["alive"] is True
        assert jobs.json()["jobs"] == []
        assert status.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_in_order_and_removes_its_pid_file(home: Path, number: int) -> None:
    with face("gateway", home) as gateway:
        with socket.create_connection(("127.0.0.1", gateway.record["ports"]["http"])):
            begun = time.monotonic()
            assert gateway.stop(number) == 0
            assert time.monotonic() - begun < 3.0
        log = gateway.end()

    assert not gateway.pid_file.exists()
    assert (home / "gateway.token").exists()
    assert [line.split(": ", 1)[1] for line in log.splitlines()][-1] == "stopped"
    assert bearer(home)["authorization"][7:] not in log


def test_a_taken_port_names_its_owner_and_leaves_it_alone(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for flags in (("--port", port, "--grpc-port", "0"), ("--port", "0", "--grpc-port", port)):
            with face("gateway", home, *flags) as gateway:
                log = gateway.end()

            error = gateway.said["error"]
            assert f"Port {port} is taken by" in error["message"]
            assert f"(PID {os.getpid()})" in error["message"]
            assert "port" in error["hint"]
            assert gateway.process.returncode == 1
            assert "Traceback" not in log
            assert not gateway.pid_file.exists()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_it_refuses_to_listen_beyond_loopback_before_anything_else(home: Path, host: str) -> None:
    with face("gateway", home, "--host", host) as gateway:
        log = gateway.end()

    assert gateway.process.returncode == 4
    assert "clear text" in gateway.said["error"]["message"]
    assert "Traceback" not in log
    assert not gateway.pid_file.exists()
    assert not (home / "gateway.token").exists()


@pytest.mark.parametrize(("text", "mode", "code"), [("", 0o600, 6), ("k" * 43, 0o644, 4)])
def test_a_token_file_that_cannot_be_trusted_stops_it(
    home: Path, text: str, mode: int, code: int
) -> None:
    home.mkdir(mode=0o700)
    (home / "gateway.token").write_text(text)
    (home / "gateway.token").chmod(mode)

    with face("gateway", home) as gateway:
        log = gateway.end()

    assert gateway.process.returncode == code
    assert "gateway.token" in gateway.said["error"]["message"]
    assert "k" * 43 not in log


def test_a_second_gateway_finds_the_first(home: Path) -> None:
    with face("gateway", home) as first:
        with face("gateway", home) as second:
            second.end()

        assert second.process.returncode == 1
        assert second.said["error"]["pid"] == first.process.pid
        assert first.record["pid"] == first.process.pid


def test_the_environment_s_port_is_used(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environ = {"PB_GATEWAY__PORT": str(port), "PB_GATEWAY__GRPC_PORT": "0"}

    with face("gateway", home, "--mode", "foreground", environ=environ) as gateway:
        assert gateway.record["ports"]["http"] == port


def test_a_bad_configuration_is_refused_with_file_and_line(home: Path) -> None:
    home.mkdir(mode=0o700)
    (home / "config.toml").write_text("[gateway]\nport = 'x'\n")

    with face("gateway", home) as gateway:
        gateway.end()

    assert gateway.process.returncode == 6
    assert "config.toml:2" in gateway.said["error"]["message"]
