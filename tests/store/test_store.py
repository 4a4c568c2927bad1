"""Remembering jobs, runs, counters and events."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pb.core.model import OPEN, State
from pb.errors import StoreError
from pb.store import history
from pb.store.rows import JobRow, PlanRow, Run
from pb.store.store import EVENTS_KEPT, SQL, Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "pony.db") as one:
        yield one


def add(store: Store, name: str = "job") -> None:
    with store.transaction():
        store.add_job(
            name=name,
            definition='{"name":"job"}',
            source="cli",
            enabled=True,
            paused_at=None,
            now=1_000,
            next_fire_at=2_000,
        )


def run(**facts: Any) -> Run:
    given = {"job": "job", "fire_at": 2_000, "trigger": "cron", "state": State.QUEUED, **facts}
    if given["state"] not in OPEN:
        given.setdefault("finished_at", 2_500)
    return Run(queued_at=2_001, **given)


def test_a_fire_time_can_be_claimed_once(store: Store) -> None:
    with store.transaction():
        assert store.claim(run())
        assert not store.claim(run())
        assert store.claim(run(attempt=2))
        assert store.claim(run(job="other"))


def test_manual_runs_of_one_moment_are_all_claimed(store: Store) -> None:
    with store.transaction():
        assert all(store.claim(run(trigger="manual")) for _ in range(3))


def test_an_outcome_once_written_is_final(store: Store) -> None:
    row = run()
    with store.transaction():
        store.claim(row)
        row.state, row.exit_code, row.finished_at = State.SUCCEEDED, 0, 3_000
        store.save_runs([row])
        row.state, row.exit_code = State.FAILED, 1
        store.save_runs([row])
    saved = store.run(row.id)
    assert saved is not None
    assert (saved.state, saved.exit_code) == (State.SUCCEEDED, 0)


@pytest.mark.parametrize(
    ("state", "counted"),
    [
        (State.SUCCEEDED, {"run_count": 1, "success_count": 1}),
        (State.FAILED, {"run_count": 1, "error_count": 1}),
        (State.TIMED_OUT, {"run_count": 1, "error_count": 1, "timeout_count": 1}),
        (State.LOST, {"run_count": 1, "error_count": 1}),
        (State.CANCELLED, {"run_count": 1}),
        (State.SKIPPED, {"skip_count": 1}),
        (State.MISSED, {"miss_count": 1}),
    ],
)
def test_each_outcome_has_its_own_counters(
    store: Store, state: State, counted: dict[str, int]
) -> None:
    add(store)
    row = run(state=state, reason="because", started_at=2_010, finished_at=2_500)
    with store.transaction():
        store.claim(row)
        store.count(row)
    job = store.job("job")
    assert job is not None
    names = [name for name in job._fields if name.endswith("_count")]
    assert {name: getattr(job, name) for name in names if getattr(job, name)} == counted


def test_a_skip_does_not_touch_the_last_run(store: Store) -> None:
    add(store)
    with store.transaction():
        store.count(run(state=State.SUCCEEDED, started_at=2_010, finished_at=2_500))
        store.count(run(state=State.SKIPPED, fire_at=3_000, reason="overlap"))
    job = store.job("job")
    assert job is not None
    assert (job.last_run_at, job.last_duration_ms) == (2_010, 490)
    assert (job.last_skip_at, job.last_skip_reason) == (3_000, "overlap")
    assert job.last_error is None


def test_a_run_without_an_outcome_cannot_be_counted(store: Store) -> None:
    with pytest.raises(ValueError, match="no outcome"):
        store.count(run(state=State.RUNNING))


def test_history_survives_the_definition(store: Store) -> None:
    add(store)
    with store.transaction():
        store.claim(run(state=State.SUCCEEDED))
        assert store.remove_job("job")
        assert not store.remove_job("job")
    assert store.job("job") is None
    assert [row.job for row in store.runs(job="job")] == ["job"]


def test_runs_are_listed_newest_first_and_filtered(store: Store) -> None:
    with store.transaction():
        for number, state in enumerate([State.FAILED, State.SUCCEEDED, State.FAILED]):
            store.claim(run(fire_at=number, state=state))
        store.claim(run(job="other", state=State.FAILED))
    assert [row.id for row in store.runs()] == [4, 3, 2, 1]
    assert [row.id for row in store.runs(job="job", states=["failed"])] == [3, 1]
    assert [row.id for row in store.runs(states=["failed"], n=2)] == [4, 3]
    assert store.run(99) is None


@pytest.mark.parametrize("name", SQL)
def test_no_query_of_a_step_walks_through_all_of_history(store: Store, name: str) -> None:
    """A scheduler asks these again and again, with a million old runs in the table."""
    values: Any = dict.fromkeys(re.findall(r":(\w+)", SQL[name]), 1) or (1,) * SQL[name].count("?")
    plan = [step["detail"] for step in store.select("EXPLAIN QUERY PLAN " + SQL[name], values)]
    walks = [step for step in plan if step.startswith("SCAN run") and "run_open" not in step]
    assert walks == []


def test_open_runs_are_those_without_an_outcome(store: Store) -> None:
    with store.transaction():
        for number, state in enumerate(State):
            store.claim(run(fire_at=number, state=state))
    assert [row.state for row in store.open_runs()] == ["queued", "starting", "running"]
    assert store.open_counts() == {"queued": 1, "starting": 1, "running": 1}


def test_a_job_counts_as_running_while_a_run_has_a_process(store: Store) -> None:
    add(store)
    row = run(state=State.RUNNING)
    with store.transaction():
        store.claim(row)
    assert [job.running for job in store.jobs()] == [1]


def test_the_event_log_is_bounded(store: Store) -> None:
    with store.transaction():
        for number in range(EVENTS_KEPT + 1_000):
            store.add_event(at=number, kind="job.added", text=str(number), job="job")
    events = store.events(20_000)
    assert len(events) == EVENTS_KEPT
    assert events[0].text == str(EVENTS_KEPT + 999)


def test_plans_and_boots_are_kept(store: Store) -> None:
    add(store)
    with store.transaction():
        store.set_plans([("job", 5_000, None)])
        store.set_boot("job", "boot-1")
        store.set_paused("job", paused_at=4_000, note="why", now=4_000)
    plan = store.plan("job")
    assert plan is not None
    assert (plan.planned_until, plan.next_fire_at, plan.boot_id) == (5_000, None, "boot-1")
    job = store.job("job")
    assert job is not None
    assert (job.paused_at, job.pause_note) == (4_000, "why")


def test_a_name_is_given_to_one_job_only(store: Store) -> None:
    add(store)
    with pytest.raises(StoreError, match=r"UNIQUE.*job\.name"):
        add(store)
    assert store.job_names() == ["job"]


def test_a_replaced_definition_keeps_counters_pause_and_plan(store: Store) -> None:
    add(store)
    with store.transaction():
        store.count(run(state=State.FAILED, started_at=2_010, finished_at=2_500))
        store.set_paused("job", paused_at=4_000, note="why", now=4_000)
        store.set_plan("job", 5_000, 6_000)
    before = store.job("job")
    assert before is not None
    with store.transaction():
        store.replace_job(
            name="job", definition='{"name":"new"}', source="file", enabled=False, now=7_000
        )
    after = store.job("job")
    new = {"definition": '{"name":"new"}', "source": "file", "enabled": False, "updated_at": 7_000}
    assert after == before._replace(**new)
    assert store.definition("job") == '{"name":"new"}'


def test_jobs_and_plans_come_by_name(store: Store) -> None:
    for name in ("b", "c", "a"):
        add(store, name)
    assert store.job_names() == ["a", "b", "c"]
    assert [job.name for job in store.jobs()] == ["a", "b", "c"]
    assert [(plan.name, plan.next_fire_at) for plan in store.plans()] == [
        ("a", 2_000), ("b", 2_000), ("c", 2_000),
    ]  # fmt: skip
    assert store.plan("d") is None
    assert store.definition("d") is None


@pytest.mark.parametrize(
    ("started_at", "finished_at", "duration"),
    [
        (None, None, None),
        (1_000, None, None),
        (None, 1_000, None),
        (1_000, 1_250, 250),
        (1_250, 1_000, 0),  # the clock was set back meanwhile
    ],
)
def test_a_run_lasts_from_start_to_finish(
    started_at: int | None, finished_at: int | None, duration: int | None
) -> None:
    assert run(started_at=started_at, finished_at=finished_at).duration_ms == duration


def test_the_columns_of_jobs_and_plans_stand_in_the_order_of_their_fields(store: Store) -> None:
    def columns(statement: str, **values: object) -> tuple[str, ...]:
        return tuple(one[0] for one in store._db.execute(statement, values).description)

    coming = columns(history.SQL["coming"], until=0, job=None, n=1)

    assert columns(SQL["jobs"]) == coming == JobRow._fields
    assert columns(SQL["plans"]) == PlanRow._fields
