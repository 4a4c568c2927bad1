"""A log's side file ``.LOG.idx``: its lock, its logical offsets, and when its lines were written.

The live file loses its head while others append to it, so a position in it means nothing for long.
Everything speaks in *logical* offsets: the count of bytes since the log began. The side file says
which logical offset the live file's first byte has (``base``), where its content that is in no
archive begins (``start``), and which step of a rotation is under way. Behind that header lie
samples (logical offset, epoch ms): what lies before the offset was written by then.

Readers hold the file's ``flock`` shared while they look at the live file, the rotator holds it
exclusively while it takes the head away. Moving bytes is ``logrotate``'s business.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace as changed
from enum import IntEnum
from pathlib import Path

from pb.core.lean import dataclass
from pb.errors import InvalidError
from pb.process.loghole import first_data

MAGIC = b"PBLOGIDX"
VERSION = 1
HEADER = struct.Struct("<8sIIqqqQI12x")
"""magic, version, phase, base, start, cut, inode, CRC of what precedes it: one 64-byte write."""
SAMPLE = struct.Struct("<qq")
MAX_SAMPLES = 4096
"""With 16 bytes each the side file stays below 66 KB; older samples are thinned out first."""
RECENT_SAMPLES = 1024
LATEST = 16
"""How many of the last samples are looked at to see how far the log had come."""
MID_LINE = -1
"""In place of a time: the log was cut at this offset, in the middle of a line."""

FOREIGN = {errno.ELOOP, errno.EISDIR, errno.ENXIO}
"""What opening a symbolic link, a directory or a socket in the side file's place answers."""

POLL_S = 0.002
READER_PATIENCE_S = 2.0
ROTATOR_PATIENCE_S = 0.2

Sample = tuple[int, int]


class Phase(IntEnum):
    """Which step of a rotation the side file vouches for; a crash leaves one of these behind."""

    IDLE = 0
    MOVING = 1
    """Archive 1 is being filled: it begins at ``cut`` and counts as far as ``start``."""
    COLLAPSING = 2
    """Everything before ``cut``, which is not after ``start``, is a hole; the collapse of that may
    or may not be done."""
    TRUNCATING = 3
    """Everything before ``cut`` is archived; the truncation may or may not be done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Where the live file stands; all but ``inode`` are logical offsets."""

    base: int = 0
    start: int = 0
    cut: int = 0
    inode: int = 0
    phase: Phase = Phase.IDLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """When the bytes of a log were written, as far as the samples know; times never fall."""

    offsets: Sequence[int] = ()
    times: Sequence[int] = ()
    cuts: frozenset[int] = frozenset()
    tail_ms: int | None = None
    """When the live file was last written: the time of what no sample covers yet."""

    def at(self, offset: int) -> int | None:
        """Epoch ms by which the byte at ``offset`` was written; None: there is no index."""
        if not self.offsets:
            return None
        place = bisect_right(self.offsets, offset)
        if place < len(self.times):
            return self.times[place]
        return None if self.tail_ms is None else max(self.tail_ms, self.times[-1])

    def first_since(self, since_ms: int) -> int:
        """No byte before this logical offset was written at ``since_ms`` or later."""
        place = bisect_left(self.times, since_ms)
        return self.offsets[place - 1] if place else -(2**62)


def side_file(log: Path, suffix: str) -> Path:
    """A hidden companion of ``log``, so that ``LOG*`` names the log and its archives only."""
    return log.with_name(f".{log.name}.{suffix}")


def index_path(log: Path) -> Path:
    return side_file(log, "idx")


