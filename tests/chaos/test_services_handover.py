"""From one scheduler to the next: restarts, upgrades, and times without any."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.chaos.test_pid_files import CASES
from tests.kit import eventually
from tests.kit.command import Pb, is_running, kill
from tests.kit.fleet import Fleet, living

FEW = 10


@pytest.fixture
def fleet(pb: Pb) -> Fleet:
    made = Fleet(pb)
    pb.ok("scheduler", "start")
    made.apply({"name": f"s{n}", "command": ["/bin/sleep", "1000"]} for n in range(FEW))
    made.until("running")
    return made


HANDOVERS: dict[str, Callable[[Fleet], object]] = {
    "restart": lambda fleet: fleet.pb.ok("scheduler", "restart"),
    "stop and start": lambda fleet: (
        fleet.pb.ok("scheduler", "stop"),
        fleet.pb.ok("scheduler", "start"),
    ),
    "kill and start": lambda fleet: (fleet.kill_scheduler(), fleet.pb.ok("scheduler", "start")),
}


@pytest.mark.slow
@pytest.mark.parametrize("how", HANDOVERS)
def test_the_next_scheduler_manages_the_same_processes_at_once(fleet: Fleet, how: str) -> None:
    before = fleet.pids()

    HANDOVERS[how](fleet)

    assert fleet.pids() == before
    assert set(fleet.states().values()) == {"running"}
    victim = before["s3"]
    assert victim is not None
    kill(victim, signal.SIGKILL)
    eventually(lambda: fleet.view("s3")["pid"] not in (victim, None))
    assert len(living(fleet.pb.home)) == FEW
    assert {one["action"] for one in fleet.stop("all")} == {"stopped"}
    assert living(fleet.pb.home) == {}


@pytest.mark.slow
def test_what_ended_while_nobody_looked_is_started_again_once(fleet: Fleet) -> None:
    before = fleet.pids()
    fleet.kill_scheduler()
    for name in ("s1", "s2"):
        kill(before[name] or 0, signal.SIGKILL)

    alone = fleet.views()
    assert {alone[name]["state"] for name in ("s1", "s2")} == {"stopped"}
    assert {alone[name]["state"] for name in ("s3", "s4")} == {"orphaned"}
    fleet.pb.ok("scheduler", "start")

    now = fleet.until("running")
    assert [now[name]["restarts"] for name in ("s1", "s2", "s3")] == [1, 1, 0]
    assert len(living(fleet.pb.home)) == FEW


def test_what_ended_for_good_meanwhile_leaves_no_pid_file_and_no_log_beyond_its_bounds(
    pb: Pb,
) -> None:
    fleet = Fleet(pb)
    pb.ok("scheduler", "start")
    script = "while [ ! -e go ]; do sleep 0.05; done; yes | head -c 3000000"
    fleet.apply(
        [
            {
                "name": "writer",
                "command": ["/bin/sh", "-c", script],
                "cwd": str(pb.home),
                "restart": {"mode": "never"},
                "log": {"max_size": 1 << 20, "keep": 9, "compress": False},
            }
        ]
    )
    identity = fleet.until("running")["writer"]["pid"]
    fleet.kill_scheduler()
    (pb.home / "go").touch()
    eventually(lambda: not is_running(identity))
    pb.ok("scheduler", "start")

    eventually(lambda: fleet.view("writer")["state"] in ("exited", "failed"))
    eventually(lambda: not (pb.home / "writer.pid").exists())
    eventually((pb.home / "writer.log.1").exists)


@pytest.mark.slow
def test_without_a_scheduler_services_are_seen_signalled_and_stopped(fleet: Fleet) -> None:
    before = fleet.pids()
    fleet.kill_scheduler()

    assert fleet.pids() == before
    assert fleet.call("signal", name="s0", signal="KILL")["sent"] == 1
    eventually(lambda: fleet.view("s0")["state"] == "stopped")
    ended = {one["name"]: one["action"] for one in fleet.stop("all")}

    assert ended.pop("s0") == "not_running"
    assert set(ended.values()) == {"stopped"}
    assert living(fleet.pb.home) == {}
    assert list(fleet.pb.home.glob("s*.pid")) == [fleet.pb.home / "scheduler.pid"]
    fleet.pb.ok("scheduler", "start")
    assert set(fleet.states().values()) == {"stopped"}
    assert living(fleet.pb.home) == {}


@pytest.mark.slow
@pytest.mark.parametrize("is_alone", [False, True], ids=["by the next scheduler", "without one"])
def test_who_is_left_of_a_dead_leader_and_has_lost_its_marker_is_stopped(
    pb: Pb, tmp_path: Path, is_alone: bool
) -> None:
    """nginx and PostgreSQL write what ps(1) shows over their environment."""
    fleet, pids = Fleet(pb), tmp_path / "pids"
    words = 'env -i sh -c \'echo $$ >> "$0"; exec sleep 1000\' "$PIDS" & exec sleep 1000'
    pb.ok("scheduler", "start")
    fleet.apply([{"name": "bare", "command": ["sh", "-c", words], "env": {"PIDS": str(pids)}}])
    (left,) = eventually(lambda: pids.read_text().split())
    leader = fleet.until("running")["bare"]["pid"]
    fleet.kill_scheduler()
    kill(leader, signal.SIGKILL)
    eventually(lambda: not is_running(leader))

    if not is_alone:
        pb.ok("scheduler", "start")
        eventually(lambda: not is_running(int(left)), timeout=30)
        eventually(lambda: len(pids.read_text().split()) == 2)
    (ended,) = fleet.stop("bare")

    assert (ended["ok"], ended["action"]) == (True, "stopped")
    assert not any(is_running(int(pid)) for pid in pids.read_text().split())


@pytest.fixture
def bystander() -> Iterator[int]:
    process = subprocess.Popen(["/bin/sleep", "600"])
    yield process.pid
    process.kill()
    process.wait()


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    elif os.path.lexists(path):
        path.unlink()


@pytest.mark.slow
@pytest.mark.parametrize("is_alone", [False, True], ids=["with a scheduler", "without one"])
def test_a_lying_pid_file_of_a_service_gets_nobody_signalled(
    fleet: Fleet, bystander: int, is_alone: bool
) -> None:
    path, real = fleet.pb.home / "s0.pid", fleet.pids()["s0"]
    if is_alone:
        fleet.kill_scheduler()
    for lie in CASES.values():
        remove(path)
        lie(path, bystander)
        assert fleet.view("s0")["pid"] == real
        assert fleet.call("signal", name="s0", signal="CONT")["sent"] == 1

    ended = fleet.stop("s0", force=True)

    assert ended[0]["ok"], ended
    assert not is_running(real or 0)
    assert is_running(bystander)
    remove(path)


@pytest.mark.slow
def test_a_row_that_names_another_process_gets_nobody_signalled(
    fleet: Fleet, bystander: int
) -> None:
    real = fleet.pids()["s0"] or 0
    fleet.kill_scheduler()
    kill(real, signal.SIGKILL)
    eventually(lambda: not is_running(real))
    forge(fleet.pb.home, bystander)

    assert fleet.view("s0")["state"] == "stopped"
    fleet.stop("s0", force=True)
    assert is_running(bystander)
    forge(fleet.pb.home, bystander)
    fleet.pb.ok("scheduler", "start")
    fleet.stop("s0", force=True)
    assert is_running(bystander)


def forge(home: Path, pid: int) -> None:
    """Make the store believe that a service, which runs, is another process."""
    change = "UPDATE service_instance SET pid = ?, phase = 'running' WHERE service = 's0'"
    with contextlib.closing(sqlite3.connect(home / "pony.db")) as db:
        assert db.execute(change, (pid,)).rowcount == 1
        db.commit()
