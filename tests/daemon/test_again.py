"""Runs that make up for something, and runs that are tried again by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pb.errors import ConflictError, NotFoundError
from tests.kit.scheduler import World

Make = Callable[..., World]


def test_runs_that_make_up_for_something_are_spread_and_those_on_time_are_not(world: Make) -> None:
    w = world()
    for number in range(20):
        w.add(f"job{number}", triggers=["cron: 0 * * * *"], misfire={"spread": "10m"})
    w.clock.advance(3600 + 1800)  # nobody there at one o'clock
    w.settle()
    waits = [(run.not_before_at or 0) - w.clock.now_ms() for run in w.store.runs(n=100)]
    assert len(waits) == 20
    assert all(0 <= wait <= 600_000 for wait in waits)
    assert max(waits) - min(waits) > 60_000
    w.run_for(601)
    assert len(w.executor.started) == 20


def test_a_run_is_tried_again_by_hand_for_the_same_fire_time(world: Make) -> None:
    w = world()
    w.add(triggers=["every: 1h"], retry={"max_attempts": 2, "base": "1s", "jitter": 0})
    w.run_for(3601)
    for number in (1, 2):
        w.executor.end(number, 1 << 8)
        w.run_for(2)
    assert w.states() == ["failed", "failed"]
    run = w.call("run.retry", run_id=1)["run"]

    assert (run["state"], run["attempt"], run["trigger"]) == ("running", 3, "every")
    assert w.runs()[2].requested_by == "test"
    assert len({one.fire_at for one in w.runs()}) == 1
    with pytest.raises(ConflictError, match="Run 3 is running"):
        w.call("run.retry", run_id=3)
    again = w.call("run.retry", run_id=1)["run"]
    assert (again["state"], again["attempt"]) == ("skipped", 4)
    w.executor.end(3)
    w.settle()
    assert w.states()[2] == "succeeded"


def test_a_run_by_hand_is_tried_again_as_well_and_one_without_a_job_is_not(world: Make) -> None:
    w = world(lasts=1)
    w.add()
    w.call("job.run", name="job")
    w.run_for(2)
    run = w.call("run.retry", run_id=1)["run"]
    assert (run["attempt"], run["trigger"]) == (2, "manual")
    w.call("job.remove", name="job")
    w.run_for(2)
    with pytest.raises(NotFoundError):
        w.call("run.retry", run_id=1)
