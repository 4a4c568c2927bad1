"""What runs add up to, also of runs that were let go: numbers worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pb.core.model import State
from pb.core.rollups import DAY_MS, HOUR_MS, MONTH, WEEK
from pb.errors import InvalidError, NotFoundError
from pb.store import rollups
from pb.store.rows import Run
from tests.kit.past import fill
from tests.kit.scheduler import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    one = World(tmp_path / "home")
    yield one
    one.close()


def record(world: World, state: str = "succeeded", *, ago: int, lasts: int = 1_000) -> int:
    """One record of `job`. The fake clock stands at 2026-03-01 12:00 UTC, a Sunday."""
    at = world.clock.now_ms() - ago
    ran = state not in {"skipped", "missed"}
    run = Run(
        job="job",
        trigger="cron",
        fire_at=at,
        state=State(state),
        queued_at=at,
        started_at=at if ran else None,
        finished_at=at + lasts,
    )
    with world.store.transaction(durable=False):
        assert world.store.claim(run)
    return run.id


def roll_up(world: World) -> None:
    while rollups.fold_some(world.store, 100):
        pass
    for level in (WEEK, MONTH):
        while rollups.raise_some(world.store, level, 100):
            pass


def let_go(world: World, ids: list[int]) -> None:
    with world.store.transaction():
        rollups.let_go(world.store, ids, counts=True)


def starts(answer: Any) -> list[tuple[str, int]]:
    return [(one["start"][:13], one["runs"]) for one in answer["periods"]]


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("hour", [("2026-02-28T12", 1), ("2026-03-01T10", 2), ("2026-03-01T11", 1)]),
        ("day", [("2026-02-27T00", 1), ("2026-02-28T00", 1), ("2026-03-01T00", 3)]),
        ("week", [("2025-12-08T00", 1), ("2026-02-09T00", 1), ("2026-02-23T00", 5)]),
        ("month", [("2025-12-01T00", 1), ("2026-02-01T00", 3), ("2026-03-01T00", 3)]),
    ],
)
def test_periods_are_the_same_whether_added_up_or_let_go(
    world: World, by: str, expected: list[tuple[str, int]]
) -> None:
    agos = (80 * DAY_MS, 15 * DAY_MS, 2 * DAY_MS, DAY_MS, 7_000_000, 6_999_000, 60_000)
    ids = [record(world, ago=ago) for ago in agos]
    fresh = world.call("stats.periods", name="job", by=by)
    roll_up(world)
    assert world.call("stats.periods", name="job", by=by) == fresh
    let_go(world, ids[:-1])
    after = world.call("stats.periods", name="job", by=by)

    assert starts(fresh) == starts(after) == expected
    assert (fresh["total"]["is_exact"], after["total"]["is_exact"]) == (True, False)
    assert after["periods"][-1]["is_exact"] == (by == "hour")  # that one's only run is there
    assert starts(world.call("stats.periods", by=by)) == expected


def test_what_is_let_go_before_it_was_added_up_still_counts(world: World) -> None:
    ids = [record(world, state, ago=DAY_MS, lasts=9_000) for state in ("failed", "succeeded")[:1]]
    let_go(world, ids)
    record(world, ago=1_000)

    stats = world.call("job.stats", name="job")
    assert (stats["records"], stats["all"]["errors"], stats["all"]["succeeded"]) == (2, 1, 1)
    assert stats["all"]["duration_ms"]["max"] == 9_000
    assert stats["since"] == "2026-02-28T00:00:00.000Z"  # its day; the run is gone


def test_statistics_split_at_seven_days_also_when_runs_are_gone(world: World) -> None:
    gone = [record(world, ago=8 * DAY_MS + hour * HOUR_MS) for hour in range(100)]
    gone += [record(world, "failed", ago=hour * HOUR_MS) for hour in range(50)]
    roll_up(world)
    let_go(world, gone)

    stats = world.call("job.stats", name="job")
    parts = [stats[key] for key in ("before", "last_7_days", "all")]
    assert [(part["runs"], part["errors"]) for part in parts] == [(100, 0), (50, 50), (150, 50)]
    assert stats["is_complete"]


def test_a_period_and_the_time_of_it_have_to_make_sense(world: World) -> None:
    record(world, ago=1)
    with pytest.raises(InvalidError, match="no period 'fortnight'"):
        world.call("stats.periods", by="fortnight")
    with pytest.raises(InvalidError, match="43824 hours"):
        world.call("stats.periods", by="hour", since="43824h", until="0h")
    with pytest.raises(NotFoundError, match="nobody"):
        world.call("stats.periods", name="nobody")


def test_of_years_of_all_jobs_everything_is_counted(world: World) -> None:
    fill(world.store, 12_000, jobs=40)
    short = world.call("job.stats")
    roll_up(world)
    whole = world.call("job.stats")

    assert (short["records"], short["is_complete"]) == (10_000, False)
    assert (whole["records"], whole["is_complete"]) == (12_000, True)
    months = world.call("stats.periods", by="month", since="18000h")
    assert months["total"]["runs"] == whole["all"]["runs"]
    assert sum(one["runs"] for one in months["periods"]) == whole["all"]["runs"]
