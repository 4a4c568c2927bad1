"""Collecting children inside another program: each by a descriptor of its own."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from pb.daemon.children import OwnChildren
from pb.process.spawn import Spawn, spawn


def test_who_is_expected_twice_is_told_of_once_and_leaves_nothing_open(tmp_path: Path) -> None:
    async def scene() -> list[int]:
        ended: list[int] = []
        over = asyncio.Event()

        def told(pid: int, *_: object) -> None:
            ended.append(pid)
            over.set()

        children = OwnChildren(told)
        before = len(os.listdir("/proc/self/fd"))
        sleep = Spawn(argv=["sleep", "600"], env={"PATH": os.defpath}, cwd="/",
                      log_path=tmp_path / "log")  # fmt: skip
        leader = spawn(sleep)
        children.expect(leader)
        children.expect(leader)
        os.kill(leader.pid, 9)
        await asyncio.wait_for(over.wait(), 60)
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(os.listdir("/proc/self/fd")) == before
        return ended

    assert len(asyncio.run(scene())) == 1
