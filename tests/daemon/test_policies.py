"""Retries, queues, locks and dependencies: the engine with a fake clock and executor."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from pb.core.model import State
from pb.errors import ConflictError, InvalidError
from tests.kit.scheduler import World

Make = Callable[..., World]


def at(ms: int | None) -> str:
    assert ms is not None
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%d %H:%M:%S")


# -- trying again, queues and locks


def test_a_failed_run_is_tried_again_as_a_run_of_its_own(world: Make) -> None:
    w = world()
    w.add(retry={"max_attempts": 3, "base": "10s", "jitter": 0}, triggers=["every: 1h"])
    w.run_for(3601)
    w.executor.end(1, 1 << 8)
    w.settle()
    assert w.states() == ["failed", "queued"]
    assert w.runs()[1].reason == "attempt 2 in 10 s, after run 1"
    w.run_for(11)
    w.executor.end(2, 1 << 8)
    w.run_for(21)
    w.executor.end(3, 0)
    w.settle()
    runs = w.runs()
    assert [(str(run.state), run.attempt) for run in runs] == [
        ("failed", 1),
        ("failed", 2),
        ("succeeded", 3),
    ]
    assert len({run.fire_at for run in runs}) == 1
    assert [run.trigger for run in runs] == ["every"] * 3
    row = w.store.job("job")
    assert row is not None
    assert (row.run_count, row.error_count, row.retry_count) == (3, 2, 2)


def test_waiting_for_the_next_attempt_counts_as_active_for_overlap(world: Make) -> None:
    w = world()
    w.add(retry={"max_attempts": 2, "base": "90s", "jitter": 0}, triggers=["every: 1m"])
    w.run_for(61)
    w.executor.end(1, 1 << 8)
    w.run_for(60)
    assert w.states() == ["failed", "queued", "skipped"]


def test_a_cancelled_run_is_not_tried_again_and_neither_is_its_next_attempt(world: Make) -> None:
    w = world()
    w.add(retry={"max_attempts": 5, "base": "10s"})
    w.call("job.run", name="job")
    w.call("job.cancel", name="job")
    assert w.states() == ["cancelled"]
    w.executor.end(w.call("job.run", name="job")["run"]["run_id"], 1 << 8)
    w.settle()
    w.call("job.cancel", name="job")
    w.run_for(100)
    assert w.states() == ["cancelled", "failed", "cancelled"]


def test_a_pattern_in_the_output_decides_about_trying_again(world: Make) -> None:
    w = world()
    w.add(retry={"max_attempts": 2, "on": ["pattern:try later"]})
    w.executor.end(w.call("job.run", name="job")["run"]["run_id"], 1 << 8)
    w.settle()
    w.executor.output = "server says: try later"
    w.executor.end(w.call("job.run", name="job")["run"]["run_id"], 1 << 8)
    w.settle()
    assert w.states() == ["failed", "failed", "queued"]


@pytest.mark.parametrize(("on_lost", "expected"), [("fail", 1), ("retry", 2)])
def test_a_lost_run_is_tried_again_only_where_the_job_says_so(
    world: Make, on_lost: str, expected: int
) -> None:
    w = world(lasts=0)
    w.add(on_lost=on_lost, retry={"base": "1s"})
    w.executor.lasts = None
    w.call("job.run", name="job")
    w.executor.alive.clear()
    w = w.crash()
    w.run_for(10)
    assert w.states()[0] == "lost"
    assert len(w.runs()) == expected
    w.close()


def test_an_attempt_that_waits_survives_a_crash_and_runs_once(world: Make) -> None:
    w = world()
    w.add(retry={"max_attempts": 2, "base": "60s", "jitter": 0})
    w.executor.end(w.call("job.run", name="job")["run"]["run_id"], 1 << 8)
    w.settle()
    w = w.crash()
    w.run_for(50)
    assert w.states() == ["failed", "queued"]  # its backoff has not been shortened
    w.run_for(20)
    assert [(str(run.state), run.attempt) for run in w.runs()] == [("failed", 1), ("running", 2)]
    w.close()


def test_a_queue_of_its_own_runs_one_at_a_time_and_others_are_not_held_up(world: Make) -> None:
    w = world()
    for name, queue in (("a", "disk"), ("b", "disk"), ("c", "default")):
        w.add(name, triggers=["at: 2026-03-01T12:01:00Z"], queue=queue)
    w.run_for(61)
    assert (w.states("a"), w.states("b"), w.states("c")) == (["running"], ["queued"], ["running"])
    w.executor.end(w.runs("a")[0].id)
    w.settle()
    assert w.states("b") == ["running"]


def test_slots_of_a_queue_are_a_setting(world: Make) -> None:
    w = world(queues={"disk": 2})
    for name in "abc":
        w.add(name, triggers=["at: 2026-03-01T12:01:00Z"], queue="disk")
    w.run_for(61)
    assert sorted(w.states("a") + w.states("b") + w.states("c")) == ["queued", "running", "running"]


def test_locks_are_taken_all_or_none_and_held_to_the_end(world: Make) -> None:
    w = world()
    for name, locks in (("a", ["x"]), ("b", ["x", "y"]), ("c", ["y"])):
        w.add(name, triggers=["at: 2026-03-01T12:01:00Z"], locks=locks)
    w.run_for(61)
    # b waits for x without holding y, so c runs.
    assert (w.states("a"), w.states("b"), w.states("c")) == (["running"], ["queued"], ["running"])
    w.executor.end(w.runs("a")[0].id)
    w.settle()
    assert w.states("b") == ["queued"]
    w.executor.end(w.runs("c")[0].id)
    w.settle()
    assert w.states("b") == ["running"]


def test_a_low_priority_is_not_starved_by_a_stream_of_high_ones(world: Make) -> None:
    w = world(max_running=1, lasts=119)
    w.add("low", triggers=["at: 2026-03-01T12:01:00Z"], priority=0)
    w.add("high", triggers=["every: 1m"], priority=60, overlap="queue")
    w.run_for(2 * 3600)
    (low,) = w.runs("low")
    assert low.state is State.SUCCEEDED
    assert low.started_at is not None
    assert 50 * 60_000 < low.started_at - low.fire_at < 70 * 60_000


def test_fixed_jitter_is_the_same_each_time_and_differs_by_name(world: Make) -> None:
    w = world(lasts=0)
    for name in ("a", "b"):
        w.add(name, triggers=["every: 1h"], jitter="10m", jitter_mode="fixed")
    w.run_for(5 * 3600)
    late = {
        name: {run.started_at - run.fire_at for run in w.runs(name) if run.started_at}
        for name in ("a", "b")
    }
    assert len(late["a"]) == len(late["b"]) == 1
    assert late["a"] != late["b"]


# -- dependencies


def end(w: World, job: str, status: int = 0) -> None:
    """The job's newest run ends."""
    w.executor.end(w.runs(job)[-1].id, status)
    w.clock.advance(1)
    w.settle()


