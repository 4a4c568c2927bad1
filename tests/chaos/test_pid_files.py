"""A PID file that lies: nothing foreign is ever signalled, and a sentence says what is wrong."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.kit import eventually
from tests.kit.command import Pb, is_running

Writer = Callable[[Path, int], object]


@pytest.fixture
def bystander() -> Iterator[int]:
    """A live process of ours that has nothing to do with pb."""
    process = subprocess.Popen(["/bin/sleep", "600"])
    yield process.pid
    process.kill()
    process.wait()


def start_ticks(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def forged(path: Path, pid: int) -> None:
    """Everything true but that the process is none of ours: only the lock tells."""
    record = {
        "pid": pid,
        "startTicks": start_ticks(pid),
        "bootId": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        "pidNamespace": os.stat("/proc/self/ns/pid").st_ino,
        "host": os.uname().nodename,
        "service": "scheduler",
        "mode": "background",
        "startedAt": 1_700_000_000_000,
        "dbPath": str(path.with_name("pony.db")),
        "socketPath": str(path.with_name("gateway.sock")),
        "logPath": str(path.with_name("scheduler.log")),
    }
    path.write_text(json.dumps(record))
    path.with_suffix(".lock").touch(mode=0o600)  # as in every home that ever had a scheduler


def reused(path: Path, pid: int) -> None:
    """The PID of a dead scheduler now belongs to somebody else."""
    forged(path, pid)
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "startTicks": record["startTicks"] - 100}))


def linked(path: Path, pid: int) -> None:
    elsewhere = path.with_name("elsewhere")
    elsewhere.write_text(f"{pid}\n")
    path.symlink_to(elsewhere)


CASES: dict[str, Writer] = {
    "a foreign live process": lambda path, pid: path.write_text(f"{pid}\n"),
    "a foreign process with a full record": forged,
    "a reused pid": reused,
    "the asking process": lambda path, pid: path.write_text(f"{os.getpid()}\n"),
    "0": lambda path, pid: path.write_text("0\n"),
    "-1": lambda path, pid: path.write_text("-1\n"),
    "1": lambda path, pid: path.write_text("1\n"),
    "a json pid of -1": lambda path, pid: path.write_text('{"pid": -1}'),
    "a huge pid": lambda path, pid: path.write_text("9" * 40),
    "garbage": lambda path, pid: path.write_bytes(b"\x00\xff{{{ not a pid"),
    "empty": lambda path, pid: path.write_bytes(b""),
    "a directory": lambda path, pid: path.mkdir(),
    "a fifo": lambda path, pid: os.mkfifo(path),
    "a symlink": linked,
}


def check_sentence(pb: Pb, *words: str, codes: set[int]) -> None:
    ran = pb(*words, timeout=20)
    assert ran.code in codes, (words, ran.code, ran.text)
    assert "Traceback" not in ran.text
    assert ran.text.strip()


@pytest.mark.parametrize("what", CASES)
def test_a_lying_pid_file_gets_a_sentence_and_nobody_is_signalled(
    pb: Pb, bystander: int, what: str
) -> None:
    pb.home.mkdir(mode=0o700)
    CASES[what](pb.home / "scheduler.pid", bystander)

    check_sentence(pb, "scheduler", "status", codes={1, 3, 4})
    check_sentence(pb, "scheduler", "stop", codes={0, 1, 6})
    CASES[what](pb.home / "scheduler.pid", bystander) if not os.path.lexists(
        pb.home / "scheduler.pid"
    ) else None
    check_sentence(pb, "scheduler", "stop", "--force", codes={0, 1, 6})

    assert is_running(bystander)
    assert is_running(1)


CANNOT_START = {"a directory"}
"""It cannot be replaced. A process that never opened this home's lock is no reason not to start."""


@pytest.mark.parametrize("what", sorted(CASES.keys() - CANNOT_START))
def test_a_lying_pid_file_never_stops_a_start(pb: Pb, bystander: int, what: str) -> None:
    pb.home.mkdir(mode=0o700)
    CASES[what](pb.home / "scheduler.pid", bystander)

    pb.ok("scheduler", "start")

    assert is_running(bystander)
    eventually(lambda: pb.daemons() == [pb.pid()])


@pytest.mark.parametrize("what", sorted(CANNOT_START))
def test_a_start_that_cannot_be_says_why(pb: Pb, bystander: int, what: str) -> None:
    pb.home.mkdir(mode=0o700)
    CASES[what](pb.home / "scheduler.pid", bystander)

    ran = pb("scheduler", "start")

    assert ran.code == 1
    assert "scheduler.pid" in ran.text or f"PID: {bystander}" in ran.text
    assert "Traceback" not in ran.text
    assert is_running(bystander)


def test_a_pid_file_through_a_link_leaves_the_target_alone(pb: Pb, bystander: int) -> None:
    pb.home.mkdir(mode=0o700)
    linked(pb.home / "scheduler.pid", bystander)

    pb("scheduler", "start")
    pb("scheduler", "stop")

    assert (pb.home / "elsewhere").read_text() == f"{bystander}\n"


def test_a_copied_home_never_touches_the_scheduler_of_the_first_one(pb: Pb, tmp_path: Path) -> None:
    pb.ok("scheduler", "start")
    pid = pb.pid()
    copied = Pb(tmp_path / "copy")
    shutil.copytree(pb.home, copied.home, ignore=shutil.ignore_patterns("*.sock"))
    copied.home.chmod(0o700)

    assert copied("scheduler", "status").code == 1
    copied.ok("scheduler", "stop", "--force")

    assert is_running(pid)
    assert pb("scheduler", "status").code == 0
    copied.ok("scheduler", "start")
    assert copied.pid() != pid
    copied.close()
