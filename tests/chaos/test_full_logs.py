"""A disk that fills up under a service's log: what was written stays, and rotation comes back."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pb.core.service import ServiceLog
from pb.daemon.logkeeping import LogKeeping
from pb.process.limits import written
from pb.process.logfile import RotationPolicy, open_append, read_log

WRITER = """
import errno, os, select
refused = number = 0
while not os.path.exists("enough"):
    line = b"%08d and a line that takes some room of its own .................\\n" % number
    while line:
        try:
            line = line[os.write(1, line):]
        except OSError as error:
            assert error.errno == errno.ENOSPC
            refused += 1
            select.select([], [], [], 0.02)
            if not os.path.lexists("refused"):
                os.symlink("x", "refused")
        if os.path.exists("enough"):
            break
    number += not line
    if number % 20 == 0:
        # Slow enough not to fill the disk again before somebody looks whether there is room.
        select.select([], [], [], 0.005)
os.write(2, b"%d %d" % (number, refused))
"""
SPAN = 60.0


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of five megabytes."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=5m,mode=0700", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(ballast: Path) -> None:
    """Leave not one free byte."""
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while file.write(b"x" * size):
                    pass
            except OSError:
                continue


async def until(is_true: Callable[[], object]) -> None:
    async with asyncio.timeout(SPAN):
        while not is_true():
            await asyncio.sleep(0.02)


@pytest.mark.slow
def test_a_full_disk_loses_no_line_and_rotation_resumes_by_itself(
    small: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = small / "web.log"
    ballast = small / "ballast"
    out = open_append(log)
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER], stdout=out, stderr=subprocess.PIPE, cwd=tmp_path
    )
    os.close(out)

    async def live() -> None:
        keeping = LogKeeping(RotationPolicy())
        keeping.listen()
        keeping.keep(log, ServiceLog(max_size=4 << 20, keep=2, compress=False))
        try:
            await until(lambda: written(log) > 300_000)
            fill(ballast)
            await until(lambda: os.path.lexists(tmp_path / "refused"))
            keeping.keep(log, ServiceLog(max_size=128 << 10, keep=9, compress=False))
            await until(lambda: "bounded: no space left on device" in caplog.text)
            ballast.unlink()
            await until(lambda: "is kept bounded again" in caplog.text)
            await until(lambda: written(log) > 2_500_000)
        finally:
            (tmp_path / "enough").touch()
            keeping.unwatch(log)
            keeping.close()

    try:
        with caplog.at_level(logging.INFO):
            asyncio.run(live())
        _, said = writer.communicate(timeout=SPAN)
    finally:
        writer.kill()
        writer.wait()

    count, refused = map(int, said.split())
    numbers = [int(line.text[:8]) for line in read_log(log, lines=None)]
    whole = [number for number in numbers if number < count]
    assert refused
    assert whole == list(range(whole[0], count))
    assert caplog.text.count("bounded: no space left") == 1
