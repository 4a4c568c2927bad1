"""Watching real runs: no timer without a limit, and looks no more often than they need be."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pb.core.model import Limits
from pb.core.service import Service
from pb.daemon.limits import EVERY, SOONEST, LimitWatch, limits_of
from pb.daemon.messages import InstanceKey
from pb.process.identity import Identity
from pb.process.spawn import Spawn, spawn

MARKER = "a-store/1"


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Identity]:
    """A run of three processes that do nothing."""
    script = f"'{sys.executable}' -c 'input()' <&0 & sleep 60 & wait"
    what = Spawn(
        argv=("/bin/sh", "-c", script),
        env={"PATH": os.defpath, "PB_MARKER": MARKER},
        cwd=str(tmp_path),
        log_path=tmp_path / "1.log",
    )
    who = spawn(what)
    yield who
    os.killpg(who.pid, signal.SIGKILL)
    os.waitpid(who.pid, 0)


def watching(
    who: Identity, log: Path, limits: Limits, seconds: float = 30
) -> list[tuple[int, str]]:
    """What is told until the first message, or until that time is over."""
    told: list[tuple[int, str]] = []

    async def watch() -> None:
        done = asyncio.Event()

        def tell(key: int, reason: str) -> None:
            told.append((key, reason))
            done.set()

        watch = LimitWatch[int](tell, lambda run_id: None)
        watch.watch(1, who, MARKER, limits, log)
        try:
            await asyncio.wait_for(done.wait(), seconds)
        except TimeoutError:
            pass
        watch.forget(1)
        assert len(asyncio.all_tasks()) == 1
        assert not timers(watch)

    asyncio.run(watch())
    return told


def timers(watch: LimitWatch[int]) -> list[asyncio.TimerHandle]:
    return [timer for timer in [watch._timer] if timer is not None]


def test_too_many_processes_are_told_with_their_number(sleeper: Identity, tmp_path: Path) -> None:
    [message] = watching(sleeper, tmp_path / "1.log", Limits(processes=1))

    assert message[0] == 1
    assert message[1].startswith("process limit 1 exceeded (peak ")


def test_a_run_within_its_limits_is_left_alone(sleeper: Identity, tmp_path: Path) -> None:
    limits = Limits(processes=50, memory=1 << 34, output=1 << 30)

    assert watching(sleeper, tmp_path / "1.log", limits, seconds=3 * SOONEST) == []


def test_output_alone_needs_no_look_at_processes(tmp_path: Path) -> None:
    log = tmp_path / "1.log"
    log.write_bytes(b"x" * 2000)
    nobody = Identity(pid=2**22, start_ticks=1, boot_id="x", pid_namespace=1, host="h")

    [message] = watching(nobody, log, Limits(output=1999))

    assert message == (1, "output limit 2 KiB exceeded (wrote 2 KiB)")


def test_nobody_wakes_up_when_no_run_has_a_limit(sleeper: Identity, tmp_path: Path) -> None:
    async def live() -> None:
        watch = LimitWatch[int](lambda key, reason: None, lambda run_id: None)
        assert not timers(watch)
        for run_id in (1, 2):
            watch.watch(run_id, sleeper, MARKER, Limits(processes=50), tmp_path / "1.log")
        [timer] = timers(watch)
        watch.forget(1)
        assert timers(watch) == [timer]
        watch.forget(2)
        assert timer.cancelled()
        assert not timers(watch)

    asyncio.run(live())


def test_a_run_that_does_not_grow_is_looked_at_less_and_less_until_each_second(
    sleeper: Identity, tmp_path: Path
) -> None:
    """What grows fast after a slow start must not go unseen for long."""

    async def live() -> list[float]:
        watch = LimitWatch[int](lambda key, reason: None, lambda run_id: None)
        watch.watch(1, sleeper, MARKER, Limits(output=1 << 30), tmp_path / "1.log")
        pauses = []
        for _ in range(7):
            watch._look()
            [timer] = timers(watch)
            timer.cancel()
            pauses.append(watch._runs[1].pause)
        watch.forget(1)
        return pauses

    doubled = [SOONEST * 2**n for n in range(1, 5)]
    assert asyncio.run(live()) == [*doubled, EVERY, EVERY, EVERY]


@pytest.mark.parametrize(
    ("service", "wanted"),
    [
        (Service(name="web", command=("x",)), Limits()),
        (Service(name="web", command=("x",), max_memory=5), Limits(memory=5)),
        (
            Service(name="web", command=("x",), max_memory=5, limits=Limits(memory=3, output=9)),
            Limits(memory=3),
        ),
    ],
)
def test_the_memory_of_a_service_is_a_limit_of_its_tree(service: Service, wanted: Limits) -> None:
    assert limits_of(service) == wanted


def test_a_life_of_a_service_is_told_by_its_key(sleeper: Identity, tmp_path: Path) -> None:
    key = InstanceKey("web", 0, 3)
    told: list[tuple[InstanceKey, str]] = []

    async def run() -> None:
        watch = LimitWatch[InstanceKey](lambda *one: told.append(one), lambda key: None)
        watch.watch(key, sleeper, MARKER, Limits(memory=1024), tmp_path / "web.log")
        async with asyncio.timeout(30):
            while not told:
                await asyncio.sleep(0.01)
        watch.forget(key)
        assert not watch._timer

    asyncio.run(run())
    assert told[0][0] == key
    assert re.fullmatch(r"memory limit 1 KiB exceeded \(peak .*\)", told[0][1])
