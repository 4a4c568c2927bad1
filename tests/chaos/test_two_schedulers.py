"""Two schedulers on one database, each killed and frozen in turn: each fire time runs once."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pb.daemon.line import STARTING_LIMIT
from tests.kit import eventually
from tests.kit.command import Pb, is_running, kill

JOBS = 12
FIRE_TIMES = 300
LEASE = "2s"

DEFINITIONS = "".join(
    f"""
[job.job{n:02}]
command = ["/bin/sh", "-c", 'echo "$PB_JOB $PB_FIRE_TIME" >> "$0"', "MARKS"]
triggers = ["every: 1s"]
overlap = "allow"
max_instances = 100
misfire = {{ grace = "2m", catch_up = "all", max_catch_up = 1000 }}
"""
    for n in range(JOBS)
)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Pb, Pb]]:
    shared = {"PB_SCHEDULER__DB": str(tmp_path / "shared.db"), "PB_SCHEDULER__LEASE": LEASE}
    made = tuple(Pb(tmp_path / name, shared) for name in ("a", "b"))
    for one in made:
        one.ok("scheduler", "start")
    yield made[0], made[1]
    for one in made:
        with contextlib.suppress(FileNotFoundError):
            kill(one.pid(), signal.SIGCONT)
        one.close()


def rows(db: Path) -> list[dict[str, Any]]:
    with contextlib.closing(sqlite3.connect(db, timeout=20)) as read:
        read.row_factory = sqlite3.Row
        return [dict(row) for row in read.execute("SELECT * FROM run ORDER BY id")]


def has_joined(asked: Pb, other: Pb) -> bool:
    shared = asked.ok("scheduler", "status", "--no-jobs", "--json").json["shared_with"]
    return [one["pid"] for one in shared] == [other.pid()]


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_of_two_that_are_killed_and_frozen_in_turn_each_fire_time_runs_once(
    pair: tuple[Pb, Pb], tmp_path: Path
) -> None:
    marks, file = tmp_path / "marks", tmp_path / "jobs.toml"
    file.write_text(DEFINITIONS.replace("MARKS", str(marks)))
    pair[0].ok("apply", str(file))
    eventually(lambda: has_joined(*pair), timeout=60)

    goes_on(marks, 30)
    for victim in pair:
        kill(victim.pid(), signal.SIGKILL)
        goes_on(marks, 45)
        victim.ok("scheduler", "start")
        goes_on(marks, 20)
        freeze(victim.pid(), tmp_path / "shared.db")
        goes_on(marks, 60)
        kill(victim.pid(), signal.SIGCONT)
        goes_on(marks, 20)
    eventually(lambda: len(marks.read_text().splitlines()) >= FIRE_TIMES, timeout=60)
    for n in range(JOBS):
        pair[n % 2].ok("job", "pause", f"job{n:02}")

    found = eventually(lambda: all_ended(tmp_path / "shared.db"), timeout=30)
    check_once_each(found, marks)
    check_shared(found, pair)
    eventually(lambda: has_joined(*pair) and has_joined(*reversed(pair)), timeout=30)


def freeze(pid: int, db: Path) -> None:
    """Stop a scheduler, only not in a commit: nobody else could write (decision 0009)."""

    def is_frozen() -> bool:
        kill(pid, signal.SIGSTOP)
        with contextlib.closing(sqlite3.connect(db, timeout=3, isolation_level=None)) as other:
            try:
                other.execute("BEGIN IMMEDIATE")
                other.execute("ROLLBACK")
            except sqlite3.OperationalError:
                kill(pid, signal.SIGCONT)
                return False
        return True

    eventually(is_frozen, timeout=60)


def goes_on(marks: Path, n: int) -> None:
    """Wait until ``n`` more runs have left their mark."""
    before = len(marks.read_text().splitlines()) if marks.exists() else 0
    eventually(lambda: len(marks.read_text().splitlines()) >= before + n, timeout=60)


def all_ended(db: Path) -> list[dict[str, Any]]:
    found = rows(db)
    return [] if any(row["finished_at"] is None for row in found) else found


def check_once_each(found: list[dict[str, Any]], marks: Path) -> None:
    """One record for each second of each job, none left out; none ran twice, none is untold."""
    assert Counter(row["state"] for row in found).keys() <= {"succeeded", "lost"}
    done = Counter(marks.read_text().splitlines())
    assert max(done.values()) == 1
    for row in found:
        instant = datetime.fromtimestamp(row["fire_at"] / 1000, UTC)
        mark = f"{row['job']} {instant:%Y-%m-%dT%H:%M:%S}.{row['fire_at'] % 1000:03d}Z"
        assert row["state"] == "lost" or done[mark] == 1, row
    for n in range(JOBS):
        times = sorted(row["fire_at"] for row in found if row["job"] == f"job{n:02}")
        assert times == list(range(times[0], times[-1] + 1, 1000)), times
    assert len(found) >= FIRE_TIMES
    # Only those that one of the four faults has caught between their claim and their record.
    assert sum(row["state"] == "lost" for row in found) <= 4 * STARTING_LIMIT


def check_shared(found: list[dict[str, Any]], pair: tuple[Pb, Pb]) -> None:
    homes = Counter(str(Path(row["log_path"]).parents[3].name) for row in found if row["log_path"])
    assert min(homes[one.home.name] for one in pair) >= FIRE_TIMES // 10, homes


@pytest.mark.timeout(120)
def test_a_run_of_the_one_is_waited_for_and_cancelled_at_the_other(
    pair: tuple[Pb, Pb], tmp_path: Path
) -> None:
    one, two = pair
    one.ok("job", "add", "long", "--at", "2099-01-01T00:00:00Z", "--", "/bin/sleep", "300")
    one.ok("job", "run", "long")
    run = one.history("long")[0]

    refused = two("job", "run", "long")
    cancelled = two.ok("job", "cancel", "long")

    assert "overlap" in refused.text, refused
    assert "cancelled" in cancelled.text, cancelled
    assert not is_running(run["pid"])
    assert two.history("long")[-1]["state"] == "cancelled"


@pytest.mark.timeout(120)
def test_a_run_whose_scheduler_was_killed_is_adopted_by_the_other_and_its_outcome_is_true(
    pair: tuple[Pb, Pb], tmp_path: Path
) -> None:
    one, two = pair
    script = f"while [ ! -e {tmp_path}/end ]; do sleep 0.05; done; exit 7"
    one.ok("job", "add", "long", "--at", "2099-01-01T00:00:00Z", "--", "/bin/sh", "-c", script)
    one.ok("job", "run", "long")
    run = one.history("long")[0]
    db = tmp_path / "shared.db"
    before = rows(db)[0]["owner"]

    kill(one.pid(), signal.SIGKILL)
    eventually(lambda: rows(db)[0]["owner"] != before, timeout=70)
    (tmp_path / "end").touch()

    ended = eventually(ended_at(two), timeout=30)
    assert (ended["pid"], ended["state"] in ("failed", "lost")) == (run["pid"], True)
    assert ended["exit_code"] in (7, None)


def ended_at(pb: Pb) -> Callable[[], dict[str, Any] | None]:
    def look() -> dict[str, Any] | None:
        run = pb.history("long")[0]
        return run if run["finished_at"] else None

    return look
