"""The jobs that pb itself has: there, out of the way, and everybody's to change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pb.api.builtin import TABLES, install
from pb.config.settings import MaintenanceSettings, SchedulerSettings
from pb.errors import ConflictError, InvalidError
from tests.kit.scheduler import World

HOUR = 3_600
DAY = 24 * HOUR


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    one = World(tmp_path / "home", lasts=1.0)
    install(one.engine._context)
    one.store.close()
    again = one.crash(lasts=1.0)
    yield again
    again.close()


def settings(world: World, **switches: bool) -> None:
    context = world.engine._context
    context.settings = replace(context.settings, maintenance=MaintenanceSettings(**switches))


def every(world: World) -> dict[str, Any]:
    return {job["name"]: job for job in world.call("job.list", all=True)["jobs"]}


def listed(world: World) -> list[str]:
    return [job["name"] for job in world.call("job.list")["jobs"]]


def test_they_are_there_and_in_no_list_unless_asked_for(world: World) -> None:
    world.add("mine", triggers=["every: 1h"])

    assert set(every(world)) == {*TABLES, "mine"}
    assert {name for name, job in every(world).items() if job["builtin"]} == set(TABLES)
    assert listed(world) == ["mine"]
    assert [job["name"] for job in world.call("scheduler.status")["jobs"]] == ["mine"]
    assert [job["name"] for job in world.call("job.next")["jobs"]] == ["mine"]
    assert [job["name"] for job in world.call("job.export")["jobs"]] == ["mine"]
    assert [job["name"] for job in world.call("job.schedule", hours=999)["jobs"]] == ["mine"]
    assert [job["name"] for job in world.call("system.metrics")["jobs"]] == ["mine"]
    assert [one["jobs"] for one in world.call("queue.list")["queues"]] == [1]
    assert world.call("job.pause")["names"] == ["mine"]
    assert world.call("job.show", name="rollup_day")["job"]["builtin"]


def test_they_run_at_night_and_count_as_nobodys(world: World) -> None:
    world.run_for(8 * DAY)

    states = {name: world.states(name) for name in TABLES}
    assert states["rollup_day"] == ["succeeded"] * 8
    assert {len(states[name]) for name in ("compaction", "rollup_week", "backup_weekly")} == {1}
    assert world.call("job.history")["runs"] == []
    assert world.call("job.history", states=["succeeded"])["runs"] == []
    assert world.call("job.activity")["buckets"] == []
    assert world.call("job.stats")["records"] == 0
    assert len(world.call("job.history", name="rollup_day")["runs"]) == 8
    assert world.call("job.stats", name="rollup_day")["records"] == 8


def test_installing_again_changes_nothing_and_leaves_switches_as_they_are(world: World) -> None:
    world.call("job.disable", name="compaction")
    world.call("job.pause", name="retention")
    before = every(world)
    writes = world.store._db.total_changes
    install(world.engine._context)

    assert every(world) == before
    assert world.store._db.total_changes == writes
    assert (before["compaction"]["state"], before["retention"]["state"]) == ("disabled", "paused")


def test_a_definition_that_is_out_of_date_is_renewed(world: World) -> None:
    row = world.store.job("compaction")
    assert row is not None
    world.call("job.disable", name="compaction")
    old = row.definition.replace("0 0 4 * * 0", "0 0 5 * * 0")
    with world.store.transaction():
        world.store.replace_job(
            name="compaction", definition=old, source="builtin", enabled=False, now=1
        )
    install(world.engine._context)

    renewed = world.store.job("compaction")
    assert renewed is not None
    assert (renewed.definition, renewed.enabled, renewed.next_fire_at) == (
        row.definition,
        False,
        None,
    )


def test_a_setting_takes_them_away_and_brings_them_back(world: World) -> None:
    settings(world, rollups=False, backup=False, digests=False)
    install(world.engine._context)
    assert set(every(world)) == {"compaction", "retention"}
    settings(world)
    install(world.engine._context)
    assert set(every(world)) == set(TABLES)


def test_ones_own_job_of_such_a_name_is_left_alone(world: World) -> None:
    with pytest.raises(ConflictError, match="that pb itself has") as caught:
        world.add("compaction", triggers=["every: 1h"])
    assert "--replace" in str(caught.value.hint)
    own = {"name": "compaction", "command": ["true"], "triggers": ["every: 1h"]}
    world.call("job.add", definition=own, replace=True, source="builtin")
    install(world.engine._context)

    assert listed(world) == ["compaction"]
    assert every(world)["compaction"]["source"] == "cli"
    settings(world, compaction=False)
    install(world.engine._context)
    assert listed(world) == ["compaction"]
    world.call("job.remove", name="compaction")
    settings(world)
    install(world.engine._context)
    assert every(world)["compaction"]["builtin"]


def test_a_reserved_name_is_refused_before_they_are_there_too(tmp_path: Path) -> None:
    fresh = World(tmp_path / "fresh")
    with pytest.raises(ConflictError, match="that pb itself has"):
        fresh.add("retention")
    fresh.close()


def test_they_cannot_be_removed_only_switched_off(world: World) -> None:
    with pytest.raises(InvalidError, match="cannot be removed") as caught:
        world.call("job.remove", name="rollup_week")
    assert "maintenance.rollups = false" in str(caught.value.hint)


def test_a_definition_file_may_do_it_another_way(world: World) -> None:
    world.home.jobs_dir.mkdir()
    file = world.home.jobs_dir / "own.toml"
    file.write_text('[job.retention]\ncommand = ["true"]\n')
    world.engine.apply_files()

    assert every(world)["retention"]["source"] == f"file:{file}"
    file.unlink()
    world.engine.apply_files()
    install(world.engine._context)
    assert every(world)["retention"]["builtin"]


def test_the_number_of_jobs_that_a_start_tells_is_that_of_peoples(world: World) -> None:
    world.add("mine", triggers=["every: 1h"])
    again = world.crash()

    newest = again.call("events.recent", n=1, type="scheduler.started")["events"][0]
    assert newest["text"] == "Scheduler started with 1 jobs"
    again.close()


def test_the_zone_of_the_settings_is_for_peoples_jobs(tmp_path: Path) -> None:
    world = World(tmp_path / "home")
    context = world.engine._context
    zoned = SchedulerSettings(timezone="Asia/Tokyo")
    context.settings = replace(context.settings, scheduler=zoned)
    install(context)

    assert every(world)["rollup_day"]["timezone"] == "UTC"
    world.close()
