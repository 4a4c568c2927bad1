"""Moving the head of a live log into archive 1 while others append to it, and crash-safely.

Archive 1 is filled a chunk at a time, so that the disk never holds the head twice. The order that
neither doubles nor loses a byte, whenever the process dies: copy a chunk behind what the archive
holds; record that the live file's content begins after it; make it a hole. What the archive holds
beyond the record does not count, and a hole can be made twice. At the end the whole hole is
collapsed: that is recorded first, and whether it has been done can be seen (the head is a hole or
it is not). When to rotate is ``logkeeper``'s decision.
"""

from __future__ import annotations

import fcntl
import os
import stat
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace as changed
from pathlib import Path

from pb.errors import ConflictError, InvalidError, NotFoundError, PbError, PermissionDeniedError
from pb.process import logarchive
from pb.process.loghole import Removal, collapse, probe, punch
from pb.process.logindex import (
    MAX_SAMPLES,
    MID_LINE,
    Index,
    Phase,
    State,
    exclusive,
    resolved,
    thinned,
)

COPY_CHUNK = 2 << 20
FLOCK = struct.Struct("hhqqi4x")
"""struct flock of a 64-bit Linux: type, whence, start, length, pid."""
CLAIMED_BYTE = 1 << 62
LINE_SEARCH = 64 * 1024
"""How far back from the wished cut a line end is looked for, where the cut is free to move."""


def no_step(name: str) -> None:
    """What is told of each step of a rotation when nobody wants to know."""


def open_regular(path: Path, flags: int) -> int:
    """Open ``path`` unless something else than a regular file stands there.

    Raises FileNotFoundError when nothing does, InvalidError for a symbolic link, a FIFO, a
    directory or a device (none of these is followed, waited for or written to), and
    PermissionDeniedError.
    """
    hint = f"Move it aside: mv {path} {path}.aside"
    try:
        fd = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        raise
    except PermissionError as error:
        raise PermissionDeniedError(
            f"Cannot open {path}: permission denied", hint=f"Look at its mode: ls -l {path}"
        ) from error
    except OSError as error:
        what = _kind(path)
        if what is None:
            raise
        raise InvalidError(f"{path} is {what}, not a log file", hint=hint) from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise InvalidError(f"{path} is {_kind(path)}, not a log file", hint=hint)
    os.set_blocking(fd, True)
    return fd


