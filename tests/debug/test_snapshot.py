"""Snapshots of a big home: only what changed is asked for, and nothing is ever missed."""

from __future__ import annotations

import asyncio
from typing import Any

from pb.debug.snapshot import MANY, Selection, Snapshots
from pb.errors import UnresponsiveError
from tests.debug.scene import Scene, a_job


class Big:
    """A scene whose jobs always count as expensive to ask for, and its snapshots."""

    def __init__(self) -> None:
        self.scene = Scene()
        self.scene.jobs = [a_job(f"job-{n}") for n in (1, 3)]
        self.error: Exception | None = None
        self.snapshots = Snapshots(self._connect, list, cheap=0.0)

    def _connect(self) -> Any:
        if self.error:
            raise self.error
        return self.scene.connect()

    def event(self, kind: str, job: str | None) -> None:
        self.snapshots.changed({"type": kind, "job": job, "seq": None})

    async def names(self) -> dict[str, int]:
        state = await self.snapshots.state(Selection())
        return {job["name"]: job["run_count"] for job in state["jobs"]["shown"]}


def test_after_the_first_look_only_changed_jobs_are_asked_for() -> None:
    async def scenario() -> None:
        big = Big()
        assert await big.names() == {"job-1": 0, "job-3": 0}
        big.scene.jobs[1]["run_count"] = 5
        big.event("run.succeeded", "job-3")
        assert await big.names() == {"job-1": 0, "job-3": 5}
        assert (big.scene.whole, big.scene.shown) == (1, ["job-3"])

    asyncio.run(scenario())


def test_new_and_removed_jobs_come_and_go_in_their_places() -> None:
    async def scenario() -> None:
        big = Big()
        await big.names()
        big.scene.jobs.append(a_job("job-2"))
        big.event("job.added", "job-2")
        assert list(await big.names()) == ["job-1", "job-2", "job-3"]
        del big.scene.jobs[0]
        big.event("job.removed", "job-1")
        assert list(await big.names()) == ["job-2", "job-3"]
        assert big.scene.whole == 1

    asyncio.run(scenario())


def test_what_names_no_job_may_have_changed_them_all() -> None:
    async def scenario() -> None:
        big = Big()
        await big.names()
        big.event("run.succeeded", None)  # of a run that belongs to no job
        await big.names()
        assert big.scene.whole == 1
        big.event("scheduler.reloaded", None)
        await big.names()
        assert big.scene.whole == 2
        big.snapshots.changed(None)
        await big.names()
        assert big.scene.whole == 3

    asyncio.run(scenario())


def test_many_changes_at_once_are_asked_for_at_once() -> None:
    async def scenario() -> None:
        big = Big()
        await big.names()
        for number in range(MANY + 1):
            big.event("run.succeeded", f"job-{number}")
        await big.names()
        assert (big.scene.whole, big.scene.shown) == (2, [])

    asyncio.run(scenario())


def test_after_a_failure_everything_is_asked_for_again() -> None:
    async def scenario() -> None:
        big = Big()
        await big.names()
        big.error = UnresponsiveError("The scheduler does not answer")
        big.event("run.succeeded", "job-1")
        assert await big.names() == {}
        big.error = None
        big.event("run.succeeded", "job-1")
        assert await big.names() == {"job-1": 0, "job-3": 0}
        assert big.scene.whole == 2

    asyncio.run(scenario())
