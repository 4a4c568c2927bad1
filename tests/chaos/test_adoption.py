"""``kill -9`` of the scheduler while it has much to look after: nothing it ran notices."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.kit import eventually
from tests.kit.command import BY_HAND, Pb, is_running, kill

RUNS = 20

WRITER = """
echo $$ > "$0.pid"
trap 'echo signalled >> "$0.signals"' HUP INT QUIT USR1 USR2 TERM PIPE
i=0
while [ ! -e "$0.stop" ]; do
    i=$((i + 1))
    echo "line $i" || echo "lost $i" >> "$0.lost"
    sleep 0.02
done
echo "$i" > "$0.last"
exit "$1"
"""
"""Writes numbered lines until told to stop, and notes what it should never see."""


@pytest.fixture
def writers(pb: Pb, tmp_path: Path) -> list[Path]:
    """Twenty jobs; writer n ends with exit code n."""
    scripts = [tmp_path / f"writer{n}" for n in range(RUNS)]
    for n, script in enumerate(scripts):
        script.write_text(WRITER)
        pb.ok("job", "add", script.name, *BY_HAND, "--", "/bin/sh", str(script), str(n))
    return scripts


def start_all(pb: Pb, writers: list[Path]) -> dict[str, int]:
    """Run every writer; the PID of each."""
    for script in writers:
        pb.ok("job", "run", script.name)
    return {s.name: int(eventually((s.parent / f"{s.name}.pid").read_text)) for s in writers}


def release(script: Path) -> int:
    """Let one writer end; how many lines it wrote."""
    script.with_name(f"{script.name}.stop").touch()
    return int(eventually(script.with_name(f"{script.name}.last").read_text, timeout=20))


def last_run(pb: Pb, job: str) -> dict[str, Any]:
    return pb.history(job)[0]


def ended(pb: Pb, job: str) -> dict[str, Any]:
    run = last_run(pb, job)
    return run if run["state"] not in ("queued", "starting", "running") else {}


def check_unharmed(pb: Pb, script: Path, lines: int) -> None:
    """It was never signalled, got no EPIPE, and every line it wrote is in its log, once."""
    run = last_run(pb, script.name)
    logged = Path(run["log_path"]).read_text().splitlines()
    assert logged == [f"line {n}" for n in range(1, lines + 1)]
    assert not script.with_name(f"{script.name}.signals").exists()
    assert not script.with_name(f"{script.name}.lost").exists()


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_runs_and_gateway_survive_a_killed_scheduler_and_are_adopted(
    pb: Pb, writers: list[Path]
) -> None:
    pb.ok("service", "start", "scheduler", "gateway")
    pids = start_all(pb, writers)
    gateway = pb.pid("gateway")

    kill(pb.pid(), signal.SIGKILL)
    assert pb("scheduler", "status").code == 1
    early = writers[:5]
    counts = {script: release(script) for script in early}  # these end while nobody looks
    pb.ok("scheduler", "start")

    for script in writers[5:]:
        run = last_run(pb, script.name)
        assert (run["state"], run["pid"]) == ("running", pids[script.name])
        assert is_running(pids[script.name])
    assert pb.pid("gateway") == gateway
    assert is_running(gateway)

    counts.update((script, release(script)) for script in writers[5:])
    for n, script in enumerate(writers):
        run = eventually(lambda name=script.name: ended(pb, name), timeout=30)
        truth = ("succeeded", 0) if n == 0 else ("failed", n)
        told = (run["state"], run["exit_code"])
        assert told == truth or (script in early and told == ("lost", None)), run
        assert len(pb.history(script.name)) == 1
        check_unharmed(pb, script, counts[script])


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_with_a_guardian_no_outcome_is_lost(pb: Pb, writers: list[Path]) -> None:
    few = writers[:4]
    pb.ok("scheduler", "start", "--daemon")
    start_all(pb, few)
    first = pb.pid()

    kill(first, signal.SIGKILL)
    counts = {script: release(script) for script in few}

    eventually(lambda: pb.pid() != first and pb("scheduler", "status").code == 0, timeout=30)
    for n, script in enumerate(few):
        run = eventually(lambda name=script.name: ended(pb, name), timeout=30)
        assert (run["state"], run["exit_code"]) == (("succeeded", 0) if n == 0 else ("failed", n))
        check_unharmed(pb, script, counts[script])


@pytest.mark.slow
def test_a_graceful_restart_keeps_every_run_alive(pb: Pb, writers: list[Path]) -> None:
    few = writers[:3]
    pb.ok("scheduler", "start")
    pids = start_all(pb, few)

    pb.ok("scheduler", "restart")

    assert all(is_running(pid) for pid in pids.values())
    for script in few:
        assert last_run(pb, script.name)["state"] == "running"
        lines = release(script)
        eventually(lambda name=script.name: ended(pb, name), timeout=30)
        check_unharmed(pb, script, lines)
