"""What the log tests share: writers and keepers in processes of their own, and an outsider's eye.

An outsider knows nothing of side files: it concatenates archives and log, as ``zcat`` and ``cat``
would, and ignores the NULs that a hole reads as.
"""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pb
from pb.process.logfile import LogKeeper, RotationPolicy, open_append

ROOT = Path(pb.__file__).parent.parent
LINES = 300_000
POLICY = RotationPolicy(max_size=1 << 20, keep=60)

WRITER = """
import os, select, sys
count, flush, pause = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
held = []
for number in range(count):
    dots = b"." * (number % 60)
    held.append(b"line %08d of a log that is written at full speed %s\\n" % (number, dots))
    if len(held) == flush:
        os.write(1, b"".join(held))
        held.clear()
        if pause:
            select.select([], [], [], pause)
os.write(1, b"".join(held))
"""

KEEPER = """
import os, select, signal, sys, time
from pathlib import Path
from pb.process.logfile import LogKeeper, LogWatch, Removal, RotationPolicy

path, size, keep, removal, die_at, die_after, age = sys.argv[1:8]
left = int(die_after)

def step(name):
    global left
    if name == die_at:
        left -= 1
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

keeper = LogKeeper(
    Path(path),
    RotationPolicy(max_size=int(size), keep=int(keep), max_age=float(age) if age else None),
    removal=Removal(removal) if removal else None, step=step, watch=(watch := LogWatch()),
)
keeper.recover()
print("ready", flush=True)
while True:
    delay = keeper.check(int(time.time() * 1000))
    if keeper.due:
        keeper.rotate()
    elif select.select([watch], [], [], delay if delay < 9 else None)[0]:
        watch.drain()
"""


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


@contextmanager
def writer(
    log: Path, count: int = LINES, flush: int = 1, pause: float = 0
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that writes numbered lines straight to its log, ``flush`` of them per write."""
    out = open_append(log)
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(count), str(flush), str(pause)],
            stdout=out,
            env=environment(),
        )
    finally:
        os.close(out)
    with ended(process):
        yield process


@contextmanager
def keeper_process(
    log: Path,
    policy: RotationPolicy = POLICY,
    *,
    removal: str = "",
    die_at: str = "",
    die_after: int = 1,
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that keeps ``log``, ready, and that kills itself at a step if told to."""
    arguments: list[object] = [log, policy.max_size, policy.keep, removal, die_at, die_after]
    arguments.append("" if policy.max_age is None else policy.max_age)
    process = subprocess.Popen(
        [sys.executable, "-c", KEEPER, *map(str, arguments)],
        stdout=subprocess.PIPE,
        env=environment(),
    )
    with ended(process):
        assert process.stdout is not None
        process.stdout.readline()
        yield process


@contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    with process:
        try:
            yield
        finally:
            if process.poll() is None:
                process.kill()


@contextmanager
def kept(keeper: LogKeeper) -> Iterator[list[BaseException]]:
    """Drive ``keeper`` as the scheduler does: check on one thread, rotate on another."""
    stop, troubles = threading.Event(), list[BaseException]()

    def look() -> None:
        while not stop.is_set():
            delay = keeper.check(time.time_ns() // 1_000_000)
            stop.wait(min(delay, 0.02))

    def work() -> None:
        while not stop.is_set():
            if keeper.due:
                keeper.rotate()
            stop.wait(0.001)

    def guarded(what: Callable[[], None]) -> None:
        try:
            what()
        except BaseException as error:
            troubles.append(error)

    threads = [threading.Thread(target=guarded, args=(what,)) for what in (look, work)]
    for thread in threads:
        thread.start()
    try:
        yield troubles
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert troubles == []


def archive_files(log: Path) -> list[Path]:
    """The archives, oldest first."""

    def number(path: Path) -> int:
        return int(path.name.removeprefix(log.name + ".").removesuffix(".gz"))

    return sorted(log.parent.glob(f"{log.name}.*"), key=number, reverse=True)


def outsider(log: Path) -> bytes:
    """Archives, oldest first, and the live file, as `zcat` and `cat` would show them."""
    pieces = [
        gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        for path in archive_files(log)
    ]
    return b"".join([*pieces, live_content(log)]).replace(b"\0", b"")


def live_content(log: Path) -> bytes:
    """The live file from its first data on: a punched head may be gigabytes of nothing."""
    with open(log, "rb") as file:
        try:
            file.seek(os.lseek(file.fileno(), 0, os.SEEK_DATA))
        except OSError:
            return b""
        return file.read()


def numbers(content: bytes) -> list[int]:
    """The numbers of the lines; a line that is torn, merged or foreign is an error."""
    found = []
    for line in content.splitlines():
        words = line.split()
        number = int(words[1])
        assert line == b"line %08d of a log that is written at full speed %s" % (
            number,
            b"." * (number % 60),
        )
        found.append(number)
    return found


def disk(log: Path) -> int:
    """Bytes on the disk of the log and everything beside it."""
    total = 0
    with os.scandir(log.parent) as entries:
        for entry in entries:
            try:
                total += entry.stat(follow_symlinks=False).st_blocks * 512
            except FileNotFoundError:
                continue
    return total
