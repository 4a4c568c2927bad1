"""Patterns over events, on a real store: counted, missed and slow, each told once, also after a
crash."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pb.daemon.messages import Noticed
from tests.kit.refusing import Refusing
from tests.kit.scheduler import World, run_together

Make = Callable[..., World]
HOUR = 3600


def post(w: World, name: str = "user.import", **facts: Any) -> None:
    w.engine.post(Noticed(name, w.clock.now_ms(), facts))
    w.settle()


def end(w: World, run_id: int, status: int = 0) -> None:
    w.executor.end(run_id, status)
    w.settle()


def run(w: World, job: str, *, status: int = 0, seconds: float = 1) -> int:
    """A whole run of a job."""
    w.call("job.run", name=job)
    run_id = w.runs(job)[-1].id
    w.run_for(seconds)
    end(w, run_id, status)
    return run_id


def told(w: World, place: int = -1, job: str = "job") -> dict[str, Any]:
    about = w.executor.events[w.runs(job)[place].id]
    assert about is not None
    return about.event


def shown(w: World) -> dict[str, Any]:
    found: dict[str, Any] = w.call("job.show", name="job")["reactions"][0]
    return found


# -- count


def test_the_third_failure_within_an_hour_starts_a_run_and_counting_begins_anew(
    world: Make,
) -> None:
    w = world()
    w.add("flaky")
    w.add(triggers=["pattern: count job.flaky.failed 3 1h"], overlap="allow")
    run(w, "flaky", status=1 << 8)
    w.run_for(50 * 60)
    run(w, "flaky", status=1 << 8)
    assert shown(w)["counted"] == 2
    w.run_for(15 * 60)
    run(w, "flaky", status=1 << 8)
    assert w.states() == []
    last = run(w, "flaky", status=1 << 8)
    assert w.states() == ["running"]
    event = told(w)
    assert (event["event"], event["pattern"], event["value"]) == ("pattern", "count", 3)
    assert event["last"]["run_id"] == last
    for _ in range(2):
        run(w, "flaky", status=1 << 8)
    assert len(w.runs()) == 1
    run(w, "flaky", status=1 << 8)
    assert len(w.runs()) == 2
    assert w.runs()[0].trigger == "pattern"


def test_a_count_survives_a_crash_and_a_store_that_refuses(world: Make) -> None:
    w = world()
    w.add(triggers=["pattern: count user.import 3 1h"])
    post(w)
    again = w.crash()
    post(again)
    refusing = Refusing(again)
    refusing.left = 1
    again.engine.post(Noticed("user.import", again.clock.now_ms()))
    again.engine.step()
    assert again.runs() == []
    again.run_for(5)
    assert again.states() == ["running"]
    again.close()


def test_only_events_that_pass_its_filter_count(world: Make) -> None:
    w = world()
    pattern = {"type": "pattern", "kind": "count", "event": "user.*", "count": 2, "within": "1h"}
    w.add(triggers=[{**pattern, "filter": {"of": "a*"}}])
    post(w, of="abc")
    post(w, "user.export", of="b")
    assert w.states() == []
    post(w, "user.export", of="ax")
    assert w.states() == ["running"]


# -- absence


def test_a_backup_that_stops_succeeding_is_told_once_and_again_after_the_next_silence(
    world: Make,
) -> None:
    w = world()
    w.add("backup")
    w.run_for(10 * HOUR)
    w.add(triggers=["pattern: absence job.backup.succeeded 26h"])
    w.run_for(25 * HOUR)
    run(w, "backup")
    w.run_for(25 * HOUR)
    run(w, "backup", status=1 << 8)
    assert w.states() == []
    w.run_for(HOUR + 1)
    assert w.states() == ["running"]
    event = told(w)
    assert (event["pattern"], event["name"]) == ("absence", "job.backup.succeeded")
    assert event["value"] == 26 * HOUR
    end(w, w.runs()[0].id)
    w.run_for(100 * HOUR)
    assert w.states() == ["succeeded"]
    assert shown(w)["state"] == "firing"
    run(w, "backup")
    assert shown(w)["state"] == "inactive"
    w.run_for(25 * HOUR)
    assert w.states() == ["succeeded"]
    w.run_for(2 * HOUR)
    assert w.states() == ["succeeded", "running"]


def test_the_clock_of_a_new_job_starts_when_it_is_added(world: Make) -> None:
    w = world()
    w.run_for(100 * HOUR)
    w.add(triggers=["pattern: absence user.heartbeat 1h"])
    due = shown(w)["due_at"]
    assert due is not None
    w.run_for(HOUR - 1)
    assert w.states() == []
    w.run_for(2)
    assert w.states() == ["running"]
    assert shown(w)["due_at"] is None


def test_the_clock_of_an_absence_goes_on_through_a_crash_and_what_ended_meanwhile_counts(
    world: Make,
) -> None:
    w = world()
    w.add("backup")
    w.add(triggers=["pattern: absence job.backup.succeeded 26h"])
    w.run_for(20 * HOUR)
    w.clock.advance(10 * HOUR)
    again = w.crash()
    assert again.states() == ["running"]
    end(again, again.runs()[0].id)
    once = again.crash()
    once.run_for(HOUR)
    assert once.states() == ["succeeded"]
    once.close()


def test_an_absence_does_not_count_while_the_job_is_disabled(world: Make) -> None:
    w = world()
    w.add(triggers=["pattern: absence user.heartbeat 1h"])
    w.call("job.disable", name="job")
    w.run_for(10 * HOUR)
    w.call("job.enable", name="job")
    w.run_for(HOUR - 1)
    assert w.states() == []
    w.run_for(2)
    assert w.states() == ["running"]


def test_a_paused_job_records_that_it_was_not_told(world: Make) -> None:
    w = world()
    w.add(triggers=["pattern: absence user.heartbeat 1h"])
    w.call("job.pause", name="job")
    w.run_for(2 * HOUR)
    assert [(str(run.state), run.reason) for run in w.runs()] == [("skipped", "paused")]


def test_a_job_that_is_removed_waits_for_nothing(world: Make) -> None:
    w = world()
    w.add(triggers=["pattern: absence user.heartbeat 1h"])
    w.call("job.remove", name="job")
    assert w.engine._occasions.next_ms() is None
    w.run_for(2 * HOUR)
    assert w.runs() == []


def test_of_two_schedulers_one_tells_and_hears_what_the_other_has_heard(world: Make) -> None:
    first = world()
    db, clock = first.home.db, first.clock
    second = world(name="second", db=db, clock=clock)
    first.add(triggers=["pattern: absence user.heartbeat 1h"])
    run_together([first, second], HOUR / 2)
    second.engine.post(Noticed("user.heartbeat", clock.now_ms()))
    run_together([first, second], HOUR - 60)
    assert first.runs() == []
    run_together([first, second], 120)
    assert len(first.runs()) == 1


# -- slow


def usual(w: World, job: str = "backup", seconds: float = 10, times: int = 5) -> None:
    w.add(job)
    for _ in range(times):
        run(w, job, seconds=seconds)


def test_a_run_that_takes_twice_as_long_as_its_median_is_told_while_it_runs(world: Make) -> None:
    w = world()
    usual(w)
    w.add(triggers=["pattern: slow backup 2x"])
    w.call("job.run", name="backup")
    slow = w.runs("backup")[-1].id
    w.run_for(19)
    assert w.states() == []
    w.run_for(2)
    assert w.states() == ["running"]
    event = told(w)
    assert (event["pattern"], event["run_id"], event["value"]) == ("slow", slow, 20)
    assert event["is_over"] is False
    w.run_for(100)
    end(w, slow)
    assert len(w.runs()) == 1
    run(w, "backup", seconds=15)
    assert len(w.runs()) == 1


def test_a_slow_run_is_told_once_also_after_a_crash(world: Make) -> None:
    w = world()
    usual(w)
    w.add(triggers=["pattern: slow * 2x"])
    w.call("job.run", name="backup")
    slow = w.runs("backup")[-1].id
    w.run_for(5)
    again = w.crash()
    again.run_for(30)
    assert again.states() == ["running"]
    once = again.crash()
    once.run_for(30)
    end(once, slow)
    assert len(once.runs()) == 1
    once.close()


def test_a_slow_run_that_ended_while_nobody_looked_is_told_at_its_end(world: Make) -> None:
    w = world()
    usual(w)
    w.add(triggers=["pattern: slow backup 2x cooldown 1h"])
    w.call("job.run", name="backup")
    slow = w.runs("backup")[-1].id
    w.settle()
    w.clock.advance(50)
    w.executor.end(slow)
    w.settle()
    (about,) = w.runs()
    assert str(about.state) == "running"
    run(w, "backup", seconds=60)
    assert len(w.runs()) == 1


def test_nobody_knows_what_is_slow_without_a_history_and_of_itself_a_job_says_nothing(
    world: Make,
) -> None:
    w = world()
    w.add(triggers=["pattern: slow * 2x"])
    usual(w, times=2)
    run(w, "backup", seconds=500)
    assert w.states() == []
    for seconds in (1, 1, 1, 500):
        run(w, "job", seconds=seconds)
    assert [one.trigger for one in w.runs()] == ["manual"] * 4