class Index:
    """The open side file, from ``shared`` or ``exclusive``; ``fd`` None: there is none."""

    __slots__ = ("fd", "log")

    def __init__(self, log: Path, fd: int | None) -> None:
        self.log = log
        self.fd = fd

    def close(self) -> None:
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None

    def is_current(self) -> bool:
        """Whether the file that is locked is still the one of that name."""
        try:
            named = os.stat(index_path(self.log))
        except FileNotFoundError:
            return self.fd is None
        return self.fd is not None and os.path.samestat(named, os.fstat(self.fd))

    def state(self) -> State | None:
        """The header; None when there is none, or none that can be trusted."""
        head = b"" if self.fd is None else os.pread(self.fd, HEADER.size, 0)
        return _unpacked(head)

    def write(self, state: State, *, sync: bool = False) -> None:
        """Record ``state`` in one write within a page, which a SIGKILL cannot tear."""
        assert self.fd is not None
        os.pwrite(self.fd, _packed(state), 0)
        if sync:
            os.fdatasync(self.fd)

    def samples(self) -> list[Sample]:
        if self.fd is None or self.state() is None:
            return []
        limit = 16 * MAX_SAMPLES * SAMPLE.size
        raw = os.pread(self.fd, limit, HEADER.size)
        return list(SAMPLE.iter_unpack(raw[: len(raw) // SAMPLE.size * SAMPLE.size]))

    def seen(self) -> int:
        """The furthest logical offset among the latest samples; 0 without any."""
        if self.fd is None or self.state() is None:
            return 0
        count = (os.fstat(self.fd).st_size - HEADER.size) // SAMPLE.size
        begin = HEADER.size + max(0, count - LATEST) * SAMPLE.size
        raw = os.pread(self.fd, LATEST * SAMPLE.size, begin)
        whole = raw[: len(raw) // SAMPLE.size * SAMPLE.size]
        return max((offset for offset, _ in SAMPLE.iter_unpack(whole)), default=0)

    def append(self, samples: Sequence[Sample]) -> int:
        """Add samples; the answer is how many there are now."""
        assert self.fd is not None
        count = max(0, os.fstat(self.fd).st_size - HEADER.size) // SAMPLE.size
        raw = b"".join(SAMPLE.pack(*sample) for sample in samples)
        os.pwrite(self.fd, raw, HEADER.size + count * SAMPLE.size)
        return count + len(samples)

    def replace(self, state: State, samples: Sequence[Sample]) -> None:
        """Put a new side file in this one's place, locked from its first moment on."""
        name = side_file(self.log, "idx.new")
        with suppress(FileNotFoundError):
            os.unlink(name)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        fd = os.open(name, flags, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.write(fd, _packed(state) + b"".join(SAMPLE.pack(*one) for one in samples))
            os.fdatasync(fd)
            os.rename(name, index_path(self.log))
        except OSError:
            os.close(fd)
            raise
        self.close()
        self.fd = fd


@contextmanager
def shared(log: Path) -> Iterator[Index]:
    """The side file, locked against removal of the log's head; for readers.

    When somebody sits on the lock for two seconds (a rotator that was stopped in the middle of
    it) the reader goes on without: a daemon that does not move is never waited for.
    """
    index = _locked(log, fcntl.LOCK_SH, os.O_RDONLY, READER_PATIENCE_S)
    try:
        yield index
    finally:
        index.close()


@contextmanager
def exclusive(log: Path) -> Iterator[Index]:
    """The side file, created if need be, locked for a change to the log's head.

    A reader that was stopped with the lock in its hands is left behind: a copy takes the file's
    place, and the reader sees after its reading that its index is no longer the current one.
    """
    index = _locked(log, fcntl.LOCK_EX, os.O_RDWR | os.O_CREAT, ROTATOR_PATIENCE_S)
    try:
        if index.fd is not None and os.fstat(index.fd).st_size == 0:
            index.write(State())
        elif index.state() is None:
            index.replace(State(), [])
        elif not _try_lock(index.fd, fcntl.LOCK_EX):
            index.replace(index.state() or State(), index.samples())
        yield index
    finally:
        index.close()


def append_samples(log: Path, samples: Sequence[Sample]) -> int:
    """Add samples without waiting for anybody; the answer is how many there are now.

    Only the log's keeper calls this. Readers see whole samples or none: each is one short write.
    """
    index = Index(log, _opened(log, os.O_RDWR))
    try:
        if index.state() is not None:
            return index.append(samples)
    finally:
        index.close()
    with exclusive(log) as fresh:
        return fresh.append(samples)


def load_times(index: Index, modified_ms: int | None) -> Times:
    """The samples as ``Times``; ``modified_ms`` is when the live file was last written."""
    known = index.samples()
    timed = sorted(sample for sample in known if sample[1] != MID_LINE)
    cuts = frozenset(offset for offset, at in known if at == MID_LINE)
    offsets = [offset for offset, _ in timed]
    return Times(offsets=offsets, times=[at for _, at in timed], cuts=cuts, tail_ms=modified_ms)


def thinned(samples: Sequence[Sample], oldest: int) -> list[Sample]:
    """At most half as many samples as may be: none of what is gone, every second of the old."""
    kept = [sample for sample in samples if sample[0] >= oldest]
    old, recent = kept[:-RECENT_SAMPLES], kept[-RECENT_SAMPLES:]
    while len(old) > MAX_SAMPLES // 4:
        cuts = [sample for sample in old if sample[1] == MID_LINE]
        timed = [sample for sample in old if sample[1] != MID_LINE]
        old = sorted(timed[::2] + cuts[-MAX_SAMPLES // 8 :])
    return old + recent


def resolved(state: State | None, seen: int, fd: int) -> State:
    """What is true now of the live file ``fd``, whatever a crash or somebody else did to it.

    ``seen`` is the last sampled logical end. Pure reading: readers use it when no rotator is
    alive, the rotator before it repairs. The answer's phase is idle or moving.
    """
    facts = os.fstat(fd)
    state = state or State(inode=facts.st_ino)
    if state.inode not in (0, facts.st_ino):
        known = max(state.start, seen)
        state = State(base=known, start=known)
    state = changed(_after_crash(state, fd), inode=facts.st_ino)
    if state.base + facts.st_size < max(state.start, seen):
        # Somebody else truncated it: what it holds now is new.
        known = max(state.start, seen)
        state = State(base=known, start=known, inode=facts.st_ino)
    if state.phase is Phase.MOVING:
        return state
    return changed(state, start=state.base + first_data(fd, state.start - state.base))


def _after_crash(state: State, fd: int) -> State:
    """Where content begins, given the step at which a rotation stopped."""
    at_cut = changed(state, start=state.cut, cut=0, phase=Phase.IDLE)
    match state.phase:
        case Phase.IDLE | Phase.MOVING:
            return state
        case Phase.COLLAPSING:
            kept = changed(state, cut=0, phase=Phase.IDLE)
            is_hole = _is_hole(fd, state.cut - state.base)
            return kept if is_hole else changed(kept, base=state.cut)
        case Phase.TRUNCATING:
            is_there = os.fstat(fd).st_size >= state.cut - state.base
            return at_cut if is_there else changed(at_cut, base=state.cut)


def _is_hole(fd: int, length: int) -> bool:
    """Whether the first ``length`` bytes are a hole, that is: punched and not yet collapsed."""
    return os.fstat(fd).st_size >= length and first_data(fd, 0) >= length


def _packed(state: State) -> bytes:
    from binascii import crc32

    fields = (state.phase, state.base, state.start, state.cut, state.inode)
    raw = HEADER.pack(MAGIC, VERSION, *fields, 0)
    return HEADER.pack(MAGIC, VERSION, *fields, crc32(raw))


def _unpacked(raw: bytes) -> State | None:
    if len(raw) != HEADER.size:
        return None
    magic, version, phase, base, start, cut, inode, _ = HEADER.unpack(raw)
    if magic != MAGIC or version != VERSION or phase not in set(Phase):
        return None
    state = State(base=base, start=start, cut=cut, inode=inode, phase=Phase(phase))
    return state if _packed(state) == raw else None


def _locked(log: Path, kind: int, flags: int, patience: float) -> Index:
    """Open the current side file and lock it, or give up on the lock after ``patience``."""
    deadline = time.monotonic() + patience
    while True:
        index = Index(log, _opened(log, flags))
        held = index.fd is None or _try_lock(index.fd, kind)
        if index.is_current() and (held or time.monotonic() > deadline):
            return index
        index.close()
        if not held:
            time.sleep(POLL_S)


def _opened(log: Path, flags: int) -> int | None:
    extra = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        fd = os.open(index_path(log), flags | extra, 0o600)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno not in FOREIGN:
            raise
        raise _foreign(log) from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise _foreign(log)
    return fd


def _foreign(log: Path) -> InvalidError:
    path = index_path(log)
    return InvalidError(
        f"{path} is not the side file of a log", hint=f"Move it aside: mv {path} {log}.aside"
    )


def _try_lock(fd: int | None, kind: int) -> bool:
    try:
        fcntl.flock(-1 if fd is None else fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
