"""A year of many jobs through the real engine: each fire time has its record, once.

The expected fire times come from ``core.triggers`` alone, one job at a time and without a
scheduler; what the engine made of them comes from the store. In between the scheduler is killed
at random moments, stays away for a while, and the clock is set forward and back.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import pytest

from pb.config.zones import zone
from pb.core.definition import job_from
from pb.core.model import Job, State
from pb.core.scheduling import instant, milliseconds
from pb.core.triggers import next_fire_of
from pb.daemon import engine, presence, retention
from pb.store.occasions import RunEvent
from pb.store.rows import Run
from pb.store.store import Store
from tests.kit.scheduler import FakeClock, FakeExecutor, World

Make = Callable[..., World]

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
DAY = 86_400.0
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe")
"""Clock changes in both halves of the year; Lord Howe's is half an hour."""

MISFIRES: tuple[dict[str, str | int], ...] = (
    {},
    {"catch_up": "none"},
    {"catch_up": "all", "window": "7d", "max_catch_up": 3},
    {"catch_up": "latest", "window": "1h", "grace": "1s"},
)
OVERLAPS = ("skip", "skip", "queue", "allow", "replace")


@dataclass
class Durations(FakeExecutor):
    """Runs last as long as their job's name says: ``…-90m`` is an hour and a half."""

    def start(self, row: Run, job: Job, event: RunEvent | None = None) -> None:
        super().start(row, job, event)
        minutes = int(job.name.rpartition("-")[2].rstrip("m"))
        if row.id in self.alive:
            self.ends[row.id] = self.clock.monotonic() + minutes * 60

    def bury(self) -> None:
        """What ended while nobody looked is gone, and nobody will ever know how it ended."""
        for run_id in [n for n, at in self.ends.items() if at <= self.clock.monotonic()]:
            del self.ends[run_id]
            self.alive.pop(run_id, None)


def trigger(n: int, dice: random.Random) -> list[Any]:
    """The n-th job's triggers: few fire often, most once a week or a month, some only once."""
    minute, hour, day = dice.randrange(0, 60, 10), dice.randrange(24), dice.randrange(1, 29)
    match n % 200:
        case 0:
            return [f"cron: {minute} * * * *"]
        case 1:
            return ["every: 175m"]
        case 2 | 3:
            return [f"cron: {minute} */12 * * *", "every: 19h"]
        case 4:
            return [f"cron: 30 {minute} 1-3 * * *"]
    match n % 5:
        case 0:
            return [f"cron: {minute} {dice.randrange(4)} * * {dice.randrange(7)}"]
        case 1:
            return [f"every: {dice.randrange(100, 400)}h"]
        case 2:
            return [f"cron: {minute} {hour} {day} * *", f"cron: H H * * {dice.randrange(7)}"]
        case 3:
            at = NEW_YEAR + timedelta(minutes=dice.randrange(365 * 1440))
            return [{"type": "at", "at": at.isoformat()}, f"cron: {minute} 2 * * 0"]
        case _:
            return [f"cron: {minute} {hour} */3 * *"]


def definition(n: int, dice: random.Random) -> dict[str, Any]:
    """The n-th job. One in nine takes longer than the time between two of its occasions may be."""
    minutes = 90 if n % 9 == 0 else dice.choice((0, 0, 1, 5))
    return {
        "name": f"job{n:04}-{minutes}m",
        "command": ["true"],
        "timezone": ZONES[n % 3],
        "triggers": trigger(n, dice),
        "misfire": dice.choice(MISFIRES),
        "overlap": dice.choice(OVERLAPS),
    }


def expected(job: Job, until_ms: int) -> list[int]:
    """Every fire time of ``job`` from the new year on, in epoch ms; no scheduler is asked."""
    found, at, tz = [], NEW_YEAR, zone(job.timezone)
    while (then := next_fire_of(job.triggers, at, tz, job.name)) is not None:
        if milliseconds(then) > until_ms:
            break
        found.append(milliseconds(then))
        at = then
    return found


@dataclass
class Year:
    """A scheduler's year, its mishaps, and the check of what it left."""

    world: World
    executor: Durations
    dice: random.Random
    crashes: int = 0
    jumps: list[float] = field(default_factory=list)
    rewound: list[tuple[int, int]] = field(default_factory=list)

    def live(self, days: float) -> None:
        self.world.run_for(days * DAY)

    def crash(self) -> None:
        """kill -9, in half the cases between a claim and its process; then nothing for a while."""
        if self.dice.random() < 0.5 and (next_ms := self.world.engine._planner.timetable.next_ms()):
            self.world.clock.advance(max(0.0, (next_ms - self.world.clock.now_ms()) / 1000))
            self.world.engine.step(0)
        self.world.clock.advance(self.dice.choice((1, 600, DAY / 4, 2 * DAY)))
        self.executor.bury()
        self.world = self.world.crash()
        self.crashes += 1

    def jump(self) -> None:
        """The wall clock is set: forward, back, forward, …"""
        way = -1 if len(self.jumps) % 2 else 1
        seconds = way * self.dice.choice((300.0, 1800.0, 5400.0, 36_000.0))
        before_ms = self.world.clock.now_ms()
        self.world.clock.jump(seconds)
        self.world.settle()
        self.jumps.append(seconds)
        if seconds < 0:
            self.rewound.append((self.world.clock.now_ms(), before_ms))

    def check(self, jobs: Sequence[Job]) -> Counter[str]:
        """Each job's records are its fire times, each once; answers how many of which state."""
        seen: Counter[str] = Counter()
        latest_ms = max([self.world.clock.now_ms(), *(before for _, before in self.rewound)])
        for job in jobs:
            times = expected(job, latest_ms)
            known = set(times)
            records = self.world.runs(job.name)
            told = told_by(records, times)
            twice = [instant(at) for at in told if len(told[at]) > 1 and not self.may_be(told[at])]
            never = [instant(at) for at in times if at not in told]
            extra = [instant(row.fire_at) for row in records if row.fire_at not in known]
            assert (twice, never, extra) == ([], [], []), job
            check_reasons(records)
            self.check_counters(job.name, records)
            for row in records:
                seen[row.state] += row.fire_count
        return seen

    def may_be(self, rows: list[Run]) -> bool:
        """What passed under a clock that was ahead, and was set back, comes again: once more.

        A miss is nothing that was done, so it does not keep its job from running in the end.
        """
        last = rows[0].fire_at
        return all(row.state is State.MISSED for row in rows[:-1]) and any(
            row.queued_at <= before and after <= last
            for row in rows
            for after, before in self.rewound
        )

    def check_counters(self, name: str, records: Sequence[Run]) -> None:
        row = self.world.store.job(name)
        assert row is not None
        by_state = Counter(record.state for record in records)
        assert row.skip_count == by_state[State.SKIPPED]
        assert row.miss_count == sum(r.fire_count for r in records if r.state is State.MISSED)
        assert row.success_count == by_state[State.SUCCEEDED]
        assert row.error_count == by_state[State.LOST]


