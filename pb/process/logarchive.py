"""A log's archives: ``LOG.1`` (plain, the newest), ``LOG.2.gz`` and so on, the oldest last.

A log that keeps its head has ``LOG.head`` (or ``LOG.head.gz``) besides: its first segment.

Naming, counting, shifting, dropping and compressing them; the live file is nobody's business here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from pb.core.lean import dataclass
from pb.process.logindex import exclusive, side_file

CHUNK = 256 * 1024
GZIP = 31
"""zlib's window bits for a gzip container (zlib manual, deflateInit2)."""
LEVEL = 6
COMPRESSED_FROM = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """One archived piece of a log; ``number`` 1 is the newest."""

    number: int
    path: Path
    compressed: bool

    def length(self) -> int:
        """How many bytes of the log it holds; 0 when it has just been dropped.

        A gzip file ends with its content's length in 32 bits (RFC 1952), which suffices below
        4 GiB; a segment is kept below that.
        """
        try:
            if not self.compressed:
                return self.path.stat().st_size
            with open(self.path, "rb") as packed:
                packed.seek(-4, os.SEEK_END)
                return int.from_bytes(packed.read(4), "little")
        except OSError:
            return 0

    def disk(self) -> int:
        """How many bytes it takes on the disk."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0


def archive_path(log: Path, number: int, *, compressed: bool = False) -> Path:
    return log.with_name(f"{log.name}.{number}{'.gz' if compressed else ''}")


def archives(log: Path) -> list[Archive]:
    """The archives of ``log``, newest first; of a number's two forms only the compressed one.

    Both forms exist only when a crash came between giving the compressed one its name, which
    happens when it is complete, and removing the plain one.
    """
    found: dict[int, Archive] = {}
    for one in sorted(_every_archive(log), key=lambda archive: archive.compressed):
        found[one.number] = one
    return [found[number] for number in sorted(found)]


def head(log: Path) -> Archive | None:
    """The first segment of a log that keeps it, once something behind it has gone."""
    for compressed in (False, True):
        path = head_path(log, compressed=compressed)
        if os.path.lexists(path):
            return Archive(number=0, path=path, compressed=compressed)
    return None


def head_path(log: Path, *, compressed: bool) -> Path:
    return log.with_name(f"{log.name}.head{'.gz' if compressed else ''}")


def pin_head(log: Path, start: int) -> None:
    """Give the first segment its name before room is made, so that it is never dropped.

    ``start`` is the logical offset at which the archives end: the segment begins at 0.
    """
    present = archives(log)
    if present and head(log) is None and sum(one.length() for one in present) == start:
        oldest = present[-1]
        os.rename(oldest.path, head_path(log, compressed=oldest.compressed))


def first_offset(log: Path, start: int) -> int:
    """The logical offset of the first byte that any archive holds."""
    if head(log) is not None:
        return 0
    return start - sum(one.length() for one in archives(log))


def log_files(log: Path) -> list[Path]:
    """Every file that belongs to ``log`` and exists: itself, its archives, its side files."""
    sides = [side_file(log, kind) for kind in ("idx", "idx.new", "gz")]
    heads = [head_path(log, compressed=compressed) for compressed in (False, True)]
    named = [log, *(one.path for one in _every_archive(log)), *heads, *sides]
    return [path for path in named if os.path.lexists(path)]


def remove_log(log: Path) -> None:
    """Delete ``log`` and everything that belongs to it; none of it is no error."""
    for path in log_files(log):
        with suppress(FileNotFoundError):
            path.unlink()


def drop_doubles(log: Path) -> None:
    """Remove a plain archive whose compressed form is complete, and leftovers of compressing."""
    with suppress(FileNotFoundError):
        side_file(log, "gz").unlink()
    whole = {one.number for one in _every_archive(log) if one.compressed}
    for one in _every_archive(log):
        if not one.compressed and one.number in whole:
            one.path.unlink()


def make_room(log: Path, keep: int, budget: int) -> None:
    """Drop the oldest archives until at most ``keep`` and ``budget`` bytes of them are left."""
    present = archives(log)
    taken = sum(one.disk() for one in present)
    while present and (len(present) > keep or taken > budget):
        oldest = present.pop()
        taken -= oldest.disk()
        oldest.path.unlink(missing_ok=True)


def shift(log: Path) -> None:
    """Free the number 1 by moving up what lies before the first gap; may be repeated."""
    present = {one.number: one for one in archives(log)}
    gap = 1
    while gap in present:
        gap += 1
    for number in range(gap - 1, 0, -1):
        one = present[number]
        os.rename(one.path, archive_path(log, number + 1, compressed=one.compressed))


def compress(log: Path, archive: Archive, give_up: Callable[[int], bool]) -> bool:
    """Put ``archive`` into gzip form; False when ``give_up(bytes written)`` said so.

    The compressed file gets its name when it is complete, then the plain one goes.
    """
    target = side_file(log, "gz")
    facts = archive.path.stat()
    if not _write_packed(archive, target, give_up):
        target.unlink(missing_ok=True)
        return False
    os.utime(target, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    with exclusive(log):
        os.rename(target, archive_path(log, archive.number, compressed=True))
        archive.path.unlink()
    return True


def _write_packed(archive: Archive, target: Path, give_up: Callable[[int], bool]) -> bool:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    with open(os.open(target, flags, 0o600), "wb") as packed:
        for piece in _packed(archive):
            packed.write(piece)
            if give_up(packed.tell()):
                return False
        packed.flush()
        os.fdatasync(packed.fileno())
    return True


def unpacked(packed: Path) -> Iterator[bytes]:
    """The content of a gzip archive, a piece at a time; a damaged end just ends it."""
    import zlib

    engine = zlib.decompressobj(GZIP)
    with open(packed, "rb") as source:
        while chunk := source.read(CHUNK):
            while chunk:
                try:
                    yield engine.decompress(chunk, 4 * CHUNK)
                except zlib.error:
                    return
                chunk = engine.unconsumed_tail
    yield engine.flush()


def _packed(archive: Archive) -> Iterator[bytes]:
    import zlib

    engine = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP)
    with open(archive.path, "rb") as plain:
        while chunk := plain.read(CHUNK):
            yield engine.compress(chunk)
    yield engine.flush()


def _every_archive(log: Path) -> Iterator[Archive]:
    # A directory may hold ten thousand logs of runs: list it only for a log that has archives.
    # Numbers have a gap at 1 at most, after a crash.
    first = (f"{log}.{number}{form}" for number in (1, 2) for form in ("", ".gz"))
    if not any(os.path.lexists(name) for name in first):
        return
    shape = re.compile(re.escape(log.name) + r"\.([1-9]\d{0,8})(\.gz)?")
    try:
        names = os.listdir(log.parent)
    except FileNotFoundError:
        return
    for name in names:
        if match := shape.fullmatch(name):
            yield Archive(number=int(match[1]), path=log.with_name(name), compressed=bool(match[2]))
