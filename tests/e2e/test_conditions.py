"""Conditions with the installed command: a job runs only when what it asks for is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.kit import eventually
from tests.kit.command import Pb


@pytest.fixture
def running(pb: Pb) -> Pb:
    pb.ok("scheduler", "start")
    return pb


def of_state(pb: Pb, state: str) -> list[dict[str, Any]]:
    return [run for run in pb.history("j") if run["state"] == state]


def test_a_job_is_skipped_until_its_conditions_hold(running: Pb, tmp_path: Path) -> None:
    mounted = tmp_path / "mounted"
    condition = ("--condition", f"exec=test -e '{mounted}'", "--condition", "memory=1MiB")
    running.ok("job", "add", "j", "--every", "1s", *condition, "--", "true")

    [skip, *_] = eventually(lambda: of_state(running, "skipped"))
    assert skip["reason"] == "condition: test answered with exit code 1"
    assert skip["pid"] is None
    assert "exec=" in running.ok("job", "show", "j").out
    mounted.touch()
    [run, *_] = eventually(lambda: of_state(running, "succeeded"))
    assert run["reason"] is None


def test_a_job_waits_for_its_conditions_and_says_so(running: Pb) -> None:
    conditions = '{"network": "nope0", "wait": "1h"}'
    running.ok("job", "add", "j", "--every", "1s", "--conditions", conditions, "--", "true")

    [waiting] = eventually(lambda: [r for r in of_state(running, "queued") if r["reason"]])
    assert waiting["reason"] == "waiting: nope0 is not up"
    eventually(lambda: of_state(running, "skipped"))  # overlap: it is active
    # By hand it runs all the same, once the one that waits is out of the way.
    running.ok("job", "cancel", "j")
    running.ok("job", "pause", "j")
    running.ok("job", "cancel", "j")
    assert running.ok("job", "run", "j", "--wait").code == 0


def test_conditions_are_refused_with_a_hint_and_exit_code_6(running: Pb) -> None:
    told = running("job", "add", "j", "--every", "1h", "--condition", "hours=late", "--", "true")

    assert told.code == 6
    assert "conditions.hours[0]: 'late' is not a part of the day" in told.err
    assert 'Write it like "22:00-06:00".' in told.err