def told_by(records: Sequence[Run], times: list[int]) -> dict[int, list[Run]]:
    """Which records are about which fire time, oldest record first.

    A miss is about its last fire time and those before it that had no record of their own.
    """
    told: dict[int, list[Run]] = {}
    own: set[int] = set()
    for row in records:
        places = range(bisect_right(times, row.fire_at) - 1, -1, -1)
        earlier = (times[place] for place in places if times[place] not in own)
        for at in islice(earlier, row.fire_count):
            told.setdefault(at, []).append(row)
        own.add(row.fire_at)
    return told


def check_reasons(records: Sequence[Run]) -> None:
    """What did not run says why, and no process was started for it."""
    for row in records:
        if row.state in (State.SKIPPED, State.MISSED, State.LOST, State.CANCELLED):
            assert row.reason, row
        if row.state in (State.SKIPPED, State.MISSED):
            assert (row.pid, row.started_at) == (None, None)


def live_through(world: Make, jobs: int, days: float, seed: int) -> tuple[Year, list[Job]]:
    dice = random.Random(seed)
    definitions = [definition(n, dice) for n in range(jobs)]
    executor = Durations(clock := FakeClock(NEW_YEAR))
    year = Year(world(clock=clock, executor=executor), executor, dice)
    year.world.call("job.import", definitions=definitions, replace=False, source="test")
    end = clock.wall_ms + days * DAY * 1000
    while clock.wall_ms < end:
        for mishap in (year.crash, year.jump, year.crash, year.jump):
            year.live(dice.choice((0.01, dice.uniform(0.2, 12))))
            mishap()
    year.world.run_for(4 * 3600)  # let what runs end
    return year, [job_from(d) for d in definitions]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No half a million idle looks at the clock, no hourly ones at the past, and no power cuts:
    other tests' subjects."""
    monkeypatch.setattr(engine, "LOOK_MS", 400 * 86_400_000)
    monkeypatch.setattr(presence, "ALONE_SECONDS", 6 * 3_600.0)
    monkeypatch.setattr(retention, "LOOK_MS", 7 * 86_400_000)
    monkeypatch.setenv("TZ", "UTC")
    transaction = Store.transaction

    def without_waiting_for_the_disk(store: Store, **_: bool) -> AbstractContextManager[None]:
        if not store._synchronous:
            store._db.execute("PRAGMA synchronous = OFF")
            store._synchronous = "NORMAL"
        return transaction(store, durable=False)

    monkeypatch.setattr(Store, "transaction", without_waiting_for_the_disk)


def check_year(year: Year, jobs: Sequence[Job]) -> Counter[str]:
    seen = year.check(jobs)
    assert {"succeeded", "skipped", "missed", "lost"} <= set(seen)
    started = [run.id for run in year.executor.started]
    assert len(started) == len(set(started)), "a run was started twice"
    assert year.crashes > 3
    assert len(year.jumps) > 3
    return seen


def test_six_weeks_of_a_hundred_jobs_leave_one_record_for_each_fire_time(world: Make) -> None:
    year, jobs = live_through(world, jobs=100, days=42, seed=3)
    check_year(year, jobs)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_year_of_a_thousand_jobs_leaves_one_record_for_each_fire_time(world: Make) -> None:
    year, jobs = live_through(world, jobs=1_000, days=365, seed=1)
    seen = check_year(year, jobs)
    assert seen.total() > 100_000


def test_a_miss_leaves_out_what_ran_before_the_clock_was_set_back_over_it(world: Make) -> None:
    w = world(lasts=1)
    w.add(triggers=["every: 10m"], misfire={"catch_up": "none"})
    w.run_for(3_605)  # 12:10 to 13:00 have run
    w.clock.jump(-1_800)
    w.run_for(60)  # it is 12:31
    w.clock.advance(2_700)  # nobody there until 13:16
    w = w.crash()
    first, *others = reversed(w.runs())

    assert [run.state for run in others] == ["succeeded"] * 6
    assert (first.state, first.fire_count) == ("missed", 1)
    assert first.fire_at == milliseconds(datetime(2026, 3, 1, 13, 10, tzinfo=UTC))
