"""The debug server as a process."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import httpx
import pytest

from pb.api.token_file import ensure_token
from tests.kit.faces import face


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def bearer(home: Path) -> dict[str, str]:
    return {"authorization": f"Bearer {ensure_token(home / 'gateway.token')}"}


def test_ready_means_that_the_page_answers_where_the_pid_file_says(home: Path) -> None:
    with face("debug", home) as debug:
        address = debug.record["address"]
        page = httpx.get(f"{address}/", trust_env=False)
        state = httpx.get(f"{address}/state", headers=bearer(home), trust_env=False).json()

        assert debug.said == {"ok": True, "pid": debug.process.pid}
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        services = {service["name"]: service for service in state["builtins"]}
        assert list(services) == ["scheduler", "gateway", "debug"]
        assert services["scheduler"]["state"] == "stopped"
        assert services["debug"]["pid"] == debug.process.pid
        assert services["debug"]["address"] == address
        assert state["scheduler"]["running"] is False
        assert state["jobs"]["shown"] == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_at_once_even_with_a_page_open(home: Path, number: int) -> None:
    with face("debug", home) as debug:
        with httpx.stream(
            "GET", f"{debug.record['address']}/events", headers=bearer(home), trust_env=False
        ) as page:
            assert next(page.iter_lines()) == "event: look"
            assert debug.stop(number) == 0
        log = debug.end()

    assert not debug.pid_file.exists()
    assert log.splitlines()[-1].endswith("debug: stopped")
    assert "Traceback" not in log


def test_it_refuses_to_listen_beyond_loopback(home: Path) -> None:
    with face("debug", home, "--host", "0.0.0.0") as debug:
        debug.end()

    assert debug.process.returncode == 4
    assert "debug.host" in debug.said["error"]["hint"]


def test_a_taken_port_names_its_owner(home: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        face("debug", home, "--port", str(taken.getsockname()[1])) as debug,
    ):
        debug.end()

    assert f"(PID {os.getpid()})" in debug.said["error"]["message"]
    assert debug.process.returncode == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
@pytest.mark.skipif(not shutil.which("setpriv") or not shutil.which("curl"), reason="needs tools")
@pytest.mark.parametrize("path", ["/", "/state", "/events", "/app.js", "/healthz", "/nowhere"])
def test_another_user_of_the_machine_gets_a_sentence_and_nothing_else(
    home: Path, path: str
) -> None:
    with face("debug", home) as debug:
        answer = subprocess.run(
            [
                *("setpriv", "--reuid", "65534", "--clear-groups"),
                *("curl", "-s", "--noproxy", "*", "-i", debug.record["address"] + path),
            ],
            cwd="/",
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )

    head, _, body = answer.stdout.partition("\n\n")
    assert head.startswith("HTTP/1.1 403")
    assert "another user" in body
    assert "ponybunny" not in body
    assert str(home) not in body
