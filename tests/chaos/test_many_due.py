"""Ten thousand jobs due in the same second: each runs once, and the scheduler keeps answering."""

from __future__ import annotations

import re
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pb.api import session
from pb.paths import Home
from tests.kit import eventually
from tests.kit.command import Pb

JOBS = 10_000
LEAD = 25.0
"""Seconds for the definitions to be read and the scheduler to start before they are due."""
MEGABYTES = 150


def peak_megabytes(pid: int) -> float:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) / 1024


def add_jobs(home: Path, marks: Path) -> float:
    due = datetime.now(UTC) + timedelta(seconds=LEAD)
    definitions = [
        {
            "name": f"job{n}",
            "command": ["/bin/sh", "-c", f"echo {n} >> {marks}"],
            "triggers": [{"type": "at", "at": due.isoformat()}],
        }
        for n in range(JOBS)
    ]
    home.mkdir(mode=0o700)
    with session(Home(home)) as asked:
        asked.call(
            "job.import",
            {"definitions": definitions, "replace": False, "source": "test"},
            timeout=60,
        )
    return due.timestamp()


class Watch:
    """Asks again and again, and remembers how long the answers took and what ran at most."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.seconds: list[float] = []
        self.running = 0

    def ask(self) -> dict[str, int]:
        began = time.monotonic()
        with session(Home(self.home)) as asked:
            counts: dict[str, int] = asked.call("scheduler.status", {"jobs": False})["counts"]
        self.seconds.append(time.monotonic() - began)
        self.running = max(self.running, counts["running"])
        return counts


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_ten_thousand_jobs_due_at_once_run_once_each(pb: Pb, tmp_path: Path) -> None:
    pb, marks = pb.unmeasured(), tmp_path / "marks"
    due = add_jobs(pb.home, marks)
    pb.ok("scheduler", "start")
    assert time.time() < due, "the machine is too slow for this LEAD"
    pid, watch, commands = pb.pid(), Watch(pb.home), []

    def done() -> bool:
        counts = watch.ask()
        commands.append(pb.ok("scheduler", "status", "--json").seconds)
        ran = marks.read_bytes().count(b"\n") if marks.exists() else 0
        return ran >= JOBS and counts["running"] == counts["queued"] == 0

    eventually(done, timeout=300, interval=0.2)

    assert Counter(marks.read_text().split()) == {str(n): 1 for n in range(JOBS)}
    with session(Home(pb.home)) as asked:
        jobs = asked.call("job.list", {}, timeout=30)["jobs"]
    assert {(j["run_count"], j["success_count"], j["skip_count"]) for j in jobs} == {(1, 1, 0)}
    assert pb.pid() == pid
    print(
        f"{time.time() - due:.1f} s; at most {watch.running} at once; answers: max "
        f"{max(watch.seconds):.3f} s of {len(watch.seconds)}; whole command with all jobs: max "
        f"{max(commands):.2f} s; {peak_megabytes(pid):.0f} MB"
    )
    assert watch.running <= 256
    assert max(watch.seconds) < 1.0
    assert peak_megabytes(pid) <= MEGABYTES
