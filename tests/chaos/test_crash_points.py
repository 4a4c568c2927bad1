"""The scheduler is killed at one chosen system call while twenty jobs fall due at once.

Random kills find next to nothing; a sweep over the calls finds what there is to find
(https://sqlite.org/testing.html, "anomaly testing"). strace(1) delivers SIGKILL when the
scheduler enters the chosen call for the n-th time: the kernel may still carry that call out, and
not one instruction after it. The calls of its runs do not count: strace does not follow forks.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pb.api import session
from pb.paths import Home
from tests.kit import eventually
from tests.kit.command import Pb, is_running, kill

JOBS = 20
LEAD = 1.5
"""Seconds between the definition of the jobs and their fire time: about what a start takes."""

SPAWNS = ("clone3", "clone", "vfork")
CALLS = ("fdatasync", "pwrite64", "openat", "wait4", "write", "sendto", "close", "epoll_wait")
"""The calls that matter: what is committed, started, logged, collected and told."""

FEW = [
    *(("fdatasync", share) for share in (0.0, 0.5, 1.0)),
    *(("pwrite64", share) for share in (0.1, 0.5, 0.9)),
    *(("spawn", share) for share in (0.0, 0.5, 1.0)),
    *(("openat", 0.4), ("wait4", 0.5), ("write", 0.5)),
]
SWEEP = [(call, n / 11) for call in (*CALLS, "spawn") for n in range(12)]


def final(run: dict[str, Any]) -> bool:
    return run["state"] not in ("queued", "starting", "running")


@dataclass
class Scene:
    """A home with twenty one-shot jobs; job n writes its name into a file and exits with n % 3."""

    pb: Pb
    folder: Path

    @property
    def marks(self) -> Path:
        return self.folder / "marks"

    def names(self) -> Counter[str]:
        return Counter(self.marks.read_text().split() if self.marks.exists() else ())

    def add_jobs(self, before: str = "true") -> float:
        """Define the jobs, which run ``before`` first; their fire time as a Unix time."""
        due = datetime.now(UTC) + timedelta(seconds=LEAD)
        definitions = [
            {
                "name": f"job{n}",
                "command": [
                    "/bin/sh",
                    "-c",
                    f"{before}; echo job{n} >> {self.marks}; exit {n % 3}",
                ],
                "triggers": [{"type": "at", "at": due.isoformat()}],
            }
            for n in range(JOBS)
        ]
        self.pb.home.mkdir(mode=0o700)
        with session(Home(self.pb.home)) as asked:
            asked.call(
                "job.import", {"definitions": definitions, "replace": False, "source": "test"}
            )
        return due.timestamp()

    def trace(self, *options: str) -> subprocess.Popen[bytes]:
        """The scheduler under strace; whoever calls ends it."""
        daemon = [sys.executable, "-P", "-m", "pb.daemon", "--home", str(self.pb.home)]
        strace = ["strace", "-qq", "-ttt", "-o", str(self.folder / "trace")]
        with (self.folder / "stderr").open("wb") as errors:
            return subprocess.Popen(
                [*strace, *options, *daemon, "--mode", "foreground"],
                env=self.pb.environment,
                stdin=subprocess.DEVNULL,
                stderr=errors,
            )

    def runs(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.pb.ok("job", "history", "-n", "100", "--json").json[
            "runs"
        ]
        return found

    def all_ended(self) -> list[dict[str, Any]]:
        runs = self.runs()
        return runs if len(runs) >= JOBS and all(map(final, runs)) else []


@pytest.fixture
def scene(pb: Pb, tmp_path: Path) -> Scene:
    return Scene(pb.unmeasured(), tmp_path)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """The trace of a scheduler that nobody kills, and when its jobs fell due."""
    if shutil.which("strace") is None:
        pytest.skip("needs strace")
    folder = tmp_path_factory.mktemp("traced")
    scene = Scene(Pb(folder / "home").unmeasured(), folder)
    due = scene.add_jobs()
    traced = scene.trace("-e", f"trace={','.join((*CALLS, *SPAWNS))}")
    try:
        eventually(scene.all_ended, timeout=30, interval=0.2)
    finally:
        scene.pb.close()
        assert traced.wait(10) == 0
    return folder / "trace", due


@pytest.fixture(scope="module")
def counts(undisturbed: tuple[Path, float]) -> dict[str, range]:
    """How often each call is entered before the jobs fall due, and until they have ended."""
    return ranges(*undisturbed)


def ranges(trace: Path, due: float) -> dict[str, range]:
    """Where in the whole count of each call those that matter lie."""
    first: Counter[str] = Counter()
    last: Counter[str] = Counter()
    starts: list[tuple[str, int]] = []
    for line in trace.read_text(errors="replace").splitlines():
        entered = re.match(r"([\d.]+) (\w+)\(", line)
        if entered is None or "SIGTERM" in line:
            continue
        last[entered[2]] += 1
        if float(entered[1]) < due:
            first[entered[2]] += 1
        if entered[2] in SPAWNS and "THREAD" not in line:
            starts.append((entered[2], last[entered[2]]))
    found = {call: range(first[call] + 1, last[call] + 1) for call in CALLS}
    spawn, number = starts[0]
    found["spawn"] = range(number, starts[-1][1] + 1)
    return {**found, "spawn is": range(SPAWNS.index(spawn), JOBS)}


def crash(scene: Scene, call: str, number: int) -> bool:
    """Let the jobs fall due with that call as the last; False when it never came."""
    scene.add_jobs()
    traced = scene.trace("-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}")
    eventually(lambda: traced.poll() is not None or len(scene.names()) == JOBS, timeout=30)
    try:
        return traced.wait(3) == -signal.SIGKILL
    except subprocess.TimeoutExpired:
        daemon = json.loads((scene.pb.home / "scheduler.pid").read_text())["pid"]
        kill(daemon, signal.SIGKILL)
        traced.wait(10)
        return False


def check(scene: Scene) -> None:
    """Once each at most, a record for each, and no exit code that nobody saw."""
    scene.pb.ok("scheduler", "start")
    runs = eventually(scene.all_ended, timeout=30, interval=0.1)
    names = scene.names()

    assert max(names.values(), default=1) == 1, f"run twice: {names}"
    assert sorted(run["job"] for run in runs) == sorted(f"job{n}" for n in range(JOBS))
    for run in runs:
        truth = int(run["job"].removeprefix("job")) % 3
        assert run["exit_code"] in (None, truth), run
        assert run["exit_code"] is None or names[run["job"]] == 1, run
        assert run["state"] in ("succeeded" if truth == 0 else "failed", "lost"), run
        assert (run["state"] == "lost") == (run["exit_code"] is None), run
        assert run["reason"] or run["state"] == "succeeded", run
        assert not is_running(run["pid"] or 0), run


def kill_and_check(scene: Scene, counts: dict[str, range], call: str, share: float) -> None:
    times = counts[call]
    name = SPAWNS[counts["spawn is"].start] if call == "spawn" else call
    crash(scene, name, times[round(share * (len(times) - 1))])
    check(scene)


@pytest.mark.parametrize(("call", "share"), FEW)
def test_killed_at_a_system_call_nothing_runs_twice_and_nothing_is_made_up(
    scene: Scene, counts: dict[str, range], call: str, share: float
) -> None:
    kill_and_check(scene, counts, call, share)


@pytest.mark.slow
@pytest.mark.parametrize(("call", "share"), SWEEP)
def test_nor_at_any_other_of_the_calls_that_matter(
    scene: Scene, counts: dict[str, range], call: str, share: float
) -> None:
    kill_and_check(scene, counts, call, share)


def test_the_kill_arrives_where_it_should(scene: Scene, counts: dict[str, range]) -> None:
    """The sweep shows something: what was claimed when the first run started never runs again."""
    assert len(counts["spawn"]) >= JOBS
    assert crash(scene, SPAWNS[counts["spawn is"].start], counts["spawn"][0])
    check(scene)

    assert set(scene.names()) <= {"job0"}
    assert Counter(run["state"] for run in scene.runs())["lost"] >= JOBS - 1


def test_the_claims_are_on_the_disk_before_the_first_run_starts(
    undisturbed: tuple[Path, float],
) -> None:
    """What a power cut leaves: between the last write of the claims and the fork lies a sync."""
    trace, due = undisturbed
    calls = [
        (entered[2], entered[3])
        for line in trace.read_text(errors="replace").splitlines()
        if (entered := re.match(r"([\d.]+) (\w+)\((\w*)", line))
        and float(entered[1]) >= due
        and "THREAD" not in line
    ]
    first_start = next(n for n, (call, _) in enumerate(calls) if call in SPAWNS)
    writes = [n for n, (call, _) in enumerate(calls[:first_start]) if call == "pwrite64"]

    assert writes, "nothing was claimed"
    assert ("fdatasync", calls[writes[-1]][1]) in calls[writes[-1] : first_start]


def test_whoever_runs_finds_its_claim_in_a_copy_of_the_database(scene: Scene) -> None:
    home, copies = scene.pb.home, scene.folder / "copies"
    scene.add_jobs(
        f"mkdir -p {copies}/$PB_RUN_ID && cp {home}/pony.db-wal {home}/pony.db {copies}/$PB_RUN_ID"
    )
    scene.pb.ok("scheduler", "start")
    runs = eventually(scene.all_ended, timeout=30, interval=0.1)

    assert len(runs) == JOBS
    for run in runs:
        with contextlib.closing(sqlite3.connect(copies / str(run["run_id"]) / "pony.db")) as copy:
            (found,) = copy.execute("SELECT job, state FROM run WHERE id = ?", (run["run_id"],))
        assert found in [(run["job"], "starting"), (run["job"], "running")]
