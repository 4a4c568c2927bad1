"""Runs are added up exactly, once each, whatever comes between: writers, deletions, crashes."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pb.core.model import State
from pb.core.rollups import ALL, DAY, HOUR, HOUR_MS, LATEST_MS, LEVELS, MONTH, WEEK, Tally, start_of
from pb.store import rollups
from pb.store.rows import Run
from pb.store.store import Store
from tests.kit.past import START_MS, TWO_YEARS, fill

FINAL = ("succeeded", "failed", "timed_out", "cancelled", "skipped", "missed", "lost")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "pony.db") as one:
        yield one


def put(store: Store, at: int, *, state: str = "succeeded", **facts: Any) -> Run:
    given = {"job": "job", "trigger": "cron", **facts}
    run = Run(
        fire_at=at, queued_at=at, started_at=at, finished_at=at + 5, state=State(state), **given
    )
    if state == "running":
        run.finished_at = None
    with store.transaction(durable=False):
        assert store.claim(run)
    return run


def end(store: Store, run: Run) -> None:
    run.state, run.finished_at = State.FAILED, run.queued_at + 90 * HOUR_MS
    with store.transaction(durable=False):
        store.save_runs([run])


def roll_up(store: Store, most: int = 500) -> None:
    while rollups.fold_some(store, most):
        pass
    for level in (WEEK, MONTH):
        while rollups.raise_some(store, level, most):
            pass


def known(store: Store, level: str, job: str) -> dict[int, Tally]:
    return rollups.periods(store.select, level, job, 0, LATEST_MS)


def directly(runs: list[Any], level: str, job: str) -> dict[int, Tally]:
    """What the sums have to be: every run counted by itself."""
    found: dict[int, Tally] = {}
    for run in runs:
        if job in (ALL, run["job"] or ""):
            found.setdefault(start_of(level, run["queued_at"]), Tally()).count(run)
    return dict(sorted(found.items()))


def all_runs(store: Store) -> list[Any]:
    return store.select("SELECT * FROM run WHERE finished_at IS NOT NULL", ())


@pytest.fixture(scope="module")
def two_years(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store(tmp_path_factory.mktemp("past") / "pony.db") as store:
        fill(store, 40_000, jobs=7)
        yield store


def test_two_years_added_up_equal_a_direct_computation(two_years: Store) -> None:
    roll_up(two_years, 3_000)
    runs = all_runs(two_years)

    assert len(runs) > 39_000
    for level in LEVELS:
        for job in ("job0", "job6", "", ALL):
            assert known(two_years, level, job) == directly(runs, level, job), (level, job)


def test_any_stretch_of_hours_is_the_sum_of_its_periods(two_years: Store) -> None:
    roll_up(two_years)
    runs, luck = all_runs(two_years), random.Random(3)
    for _ in range(6):
        hours = sorted(luck.sample(range(TWO_YEARS // HOUR_MS), 2))
        since, until = (START_MS // HOUR_MS * HOUR_MS + hour * HOUR_MS for hour in hours)
        whole = Tally()
        for run in runs:
            if since <= run["queued_at"] < until:
                whole.count(run)
        assert rollups.between(two_years.select, ALL, since, until) == whole


def test_counting_twice_changes_nothing(store: Store) -> None:
    fill(store, 500, jobs=2)
    roll_up(store)
    before = {level: known(store, level, ALL) for level in LEVELS}
    roll_up(store)

    assert {level: known(store, level, ALL) for level in LEVELS} == before


def test_a_run_that_ends_long_after_those_behind_it_is_counted_where_it_began(store: Store) -> None:
    late = put(store, START_MS, state="running")
    put(store, START_MS + HOUR_MS)
    roll_up(store)
    assert known(store, MONTH, "job")[start_of(MONTH, START_MS)].records == 1
    end(store, late)
    roll_up(store)

    assert known(store, HOUR, "job")[start_of(HOUR, START_MS)].failed == 1
    for level in LEVELS:
        assert known(store, level, "job") == directly(all_runs(store), level, "job")


def test_weeks_and_months_are_right_before_they_are_added_up_anew(store: Store) -> None:
    for n in range(60):
        put(store, START_MS + n * 24 * HOUR_MS)
    roll_up(store)
    put(store, START_MS + 61 * 24 * HOUR_MS, state="failed")
    put(store, START_MS + 3 * 24 * HOUR_MS + 1, state="failed")
    rollups.fold_some(store, 100)

    for level in (WEEK, MONTH):
        assert known(store, level, "job") == directly(all_runs(store), level, "job")


STEPS = st.lists(
    st.sampled_from(("put", "open", "end", "fold", "fold one", "let go", "raise")), max_size=40
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_whatever_the_order_each_run_is_counted_once(steps: list[str]) -> None:
    with TemporaryDirectory() as place, Store(Path(place) / "pony.db") as store:
        assert_counted_once(store, steps)


def assert_counted_once(store: Store, steps: list[str]) -> None:
    ended: dict[int, Any] = {}
    still: list[Run] = []
    for number, step in enumerate(steps):
        at = START_MS + number * 7 * HOUR_MS
        match step:
            case "put":
                run = put(store, at, state=FINAL[number % 7])
                ended[run.id] = run
            case "open":
                still.append(put(store, at, state="running"))
            case "end" if still:
                run = still.pop(0)
                end(store, run)
                ended[run.id] = run
            case "fold":
                rollups.fold_some(store, 100)
            case "fold one":
                rollups.fold_some(store, 1)
            case "let go":
                with store.transaction():
                    rollups.let_go(store, [*ended][::2], counts=True)
            case "raise":
                rollups.raise_some(store, WEEK, 2)
    roll_up(store)
    runs = [run.parameters() for run in ended.values()]
    for level in LEVELS:
        assert known(store, level, "job") == directly(runs, level, "job")
        assert known(store, level, ALL) == directly(runs, level, ALL)


def test_what_is_let_go_uncounted_on_purpose_is_in_no_sum(store: Store) -> None:
    gone, stays = put(store, START_MS), put(store, START_MS + 1)
    with store.transaction():
        rollups.let_go(store, [gone.id], counts=False)
    roll_up(store)

    assert known(store, DAY, "job")[start_of(DAY, START_MS)].records == 1
    assert [run.id for run in store.runs()] == [stays.id]


def test_what_others_do_meanwhile_is_seen_before_anything_is_written(store: Store) -> None:
    """Between reading and writing another process counts the same runs, and lets some go."""
    fill(store, 300, jobs=2)
    runs = [dict(row) for row in all_runs(store)]
    with Store(store.path) as other:
        calls: list[int] = []
        select = store.select

        def interrupted(sql: str, parameters: Any = ()) -> Any:
            found = select(sql, parameters)
            if sql == rollups.SQL["fresh"] and not calls:
                calls.append(1)
                rollups.fold_some(other, 50)
                with other.transaction():
                    rollups.let_go(other, [row["id"] for row in found[:120]], counts=True)
            return found

        store.select = interrupted  # type: ignore[method-assign]
        roll_up(store)

    assert calls
    assert known(store, DAY, ALL) == directly(runs, DAY, ALL)


def test_hours_that_are_forgotten_stay_in_their_days(store: Store) -> None:
    for hour in range(72):
        put(store, START_MS + hour * HOUR_MS)
    roll_up(store)
    days = known(store, DAY, "job")
    while rollups.forget_hours(store, start_of(DAY, START_MS) + 48 * HOUR_MS, 10):
        pass
    put(store, START_MS + 1, state="failed")
    roll_up(store)

    after = known(store, DAY, "job")
    first = start_of(DAY, START_MS)
    assert min(known(store, HOUR, "job")) == start_of(HOUR, START_MS)
    assert after[first].records == days[first].records + 1
    assert known(store, MONTH, "job") == directly(all_runs(store), MONTH, "job")


def test_a_process_that_is_killed_again_and_again_counts_nothing_twice(tmp_path: Path) -> None:
    path = tmp_path / "pony.db"
    with Store(path) as store:
        fill(store, 3_000, jobs=3)
    words = [sys.executable, "-m", "tests.kit.past", str(path)]
    luck = random.Random(7)
    for _ in range(8):
        ran = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert ran.stdout is not None
        for _ in range(luck.randrange(1, 12)):
            ran.stdout.readline()  # one line for each transaction
        ran.send_signal(signal.SIGKILL)
        ran.communicate()
    subprocess.run([*words], check=True, capture_output=True)
    with Store(path) as store:
        for level in LEVELS:
            assert known(store, level, ALL) == directly(all_runs(store), level, ALL)
        assert int(json.loads(store.meta(rollups.UPTO) or "0")) == 3_000
