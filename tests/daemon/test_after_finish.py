"""``every … after finish``: counted from the end of the last run, whatever started that."""

from __future__ import annotations

from collections.abc import Callable

from tests.kit.scheduler import World

Make = Callable[..., World]

PAUSE = ["every: 5m after finish"]


def minutes(w: World, job: str = "job") -> list[float]:
    """When its runs started, in minutes since noon."""
    noon = 1_772_366_400_000
    return [(run.started_at - noon) / 60_000 for run in w.runs(job) if run.started_at is not None]


def next_ms(w: World) -> int | None:
    row = w.store.job("job")
    assert row is not None
    return row.next_fire_at


def test_the_pause_begins_when_a_run_has_ended(world: Make) -> None:
    w = world(lasts=120)
    w.add(triggers=PAUSE)
    assert next_ms(w) == w.clock.now_ms() + 300_000
    w.run_for(20 * 60 + 1)

    assert minutes(w) == [5, 12, 19]
    assert w.states() == ["succeeded", "succeeded", "running"]
    assert next_ms(w) is None


def test_a_run_by_hand_begins_the_pause_anew(world: Make) -> None:
    w = world(lasts=60)
    w.add(triggers=PAUSE)
    w.run_for(4 * 60)
    w.call("job.run", name="job")
    w.run_for(8 * 60)

    assert minutes(w) == [4, 10]
    assert w.states() == ["succeeded", "succeeded"]


def test_the_pause_of_a_run_that_is_tried_again_begins_after_its_last_attempt(world: Make) -> None:
    w = world()
    w.add(triggers=PAUSE, retry={"max_attempts": 2, "base": "10m", "jitter": 0})
    w.run_for(301)
    w.executor.end(1, 1 << 8)
    w.settle()
    w.run_for(601)
    w.executor.end(2, 1 << 8)
    w.settle()

    assert next_ms(w) == w.clock.now_ms() + 300_000
    assert w.states() == ["failed", "failed"]


def test_a_skip_and_a_miss_begin_it_as_well(world: Make) -> None:
    w = world()
    w.add(triggers=PAUSE, conditions={"load": 2}, misfire={"catch_up": "none"})
    w.executor.unmet = "load 5.00 is not below 2"
    w.run_for(11 * 60)
    assert w.states() == ["skipped", "skipped"]
    w.clock.advance(3600)
    w.settle()

    assert w.states() == ["skipped", "skipped", "missed"]
    assert w.runs()[-1].fire_count == 1
    assert next_ms(w) == w.clock.now_ms() + 300_000


def test_beside_a_beat_the_earlier_counts(world: Make) -> None:
    w = world(lasts=60)
    w.add(triggers=["cron: */8 * * * *", *PAUSE])
    w.run_for(17 * 60)

    # At 5 and 11 and 17 after an end, at 8 and 16 by cron.
    assert minutes(w) == [5, 8, 14, 16]


def test_a_beat_during_a_run_is_an_overlap_and_the_pause_is_none(world: Make) -> None:
    w = world(lasts=600)
    w.add(triggers=["cron: */8 * * * *", *PAUSE])
    w.run_for(16 * 60 + 1)

    assert w.states() == ["succeeded", "skipped", "running"]
    assert minutes(w) == [5, 16]
    assert "overlap" in (w.runs()[1].reason or "")


def test_a_new_scheduler_goes_on_counting(world: Make) -> None:
    w = world(lasts=600)
    w.add(triggers=PAUSE)
    w.run_for(301)
    w = w.crash()
    w.run_for(400)
    assert w.states() == ["running"]
    w.run_for(300)
    assert w.states() == ["succeeded"]
    w = w.crash()
    w.run_for(300)

    assert minutes(w) == [5, 20]
    w.close()


def test_a_clock_set_back_stops_nothing(world: Make) -> None:
    w = world(lasts=60)
    w.add(triggers=PAUSE)
    w.run_for(20 * 60)
    w.clock.jump(-10 * 60)
    w.run_for(20 * 60)

    assert len(minutes(w)) >= 5
    assert next_ms(w) is not None or w.states()[-1] == "running"
