"""The daemons' own logs as JSON, in the system's log, and at another level: while they run."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit import eventually
from tests.kit.command import Pb


@pytest.fixture
def pb(tmp_path: Path) -> Iterator[Pb]:
    made = Pb(tmp_path / "home")
    yield made
    made.close()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[socket.socket]:
    """What stands in for journald."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(str(tmp_path / "journal.sock"))
        made.setblocking(False)
        yield made


def heard(journal: socket.socket) -> list[dict[str, str]]:
    found = []
    while True:
        try:
            lines = journal.recv(1 << 16).decode().splitlines()
        except BlockingIOError:
            return found
        found.append(dict(line.split("=", 1) for line in lines))


def log_of(pb: Pb, service: str = "scheduler") -> list[str]:
    return (pb.home / f"{service}.log").read_text().splitlines()


def test_daemons_log_as_json_and_to_the_journal(
    pb: Pb, journal: socket.socket, tmp_path: Path
) -> None:
    pb.home.mkdir(mode=0o700)
    (pb.home / "config.toml").write_text(
        f'[logs]\nformat = "json"\nsystem = "journal"\nsocket = "{tmp_path}/journal.sock"\n'
    )
    pb.ok("scheduler", "start")
    pb.ok("gateway", "start")

    entries = eventually(lambda: heard(journal), timeout=30)
    assert {entry["SYSLOG_IDENTIFIER"] for entry in entries} == {"pb-scheduler", "pb-gateway"}
    assert any(entry["MESSAGE"].startswith("Ready: pb") for entry in entries)
    for service in ("scheduler", "gateway"):
        said = [json.loads(line) for line in log_of(pb, service)]
        assert {one["service"] for one in said} == {service}
    assert pb.ok("scheduler", "logs", "-n", "1").out.startswith("{")


def test_a_running_scheduler_changes_level_format_and_place(
    pb: Pb, journal: socket.socket, tmp_path: Path
) -> None:
    pb.ok("scheduler", "start")
    assert pb.ok("scheduler", "log-level").out == "info\n"
    assert "before: info" in pb.ok("scheduler", "log-level", "error").out
    quiet = len(log_of(pb))
    pb.ok("scheduler", "reload")
    pb.ok("config", "set", "logs.format", "json")
    assert len(log_of(pb)) == quiet, "the level stays through other changes"
    assert pb("scheduler", "log-level", "loud").code == 6

    pb.ok("scheduler", "log-level", "debug")
    pb.ok("config", "set", "logs.socket", str(tmp_path / "journal.sock"))
    pb.ok("config", "set", "logs.system", "journal")
    pb.ok("config", "set", "logs.keep", "3")

    assert json.loads(log_of(pb)[-1])["message"] == "Settings that count now: logs.keep"
    assert "Settings that count now: logs.keep" in [one["MESSAGE"] for one in heard(journal)]
    pb.ok("config", "set", "logs.level", "warning")
    assert pb.ok("scheduler", "log-level", "--json").json["level"] == "warning"


def test_a_log_that_is_not_there_is_a_warning_and_no_more(pb: Pb, tmp_path: Path) -> None:
    pb.home.mkdir(mode=0o700)
    (pb.home / "config.toml").write_text(
        f'[logs]\nsystem = "syslog"\nsocket = "{tmp_path}/none.sock"\n'
    )
    pb.ok("scheduler", "start")

    told = [line for line in log_of(pb) if "none.sock" in line]
    assert len(told) == 1
    assert "no such file or directory; this log goes on" in told[0]
    assert pb.ok("scheduler", "status").out
