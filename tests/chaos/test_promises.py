"""One promise each: one scheduler a home, strangers are never signalled, few descriptors are
enough, runs inherit none, and no command waits for a scheduler that does not answer."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pb.api import session
from pb.paths import Home
from tests.kit import eventually
from tests.kit.command import BY_HAND, Pb, command, is_running, kill

DESCRIPTORS = 64
DUE = 60
DEADLINE = 5.0
"""Seconds after which a command gives up on a scheduler that does not answer (SPEC section 2)."""


def test_a_home_has_one_scheduler_whatever_path_leads_to_it(pb: Pb, tmp_path: Path) -> None:
    pb.ok("scheduler", "start")
    (tmp_path / "alias").symlink_to(pb.home)
    alias = Pb(tmp_path / "alias")

    again = alias("scheduler", "start")
    status = alias.ok("scheduler", "status", "--json")

    assert (again.code, str(pb.pid()) in again.text) == (1, True), again
    assert status.json["pid"] == pb.pid()
    assert [*pb.daemons(), *alias.daemons()] == [pb.pid()]


def test_of_starts_through_two_paths_at_once_one_wins(pb: Pb, tmp_path: Path) -> None:
    pb.home.mkdir(mode=0o700)
    (tmp_path / "alias").symlink_to(pb.home)
    alias = Pb(tmp_path / "alias")

    clients = [home.popen("scheduler", "start") for home in (pb, alias) * 3]
    outs = [client.communicate(timeout=60)[0] for client in clients]

    assert sorted(client.returncode for client in clients) == [0, *[1] * 5], outs
    eventually(lambda: [*pb.daemons(), *alias.daemons()] == [pb.pid()])
    alias.ok("scheduler", "stop")


@pytest.fixture
def bystander() -> Iterator[int]:
    process = subprocess.Popen(["/bin/sleep", "300"])
    yield process.pid
    process.kill()
    process.wait(10)


def forge(home: Path, pid: int) -> None:
    """Make the row of the run that is open name another process."""
    with contextlib.closing(sqlite3.connect(home / "pony.db")) as db:
        changed = db.execute("UPDATE run SET pid = ? WHERE state = 'running'", (pid,))
        assert changed.rowcount == 1
        db.commit()


@pytest.mark.parametrize("what", ["somebody else", "0", "-1", "1"])
def test_a_run_whose_row_names_another_process_is_lost_and_nobody_is_signalled(
    pb: Pb, bystander: int, what: str
) -> None:
    pb.ok("job", "add", "long", *BY_HAND, "--", "/bin/sleep", "300")
    pb.ok("scheduler", "start")
    pb.ok("job", "run", "long")
    run = pb.history("long")[0]
    kill(pb.pid(), signal.SIGKILL)
    kill(run["pid"], signal.SIGKILL)
    eventually(lambda: not is_running(run["pid"]))
    forge(pb.home, bystander if what == "somebody else" else int(what))

    pb.ok("scheduler", "start")
    cancelled = pb("job", "cancel", "long")

    assert "Traceback" not in cancelled.text
    assert is_running(bystander)
    (after,) = pb.history("long")
    assert (after["state"], after["exit_code"]) == ("lost", None)


def crowd(socket_path: Path) -> list[socket.socket]:
    """Connections until the scheduler can take no more."""
    found = []
    for _ in range(DESCRIPTORS):
        found.append(socket.socket(socket.AF_UNIX))
        found[-1].settimeout(5)
        found[-1].connect(str(socket_path))
    return found


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def add_due(home: Path, marks: Path, seconds: float) -> None:
    due = datetime.now(UTC) + timedelta(seconds=seconds)
    definitions: list[dict[str, Any]] = [
        {
            "name": f"job{n}",
            "command": ["/bin/sh", "-c", f"echo job{n} >> {marks}; sleep 1"],
            "triggers": [{"type": "at", "at": due.isoformat()}],
        }
        for n in range(DUE)
    ]
    with session(Home(home)) as asked:
        asked.call("job.import", {"definitions": definitions, "replace": False, "source": "test"})


def started_with_few_descriptors(pb: Pb) -> int:
    shell = f"ulimit -n {DESCRIPTORS}; exec {' '.join(command())} scheduler start"
    if len(command()) > 1:
        shell = shell.replace(command()[2], f"'{command()[2]}'")
    subprocess.run(["/bin/sh", "-c", shell], env=pb.environment, timeout=60, check=True)
    return pb.pid()


def test_without_descriptors_the_scheduler_stays_up_and_runs_what_was_due_later(
    pb: Pb, tmp_path: Path
) -> None:
    pb, marks = pb.unmeasured(), tmp_path / "marks"
    pid = started_with_few_descriptors(pb)
    add_due(pb.home, marks, 2.0)
    guests = crowd(pb.home / "gateway.sock")
    eventually(lambda: descriptors(pid) >= DESCRIPTORS - 1)
    began, used = time.monotonic(), cpu_seconds(pid)
    eventually(lambda: time.monotonic() - began > 5)

    assert pb.pid() == pid
    assert cpu_seconds(pid) - used < 0.5 * (time.monotonic() - began), "it spins"
    for guest in guests:
        guest.close()

    eventually(lambda: len(marks.read_text().split()) == DUE, timeout=15)
    assert len(set(marks.read_text().split())) == DUE
    eventually(lambda: pb.ok("scheduler", "status", "--json").json["counts"]["running"] == 0)
    assert pb.pid() == pid
    runs = pb.ok("job", "history", "-n", "100", "--json").json["runs"]
    assert [run["state"] for run in runs] == ["succeeded"] * DUE


def test_a_run_has_three_descriptors_and_no_more(pb: Pb) -> None:
    reading, writing = os.pipe()
    with contextlib.closing(socket.socket()) as listening:
        subprocess.run(
            [*command(), "scheduler", "start"],
            env=pb.environment, pass_fds=(reading, writing, listening.fileno()), check=True,
            stdout=subprocess.DEVNULL, timeout=60,
        )  # fmt: skip
    os.close(reading)
    os.close(writing)
    pb.ok("job", "add", "long", *BY_HAND, "--", "/bin/sleep", "300")
    pb.ok("job", "run", "long")
    pid = pb.history("long")[0]["pid"]

    held = {name: os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")}

    assert set(held) == {"0", "1", "2"}
    assert (held["0"], held["1"]) == ("/dev/null", held["2"])
    pb.ok("job", "cancel", "long")


ASKED = (
    ("scheduler status", "service status", "job list", "job show quick", "job history"),
    ("job next quick", "schedule", "job logs quick", "export", "config show"),
    ("job run quick", "job cancel quick", "job pause quick", "job resume quick", "job stats"),
    ("job remove quick", "scheduler reload", "run -- true", "scheduler start", "scheduler logs"),
)
"""Side by side; the clock of all runs from the start of the first."""


@pytest.mark.parametrize("lines", ASKED, ids=[lines[0] for lines in ASKED])
def test_no_command_waits_longer_than_its_deadline_for_a_stopped_scheduler(
    pb: Pb, lines: Sequence[str]
) -> None:
    pb = pb.unmeasured()
    pb.ok("scheduler", "start")
    pb.ok("job", "add", "quick", *BY_HAND, "--", "/bin/true")
    pb.ok("job", "run", "quick", "--wait")
    help_seconds = max(seconds for _, _, seconds in together(pb, ["job --help"] * len(lines)))
    pid = pb.pid()
    kill(pid, signal.SIGSTOP)
    try:
        ended = together(pb, lines)
    finally:
        kill(pid, signal.SIGCONT)

    for line, (code, out, seconds) in zip(lines, ended, strict=True):
        assert seconds < DEADLINE + 3 * help_seconds, (line, seconds, help_seconds, out)
        assert "Traceback" not in out, out
        assert code == 0 or out.strip(), line
    assert pb.pid() == pid
    assert pb.ok("scheduler", "status").out.startswith("Scheduler Daemon Status")


def together(pb: Pb, lines: Sequence[str]) -> list[tuple[int, str, float]]:
    """Run commands side by side: exit code, output and seconds of each."""
    began = time.monotonic()
    clients = [pb.popen(*line.split()) for line in lines]
    ended: dict[int, float] = {}

    def all_ended() -> bool:
        for client in clients:
            if client.poll() is not None:
                ended.setdefault(client.pid, time.monotonic() - began)
        return len(ended) == len(clients)

    eventually(all_ended, timeout=60)
    return [(c.returncode, c.communicate()[0], ended[c.pid]) for c in clients]