def _kind(path: Path) -> str | None:
    """What stands at ``path`` in words; None for a regular file or nothing."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return None
    names = {
        stat.S_IFLNK: "a symbolic link",
        stat.S_IFIFO: "a FIFO",
        stat.S_IFDIR: "a directory",
        stat.S_IFSOCK: "a socket",
        stat.S_IFREG: None,
    }
    return names.get(stat.S_IFMT(mode), "a device")


class Rotator:
    """Takes heads off one log. Not for two threads at once; a second process is kept away.

    ``removal`` None finds out what the file system can do. ``step`` is told the name of each
    step before it is taken, for those who want to see a rotation from the inside.
    """

    def __init__(
        self,
        log: Path,
        *,
        removal: Removal | None = None,
        step: Callable[[str], None] = no_step,
    ) -> None:
        self.log = log
        self._removal = removal
        self._step = step

    @property
    def removal(self) -> Removal:
        if self._removal is None:
            self._removal = probe(self.log.parent)
        return self._removal

    def settle(self) -> State:
        """Finish or undo what a crash left, and answer where the log stands.

        Raises NotFoundError without a log, ConflictError while another process rotates it.
        """
        with self._alone() as live:
            state = self._settled(live)
            hole = state.start - state.base
            whole = hole > 0 and hole % os.fstat(live).st_blksize == 0
            if whole and self.removal is Removal.COLLAPSE:
                state = self._remove(live, state, state.start, sync=True, close=True)
            return state

    def held(self, want: int) -> int:
        """How much archive 1 holds when a crash or a full disk left it short; 0 when it is full.

        A short one is filled up first, so that crashes do not use up the number of archives.
        """
        newest = logarchive.archive_path(self.log, 1)
        try:
            size = newest.stat().st_size
        except FileNotFoundError:
            return 0
        return size if want - size > want // 8 else 0

    def move(
        self,
        want: int,
        *,
        archive: bool,
        sync: bool,
        collapse: bool = True,
        whole: bool = False,
    ) -> State:
        """Take about ``want`` bytes off the head: into archive 1, or nowhere.

        Rounded down to where a cut is possible; nothing happens when that leaves nothing. With
        ``sync`` each record is on the disk before the next step, so that not even a power cut
        doubles or loses. Without ``collapse`` the hole stays for the next move to close, which
        is quicker. ``whole``: all complete lines go, into an archive of their own. Raises OSError,
        and what ``settle`` raises.
        """
        with self._alone() as live:
            state = self._settled(live)
            held = self.held(want) if archive and not whole else 0
            cut = self._end_cut(live, state) if whole else self._cut(live, state, want - held)
            if cut <= state.start:
                return state
            if archive:
                state = self._fill(live, state, cut, held, sync=sync)
            return self._remove(live, state, cut, sync=sync, close=collapse)

    @contextmanager
    def _alone(self) -> Iterator[int]:
        """The live file, open, and this the one rotator of it while it lasts."""
        try:
            fd = open_regular(self.log, os.O_RDWR)
        except FileNotFoundError as error:
            raise NotFoundError(f"There is no log file {self.log}") from error
        try:
            if not _try_claim(fd):
                raise ConflictError(f"Another process is rotating {self.log}")
            yield fd
        finally:
            os.close(fd)

    def _settled(self, live: int) -> State:
        with exclusive(self.log) as index:
            stored = index.state()
            state = resolved(stored, index.seen(), live)
            if state.phase is Phase.MOVING:
                self._settle_archive(live, state)
            state = changed(state, phase=Phase.IDLE, cut=0)
            if state != stored:
                index.write(state)
            return state

    def _settle_archive(self, live: int, state: State) -> None:
        """What the archive holds beyond the record does not count; what it holds goes."""
        newest = logarchive.archive_path(self.log, 1)
        with suppress(FileNotFoundError):
            os.truncate(newest, state.start - state.cut)
            if state.start == state.cut:
                newest.unlink()
        if self.removal is not Removal.TRUNCATE:
            self._punch(live, max(state.cut - state.base, 0), state.start - state.base)

    def _cut(self, live: int, state: State, want: int) -> int:
        """The logical offset to cut at, at or below ``state.start`` when there is none."""
        facts = os.fstat(live)
        head, size, block = state.start - state.base, facts.st_size, facts.st_blksize
        if self.removal is Removal.TRUNCATE:
            return state.base + size
        limit = min(head + want, size)
        aligned = limit // block * block
        if self.removal is Removal.PUNCH:
            search = min(LINE_SEARCH, want // 8)
            return state.base + (_line_end(live, max(head, limit - search), limit) or aligned)
        # A collapse must leave something: it may not reach the end of the file.
        return state.base + (aligned if aligned < size else aligned - block)

    def _end_cut(self, live: int, state: State) -> int:
        """The logical offset after the last complete line; ``state.start`` when there is none."""
        head, size = state.start - state.base, os.fstat(live).st_size
        if self.removal is Removal.TRUNCATE:
            return state.base + size
        return state.base + (_line_end(live, max(head, size - LINE_SEARCH), size) or head)

    def _fill(self, live: int, state: State, cut: int, held: int, *, sync: bool) -> State:
        """Move everything up to ``cut`` into archive 1; a new one, unless it ``held`` little."""
        with exclusive(self.log) as index:
            if not held:
                logarchive.shift(self.log)
                self._step("shifted")
            target = open_regular(logarchive.archive_path(self.log, 1), os.O_WRONLY | os.O_CREAT)
            self._step("created")
            state = changed(state, phase=Phase.MOVING, cut=state.start - held)
            index.write(state, sync=sync)
        try:
            if sync:
                _sync_directory(self.log.parent)
            # Half of a small segment, so that little is there twice.
            block = os.fstat(live).st_blksize
            chunk = min(COPY_CHUNK, max((cut - state.start) // 2 // block * block, block))
            while state.start < cut:
                size = min(chunk, cut - state.start)
                state = self._move_chunk(live, target, state, size, sync=sync)
        finally:
            os.close(target)
        return state

    def _move_chunk(self, live: int, target: int, state: State, size: int, *, sync: bool) -> State:
        place, done = state.start - state.base, 0
        while done < size:
            held = state.start - state.cut + done
            count = _copied(live, target, size - done, place + done, held)
            if count == 0:
                raise PbError(f"{self.log} became shorter while its head was moved")
            done += count
        if sync:
            os.fdatasync(target)
        self._step("copied")
        with exclusive(self.log) as index:
            state = changed(state, start=state.start + size)
            index.write(state, sync=sync)
            self._step("recorded")
            if self.removal is not Removal.TRUNCATE:
                self._punch(live, place, place + size)
        self._step("punched")
        return state

    def _remove(self, live: int, state: State, cut: int, *, sync: bool, close: bool) -> State:
        """Finish: what is in no archive yet goes nowhere, and the hole is closed."""
        with exclusive(self.log) as index:
            self._note_cut(live, index, state, cut)
            if state.start < cut:
                begin, state = state.start, changed(state, start=cut)
                index.write(state, sync=sync)
                self._step("discarded")
                if self.removal is not Removal.TRUNCATE:
                    self._punch(live, begin - state.base, cut - state.base)
            if close and self.removal is Removal.COLLAPSE:
                state = self._collapse(live, index, state, sync=sync)
            elif self.removal is Removal.TRUNCATE:
                state = self._truncate(live, index, state)
            self._step("removed")
            state = changed(state, phase=Phase.IDLE, cut=0)
            index.write(state, sync=sync)
            self._step("done")
            return state

    def _is_torn(self, live: int, state: State, cut: int) -> bool:
        """Whether ``cut`` lies in the middle of a line: its last byte is here or archived."""
        if state.start < cut or self.removal is Removal.TRUNCATE:
            return os.pread(live, 1, cut - state.base - 1) != b"\n"
        try:
            with open(logarchive.archive_path(self.log, 1), "rb") as archive:
                archive.seek(-1, os.SEEK_END)
                return archive.read(1) != b"\n"
        except OSError:
            return False  # Nothing was archived before the cut, so nothing was torn.

    def _note_cut(self, live: int, index: Index, state: State, cut: int) -> None:
        """Remember a cut in the middle of a line, and keep the side file small."""
        torn = self._is_torn(live, state, cut)
        count = index.append([(cut, MID_LINE)] if torn else [])
        if count > MAX_SAMPLES:
            first = logarchive.first_offset(self.log, state.start)
            index.replace(state, thinned(index.samples(), first))

    def _punch(self, live: int, begin: int, end: int) -> None:
        """Make a hole. Whole blocks only are freed, so begin at the first one's edge."""
        begin -= begin % os.fstat(live).st_blksize
        if end > begin:
            punch(live, begin, end - begin)

    def _collapse(self, live: int, index: Index, state: State, *, sync: bool) -> State:
        """Close the hole as far as whole blocks go, but for the file's last one; what cannot be
        closed just now stays a hole, which does as well."""
        facts = os.fstat(live)
        length = (state.start - state.base) // facts.st_blksize * facts.st_blksize
        if not 0 < length < facts.st_size:
            return state
        index.write(changed(state, phase=Phase.COLLAPSING, cut=state.base + length), sync=sync)
        self._step("removal recorded")
        try:
            collapse(live, length)
        except OSError:
            return state
        return changed(state, base=state.base + length)

    def _truncate(self, live: int, index: Index, state: State) -> State:
        """Move what has come since into the archive too, and truncate at once."""
        end = state.start - state.base
        path = logarchive.archive_path(self.log, 1)
        index.write(changed(state, phase=Phase.TRUNCATING, cut=state.start))
        self._step("removal recorded")
        with open(path, "ab", buffering=0) if path.exists() else nullcontext() as archive:
            while chunk := os.pread(live, COPY_CHUNK, end):
                end += len(chunk)
                if archive is not None:
                    archive.write(chunk)
            os.ftruncate(live, 0)
        return changed(state, base=state.base + end, start=state.base + end)


def _copied(source: int, target: int, size: int, offset: int, place: int) -> int:
    """Copy up to ``size`` bytes, inside the kernel where it can; the answer is how many."""
    try:
        count = os.copy_file_range(source, target, size, offset, place)
    except (OSError, AttributeError):
        count = 0
    return count or os.pwrite(target, os.pread(source, size, offset), place)


def _line_end(live: int, begin: int, limit: int) -> int | None:
    """The position after the last line end between two positions."""
    place = os.pread(live, limit - begin, begin).rfind(b"\n")
    return begin + place + 1 if place >= 0 else None


def _try_claim(fd: int) -> bool:
    """Lock one byte far beyond any log's end: no flock, and no lock of the writer's, meets it.

    An open file description's lock (fcntl(2), Linux 3.15) goes with this descriptor alone; a
    process's lock, elsewhere, would go when any descriptor of the file is closed.
    """
    try:
        if hasattr(fcntl, "F_OFD_SETLK"):
            claim = FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, CLAIMED_BYTE, 1, 0)
            fcntl.fcntl(fd, fcntl.F_OFD_SETLK, claim)
        else:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, CLAIMED_BYTE)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
