"""Conditions in the engine: skip with a reason, wait, and their place among the other policies."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pb.store.store import Store
from tests.kit.scheduler import FakeClock, FakeExecutor, World

Make = Callable[..., World]

CONDITIONS = {"load": 2}
HOURLY = ["every: 1h"]


@pytest.fixture
def gated(world: Make) -> World:
    """An hourly job that may run only at a low load; its runs last half an hour."""
    w = world(lasts=1800)
    w.add(triggers=HOURLY, conditions=CONDITIONS)
    return w


def test_a_run_whose_conditions_hold_starts_at_its_fire_time(gated: World) -> None:
    gated.run_for(3601)

    (run,) = gated.runs()
    assert (run.state, run.reason) == ("running", None)
    assert run.started_at == run.fire_at


def test_an_unmet_condition_is_a_skip_with_its_reason_and_counts_as_one(gated: World) -> None:
    gated.executor.unmet = "load 5.00 is not below 2"
    gated.run_for(2 * 3601)

    first, second = gated.runs()
    assert (first.state, first.reason) == ("skipped", "condition: load 5.00 is not below 2")
    assert (first.pid, first.started_at, first.log_path) == (None, None, None)
    assert second.state == "skipped"
    assert gated.executor.started == []
    row = gated.store.job("job")
    assert row is not None
    assert (row.skip_count, row.run_count, row.error_count) == (2, 0, 0)


def test_with_wait_it_is_looked_at_again_and_starts_when_they_hold(world: Make) -> None:
    w = world(lasts=60)
    w.add(triggers=HOURLY, conditions={**CONDITIONS, "wait": "10m"})
    w.executor.unmet = "load 5.00 is not below 2"
    w.run_for(3601)
    (run,) = w.runs()
    assert (run.state, run.reason) == ("queued", "waiting: load 5.00 is not below 2")
    w.run_for(100)
    w.executor.unmet = None
    w.run_for(31)

    (run,) = w.runs()
    assert (run.state, run.reason) == ("running", None)
    assert len(w.executor.looked) == 5


def test_after_its_wait_it_is_skipped(world: Make) -> None:
    w = world()
    w.add(triggers=HOURLY, conditions={**CONDITIONS, "wait": "45s"})
    w.executor.unmet = "load 5.00 is not below 2"
    w.run_for(3600 + 44)
    assert w.states() == ["queued"]
    w.run_for(2)

    (run,) = w.runs()
    assert (run.state, run.reason) == ("skipped", "condition: load 5.00 is not below 2")
    assert len(w.executor.looked) == 3


def test_overlap_comes_first_and_nobody_looks_around_for_nothing(gated: World) -> None:
    gated.run_for(3601)
    gated.executor.ends.clear()  # it goes on and on
    gated.run_for(3601)

    assert gated.states() == ["running", "skipped"]
    assert "overlap" in (gated.runs()[1].reason or "")
    assert len(gated.executor.looked) == 1


def test_one_that_waits_for_its_conditions_is_active_for_overlap(world: Make) -> None:
    w = world()
    w.add(triggers=["every: 1m"], conditions={**CONDITIONS, "wait": "1h"})
    w.executor.unmet = "no mains power"
    w.run_for(121)

    assert w.states() == ["queued", "skipped"]


def test_one_queued_behind_another_is_looked_at_when_its_turn_comes(world: Make) -> None:
    w = world(lasts=90)
    w.add(triggers=["every: 1m"], overlap="queue", conditions=CONDITIONS)
    w.run_for(125)
    assert w.states() == ["running", "queued"]
    assert len(w.executor.looked) == 1
    w.executor.unmet = "no mains power"
    w.run_for(30)

    assert w.states()[1] == "skipped"
    assert len(w.executor.looked) == 2


def test_a_manual_run_asks_for_no_conditions(gated: World) -> None:
    gated.executor.unmet = "load 5.00 is not below 2"

    assert gated.call("job.run", name="job")["run"]["state"] == "running"
    assert gated.executor.looked == []


def test_another_attempt_of_the_same_run_is_not_gated_again(world: Make) -> None:
    w = world()
    retry = {"max_attempts": 2, "base": "10s", "jitter": 0}
    w.add(triggers=HOURLY, conditions=CONDITIONS, retry=retry)
    w.run_for(3601)
    w.executor.unmet = "load 5.00 is not below 2"
    w.executor.end(1, 1 << 8)
    w.settle()
    w.run_for(11)

    assert w.states() == ["failed", "running"]


def test_who_follows_a_job_does_not_follow_its_skips(world: Make) -> None:
    w = world(lasts=1)
    w.add("first", triggers=HOURLY, conditions=CONDITIONS)
    w.add("second", triggers=[], depends_on=["first:completion"])
    w.run_for(3605)
    assert w.states("second") == ["succeeded"]
    w.executor.unmet = "load 5.00 is not below 2"
    w.run_for(3605)

    assert w.states("first") == ["succeeded", "skipped"]
    assert w.states("second") == ["succeeded"]


def test_a_run_that_waits_can_be_cancelled(world: Make) -> None:
    w = world()
    w.add(triggers=HOURLY, conditions={**CONDITIONS, "wait": "1h"})
    w.executor.unmet = "load 5.00 is not below 2"
    w.run_for(3601)
    w.call("job.cancel", name="job")
    w.executor.unmet = None
    w.run_for(120)

    assert w.states() == ["cancelled"]


def test_a_run_that_waits_is_looked_at_again_by_the_next_scheduler(world: Make) -> None:
    w = world(lasts=60)
    w.add(triggers=HOURLY, conditions={**CONDITIONS, "wait": "10m"})
    w.executor.unmet = "load 5.00 is not below 2"
    w.run_for(3601)
    w = w.crash()
    assert w.states() == ["queued"]
    w.executor.unmet = None
    w.run_for(31)

    assert w.states() == ["running"]
    w.close()


class Unanswering(FakeExecutor):
    """Looks for ever."""

    def look_around(self, row: object, job: object) -> None:
        pass


def test_a_definition_that_went_bad_meanwhile_fails_the_run(world: Make) -> None:
    w = world(lasts=1)
    w.add(triggers=HOURLY, conditions={**CONDITIONS, "wait": "10m"})
    w.executor.unmet = "load 5.00 is not below 2"
    w.run_for(3601)
    w.call("job.remove", name="job")
    w.run_for(31)

    (run,) = w.runs()
    assert run.state == "failed"
    assert "its definition cannot be used" in (run.reason or "")


def test_an_occasion_is_claimed_before_anybody_looks(world: Make) -> None:
    clock = FakeClock()
    w = world(clock=clock, executor=Unanswering(clock))
    w.add(triggers=HOURLY, conditions=CONDITIONS)
    w.run_for(3601)
    assert w.states() == ["queued"]


@pytest.mark.parametrize("way", ["conditions", "overlap", "slots"])
def test_what_starts_a_run_in_the_end_survives_a_power_cut(
    world: Make, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """The step that sends a waiting run on its way is committed like the one that claims it."""
    durable: list[bool] = []
    transaction = Store.transaction

    def noting(store: Store, *, durable_: bool = True, **given: bool) -> object:
        durable.append(given.get("durable", durable_))
        return transaction(store, durable=False)

    w = world(queues={"default": 1})
    extra = {"conditions": CONDITIONS} if way == "conditions" else {}
    w.add(triggers=HOURLY, overlap="queue", **extra)
    w.add("other", triggers=[])
    if way != "conditions":
        w.call("job.run", name="other" if way == "slots" else "job")
        w.run_for(3601)
        assert w.states()[-1] == "queued"
        monkeypatch.setattr(Store, "transaction", noting)
        w.executor.end(1)
    else:
        w.clock.advance(3600)
        w.engine.step(0)
        monkeypatch.setattr(Store, "transaction", noting)
    begun = len(w.executor.started)
    while len(w.executor.started) == begun:
        durable.clear()
        w.engine.step()

    assert durable == [True]
