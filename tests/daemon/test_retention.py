"""Keeping each job's past within its limits: what goes, what always stays, and at what pace."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pb.config.settings import RetentionSettings
from pb.core.model import State
from pb.daemon import retention
from pb.daemon.ledger import Ledger
from pb.daemon.messages import LetGo
from pb.daemon.retention import LOOK_MS, SLICE
from pb.process.logfile import log_files, open_append
from pb.store.rows import Run
from tests.kit.scheduler import World

HOUR, DAY = 3_600, 86_400
DEFAULT = RetentionSettings()


@pytest.fixture
def worlds(tmp_path: Path) -> Iterator[Callable[..., World]]:
    made: list[World] = []

    def make(**options: Any) -> World:
        made.append(World(tmp_path / "home", **options))
        return made[-1]

    yield make
    for world in made:
        world.close()


def record(world: World, state: str = "succeeded", *, ago: float = 0.0, **facts: Any) -> Run:
    """One record that was made ``ago`` seconds before now."""
    at = world.clock.now_ms() - round(ago * 1000)
    values = {"job": "job", "trigger": "cron", "fire_at": at, **facts}
    run = Run(**values, state=State(state), queued_at=at, started_at=at, finished_at=at + 1)
    if run.state in (State.QUEUED, State.RUNNING):
        run.finished_at = None
    with world.store.transaction(durable=False):
        assert world.store.claim(run)
    return run


def with_log(world: World, run: Run) -> Path:
    """Give the run a log with an archive and a result beside it."""
    path = world.home.run_log(run.job, run.id)
    path.parent.mkdir(parents=True, exist_ok=True)
    for one in (path, path.with_name(path.name + ".1"), path.with_suffix(".output")):
        os.close(open_append(one))
    with world.store.transaction(durable=False):
        world.store._db.execute("UPDATE run SET log_path = ? WHERE id = ?", (str(path), run.id))
    return path


def left(world: World, job: str | None = "job") -> list[int]:
    return sorted(run.id for run in world.store.runs(n=1_000_000) if run.job == job)


def an_hour_later(world: World) -> None:
    """The hourly look, with nothing running meanwhile."""
    world.clock.advance(HOUR)
    world.settle()


def test_the_newest_runs_are_kept_and_as_many_skips_and_misses(
    worlds: Callable[..., World],
) -> None:
    world = worlds(retention=replace(DEFAULT, keep_runs=10))
    for number in range(30):
        for state in ("succeeded", "skipped", "missed"):
            record(world, state, ago=1_000 - number * 10 - len(state))
    an_hour_later(world)

    runs = world.runs()
    assert Counter(str(run.state) for run in runs) == {
        "succeeded": 10,
        "skipped": 10,
        "missed": 10,
    }
    assert min(run.id for run in runs) > 60


def test_what_ended_too_long_ago_goes_whatever_the_number(worlds: Callable[..., World]) -> None:
    world = worlds(retention=replace(DEFAULT, keep_days=2))
    for days in (9, 5, 3):
        record(world, ago=days * DAY)
    young = [record(world, ago=DAY).id, record(world, ago=HOUR).id]
    an_hour_later(world)

    assert left(world) == young


def test_the_newest_run_the_last_success_and_the_last_failure_always_stay(
    worlds: Callable[..., World],
) -> None:
    world = worlds(retention=replace(DEFAULT, keep_runs=3, keep_days=1))
    record(world, "failed", ago=99 * DAY)
    failure = record(world, "timed_out", ago=98 * DAY)
    record(world, ago=97 * DAY)
    success = record(world, ago=96 * DAY)
    record(world, "cancelled", ago=95 * DAY)
    newest = record(world, "cancelled", ago=94 * DAY)
    record(world, "skipped", ago=93 * DAY)
    skip = record(world, "missed", ago=92 * DAY)
    an_hour_later(world)

    assert left(world) == [failure.id, success.id, newest.id, skip.id]


def test_an_open_run_stays_however_old_it_is(worlds: Callable[..., World]) -> None:
    world = worlds(retention=replace(DEFAULT, keep_runs=1, keep_days=1))
    running = record(world, "running", ago=400 * DAY)
    for number in range(5):
        record(world, ago=399 * DAY - number)
    newest = record(world)
    an_hour_later(world)

    assert left(world) == [running.id, newest.id]


def test_a_jobs_own_limits_win_and_runs_without_a_job_have_the_settings(
    worlds: Callable[..., World],
) -> None:
    world = worlds(retention=replace(DEFAULT, keep_runs=5))
    world.add("few", triggers=[], retention={"keep_runs": 2})
    world.add("short", triggers=[], retention={"keep_days": 1})
    world.add("job", triggers=[])
    for name in ("few", "short", "job", "removed", None):
        for number in range(8):
            record(world, job=name, ago=2 * DAY - number, trigger="cli")
    an_hour_later(world)

    names = ("few", "short", "job", "removed", None)
    assert [len(left(world, name)) for name in names] == [2, 1, 5, 5, 5]


def test_logs_archives_and_results_go_with_their_rows_and_others_stay(
    worlds: Callable[..., World], tmp_path: Path
) -> None:
    world = worlds(retention=replace(DEFAULT, keep_runs=1))
    old = with_log(world, record(world, ago=100))
    stranger = tmp_path / "precious.txt"
    stranger.write_text("not a log")
    odd = record(world, ago=50)
    with world.store.transaction(durable=False):
        world.store._db.execute("UPDATE run SET log_path = ? WHERE id = ?", (str(stranger), odd.id))
    new = with_log(world, record(world))
    an_hour_later(world)

    assert log_files(old) == []
    assert not old.with_suffix(".output").exists()
    assert stranger.read_text() == "not a log"
    assert len(log_files(new)) == 2
    assert len(left(world)) == 1


def test_counters_stay(worlds: Callable[..., World]) -> None:
    world = worlds(retention=replace(DEFAULT, keep_runs=3), lasts=0.5)
    world.add(triggers=["every: 1m"])
    world.run_for(3 * HOUR)
    row = world.store.job("job")

    assert row is not None
    assert row.run_count >= 179
    assert len(left(world)) <= 5


@pytest.mark.parametrize("keep", [20, 100])
def test_a_job_that_runs_often_never_has_more_than_a_tenth_too_many(
    worlds: Callable[..., World], keep: int
) -> None:
    world = worlds(retention=replace(DEFAULT, keep_runs=keep), lasts=0.1)
    world.add(triggers=["every: 1s"])
    an_hour_later(world)
    most = 0
    for _ in range(30):
        world.run_for(keep / 10)
        most = max(most, len(left(world)))

    assert keep < most <= keep * 1.1 + 3


def test_all_jobs_are_looked_at_once_an_hour_and_not_again_after_a_restart(
    worlds: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Any] = []
    real = retention.look

    def look(path: Path, names: Any, *rest: Any) -> Any:
        looks.append(names)
        return real(path, names, *rest)

    monkeypatch.setattr(retention, "look", look)
    world = worlds(retention=DEFAULT)
    assert looks == [None]
    world.run_for(3 * HOUR + 60)
    assert looks == [None] * 4
    world.store.close()
    again = worlds(retention=DEFAULT, clock=world.clock, executor=world.executor)
    again.settle()
    assert looks == [None] * 4
    again.clock.jump(-30 * DAY)
    again.settle()
    assert looks == [None] * 5


def test_a_large_backlog_goes_in_slices_that_hold_nobody_up(worlds: Callable[..., World]) -> None:
    world = worlds(retention=DEFAULT)
    world.store._db.execute(
        """
        WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 3000)
        INSERT INTO run (job, fire_at, trigger, state, queued_at, finished_at)
        SELECT 'job' || (x % 3), x, 'cron', 'succeeded', 1, 1 FROM n
        """
    )
    world.clock.advance(LOOK_MS / 1000)
    steps: list[int] = []
    before = 3000
    while before:
        world.engine.step()
        now = len(world.store.runs(n=10_000))
        steps.append(before - now)
        before = now if now > 3 else 0

    assert sum(steps) == 2997
    assert max(steps) == SLICE


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_slice_is_deleted_in_much_less_than_20_ms_from_a_million_rows(
    worlds: Callable[..., World],
) -> None:
    world = worlds(retention=DEFAULT)
    world.store._db.execute("PRAGMA cache_size = -200000")  # the filling only: seven indexes
    world.store._db.execute(
        """
        WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 1000000)
        INSERT INTO run (job, fire_at, trigger, state, queued_at, finished_at)
        SELECT 'job' || (x / 1000), x, 'cron', 'succeeded', x, x FROM n
        """
    )
    world.store._db.execute("PRAGMA cache_size = -1000")
    took = []
    for first in range(1, 5_000, SLICE):
        ledger = Ledger(world.store, world.bus)
        message = LetGo(tuple(range(first, first + SLICE)), ())
        begun = time.perf_counter()
        with world.store.transaction(durable=False):
            world.engine._past.let_go(message, ledger)
        took.append(time.perf_counter() - begun)

    # The middle one: a machine that is busy with other tests may hold up any single one.
    assert sorted(took)[len(took) // 2] < 0.020, took


def test_looking_uses_indexes_only(worlds: Callable[..., World]) -> None:
    from pb.store import retention as queries

    world = worlds()
    values = dict.fromkeys(
        ("job", "place", "state", "before", "executed", "skipped", "missed", "kept", "n"), 1
    )
    for name in ("executed_at", "unlucky_at", "last_success", "newest", "expired"):
        plan = world.store.select("EXPLAIN QUERY PLAN " + queries.SQL[name], values)
        assert "USING" in plan[0]["detail"], (name, plan[0]["detail"])
        assert "(job=?" in plan[0]["detail"], (name, plan[0]["detail"])
        assert not any("TEMP B-TREE" in step["detail"] for step in plan), name
