"""Cancelling a run whose processes do all they can to stay."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.kit import eventually
from tests.kit.command import BY_HAND, Pb, is_running, kill

DEAF = """
trap '' TERM HUP INT
echo $$ >> "$1"
while :; do sleep 1; done
"""
STUBBORN = """
trap '' TERM HUP INT
sh "$1" "$2" &
setsid sh "$1" "$2" &
( ( setsid sh "$1" "$2" & ) & )
( sh -c 'echo $$ >> "$0"; kill -STOP $$' "$2" & )
echo $$ >> "$2"
while :; do sleep 1; done
"""
"""Itself, a child, a setsid child, a double-forked one in a session of its own, all deaf, and a
stopped one."""


def a_hostile_run(pb: Pb, tmp_path: Path) -> list[int]:
    script, deaf, pids = tmp_path / "stubborn.sh", tmp_path / "deaf.sh", tmp_path / "pids"
    script.write_text(STUBBORN)
    deaf.write_text(DEAF)
    words = ["/bin/sh", str(script), str(deaf), str(pids)]
    pb.ok("job", "add", "stubborn", *BY_HAND, "--kill-grace", "1s", "--", *words)
    pb.ok("scheduler", "start")
    pb.ok("job", "run", "stubborn")
    written = eventually(lambda: (w := pids.read_text().split()) and len(w) == 5 and w, timeout=20)
    return [int(pid) for pid in written]


@pytest.mark.slow
def test_cancel_leaves_nothing_of_a_hostile_tree_alive_and_ends_in_time(
    pb: Pb, tmp_path: Path
) -> None:
    pids = a_hostile_run(pb, tmp_path)

    ran = pb.ok("job", "cancel", "stubborn")

    assert [pid for pid in pids if is_running(pid)] == []
    assert ran.seconds < 1 + 5
    assert pb.history("stubborn")[0]["state"] == "cancelled"
    assert [line for line in pb.processes().values() if "deaf" in line] == []


@pytest.mark.slow
def test_cancel_works_on_a_run_that_was_adopted(pb: Pb, tmp_path: Path) -> None:
    pids = a_hostile_run(pb, tmp_path)
    kill(pb.pid(), signal.SIGKILL)
    pb.ok("scheduler", "start")

    pb.ok("job", "cancel", "stubborn")

    assert [pid for pid in pids if is_running(pid)] == []
    assert pb.history("stubborn")[0]["state"] == "cancelled"


@pytest.mark.slow
def test_a_job_can_run_again_after_it_was_cancelled(pb: Pb, tmp_path: Path) -> None:
    a_hostile_run(pb, tmp_path)
    pb.ok("job", "cancel", "stubborn")

    run = pb.ok("job", "run", "stubborn", "--json").json["run"]

    assert run["state"] == "running"
    pb.ok("job", "cancel", str(run["run_id"]))
