"""The engine's promises, on a real store with a fake clock and a fake executor."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from pb.core.model import State
from pb.daemon.messages import SpawnFailed
from pb.errors import ConflictError, InvalidError, NotFoundError
from tests.kit.scheduler import World, identity

Make = Callable[..., World]


def at(ms: int | None) -> str:
    assert ms is not None
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%d %H:%M:%S")


def test_a_job_fires_at_each_of_its_times_once(world: Make) -> None:
    w = world(lasts=1)
    w.add(triggers=["cron: */10 * * * *"])
    w.run_for(3600)
    assert [at(run.fire_at) for run in w.runs()] == [
        f"01 {h}:{m:02}:00" for h, m in [(12, 10), (12, 20), (12, 30), (12, 40), (12, 50), (13, 0)]
    ][: len(w.runs())]
    assert w.states() == ["succeeded"] * 5 + ["running"]


def test_a_new_job_has_its_next_run_at_once_without_anybody_editing_the_database(
    world: Make,
) -> None:
    w = world()
    answer = w.add(triggers=["cron: 30 2 * * *"])
    assert answer["job"]["next_run"] == "2026-03-02T02:30:00.000Z"
    assert answer["created"] is True


def test_a_changed_schedule_takes_effect_at_once_and_catches_nothing_up(world: Make) -> None:
    w = world(lasts=1)
    w.add(triggers=["cron: 30 2 * * *"])
    definition = {"name": "job", "command": ["true"], "timezone": "UTC"}
    changed = {**definition, "triggers": ["every: 1m"]}
    answer = w.call("job.add", definition=changed, replace=True)
    assert answer["created"] is False
    assert answer["job"]["next_run"] == "2026-03-01T12:01:00.000Z"
    w.run_for(61)
    assert len(w.runs()) == 1


def test_the_same_name_twice_needs_replace(world: Make) -> None:
    w = world()
    w.add()
    with pytest.raises(ConflictError, match="exists already"):
        w.add()


def test_a_job_whose_only_time_has_passed_is_refused(world: Make) -> None:
    with pytest.raises(InvalidError, match="in the past"):
        world().add(triggers=[{"type": "at", "at": "2020-01-01T00:00:00Z"}])


def test_an_overlapping_fire_time_is_a_skip_with_its_reason_and_no_run(world: Make) -> None:
    w = world()
    w.add(triggers=["every: 1m"])
    w.run_for(125)
    assert w.states() == ["running", "skipped"]
    assert w.runs()[1].reason == "overlap: the last run is still active (run 1)"
    w.executor.end(1)
    w.settle()
    row = w.store.job("job")
    assert row is not None
    assert (row.run_count, row.success_count, row.skip_count) == (1, 1, 1)


@pytest.mark.parametrize(
    ("overlap", "expected"),
    [
        ("skip", ["running", "skipped", "skipped", "skipped"]),
        ("queue", ["running", "queued", "skipped", "skipped"]),
        ("replace", ["cancelled", "cancelled", "cancelled", "running"]),
        ("allow", ["running", "running", "skipped", "skipped"]),
    ],
)
def test_overlap_does_what_its_word_says(world: Make, overlap: str, expected: list[str]) -> None:
    w = world()
    w.add(triggers=["every: 1m"], overlap=overlap, max_instances=2)
    w.run_for(245)
    assert w.states() == expected


def test_a_queued_run_starts_when_the_one_before_it_ends(world: Make) -> None:
    w = world()
    w.add(triggers=["every: 1m"], overlap="queue")
    w.run_for(125)
    w.executor.end(1)
    w.settle()
    assert w.states() == ["succeeded", "running"]


def test_pausing_runs_nothing_and_resuming_catches_nothing_up(world: Make) -> None:
    w = world(lasts=1)
    w.add(triggers=["every: 1m"])
    answer = w.call("job.pause", name="job", note="holidays")
    assert (answer["job"]["state"], answer["job"]["next_run"]) == ("paused", None)
    w.run_for(600)
    assert w.runs() == []
    answer = w.call("job.resume", name="job")
    assert answer["job"]["next_run"] == "2026-03-01T12:11:00.000Z"
    w.run_for(61)
    assert w.states() == ["succeeded"] or w.states() == ["running"]


def test_a_pause_ends_by_itself_at_its_moment_even_across_a_crash(world: Make) -> None:
    w = world(lasts=0)
    w.add(triggers=["every: 1m"])
    until = w.clock.now_ms() + 600_000
    answer = w.call("job.pause", name="job", until=until)
    assert answer["job"]["paused_until"] == "2026-03-01T12:10:00.000Z"
    w.run_for(120)
    w = w.crash()
    w.run_for(600)
    assert [at(run.fire_at) for run in w.runs()] == ["01 12:11:00", "01 12:12:00"]
    w.close()


def test_resuming_can_make_up_what_was_missed(world: Make) -> None:
    w = world(lasts=0)
    w.add(triggers=["every: 1m"], misfire={"catch_up": "latest"})
    w.call("job.pause", name="job")
    w.run_for(300)
    w.call("job.resume", name="job", catch_up=True)
    missed, run = w.runs()
    assert (missed.fire_count, at(run.fire_at)) == (4, "01 12:05:00")


def test_all_jobs_or_those_with_a_tag_are_paused_together(world: Make) -> None:
    w = world()
    w.add("a", tags=["nightly"])
    w.add("b", tags=["nightly", "x"])
    w.add("c")
    assert w.call("job.pause", tag="nightly")["names"] == ["a", "b"]
    assert w.call("job.pause")["names"] == ["c"]
    assert w.call("job.resume", tag="x")["names"] == ["b"]
    assert w.call("job.resume")["names"] == ["a", "c"]
    with pytest.raises(NotFoundError, match="No job has the tag"):
        w.call("job.pause", tag="nope")
    with pytest.raises(InvalidError, match="has passed"):
        w.call("job.pause", name="a", until=1)


def test_a_pause_survives_a_crash(world: Make) -> None:
    w = world(lasts=1)
    w.add(triggers=["every: 1m"])
    w.call("job.pause", name="job", note=None)
    w = w.crash()
    w.run_for(600)
    assert w.runs() == []
    w.close()


def test_a_paused_job_can_still_be_run_by_hand(world: Make) -> None:
    w = world()
    w.add()
    w.call("job.pause", name="job", note=None)
    answer = w.call("job.run", name="job", by="me")
    assert answer["run"]["state"] == "running"
    assert (answer["run"]["by"], answer["run"]["trigger"]) == ("me", "manual")


def test_a_manual_run_answers_with_its_pid_once_it_has_started(world: Make) -> None:
    w = world()
    w.add()
    assert w.call("job.run", name="job")["run"]["pid"] == 101


def test_an_unknown_job_is_not_found_and_the_nearest_name_is_suggested(world: Make) -> None:
    w = world()
    w.add("backup")
    with pytest.raises(NotFoundError) as caught:
        w.call("job.run", name="bakcup")
    assert caught.value.hint == "Did you mean backup?"


@pytest.mark.parametrize(
    ("status", "state", "reason"),
    [
        (0, "succeeded", None),
        (3 << 8, "failed", "exit code 3"),
        (9, "failed", "ended by SIGKILL"),
        (None, "lost", "it ended while nobody could see how"),
    ],
)
def test_an_exit_status_becomes_an_outcome(
    world: Make, status: int | None, state: str, reason: str | None
) -> None:
    w = world()
    w.add()
    w.call("job.run", name="job")
    w.executor.end(1, status)
    w.settle()
    run = w.runs()[0]
    assert (str(run.state), run.reason) == (state, reason)


def test_success_exit_codes_are_the_jobs_own(world: Make) -> None:
    w = world()
    w.add(success_exit_codes=[3])
    for status in (3 << 8, 0):
        w.executor.end(w.call("job.run", name="job")["run"]["run_id"], status)
        w.settle()
    assert w.states() == ["succeeded", "failed"]


def test_a_run_that_takes_too_long_is_timed_out_by_elapsed_time(world: Make) -> None:
    w = world()
    w.add(timeout="90s")
    w.call("job.run", name="job")
    w.clock.jump(86_400)
    w.settle()
    assert w.states() == ["running"]
    w.run_for(95)
    run = w.runs()[0]
    assert (run.state, run.reason, run.signal) == (
        State.TIMED_OUT,
        "timeout of 90 s",
        "SIGTERM",
    )
    row = w.store.job("job")
    assert row is not None
    assert (row.timeout_count, row.error_count) == (1, 1)


def test_cancelling_answers_when_the_tree_is_gone_and_names_survivors(world: Make) -> None:
    w = world()
    w.add()
    w.call("job.run", name="job")
    w.executor.survivors = [(77, "stubborn")]
    answer = w.call("job.cancel", name="job")
    assert answer["runs"][0]["state"] == "cancelled"
    assert answer["survivors"] == [{"pid": 77, "command": "stubborn"}]
    assert w.call("job.cancel", name="job") == {"runs": [], "survivors": []}


def test_a_command_that_cannot_be_started_is_a_failed_run_with_the_reason(world: Make) -> None:
    w = world()
    w.add()
    w.executor.fails = [SpawnFailed(0, "Command not found: nope", False, 0)]
    answer = w.call("job.run", name="job")
    assert answer["run"]["state"] == "failed"
    assert answer["run"]["reason"] == "Command not found: nope"


def test_a_refused_fork_is_tried_again_and_never_becomes_final(world: Make) -> None:
    w = world()
    w.add()
    w.executor.fails = [SpawnFailed(0, "fork refused", True, 0)] * 5
    w.call("job.run", name="job")
    assert w.states() == ["queued"]
    assert w.runs()[0].reason == "waiting: fork refused"
    w.run_for(6)
    assert w.states() == ["running"]


def test_no_more_runs_than_allowed_have_a_process_and_priority_decides(world: Make) -> None:
    w = world(max_running=2)
    for number in range(4):
        w.add(f"job{number}", triggers=["at: 2026-03-01T12:01:00Z"], priority=number * 10)
    w.run_for(61)
    assert sorted(row.job or "" for row in w.executor.started) == ["job2", "job3"]
    w.executor.end(w.executor.started[0].id)
    w.settle()
    assert [row.job for row in w.executor.started][2] == "job1"


def test_jitter_delays_within_its_bound_and_a_cancel_ends_the_wait(world: Make) -> None:
    w = world()
    w.add(triggers=["at: 2026-03-01T12:01:00Z"], jitter="5m")
    w.run_for(60)
    assert w.states() == ["queued"]
    w.call("job.cancel", name="job")
    assert w.states() == ["cancelled"]
    w.add("other", triggers=["at: 2026-03-01T12:10:00Z"], jitter="5m")
    w.run_for(900)
    (run,) = w.runs("other")
    assert run.state is State.RUNNING
    assert run.started_at is not None
    assert 0 <= run.started_at - run.fire_at <= 301_000


# -- crashes


def test_a_crash_leaves_running_runs_to_be_adopted_with_their_true_outcome(world: Make) -> None:
    w = world()
    w.add()
    w.call("job.run", name="job")
    w = w.crash()
    assert w.states() == ["running"]
    w.executor.end(1, 7 << 8)
    w.settle()
    assert (w.runs()[0].exit_code, str(w.runs()[0].state)) == (7, "failed")
    w.close()


def test_a_run_that_ended_unwatched_is_lost_and_says_so(world: Make) -> None:
    w = world()
    w.add()
    w.call("job.run", name="job")
    w.executor.alive.clear()
    w = w.crash()
    run = w.runs()[0]
    assert (run.state, run.exit_code) == (State.LOST, None)
    assert run.reason == "it ended while no scheduler was watching"
    w.close()


def test_a_status_that_the_guardian_kept_is_the_outcome(world: Make) -> None:
    w = world()
    w.add()
    w.call("job.run", name="job")
    w.executor.alive.clear()
    who = identity(101)
    w.executor.statuses[who.pid, who.start_ticks] = 4 << 8
    w = w.crash()
    assert (w.states(), w.runs()[0].exit_code) == (["failed"], 4)
    w.close()


def test_a_crash_between_claim_and_process_is_lost_and_never_run_again(world: Make) -> None:
    w = world()
    w.add(triggers=["at: 2026-03-01T12:01:00Z"])

    class Killed(BaseException):
        pass

    def die(row: Any, job: Any, event: Any) -> None:
        raise Killed

    w.executor.start = die  # type: ignore[method-assign]
    with pytest.raises(Killed):
        w.run_for(61)
    del w.executor.start  # type: ignore[method-assign]
    w = w.crash()
    w.run_for(3600)
    assert w.states() == ["lost"]
    assert w.runs()[0].reason == "the scheduler died while it was being started"
    assert w.executor.started == []
    w.close()


def test_a_crash_before_the_pid_was_written_down_finds_the_process_by_its_marker(
    world: Make,
) -> None:
    w = world()
    w.add()
    w.call("job.run", name="job")
    with w.store.transaction():
        w.store._db.execute("UPDATE run SET state = 'starting', pid = NULL, start_ticks = NULL")
    w = w.crash()
    assert (w.states(), w.runs()[0].pid) == (["running"], 101)
    w.close()


def test_a_queued_run_survives_a_crash_and_runs_once(world: Make) -> None:
    w = world(max_running=1)
    w.add("a", triggers=["at: 2026-03-01T12:01:00Z"], priority=90)
    w.add("b", triggers=["at: 2026-03-01T12:01:00Z"])
    w.run_for(61)
    assert (w.states("a"), w.states("b")) == (["running"], ["queued"])
    w = w.crash()
    w.executor.end(1)
    w.settle()
    assert w.states("b") == ["running"]
    assert len(w.runs("b")) == 1
    w.close()


def test_a_foreground_run_that_was_killed_is_lost_within_a_minute_or_two(world: Make) -> None:
    w = world()
    gone = {"pid": 999, "start_ticks": 1, "boot_id": "x", "pid_namespace": 1, "host": "h"}
    w.call("run.begin", command=["sleep", "60"], name="mine", identity=gone)
    w.run_for(130)
    (run,) = w.runs("mine")
    assert (run.state, run.reason) == (State.LOST, "`pb run` ended without telling how")


# -- misfires and clocks


def test_after_a_stop_the_newest_missed_time_runs_and_the_others_are_one_record(
    world: Make,
) -> None:
    w = world(lasts=1)
    w.add(triggers=["cron: 0 * * * *"])
    w.store.close()
    w.clock.advance(5 * 3600 + 60)
    w = World(w.home.root, clock=w.clock, executor=w.executor)
    missed, run = w.runs()
    assert (missed.state, missed.fire_count) == (State.MISSED, 4)
    assert missed.reason == "4 fire times passed: the scheduler was not running"
    assert at(run.fire_at) == "01 17:00:00"
    row = w.store.job("job")
    assert row is not None
    assert row.miss_count == 4
    w.close()


@pytest.mark.parametrize(
    ("misfire", "ran", "missed"),
    [
        ({"catch_up": "none"}, 0, 5),
        ({"catch_up": "latest"}, 1, 4),
        ({"catch_up": "all"}, 5, 0),
        ({"catch_up": "all", "max_catch_up": 2}, 2, 3),
        ({"catch_up": "latest", "window": "30m"}, 0, 5),
        ({"catch_up": "none", "grace": "2h"}, 1, 4),
    ],
)
def test_the_misfire_policy_decides(
    world: Make, misfire: dict[str, Any], ran: int, missed: int
) -> None:
    w = world(lasts=0)
    w.add(triggers=["cron: 0 * * * *"], misfire=misfire, overlap="allow", max_instances=99)
    w.store.close()
    w.clock.advance(5 * 3600 + 3000)
    w = World(w.home.root, clock=w.clock, executor=w.executor)
    runs = [run for run in w.runs() if run.state is not State.MISSED]
    counted = sum(run.fire_count for run in w.runs() if run.state is State.MISSED)
    assert (len(runs), counted) == (ran, missed)
    w.close()


def test_a_year_without_a_scheduler_is_settled_quickly(world: Make) -> None:
    w = world(lasts=0)
    w.add(triggers=["every: 1s"])
    w.store.close()
    w.clock.advance(365 * 86_400)
    w = World(w.home.root, clock=w.clock, executor=w.executor)
    missed = next(run for run in w.runs() if run.state is State.MISSED)
    assert missed.reason is not None
    assert missed.reason.startswith("more than ")
    assert w.runs()[-1].fire_at == w.clock.now_ms()
    w.close()


def test_a_clock_set_back_never_fires_a_recorded_time_again(world: Make) -> None:
    w = world(lasts=0)
    w.add(triggers=["cron: */10 * * * *"])
    w.run_for(3601)
    before = [run.fire_at for run in w.runs()]
    w.clock.jump(-1800)
    w.run_for(3600)
    fired = [run.fire_at for run in w.runs()]
    assert len(fired) == len(set(fired))
    assert fired[: len(before)] == before
    assert at(fired[-1]) == "01 13:30:00"


def test_a_clock_that_was_a_year_ahead_does_not_stop_all_jobs(world: Make) -> None:
    w = world(lasts=0)
    w.add(triggers=["every: 1h"])
    w.clock.jump(365 * 86_400)
    w.settle()
    w.clock.jump(-365 * 86_400)
    w.run_for(3700)
    assert at(w.runs()[-1].fire_at) == "01 13:00:00"


def test_a_clock_set_forward_is_a_misfire_with_that_cause(world: Make) -> None:
    w = world(lasts=0)
    w.add(triggers=["cron: 0 * * * *"], misfire={"catch_up": "none"})
    w.clock.jump(3 * 3600 + 600)
    w.settle()
    (missed,) = w.runs()
    assert missed.reason == "3 fire times passed: the clock was set forward"


# -- startup triggers


def test_a_boot_trigger_fires_once_a_boot_and_not_in_the_boot_it_was_added_in(
    world: Make,
) -> None:
    w = world(lasts=0)
    w.add(triggers=["startup"])
    w = w.crash(boot_id="boot-1")
    assert w.runs() == []
    w = w.crash(boot_id="boot-2")
    w = w.crash(boot_id="boot-2")
    assert [run.trigger for run in w.runs()] == ["startup"]
    w.close()


def test_a_daemon_start_trigger_fires_at_each_start(world: Make) -> None:
    w = world(lasts=0)
    w.add(triggers=[{"type": "startup", "per": "daemon"}])
    for _ in range(2):
        w.clock.advance(60)
        w = w.crash()
    assert len(w.runs()) == 2
    w.close()


# -- ending


def test_shutdown_waits_for_runs_then_stops_them(world: Make) -> None:
    w = world()
    w.add()
    w.call("job.run", name="job")
    assert w.call("scheduler.shutdown") == {"stopping": True}
    w.run_for(29)
    assert not w.engine.is_finished
    w.run_for(2)
    assert w.engine.is_finished
    assert w.runs()[0].reason == "the scheduler stopped"


def test_shutdown_asked_twice_does_not_wait(world: Make) -> None:
    w = world()
    w.add()
    w.call("job.run", name="job")
    w.call("scheduler.shutdown")
    w.call("scheduler.shutdown")
    assert w.engine.is_finished
    assert w.states() == ["cancelled"]


def test_shutdown_that_keeps_runs_leaves_them_alone(world: Make) -> None:
    w = world()
    w.add()
    w.call("job.run", name="job")
    w.call("scheduler.shutdown", keep_runs=True)
    assert w.engine.is_finished
    assert w.states() == ["running"]
    assert w.executor.stopped == []


def test_a_stopping_scheduler_takes_no_new_work(world: Make) -> None:
    w = world()
    w.add(triggers=["every: 1s"], overlap="allow")
    w.call("job.run", name="job")
    w.call("scheduler.shutdown")
    w.run_for(10)
    assert len(w.runs()) == 1


# -- a broken definition


def test_one_unusable_definition_does_not_take_the_others_down(world: Make) -> None:
    w = world(lasts=0)
    w.add("good", triggers=["every: 1m"])
    w.add("bad", triggers=["every: 1m"])
    with w.store.transaction():
        w.store._db.execute(
            """UPDATE job SET definition = '{"name":"bad","command":[]}' WHERE name = 'bad'"""
        )
    w = w.crash()
    w.run_for(61)
    assert w.states("good") == ["succeeded"]
    assert "Job bad cannot be used" in next(
        event.text for event in w.store.events(10) if event.type == "job.invalid"
    )
    w.close()
