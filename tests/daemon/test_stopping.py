"""Stops in rounds, with real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pb.daemon.stopping import SLICE, Stopping
from pb.process.identity import Identity, identify, is_alive
from pb.process.tree import TreeStop
from tests.kit import eventually

DEAF = "trap '' TERM; echo deaf; while :; do sleep 1; done"


class Trees:
    """Leaders of sessions, each with a marker of its own."""

    def __init__(self) -> None:
        self.started: list[subprocess.Popen[str]] = []

    def start(self, *words: str) -> tuple[Identity, str]:
        marker = f"test-stopping/{os.getpid()}/{len(self.started)}"
        process = subprocess.Popen(
            words, env={**os.environ, "PB_MARKER": marker}, start_new_session=True,
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.started.append(process)
        found = identify(process.pid)
        assert found is not None
        return found, marker

    def close(self) -> None:
        for process in self.started:
            process.kill()
            process.communicate(timeout=20)


@pytest.fixture
def trees() -> Iterator[Trees]:
    made = Trees()
    yield made
    made.close()


def stop_of(tree: tuple[Identity, str], grace: float, log: Path | None = None) -> TreeStop:
    return TreeStop(*tree, signum=signal.SIGTERM, grace=grace, log=log)


def test_more_than_a_slice_of_them_end_together(trees: Trees) -> None:
    planted = [trees.start("/bin/sleep", "300") for _ in range(SLICE + 5)]
    stops = [stop_of(tree, 30.0) for tree in planted]

    async def end_all() -> None:
        stopping = Stopping()
        await asyncio.gather(*(stopping.end(stop) for stop in stops))

    asyncio.run(end_all())
    assert not any(is_alive(leader) for leader, _ in planted)
    assert all(stop.is_finished and stop.has_found and not stop.killed for stop in stops)


def test_who_is_in_a_hurry_waits_for_nobody(trees: Trees) -> None:
    tree = trees.start("/bin/sh", "-c", DEAF)
    output = trees.started[0].stdout
    assert output is not None
    assert output.readline() == "deaf\n"
    patient = stop_of(tree, 600.0)

    async def end_in_haste() -> None:
        stopping = Stopping()
        ending = asyncio.create_task(stopping.end(patient))
        await asyncio.sleep(0.05)
        assert not ending.done()
        patient.hurry()
        stopping.hurry(patient)
        await ending

    asyncio.run(end_in_haste())
    assert not is_alive(tree[0])
    assert patient.killed


def test_a_stop_that_is_given_up_does_not_hold_up_the_others(trees: Trees) -> None:
    deaf, other = trees.start("/bin/sh", "-c", DEAF), trees.start("/bin/sleep", "300")

    async def give_one_up() -> None:
        stopping = Stopping()
        given_up = asyncio.create_task(stopping.end(stop_of(deaf, 600.0)))
        await asyncio.sleep(0)
        given_up.cancel()
        await stopping.end(stop_of(other, 30.0))

    asyncio.run(give_one_up())
    assert not is_alive(other[0])


def test_who_has_lost_its_marker_and_its_leader_is_told_by_its_log(tmp_path: Path) -> None:
    log, pids = tmp_path / "log", tmp_path / "pids"
    words = f"env -i sh -c 'echo $$ > {pids}; exec sleep 300' & exec sleep 300"
    with log.open("w") as output:
        leader = subprocess.Popen(
            ["/bin/sh", "-c", words], env={**os.environ, "PB_MARKER": "test-stopping/x"},
            start_new_session=True, stdout=output,
        )  # fmt: skip
    found = identify(leader.pid)
    assert found is not None
    left = identify(int(eventually(pids.read_text)))
    assert left is not None
    leader.kill()
    leader.wait(20)

    asyncio.run(Stopping().end(stop_of((found, "test-stopping/x"), 0.0, tmp_path / "another")))
    assert is_alive(left)  # its group's number alone proves nothing
    asyncio.run(Stopping().end(stop_of((found, "test-stopping/x"), 0.0, log)))

    assert not is_alive(left)
