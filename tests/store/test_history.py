"""Asking for the past: what each condition finds, and that a million rows are not walked for it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pb.core.model import OPEN, State
from pb.core.rollups import LATEST_MS
from pb.store import history, rollups
from pb.store.history import Wanted
from pb.store.rows import Run
from pb.store.store import Store

FINAL = ("succeeded", "failed", "timed_out", "cancelled", "skipped", "missed", "lost")
MANY = 1_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "pony.db") as one:
        yield one


def put(store: Store, *, at: int, **facts: Any) -> Run:
    """One record, written at ``at``."""
    given = {"job": "job", "trigger": "cron", "state": State.SUCCEEDED, **facts}
    run = Run(fire_at=at, queued_at=at, started_at=at, finished_at=at + 5, **given)
    if run.state in OPEN:
        run.finished_at = None
    with store.transaction(durable=False):
        assert store.claim(run)
    return run


def found(store: Store, **wanted: Any) -> list[int]:
    return [run.id for run in store.history(Wanted(**wanted))]


def test_each_condition_leaves_out_what_does_not_meet_it(store: Store) -> None:
    good = put(store, at=1)
    bad = put(store, at=2, state=State.FAILED, reason="exit code 7: No SPACE left")
    other = put(store, at=3, job="other", trigger="manual")
    runs = put(store, at=4, state=State.RUNNING)

    assert found(store) == [runs.id, other.id, bad.id, good.id]
    assert found(store, job="job") == [runs.id, bad.id, good.id]
    assert found(store, states=["failed", "running", "failed"]) == [runs.id, bad.id]
    assert found(store, trigger="manual") == [other.id]
    assert found(store, trigger="manual", job="job") == []
    assert found(store, reason="no space") == [bad.id]
    assert found(store, reason="%") == []
    assert found(store, since_ms=2, until_ms=3) == [other.id, bad.id]
    assert found(store, since_ms=5) == []
    assert found(store, until_ms=0) == []
    assert found(store, before=other.id, n=1) == [bad.id]


def test_pages_by_number_show_everything_once(store: Store) -> None:
    everything = [put(store, at=at, state=State(FINAL[at % 7])).id for at in range(1, 100)]
    pages, before = [], None
    while page := found(store, before=before, n=7, states=["failed", "skipped", "succeeded"]):
        pages += page
        before = page[-1]

    wanted = {FINAL.index(state) for state in ("failed", "skipped", "succeeded")}
    assert (
        pages
        == [n for n, at in zip(everything, range(1, 100), strict=True) if at % 7 in wanted][::-1]
    )


def test_a_clock_that_was_set_back_hides_nothing(store: Store) -> None:
    put(store, at=1_000)
    late = put(store, at=9_000)
    early = put(store, at=2_000)
    now = put(store, at=9_500)

    assert found(store, since_ms=9_000) == [now.id, late.id]
    assert found(store, until_ms=2_000)[0] == early.id
    assert found(store, since_ms=1_500, until_ms=2_500) == [early.id]


def test_conditions_together_agree_with_looking_at_every_run(store: Store) -> None:
    chance = random.Random(7)
    for at in range(300):
        put(
            store,
            at=at,
            job=chance.choice(["a", "b"]),
            state=State(chance.choice([*FINAL, "running"])),
            trigger=chance.choice(["cron", "manual"]),
            reason=chance.choice([None, "Overlap", "exit code 1"]),
        )
    everything = store.runs(n=1_000)
    for _ in range(200):
        wanted = Wanted(
            job=chance.choice([None, "a", "b"]),
            states=chance.sample([*FINAL, "running"], chance.randint(0, 3)),
            trigger=chance.choice([None, "cron", "manual"]),
            reason=chance.choice([None, "OVER"]),
            since_ms=chance.choice([None, chance.randrange(300)]),
            until_ms=chance.choice([None, chance.randrange(300)]),
            before=chance.choice([None, chance.randrange(1, 320)]),
            n=chance.choice([5, 1_000]),
        )
        expected = [run.id for run in everything if meets(run, wanted)][: wanted.n]
        assert [run.id for run in store.history(wanted)] == expected, wanted


def meets(run: Run, wanted: Wanted) -> bool:
    return (
        wanted.job in (None, run.job)
        and (not wanted.states or run.state in wanted.states)
        and wanted.trigger in (None, run.trigger)
        and (wanted.reason is None or wanted.reason.lower() in (run.reason or "").lower())
        and (wanted.since_ms is None or run.queued_at >= wanted.since_ms)
        and (wanted.until_ms is None or run.queued_at <= wanted.until_ms)
        and (wanted.before is None or run.id < wanted.before)
    )


@pytest.fixture(scope="module")
def million(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A million runs of fifty jobs: 20 failed, 1,000 were skipped, 10 were started by hand."""
    with Store(tmp_path_factory.mktemp("million") / "pony.db") as store:
        store._db.execute("PRAGMA cache_size = -200000")  # the filling only: seven indexes
        store._db.execute(
            """
            WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < ?)
            INSERT INTO run (job, fire_at, trigger, state, queued_at, started_at, finished_at)
            SELECT 'job' || (x % 50), x * 1000,
                   CASE WHEN x % 100000 = 7 THEN 'manual' ELSE 'cron' END,
                   CASE WHEN x % 50000 = 3 THEN 'failed' WHEN x % 1000 = 5 THEN 'skipped'
                        ELSE 'succeeded' END,
                   x * 1000, x * 1000 + 3, x * 1000 + 900 FROM n
            """,
            (MANY,),
        )
        store._db.execute("PRAGMA cache_size = -1000")
        yield store


