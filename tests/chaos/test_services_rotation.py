"""A service that writes 300,000 lines at full speed through rotation, on two kinds of file system,
and with the scheduler killed again and again meanwhile."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.chaos.test_rotation import LINES, SHELL, content, segments
from tests.kit import eventually
from tests.kit.command import Pb
from tests.kit.fleet import Fleet

EVERY = 2.0
"""Seconds between kills."""


@pytest.fixture(params=["disk", "tmpfs"])
def place(request: pytest.FixtureRequest, pb: Pb) -> Iterator[Pb]:
    """The home where the tests run, and on a tmpfs of its own: the head of a log is taken off in
    another way there."""
    pb = pb.unmeasured()
    pb.home.mkdir(mode=0o700)
    if request.param == "disk":
        yield pb
        return
    mount = ["mount", "-t", "tmpfs", "-o", "size=256m,mode=0700", "tmpfs", str(pb.home)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a file system needs root")
    yield pb
    pb.close()
    subprocess.run(["umount", str(pb.home)], check=True)


def write_at_full_speed(pb: Pb) -> Fleet:
    pb.ok("scheduler", "start")
    fleet = Fleet(pb)
    fleet.apply(
        [
            {
                "name": "writer",
                "command": ["/bin/sh", "-c", SHELL],
                "restart": {"mode": "never"},
                "log": {"max_size": 1024 * 1024, "keep": 100},
            }
        ]
    )
    return fleet


def check_complete(pb: Pb) -> None:
    """Once the last rotation is done, every line is there once and whole."""
    pb.ok("scheduler", "stop")
    parts = segments(pb.home / "writer.log")
    numbers = [int(line.split()[0]) for line in b"".join(map(content, parts)).splitlines()]
    assert len(parts) > 3, "it was never rotated"
    assert len(numbers) == LINES
    assert numbers == list(range(1, LINES + 1))


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_no_line_is_lost_doubled_or_torn(place: Pb) -> None:
    fleet = write_at_full_speed(place)

    fleet.until("exited", timeout=180)

    check_complete(place)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_nor_when_the_scheduler_is_killed_every_two_seconds(place: Pb) -> None:
    fleet = write_at_full_speed(place)
    pid, kills = fleet.until("running")["writer"]["pid"], 0

    while fleet.view("writer")["state"] in ("running", "starting"):
        last = time.monotonic()
        fleet.kill_scheduler()
        kills += 1
        place.ok("scheduler", "start")
        assert fleet.view("writer")["pid"] in (pid, None)
        eventually(lambda last=last: time.monotonic() > last + EVERY or has_ended(fleet))

    assert kills >= 1
    assert fleet.view("writer")["restarts"] == 0
    check_complete(place)


def has_ended(fleet: Fleet) -> bool:
    return fleet.view("writer")["state"] not in ("running", "starting")
