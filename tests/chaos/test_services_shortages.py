"""Whatever runs short for a while: the scheduler stays up and answers, and services come back.

Each shortage lasts some seconds, in which services are killed. None may be ``failed`` afterwards.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.test_promises import crowd, descriptors, started_with_few_descriptors
from tests.chaos.test_storage import fill, small
from tests.kit import eventually
from tests.kit.command import Pb, is_running, kill
from tests.kit.fleet import Fleet, cpu_seconds

__all__ = ["small"]

SERVICES = 12
VICTIMS = 4
SECONDS = float(os.environ.get("PB_SHORTAGE", "4"))
"""How long each shortage lasts; a person tries 12."""

BACK = 10.0
"""Seconds within which everything is well again after a shortage."""

SLOW_DISK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>
static void wait_a_little(void) {
    const char *path = getenv("SLOW_DISK");
    if (path && access(path, F_OK) == 0) usleep(700000);
}
int fsync(int fd) {
    wait_a_little();
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd);
}
int fdatasync(int fd) {
    wait_a_little();
    return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd);
}
"""


def definitions() -> list[dict[str, object]]:
    words = "i=0; while :; do i=$((i + 1)); echo $i; sleep 0.2; done"
    return [
        {"name": f"s{number}", "command": ["/bin/sh", "-c", words]} for number in range(SERVICES)
    ]


def started(pb: Pb) -> dict[str, int]:
    """The PID of each service; all are running."""
    fleet = Fleet(pb)
    fleet.apply(definitions())
    return {name: view["pid"] for name, view in fleet.until("running").items()}


def endure(pb: Pb, pids: dict[str, int], *, answers: bool = True) -> None:
    """Live through a shortage that has just begun: some services are killed, others are not."""
    scheduler = pb.pid()
    began, used = time.monotonic(), cpu_seconds(scheduler)
    for name in list(pids)[:VICTIMS]:
        kill(pids[name], signal.SIGKILL)
    eventually(lambda: time.monotonic() - began > SECONDS, timeout=SECONDS + 30)
    assert is_running(scheduler)
    assert cpu_seconds(scheduler) - used < 0.5 * (time.monotonic() - began), "it spins"
    if answers:
        ran = pb("service", "status", "--json", timeout=30)
        assert ran.code in (0, 1, 3), ran.text
        assert "Traceback" not in ran.text


def check_back(pb: Pb, pids: dict[str, int], scheduler: int) -> None:
    """Everything runs again, soon; who was not killed has not noticed."""
    fleet, began = Fleet(pb), time.monotonic()
    now = fleet.until("running", timeout=60)
    took = time.monotonic() - began
    assert took < BACK or os.getloadavg()[0] > 4, f"back after {took:.1f} s"
    assert pb.pid() == scheduler
    for name in list(pids)[VICTIMS:]:
        assert (now[name]["pid"], now[name]["restarts"]) == (pids[name], 0)
    for name in list(pids)[:VICTIMS]:
        assert now[name]["pid"] != pids[name]
        assert is_running(now[name]["pid"])
    assert {one["action"] for one in fleet.stop("all")} == {"stopped"}
    assert "/pb/" not in (pb.home / "scheduler.log").read_text().partition("Traceback")[2]


@pytest.mark.slow
def test_without_descriptors(pb: Pb) -> None:
    pb = pb.unmeasured()
    scheduler = started_with_few_descriptors(pb)
    pids = started(pb)
    guests = crowd(pb.home / "gateway.sock")
    eventually(lambda: descriptors(scheduler) >= 62)

    endure(pb, pids, answers=False)

    for guest in guests:
        guest.close()
    check_back(pb, pids, scheduler)


@contextlib.contextmanager
def no_new_process(pid: int) -> Iterator[None]:
    """``fork`` of that process is refused with EAGAIN, and so is a thread."""
    if os.geteuid() != 0:
        before = resource.prlimit(pid, resource.RLIMIT_NPROC)
        resource.prlimit(pid, resource.RLIMIT_NPROC, (1, before[1]))
        try:
            yield
        finally:
            resource.prlimit(pid, resource.RLIMIT_NPROC, before)
        return
    top = next((p for p in PIDS_GROUPS if (p / "cgroup.procs").exists()), None)
    if top is None or not os.access(top, os.W_OK):
        pytest.skip("needs a cgroup that limits processes, which root can make")
    group = top / f"pb-test-{pid}"
    group.mkdir()
    try:
        (group / "pids.max").write_text("1")
        (group / "cgroup.procs").write_text(str(pid))
        yield
        (group / "pids.max").write_text("max")
    finally:
        assert eventually(lambda: is_dissolved(group), timeout=30)


def is_dissolved(group: Path) -> bool:
    """Move everybody out of a group and remove it; whoever is being born there is for next time."""
    for one in (group / "cgroup.procs").read_text().split():
        (group.parent / "cgroup.procs").write_text(one)
    group.rmdir()
    return True


PIDS_GROUPS = (Path("/sys/fs/cgroup/pids"),)


@pytest.mark.slow
def test_while_fork_is_refused(pb: Pb) -> None:
    pb = pb.unmeasured()
    pb.ok("scheduler", "start")
    pids, scheduler = started(pb), pb.pid()

    with no_new_process(scheduler):
        endure(pb, pids)
        views = Fleet(pb).views(*list(pids)[:VICTIMS])
        assert {view["state"] for view in views.values()} <= {"backoff", "starting"}, views

    check_back(pb, pids, scheduler)


@pytest.mark.slow
def test_on_a_full_disk(small: Pb) -> None:
    pb = small.unmeasured()
    pb.ok("scheduler", "start")
    pids, scheduler = started(pb), pb.pid()
    ballast = fill(pb.home)

    endure(pb, pids)

    views = Fleet(pb).views()
    assert {views[name]["state"] for name in list(pids)[:VICTIMS]} == {"stopped"}
    assert {views[name]["state"] for name in list(pids)[VICTIMS:]} == {"running"}
    assert "disk is full" in views["s0"]["reason"]
    ballast.unlink()
    check_back(pb, pids, scheduler)


@pytest.mark.slow
def test_on_a_slow_disk(pb: Pb, tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler to slow fsync down")
    source, library, slow = (tmp_path / name for name in ("slow.c", "slow.so", "slow"))
    source.write_text(SLOW_DISK)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    pb = pb.unmeasured()
    pb.environment.update({"LD_PRELOAD": str(library), "SLOW_DISK": str(slow)})
    pb.ok("scheduler", "start")
    pids, scheduler = started(pb), pb.pid()

    slow.touch()
    endure(pb, pids)

    slow.unlink()
    check_back(pb, pids, scheduler)