PLANS = (
    (Wanted(), "INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
    (Wanted(job="job3"), "INDEX run_of_job (job=? AND id>? AND id<?)"),
    (Wanted(states=["failed"]), "INDEX run_ended (state=? AND rowid>? AND rowid<?)"),
    (Wanted(states=["succeeded"]), "INDEX run_ended (state=? AND rowid>? AND rowid<?)"),
    (Wanted(states=["running"], job="job3"), "INDEX run_open (state=?"),
    (Wanted(states=["lost"], job="job3"), "INDEX run_unlucky (job=? AND state=? AND rowid>?"),
    (Wanted(trigger="manual"), "INDEX run_by_trigger (trigger=? AND rowid>? AND rowid<?)"),
    (Wanted(trigger="manual", job="job7"), "INDEX run_of_job (job=? AND id>?"),
    (Wanted(trigger="cron", states=["failed"]), "INDEX run_ended (state=? AND rowid>?"),
    (Wanted(since_ms=999_000_000, reason="x"), "INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("wanted", "plan"), PLANS, ids=[str(plan) for _, plan in PLANS])
def test_a_page_of_a_million_runs_comes_from_an_index_and_is_not_sorted(
    million: Store, wanted: Wanted, plan: str
) -> None:
    state = State(wanted.states[0]) if wanted.states else None
    values = {**(history.parameters(million.select, wanted) or {}), "state": state}
    steps = million.select("EXPLAIN QUERY PLAN " + history.statement(wanted, state), values)

    first, *rest = [step["detail"] for step in steps]
    assert plan in first
    # Which jobs are pb's own is looked up once, not for each run.
    assert rest in ([], ["LIST SUBQUERY 1", "SCAN job USING INDEX job_builtin"])


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("name", "plan"),
    [
        ("first_since", "COVERING INDEX run_recorded (queued_at>?)"),
        ("last_until", "COVERING INDEX run_recorded (queued_at<?)"),
        ("has_runs", "COVERING INDEX run_o"),
        ("activity_of_job", "INDEX run_of_job (job=? AND id>?)"),
    ],
)
def test_what_else_is_asked_of_a_million_runs_comes_from_an_index(
    million: Store, name: str, plan: str
) -> None:
    names = dict.fromkeys(("job", "n", "first", "since", "bucket", "most"), 1)
    values: Any = (1,) if "?" in history.SQL[name] else names
    steps = million.select("EXPLAIN QUERY PLAN " + history.SQL[name], values)

    assert any(plan in step["detail"] for step in steps), [step["detail"] for step in steps]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_million_runs_answer_what_is_in_them(million: Store) -> None:
    assert len(found(million, states=["failed", "lost"], n=100)) == 20
    assert len(found(million, trigger="manual", n=100)) == 10
    assert found(million, since_ms=(MANY - 2) * 1000) == [MANY, MANY - 1, MANY - 2]
    assert found(million, before=500, n=2) == [499, 498]
    newest = {"since": 0, "until": LATEST_MS, "most": 10_000}
    assert len(rollups.there(million.select, "job3", **newest)) == 10_000