def test_a_job_without_triggers_follows_those_it_depends_on(world: Make) -> None:
    w = world()
    for name in ("a", "b"):
        w.add(name)
    w.add("after", depends_on=["a", "b"])
    w.call("job.run", name="a")
    end(w, "a")
    assert w.runs("after") == []
    w.call("job.run", name="b")
    end(w, "b")
    (run,) = w.runs("after")
    assert (str(run.state), run.trigger) == ("running", "job")
    end(w, "after")
    w.call("job.run", name="b")
    end(w, "b")
    assert len(w.runs("after")) == 1  # a has not ended again


def test_two_that_end_in_one_step_are_seen_together(world: Make) -> None:
    w = world()
    for name in ("a", "b"):
        w.add(name)
        w.call("job.run", name=name)
    w.add("after", depends_on=["a", "b"])
    for name in ("a", "b"):
        w.executor.end(w.runs(name)[0].id)
    w.settle()
    assert w.states("after") == ["running"]


def test_an_end_that_does_not_count_is_a_skip_with_its_reason(world: Make) -> None:
    w = world()
    w.add("backup")
    w.add("after", depends_on=["backup"])
    w.add("alarm", depends_on=["backup:failure"])
    w.call("job.run", name="backup")
    end(w, "backup", 1 << 8)
    (skip,) = w.runs("after")
    assert skip.reason == "dependency: run 1 of backup failed, and success is needed"
    assert w.states("alarm") == ["running"]


def test_only_the_last_attempt_counts(world: Make) -> None:
    w = world()
    w.add("backup", retry={"max_attempts": 2, "base": "1s"})
    w.add("after", depends_on=["backup"])
    w.call("job.run", name="backup")
    end(w, "backup", 1 << 8)
    assert w.runs("after") == []
    w.run_for(3)
    end(w, "backup", 0)
    assert w.states("after") == ["running"]


def test_a_job_with_times_of_its_own_is_gated(world: Make) -> None:
    w = world(lasts=0)
    w.add("backup")
    w.add("report", triggers=["every: 1h"], depends_on=[{"job": "backup", "within": "90m"}])
    w.run_for(3601)
    w.call("job.run", name="backup")
    w.run_for(2 * 3600)
    assert [(str(run.state), run.reason) for run in w.runs("report")] == [
        ("skipped", "dependency: backup has not run yet"),
        ("succeeded", None),
        ("skipped", "dependency: run 2 of backup ended more than 1h30m ago"),
    ]


@pytest.mark.parametrize(
    ("definitions", "words"),
    [
        ([("a", ["nope"])], "Job a depends on 'nope', which does not exist"),
        ([("a", ["a"])], "a → a"),
        ([("a", []), ("b", ["a"]), ("a", ["b"])], "a → b → a"),
    ],
)
def test_unknown_names_and_circles_are_refused_and_change_nothing(
    world: Make, definitions: list[tuple[str, list[str]]], words: str
) -> None:
    w = world()
    for name, needs in definitions[:-1]:
        w.add(name, depends_on=needs)
    before = [job.definition for job in w.store.jobs()]
    name, needs = definitions[-1]
    definition = {"name": name, "command": ["true"], "depends_on": needs}
    with pytest.raises(InvalidError, match=words):
        w.call("job.add", definition=definition, replace=True)
    assert [job.definition for job in w.store.jobs()] == before


def test_a_job_that_others_need_is_not_removed(world: Make) -> None:
    w = world()
    w.add("a")
    w.add("b", depends_on=["a"])
    with pytest.raises(ConflictError, match="needed by b"):
        w.call("job.remove", name="a")
    w.call("job.remove", name="b")
    w.call("job.remove", name="a")


def test_the_graph_can_be_asked_for(world: Make) -> None:
    w = world()
    for name, needs in (("a", []), ("b", ["a:completion"]), ("c", ["b"]), ("x", []), ("y", ["x"])):
        w.add(name, depends_on=needs)
    jobs = w.call("job.deps", name="b")["jobs"]
    assert [(job["name"], job["dependents"]) for job in jobs] == [
        ("a", ["b"]),
        ("b", ["c"]),
        ("c", []),
    ]
    assert jobs[1]["depends_on"] == [{"job": "a", "on": "completion", "within_seconds": None}]
    assert len(w.call("job.deps")["jobs"]) == 5
