"""Several schedulers on one store, with a fake clock and fake executors: who does what, once."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pb.core.model import State
from pb.daemon import presence
from pb.errors import ConflictError
from pb.process.identity import Identity, identify
from pb.store.rows import Run
from pb.store.store import Store
from tests.kit.scheduler import World, run_together
from tests.kit.shop import Shop

Make = Callable[..., World]

LEASE = 15.0


@pytest.fixture
def join(tmp_path: Path) -> Iterator[Make]:
    """Make schedulers in homes of their own, all on one store and one clock."""
    made: list[World] = []

    def make(name: str, **options: Any) -> World:
        if made:
            options["clock"] = made[0].clock
        made.append(World(tmp_path / name, db=tmp_path / "shared.db", name=name, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def pair(join: Make) -> tuple[World, World]:
    """Two that know of each other."""
    one, two = join("one"), join("two")
    run_together([one, two], 1)
    return one, two


@pytest.fixture
def dead() -> Identity:
    """A process that was, on this machine and since its boot."""
    process = subprocess.Popen(["/bin/sleep", "300"])
    who = identify(process.pid)
    process.kill()
    process.wait()
    assert who is not None
    return who


def owners(runs: list[Run]) -> set[str | None]:
    return {run.owner for run in runs}


def see(*worlds: World) -> None:
    """Let the time of one look pass."""
    run_together(list(worlds), presence.LOOK_SECONDS + 0.1)


# -- firing


def test_each_fire_time_is_claimed_once_whoever_comes_first(pair: tuple[World, World]) -> None:
    one, two = pair
    one.executor.lasts = two.executor.lasts = 0.2
    one.add(triggers=["every: 1m"])
    run_together([one, two], 1805)
    assert one.states() == ["succeeded"] * 30
    assert len({run.fire_at for run in one.runs()}) == 30
    job = one.store.job("job")
    assert job is not None
    assert (job.run_count, job.miss_count, job.skip_count) == (30, 0, 0)


def test_jobs_that_are_due_at_once_are_shared(pair: tuple[World, World]) -> None:
    one, two = pair
    for n in range(20):
        one.add(f"job{n}", triggers=["cron: 0 13 * * *"])
    run_together([one, two], 3700)
    started = [len(world.executor.started) for world in pair]
    assert sum(started) == 20
    assert min(started) >= 5, started


def test_one_that_does_not_come_leaves_nothing_undone(pair: tuple[World, World]) -> None:
    one, two = pair
    for n in range(20):
        one.add(f"job{n}", triggers=["cron: 0 13 * * *"])
    run_together([two], 3700)  # `one` is frozen
    assert len(two.executor.started) == 20
    one.settle()
    assert one.executor.started == []
    assert all(one.states(f"job{n}") == ["running"] for n in range(20))


def test_a_late_one_neither_repeats_nor_misses_what_the_other_has_done(
    pair: tuple[World, World],
) -> None:
    one, two = pair
    two.executor.lasts = 0.2
    one.add(triggers=["every: 1m"], misfire={"grace": "10s"})
    run_together([two], 600)
    run_together([one, two], 30)
    assert one.states() == ["succeeded"] * 10
    job = one.store.job("job")
    assert job is not None
    assert (job.run_count, job.miss_count) == (10, 0)


def test_fire_times_that_both_slept_through_are_missed_once(pair: tuple[World, World]) -> None:
    one, two = pair
    one.add(triggers=["every: 1m"], misfire={"catch_up": "none", "grace": "5s"})
    one.clock.advance(605)
    two.settle()
    one.settle()
    assert [(run.state, run.fire_count) for run in one.runs()] == [
        (State.MISSED, 9),
        (State.RUNNING, 1),
    ] or [(run.state, run.fire_count) for run in one.runs()] == [(State.MISSED, 10)]
    job = one.store.job("job")
    assert job is not None
    assert job.miss_count in (9, 10)


def test_what_one_is_told_the_other_knows(pair: tuple[World, World]) -> None:
    one, two = pair
    one.add(triggers=["every: 1m"])
    see(one, two)
    assert len(two.engine._planner.timetable) == 1
    one.call("job.pause", name="job")
    see(one, two)
    assert two.engine._planner.timetable.next_ms() is None
    one.call("job.resume", name="job")
    see(one, two)
    assert two.engine._planner.timetable.next_ms() is not None
    two.call("job.remove", name="job")
    run_together([one, two], 120)
    assert len(one.engine._planner.timetable) == 0
    assert one.runs() == []


def test_a_changed_command_is_the_one_that_the_other_starts(pair: tuple[World, World]) -> None:
    one, two = pair
    two.executor.lasts = 0.0
    one.add()
    see(one, two)
    two.call("job.run", name="job")
    definition = {"name": "job", "command": ["false"], "timezone": "UTC"}
    one.call("job.add", definition=definition, replace=True)
    two.call("job.run", name="job")
    job = two.engine._runs.definitions.get("job")
    assert job.command == ("false",)


def test_they_do_not_keep_each_other_awake(pair: tuple[World, World]) -> None:
    one, two = pair
    one.add("by-hand")
    one.add("rare", triggers=["cron: 0 0 1 1 *"])
    see(one, two)
    before = one.store.changes_elsewhere(), two.store.changes_elsewhere()
    run_together([one, two], 4)
    assert (one.store.changes_elsewhere(), two.store.changes_elsewhere()) == before


# -- overlap, queues, locks


def test_a_run_elsewhere_is_an_overlap(pair: tuple[World, World]) -> None:
    one, two = pair
    one.add()
    one.call("job.run", name="job")
    two.call("job.run", name="job")
    assert one.states() == ["running", "skipped"]
    assert one.runs()[1].reason == "overlap: the last run is still active (run 1)"


def test_runs_queued_behind_one_elsewhere_start_one_by_one_oldest_first(
    pair: tuple[World, World],
) -> None:
    one, two = pair
    one.add(overlap="queue", queue_limit=5)
    for world in (one, two, one, two):
        world.call("job.run", name="job")
    assert one.states() == ["running", "queued", "queued", "queued"]
    for number in range(1, 5):
        owner = one if number % 2 else two
        assert [run.id for run in one.runs() if run.state is State.RUNNING] == [number]
        owner.executor.end(number)
        owner.settle()
        see(one, two)
    assert one.states() == ["succeeded"] * 4


def test_too_many_queued_are_refused_wherever_they_wait(pair: tuple[World, World]) -> None:
    one, two = pair
    one.add(overlap="queue", queue_limit=1)
    for world in (one, two, one):
        world.call("job.run", name="job")
    assert one.states() == ["running", "queued", "skipped"]


def test_allowed_instances_are_counted_together(pair: tuple[World, World]) -> None:
    one, two = pair
    one.add(overlap="allow", max_instances=2)
    for world in (one, two, one, two):
        world.call("job.run", name="job")
    assert one.states() == ["running", "running", "skipped", "skipped"]


def test_a_run_elsewhere_is_replaced_by_its_owner(pair: tuple[World, World]) -> None:
    one, two = pair
    one.add(overlap="replace")
    one.call("job.run", name="job")
    two.call("job.run", name="job")
    assert one.states() == ["running", "queued"]
    run_together([one, two], 2)
    assert one.states() == ["cancelled", "running"]
    assert one.runs()[0].reason == "replaced by run 2"
    assert (one.executor.stopped, two.executor.stopped) == ([1], [])


@pytest.mark.parametrize("shared", [{"queue": "disk"}, {"locks": ["tape", "disk"]}])
def test_slots_and_locks_are_one_for_all(pair: tuple[World, World], shared: dict[str, Any]) -> None:
    one, two = pair
    one.add("first", **shared)
    one.add("second", **shared)
    one.call("job.run", name="first")
    two.call("job.run", name="second")
    assert (one.states("first"), one.states("second")) == (["running"], ["queued"])
    one.executor.end(1)
    run_together([one, two], 2)
    assert (one.states("first"), one.states("second")) == (["succeeded"], ["running"])


def test_a_job_follows_another_that_ran_elsewhere(pair: tuple[World, World]) -> None:
    one, two = pair
    one.add("first")
    one.add("then", depends_on=["first"])
    two.call("job.run", name="first")
    two.executor.end(1)
    run_together([one, two], 2)
    assert one.states("then") == ["running"]


# -- asking one about the runs of the other


def test_a_run_elsewhere_is_cancelled_and_the_answer_comes_when_it_is_gone(
    pair: tuple[World, World],
) -> None:
    one, two = pair
    one.add()
    one.call("job.run", name="job")
    answers = two.ask("run.cancel", run_id=1)
    assert answers == []
    run_together([one, two], 3)
    assert one.states() == ["cancelled"]
    assert one.runs()[0].reason == "cancelled by test"
    assert [run["state"] for run in answers[0]["runs"]] == ["cancelled"]


def test_cancelling_a_job_reaches_its_runs_on_both(pair: tuple[World, World]) -> None:
    one, two = pair
    one.add(overlap="allow", max_instances=5)
    one.call("job.run", name="job")
    two.call("job.run", name="job")
    answers = two.ask("job.cancel", name="job")
    run_together([one, two], 3)
    assert one.states() == ["cancelled"] * 2
    assert len(answers[0]["runs"]) == 2


def test_waiting_for_a_run_elsewhere_ends_with_it(pair: tuple[World, World]) -> None:
    one, two = pair
    one.add()
    one.call("job.run", name="job")
    see(one, two)
    answers = two.ask("run.wait", run_id=1)
    run_together([one, two], 5)
    assert answers == []
    one.executor.end(1, 3 << 8)
    run_together([one, two], 2)
    assert (answers[0]["run"]["exit_code"], answers[0]["done"]) == (3, True)


# -- death


def left_alive(gone: World, heir: World) -> None:
    """The processes of a dead scheduler live on; whoever looks finds them."""
    heir.executor.alive.update(gone.executor.alive)


def test_the_runs_of_a_dead_scheduler_are_taken_over_at_once(join: Make, dead: Identity) -> None:
    one, two = join("one", who=dead), join("two")
    # Joining already finds it dead: it was alive for `two` only as long as its row was new.
    assert two.engine._sharing.count == 1
    assert len(two.store.sharing.schedulers()) == 1
    assert one.store.sharing.schedulers() == two.store.sharing.schedulers()


def test_a_dead_schedulers_runs_go_on_elsewhere(join: Make, dead: Identity) -> None:
    two, one = join("two"), join("one", who=dead)
    one.add(overlap="queue")
    one.call("job.run", name="job")
    one.call("job.run", name="job")
    left_alive(one, two)
    see(two)
    assert two.states() == ["running", "queued"]
    assert owners(two.runs()) == {"two"}
    assert [run.fence for run in two.runs()] == [1, 1]
    two.executor.end(1)
    two.settle()
    assert two.states() == ["succeeded", "running"]
    kinds = [event.type for event in two.store.events(20)]
    assert {"scheduler.gone", "run.adopted"} <= set(kinds)


def test_what_a_dead_scheduler_was_starting_is_lost_and_not_started_again(
    join: Make, dead: Identity
) -> None:
    two, one = join("two"), join("one", who=dead)
    one.add()
    one.executor.start = lambda row, job, event: None  # type: ignore[method-assign]
    one.call("job.run", name="job")
    assert one.states() == ["starting"]
    see(two)
    assert two.states() == ["lost"]
    assert two.executor.started == []


def test_a_guarded_scheduler_has_until_its_lease_ends_to_come_back(
    join: Make, dead: Identity
) -> None:
    two, one = join("two"), join("one", who=dead, mode="daemon")
    one.add()
    one.call("job.run", name="job")
    left_alive(one, two)
    run_together([two], LEASE - 2)
    assert owners(two.runs()) == {"one"}
    run_together([two], 5)
    assert owners(two.runs()) == {"two"}


def test_a_home_that_comes_back_has_its_own_runs_at_once(pair: tuple[World, World]) -> None:
    one, two = pair
    one.add()
    one.call("job.run", name="job")
    again = one.crash(db=one.store.path, name="one-again")
    try:
        assert owners(again.runs()) == {"one-again"}
        see(again, two)
        assert again.states() == ["running"]
        assert again.engine._sharing.count == two.engine._sharing.count == 2
    finally:
        again.close()


def test_one_that_stops_in_order_leaves_what_is_queued_to_the_other(
    pair: tuple[World, World],
) -> None:
    one, two = pair
    one.executor.lasts = 5
    one.add("busy", queue="disk")
    one.add("next", queue="disk")
    one.call("job.run", name="busy")
    one.call("job.run", name="next")
    one.call("scheduler.shutdown")
    run_together([one, two], 10)
    assert one.engine.is_finished
    assert two.states("busy") == ["succeeded"]
    assert two.states("next") == ["running"]
    assert [row.id for row in two.store.sharing.schedulers()] == ["two"]


# -- freezing


def test_the_runs_of_a_silent_scheduler_are_taken_over_when_its_lease_is_over(
    pair: tuple[World, World],
) -> None:
    one, two = pair
    one.add()
    one.call("job.run", name="job")
    left_alive(one, two)
    run_together([two], LEASE - 1)
    assert owners(two.runs()) == {"one"}
    run_together([two], 5)
    assert owners(two.runs()) == {"two"}
    assert two.states() == ["running"]


def test_a_scheduler_that_wakes_up_after_that_acts_on_nothing_it_remembers(
    pair: tuple[World, World],
) -> None:
    one, two = pair
    one.add(timeout="10s")
    one.call("job.run", name="job")
    left_alive(one, two)
    run_together([two], LEASE + 5)  # `two` has it now, and stops it: its time is up
    assert two.states() == ["timed_out"]
    one.executor.end(1, 0)  # the late result
    run_together([one, two], 2)
    assert two.states() == ["timed_out"]
    assert one.executor.stopped == []
    assert one.engine._runs.open == {}
    job = one.store.job("job")
    assert job is not None
    assert (job.run_count, job.success_count, job.timeout_count) == (1, 0, 1)
    assert one.engine._sharing.count == 2
    assert "scheduler.fenced" in [event.type for event in one.store.events(20)]


def test_a_start_that_was_ordered_before_freezing_is_not_carried_out_after_it(
    pair: tuple[World, World],
) -> None:
    one, two = pair
    one.add()
    see(one, two)
    order: list[Callable[[], None]] = []
    one.engine._act = lambda slice_: None  # type: ignore[method-assign]
    one.call("job.run", name="job")
    del one.engine._act
    order += one.engine._orders
    assert one.states() == ["starting"]
    assert order
    run_together([two], LEASE + 5)
    assert two.states() == ["lost"]
    one.engine._act(100)
    one.settle()
    assert one.executor.started == []
    assert one.states() == ["lost"]


def test_who_waits_at_a_scheduler_that_froze_hears_of_the_end_all_the_same(
    pair: tuple[World, World],
) -> None:
    one, two = pair
    one.add()
    one.call("job.run", name="job")
    answers = one.ask("run.wait", run_id=1)
    left_alive(one, two)
    run_together([two], LEASE + 5)
    run_together([one, two], 2)
    assert answers == []
    two.executor.end(1)
    run_together([one, two], 2)
    assert answers[0]["run"]["state"] == "succeeded"


def test_after_a_suspend_of_the_machine_nobody_is_taken_for_dead(
    pair: tuple[World, World],
) -> None:
    one, two = pair
    one.add()
    one.call("job.run", name="job")
    one.clock.advance(8 * 3600)
    run_together([two, one], 10)
    assert owners(two.runs()) == {"one"}
    assert [world.engine._sharing.count for world in pair] == [2, 2]


def test_the_store_itself_refuses_what_a_fenced_owner_writes(pair: tuple[World, World]) -> None:
    one, two = pair
    one.add()
    one.call("job.run", name="job")
    stale = one.runs()[0]
    with two.store.transaction():
        two.store.sharing.take_over(two.runs()[0], "two")
    stale.state, stale.finished_at = State.FAILED, one.clock.now_ms()
    with one.store.transaction():
        one.store.save_runs([stale])
    assert two.states() == ["running"]
    assert owners(two.runs()) == {"two"}


def test_a_scheduler_that_is_alone_renews_its_lease_every_other_minute(join: Make) -> None:
    one = join("one")
    one.add(triggers=["cron: 0 0 1 1 *"])
    watcher = join("two")
    watcher.call("scheduler.shutdown")
    written = []
    for _ in range(20):
        before = watcher.store.changes_elsewhere()
        one.run_for(60)
        written.append(watcher.store.changes_elsewhere() != before)
    assert sum(written) == 10


# -- services


def service_phases(world: World) -> list[str]:
    return [str(row.phase) for row in world.store.services.instances()]


def test_services_have_one_keeper_and_the_other_says_who(pair: tuple[World, World]) -> None:
    one, two = pair
    Shop(one).add()
    run_together([one, two], 5)
    assert (len(one.hands.launched), len(two.hands.launched)) == (1, 0)
    with pytest.raises(ConflictError, match=f"scheduler of {one.home.root} keeps the services"):
        two.call("service.stop", names=["web"])


def test_the_services_of_a_keeper_that_is_gone_are_adopted_not_started_again(
    pair: tuple[World, World],
) -> None:
    one, two = pair
    Shop(one).add()
    before = service_phases(one)
    two.hands.alive.update(one.hands.alive)
    run_together([two], LEASE + 5)  # `one` is frozen
    assert service_phases(two) == before
    assert two.hands.launched == []
    run_together([one, two], 2)
    assert len(one.hands.launched) == 1
    with pytest.raises(ConflictError, match=f"scheduler of {two.home.root} keeps the services"):
        one.call("service.stop", names=["web"])


# -- a store that refuses


def test_orders_that_were_committed_are_carried_out_while_the_store_refuses(join: Make) -> None:
    one = join("one")
    one.add()
    one.engine._act = lambda slice_: None  # type: ignore[method-assign]
    one.call("job.run", name="job")
    del one.engine._act
    one.store._db.execute("PRAGMA busy_timeout = 10")
    with Store(one.store.path) as other, other.transaction():
        one.engine.step()
    assert one.engine._refused is not None
    assert len(one.executor.started) == 1
