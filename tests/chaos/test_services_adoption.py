"""``kill -9`` of the scheduler with fifty busy services: nothing they do is lost or done twice."""

from __future__ import annotations

import contextlib
import os
import random
import sys
import threading
import time
from pathlib import Path

import pytest

from pb.errors import PbError
from tests.chaos.test_rotation import content, segments
from tests.kit import eventually
from tests.kit.command import Pb, is_running
from tests.kit.fleet import Fleet, living

WRITERS = 50
ROUNDS = int(os.environ.get("PB_ROUNDS", "3"))
"""How often the scheduler is killed; a person tries 20."""

WRITER = """
import os, signal, time
stopped = []
signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
n, began = 0, time.monotonic()
while not stopped:
    # A thousand lines a second, each a write of its own; it does not catch up after a long pause.
    due = min(int((time.monotonic() - began) * 1000), 40)
    for _ in range(due):
        n += 1
        os.write(1, b"%08d %s\\n" % (n, b"x" * 40))
    if due:
        began = time.monotonic()
    time.sleep(0.02)
os.write(1, b"last %d\\n" % n)
"""


@pytest.fixture
def fleet(pb: Pb, tmp_path: Path) -> Fleet:
    script = tmp_path / "writer.py"
    script.write_text(WRITER)
    pb = pb.unmeasured()
    pb.home.mkdir(mode=0o700)
    (pb.home / "config.toml").write_text('[logs]\nmax_size = "256KiB"\nkeep = 1000\n')
    made = Fleet(pb)
    made.apply(
        {"name": f"w{n}", "command": [sys.executable, "-SE", str(script)], "stop": {"timeout": 60}}
        for n in range(WRITERS)
    )
    return made


def names(fleet: Fleet) -> dict[str, int]:
    """How many processes each service has."""
    found: dict[str, int] = {}
    for name in living(fleet.pb.home).values():
        found[name] = found.get(name, 0) + 1
    return found


def some_time(most: float) -> None:
    """Until a random moment."""
    end = time.monotonic() + random.uniform(0, most)
    eventually(lambda: time.monotonic() >= end, timeout=most + 30)


def check_written(log: Path) -> int:
    """All lines are there, once, whole and in order; how many there are."""
    lines = b"".join(map(content, segments(log))).splitlines()
    last = lines.pop().split()
    assert last[0] == b"last", lines[-3:]
    for n, line in enumerate(lines, 1):
        assert line == b"%08d %s" % (n, b"x" * 40), (log, n, line)
    assert len(lines) == int(last[1])
    return len(lines)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_killed_scheduler_comes_back_to_the_same_processes_and_every_line(fleet: Fleet) -> None:
    pb = fleet.pb
    pb.ok("scheduler", "start")
    before = {name: view["pid"] for name, view in fleet.until("running").items()}
    assert len(before) == WRITERS

    for _ in range(ROUNDS):
        some_time(2.0)
        fleet.kill_scheduler()
        some_time(0.5)
        pb.ok("scheduler", "start")
        assert fleet.pids() == before
        assert set(fleet.states().values()) == {"running"}
    assert names(fleet) == dict.fromkeys(before, 1)
    logs = [pb.home / f"{name}.log" for name in before]
    eventually(lambda: any(len(segments(log)) > 1 for log in logs), timeout=60)

    ended = fleet.stop("all")
    assert {one["action"] for one in ended} == {"stopped"}
    assert not any(is_running(pid) for pid in before.values())
    assert living(pb.home) == {}
    eventually(lambda: pb.ok("scheduler", "stop"))
    assert min(map(check_written, logs)) > 0


def wishes(fleet: Fleet) -> set[str]:
    return {view["desired"] for view in fleet.views().values()}


def killed_during(fleet: Fleet, method: str) -> None:
    """Ask for something with all services, and kill the scheduler at some moment of it."""
    asking = threading.Thread(target=asked, args=(fleet, method))
    asking.start()
    some_time(0.6)
    fleet.kill_scheduler()
    asking.join(60)
    fleet.pb.ok("scheduler", "start")


def asked(fleet: Fleet, method: str) -> None:
    """The answer may never come: who should give it is killed."""
    with contextlib.suppress(PbError):
        fleet.call(method, names=["all"])


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_killed_while_it_starts_or_stops_them_it_doubles_and_revives_none(fleet: Fleet) -> None:
    pb = fleet.pb
    pb.ok("scheduler", "start")
    for _ in range(ROUNDS):
        killed_during(fleet, "start")
        if wishes(fleet) == {"running"}:
            up = fleet.until("running")
            assert names(fleet) == dict.fromkeys(up, 1)
            assert set(living(pb.home)) == {view["pid"] for view in up.values()}

        killed_during(fleet, "stop")
        if wishes(fleet) == {"stopped"}:
            fleet.until("stopped", timeout=90)
        fleet.stop("all")
        assert living(pb.home) == {}
        assert wishes(fleet) == {"stopped"}
