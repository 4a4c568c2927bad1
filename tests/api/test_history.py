"""What is answered about the past and the coming hours: numbers worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pb.core.model import State
from pb.errors import InvalidError, NotFoundError
from pb.store.rows import Run
from tests.kit.scheduler import World

HOUR = 3_600_000
DAY = 24 * HOUR


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    one = World(tmp_path / "home")
    yield one
    one.close()


def record(world: World, state: str = "succeeded", *, ago: int = 0, **facts: Any) -> int:
    """One record, made ``ago`` ms ago, its duration 1 s unless ``lasts`` says otherwise."""
    at = world.clock.now_ms() - ago
    lasts, late = facts.pop("lasts", 1_000), facts.pop("late", 0)
    ran = state not in {"skipped", "missed"}
    run = Run(
        **{"job": "job", "trigger": "cron", "fire_at": at, **facts},
        state=State(state),
        queued_at=at,
        started_at=at + late if ran else None,
        finished_at=at + late + lasts,
    )
    with world.store.transaction(durable=False):
        assert world.store.claim(run)
    return run.id


def ids(answer: Any) -> list[int]:
    return [run["run_id"] for run in answer["runs"]]


def test_history_takes_durations_and_instants(world: World) -> None:
    old, new = record(world, ago=2 * HOUR), record(world, ago=HOUR // 2)

    assert ids(world.call("job.history", since="1h")) == [new]
    assert ids(world.call("job.history", until="1h")) == [old]
    # The fake clock stands at 2026-03-01 12:00 UTC.
    assert ids(world.call("job.history", since="2026-03-01T12:00:00+01:00")) == [new]
    assert ids(world.call("job.history", since="2026-03-01T10:00:00Z", n=1)) == [new]
    assert ids(world.call("job.history", before=new)) == [old]


def test_failed_is_every_outcome_that_counts_as_an_error(world: World) -> None:
    found = {state: record(world, state, ago=n) for n, state in enumerate(State) if n > 2}

    wanted = [found[s] for s in (State.FAILED, State.TIMED_OUT, State.LOST)]
    assert sorted(ids(world.call("job.history", failed=True))) == sorted(wanted)
    both = world.call("job.history", failed=True, states=["skipped"])
    assert sorted(ids(both)) == sorted([*wanted, found[State.SKIPPED]])


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"since": "yesterday"}, "since: 'yesterday' is neither a duration nor an instant"),
        ({"until": "2026-03-01T12:00:00"}, "until: '2026-03-01T12:00:00' has no offset"),
        ({"states": ["bad"]}, "no run state 'bad'"),
    ],
)
def test_a_condition_that_cannot_be_meant_is_refused(world: World, params: Any, words: str) -> None:
    with pytest.raises(InvalidError, match=words):
        world.call("job.history", **params)


@pytest.mark.parametrize("method", ["job.history", "job.stats", "job.activity", "job.schedule"])
def test_a_name_that_nothing_ever_had_is_not_found(world: World, method: str) -> None:
    record(world, job="gone")
    if method != "job.schedule":
        assert world.call(method, name="gone")
    with pytest.raises(NotFoundError, match="no job named 'jib'"):
        world.call(method, name="jib")


def test_a_filter_that_finds_nothing_does_not_deny_a_removed_job(world: World) -> None:
    record(world, job="gone")

    assert world.call("job.history", name="gone", failed=True)["runs"] == []


def test_statistics_say_how_runs_went(world: World) -> None:
    for second in range(1, 101):
        record(world, ago=8 * DAY + second, lasts=second * 1_000, late=second)
    record(world, "failed", ago=DAY, lasts=5_000)
    record(world, "timed_out", ago=DAY + 1, lasts=900_000)
    record(world, "cancelled", ago=DAY + 2)
    record(world, "skipped", ago=DAY + 3)
    record(world, "missed", ago=DAY + 4, fire_count=7)
    record(world, trigger="manual", ago=DAY + 5, late=60_000)
    record(world, attempt=2, ago=DAY + 6, late=60_000)

    stats = world.call("job.stats", name="job")

    assert stats["records"] == 107
    assert stats["is_complete"]
    before, week = stats["before"], stats["last_7_days"]
    assert (before["runs"], before["success_rate"]) == (100, 1.0)
    assert before["duration_ms"] == {
        "p50": 50_000,
        "p90": 90_000,
        "p99": 99_000,
        "max": 100_000,
        "count": 100,
    }
    assert before["lateness_ms"] == {"p50": 50, "p95": 95, "max": 100, "count": 100}
    assert (week["runs"], week["errors"], week["timeouts"], week["cancelled"]) == (5, 2, 1, 1)
    assert (week["skips"], week["misses"], week["success_rate"]) == (1, 7, 0.5)
    # The run that timed out took as long as it was let; by hand and again are never late.
    assert week["duration_ms"]["max"] == 5_000
    assert week["lateness_ms"]["max"] == 0
    assert stats["all"]["runs"] == 105


def test_statistics_of_nothing_are_no_numbers(world: World) -> None:
    world.add("job", triggers=["every: 1h"])
    stats = world.call("job.stats", name="job")

    assert stats["all"]["success_rate"] is None
    assert (stats["all"]["duration_ms"], stats["since"]) == (None, None)


def test_activity_counts_runs_by_the_stretch_in_which_they_began(world: World) -> None:
    for minute in (0, 1, 14):
        record(world, ago=2 * HOUR - minute * 60_000)
    record(world, "failed", ago=2 * HOUR - 16 * 60_000)
    record(world, ago=3 * DAY)

    answer = world.call("job.activity", name="job", since="1d")

    assert answer["buckets"] == [
        {"at": "2026-03-01T10:00:00.000Z", "runs": {"succeeded": 3}},
        {"at": "2026-03-01T10:15:00.000Z", "runs": {"failed": 1}},
    ]
    assert (answer["bucket_seconds"], answer["is_complete"]) == (900, True)


def test_the_schedule_has_the_jobs_that_fire_and_counts_those_it_leaves_out(world: World) -> None:
    world.add("late", triggers=["every: 12h"])
    world.add("soon", triggers=["cron: 30 12 * * *"])
    world.add("mid", triggers=["every: 6h"])
    world.add("never", triggers=["at: 2030-01-01T00:00:00Z"])
    world.add("asleep", triggers=["every: 1h"], paused=True)

    answer = world.call("job.schedule", hours=24, n=2)

    assert [job["name"] for job in answer["jobs"]] == ["soon", "mid"]
    assert answer["total"] == 3
    assert answer["until"] == "2026-03-02T12:00:00.000Z"
    one = world.call("job.schedule", hours=24, name="late")
    assert ([job["name"] for job in one["jobs"]], one["total"]) == (["late"], 1)
    with pytest.raises(InvalidError, match="hours"):
        world.call("job.schedule", hours=0)
