"""Settings that change while the scheduler runs, and count without a new start."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pb.config.settings import LogSettings, RetentionSettings, SchedulerSettings, Settings
from pb.core.service import ServiceLog
from pb.daemon.logkeeping import LogKeeping
from pb.process.logfile import RotationPolicy
from tests.kit.scheduler import World

BY_HAND = {"triggers": ["at: 2099-01-01T00:00:00Z"]}


def reloaded(world: World, **sections: Any) -> Any:
    """Have another configuration, and what the scheduler answers."""
    world.settings = replace(world.settings, **sections)
    answers: list[Any] = []
    world.engine.apply_files(answers.append)
    world.settle()
    assert isinstance(answers[0], dict), answers
    return answers[0]["settings"]


def running(world: World, job: str) -> int:
    return world.states(job).count("running")


def test_more_runs_may_be_active_at_once(world: Callable[..., World]) -> None:
    one = world(max_running=1)
    for name in ("a", "b", "c"):
        one.add(name, **BY_HAND)
        one.ask("job.run", name=name)
    one.settle()
    assert [running(one, name) for name in ("a", "b", "c")] == [1, 0, 0]

    told = reloaded(one, scheduler=SchedulerSettings(max_running=2))

    assert told == {"at_once": ["scheduler.max_running"], "at_start": []}
    assert [running(one, name) for name in ("a", "b", "c")] == [1, 1, 0]


def test_a_queue_gets_more_slots(world: Callable[..., World]) -> None:
    one = world(queues={"disk": 1})
    for name in ("a", "b"):
        one.add(name, queue="disk", **BY_HAND)
        one.ask("job.run", name=name)
    one.settle()
    assert [running(one, name) for name in ("a", "b")] == [1, 0]

    reloaded(one, scheduler=SchedulerSettings(queues={"disk": 2}))

    assert [running(one, name) for name in ("a", "b")] == [1, 1]
    assert one.call("queue.list")["queues"]


def test_less_history_is_kept_at_once(world: Callable[..., World]) -> None:
    one = world(lasts=0.0)
    one.add("a", **BY_HAND)
    for _ in range(12):
        one.ask("job.run", name="a")
        one.run_for(1)
    assert one.states("a") == ["succeeded"] * 12

    reloaded(one, retention=RetentionSettings(keep_runs=3))

    assert len(one.runs("a")) == 3


def test_new_jobs_get_the_new_zone_and_old_ones_keep_theirs(world: Callable[..., World]) -> None:
    one = world()
    one.add("before", timezone="local", triggers=["cron: 0 3 * * *"])
    reloaded(one, scheduler=SchedulerSettings(timezone="Europe/Berlin"))
    one.add("after", timezone="local", triggers=["cron: 0 3 * * *"])

    zones = [one.call("job.show", name=name)["job"]["timezone"] for name in ("before", "after")]
    assert zones == ["local", "Europe/Berlin"]


def test_what_needs_a_new_start_is_named_and_stays(world: Callable[..., World]) -> None:
    one = world()
    told = reloaded(one, scheduler=SchedulerSettings(lease=99.0, shutdown_timeout=1.0))

    assert told == {"at_once": ["scheduler.shutdown_timeout"], "at_start": ["scheduler.lease"]}
    assert one.taken[-1].scheduler.lease == Settings().scheduler.lease
    assert one.taken[-1].scheduler.shutdown_timeout == 1.0


def test_logs_have_the_new_bounds_and_own_rules_stay(tmp_path: Any) -> None:
    async def scene() -> dict[str, RotationPolicy]:
        keeping = LogKeeping(RotationPolicy())
        paths = {word: tmp_path / f"{word}.log" for word in ("daemon", "run", "bounded", "web")}
        for path in paths.values():
            path.touch()
        keeping.watch(paths["daemon"])
        keeping.bound(paths["run"], None)
        keeping.bound(paths["bounded"], 80_000)
        keeping.keep(paths["web"], ServiceLog(keep=1))
        for path in paths.values():
            keeping.watch(path)
        settings = LogSettings(max_size=9_000, keep=2, compress=False)
        keeping.keep_to(
            RotationPolicy(max_size=settings.max_size, keep=settings.keep, compress=False)
        )
        found = {word: keeping._keepers[path].policy for word, path in paths.items()}
        keeping.close()
        return found

    found = asyncio.run(scene())
    assert found["daemon"] == found["run"] == RotationPolicy(max_size=9_000, keep=2, compress=False)
    assert found["bounded"].max_size == 20_000
    assert found["web"] == RotationPolicy(max_size=9_000, keep=1, compress=False)
