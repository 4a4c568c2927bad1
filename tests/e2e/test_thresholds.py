"""Thresholds on real things: a full disk, a busy processor, a leak. Each starts its job once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit import eventually
from tests.kit.command import Pb

TELL = 'echo "$PB_EVENT_VALUE"; echo "$PB_EVENT"'
WAIT = 60

SPIN = "while True: pass"
LEAK = "import time\nheld = []\nwhile True: held.append(bytearray(1 << 20)); time.sleep(0.01)"


def states(pb: Pb, job: str) -> list[str]:
    return [run["state"] for run in pb.history(job)]


def told(pb: Pb, job: str) -> tuple[float, dict[str, object]]:
    """What the only run of a job was told."""
    eventually(lambda: states(pb, job) == ["succeeded"], timeout=WAIT)
    value, event = pb.ok("job", "logs", job).out.splitlines()[:2]
    return float(value), json.loads(event)


def reaction(pb: Pb, job: str) -> dict[str, object]:
    found: dict[str, object] = pb.ok("job", "show", job, "--json").json["reactions"][0]
    return found


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB, where mounting is allowed."""
    place = tmp_path / "small"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)],
        check=False,
        capture_output=True,
    )
    if made.returncode != 0:
        pytest.skip("mounting a tmpfs is not permitted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_disk_that_fills_starts_its_job_on_each_edge(pb: Pb, small_disk: Path) -> None:
    pb.ok("scheduler", "start")
    when = f"disk.percent:{small_disk} > 80 for 1s, reset 50, cooldown 0s, every 1s"
    added = pb.ok("job", "add", "full", "--when", when, "--shell", "--", TELL)
    assert "> 80 % for 1 second" in added.out
    eventually(lambda: reaction(pb, "full")["state"] == "inactive", timeout=WAIT)
    (small_disk / "a").write_bytes(b"x" * 900_000)
    value, event = told(pb, "full")
    assert 80 < value <= 100
    assert (event["event"], event["threshold"]) == ("threshold", 80)
    assert event["metric"] == f"disk.percent:{small_disk}"
    (small_disk / "a").write_bytes(b"x" * 700_000)  # better, but not over
    eventually(lambda: reaction(pb, "full")["value"] != value, timeout=WAIT)
    assert reaction(pb, "full")["state"] == "firing"
    (small_disk / "a").write_bytes(b"x")
    eventually(lambda: reaction(pb, "full")["state"] == "inactive", timeout=WAIT)
    assert states(pb, "full") == ["succeeded"]
    (small_disk / "a").write_bytes(b"x" * 900_000)
    eventually(lambda: states(pb, "full") == ["succeeded"] * 2, timeout=WAIT)


def test_a_processor_that_is_burned_starts_its_job_once_even_across_a_restart(pb: Pb) -> None:
    pb.ok("scheduler", "start")
    burning = [
        subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(len(os.sched_getaffinity(0)))
    ]
    try:
        when = "cpu.percent > 50 for 2s every 1s"
        pb.ok("job", "add", "busy", "--when", when, "--shell", "--", TELL)
        value, event = told(pb, "busy")
        assert 50 < value <= 100
        assert event["op"] == ">"
        pb.ok("scheduler", "restart")
        eventually(lambda: reaction(pb, "busy")["value"] is not None, timeout=WAIT)
        assert reaction(pb, "busy")["fired_at"] is not None
        assert states(pb, "busy") == ["succeeded"]
    finally:
        for one in burning:
            one.kill()
            one.wait()
    shown = pb.ok("job", "show", "busy").out
    assert "When cpu.percent > 50 % for 2 seconds" in shown
    assert "last fired" in shown


def test_a_service_that_leaks_starts_its_job_with_what_it_holds(pb: Pb) -> None:
    pb.ok("scheduler", "start")
    when = "service.leaky.rss > 60MiB for 0s every 1s"
    pb.ok("job", "add", "leak", "--when", when, "--shell", "--", TELL)
    pb.ok("service", "add", "leaky", "--max-memory", "2GiB", "--", sys.executable, "-c", LEAK)
    pb.ok("service", "start", "leaky")
    try:
        value, event = told(pb, "leak")
        assert value > 60 * 2**20
        assert event["metric"] == "service.leaky.rss"
    finally:
        pb.ok("service", "stop", "leaky")


def test_a_command_that_prints_a_number_is_a_metric_of_ones_own(pb: Pb, tmp_path: Path) -> None:
    number = tmp_path / "number"
    number.write_text("3\n")
    pb.ok("scheduler", "start")
    when = f"cmd:cat {number} >= 10 for 0s every 1s"
    pb.ok("job", "add", "own", "--when", when, "--shell", "--", TELL)
    eventually(lambda: reaction(pb, "own")["value"] == 3, timeout=WAIT)
    number.write_text("12\n")
    value, _event = told(pb, "own")
    assert value == 12


def test_what_is_no_threshold_is_refused_with_what_was_meant(pb: Pb) -> None:
    for when, said in (
        ("cpu.procent > 90", "cpu.percent"),
        ("cpu.percent > 90 during 5m", "is not a threshold"),
    ):
        refused = pb("job", "add", "x", "--when", when, "--", "true")
        assert (refused.code, said in refused.err) == (6, True), refused.err
