"""A backup as a file: a gzipped tar with a manifest first, the definitions, and the database.

``tar xzf`` opens it without pb. Every file in it is named in the manifest with its size and
SHA-256, and what differs is refused. What is put in, and what becomes of it, is for ``backups`` and
``restoring``.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pb.core.lean import dataclass
from pb.errors import NotFoundError, PbError
from pb.store.backup import Halted, never

if TYPE_CHECKING:
    import tarfile

Json = dict[str, Any]

FORMAT = 1
"""The version of this layout."""

MANIFEST = "manifest.json"
DEFINITIONS = "definitions.json"
DATABASE = "pony.db"
FILES = "files/"
"""Before the path of a file that people wrote: ``files/config.toml``, ``files/jobs.d/x.toml``."""

PLACE = re.compile(r"files/(?:config\.toml|(?:jobs|services)\.d/[^/\0]+\.(?:json|toml))")
"""Files of people that there can be; nothing else of a name in a backup is ever made a path."""

LONGEST_MANIFEST = 1 << 20

CHUNK = 1 << 18

LEVEL = 6
"""Of gzip: beyond it an SQLite file gets hardly smaller, and takes much longer."""


class BackupError(PbError):
    """A backup that cannot be made, read or believed."""

    code = "backup"


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """How long a file is, and its SHA-256 in hex."""

    size: int
    sha256: str

    def view(self) -> Json:
        return {"size": self.size, "sha256": self.sha256}


def digest_of(path: Path) -> Digest:
    size, digest = 0, hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(CHUNK):
            size += len(part)
            digest.update(part)
    return Digest(size=size, sha256=digest.hexdigest())


class Reading:
    """A file that is read a piece at a time, until that is ``halted``."""

    def __init__(self, content: Any, halted: Halted) -> None:
        self._content = content
        self._halted = halted

    def read(self, size: int = -1) -> bytes:
        if self._halted():
            raise BackupError("The backup was given up, because the scheduler stops")
        return bytes(self._content.read(size))


def pack(
    target: Path,
    top: str,
    manifest: Json,
    members: Mapping[str, Path],
    halted: Halted = never,
) -> None:
    """Write ``target``, private, and have it on the disk; everything below one directory ``top``.

    Raises BackupError when it cannot be written, or is there already.
    """
    import tarfile

    with told(target, "Cannot write"):
        fd = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with open(fd, "wb") as file:
            with tarfile.open(fileobj=file, mode="w:gz", compresslevel=LEVEL) as tar:
                text = json.dumps(manifest, indent=2).encode() + b"\n"
                tar.addfile(*member(f"{top}/{MANIFEST}", text))
                for name, path in members.items():
                    entry = tar.gettarinfo(path, f"{top}/{name}")
                    entry.mode, entry.uid, entry.gid = 0o600, 0, 0
                    entry.uname = entry.gname = ""
                    with path.open("rb") as content:
                        tar.addfile(entry, Reading(content, halted))
            file.flush()
            os.fsync(file.fileno())


def member(name: str, content: bytes) -> tuple[tarfile.TarInfo, Any]:
    import io
    import tarfile

    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o600
    return entry, io.BytesIO(content)


def manifest_of(path: Path) -> Json:
    """What a backup says of itself; only its beginning is read. Raises BackupError."""
    with walked(path) as (manifest, _):
        return manifest


def unpack(
    path: Path,
    folder: Path,
    wanted: Callable[[str], bool] = lambda name: True,
    halted: Halted = never,
) -> Json:
    """Take the ``wanted`` files out into ``folder``; the manifest. Raises BackupError.

    Every file has to be as the manifest says it is, and none may be missing or unknown.
    """
    found = set()
    with walked(path) as (manifest, entries):
        promised = manifest["files"]
        for name, content in entries:
            if name not in promised or not is_known(name) or name in found:
                raise damaged(path, f"{name[:200]!r} does not belong into it")
            found.add(name)
            if wanted(name):
                check(path, name, taken(Reading(content, halted), folder / name), promised[name])
        missing = [name for name in promised if name not in found]
        if missing:
            raise damaged(path, f"{missing[0]} is missing")
        return manifest


def is_known(name: str) -> bool:
    return name in (DEFINITIONS, DATABASE) or PLACE.fullmatch(name) is not None


def check(path: Path, name: str, found: Digest, promised: Json) -> None:
    if found.view() != promised:
        raise damaged(path, f"{name} is not what was put into it")


def taken(content: Any, place: Path) -> Digest:
    """Write one file out, private."""
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    size, digest = 0, hashlib.sha256()
    fd = os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with open(fd, "wb") as file:
        while part := content.read(CHUNK):
            size += len(part)
            digest.update(part)
            file.write(part)
    return Digest(size=size, sha256=digest.hexdigest())


@contextlib.contextmanager
def walked(path: Path) -> Iterator[tuple[Json, Iterator[tuple[str, Any]]]]:
    """The manifest, and then each file by its name with its content, in order."""
    import gzip
    import tarfile

    with told(path, "Cannot read"):
        try:
            with tarfile.open(path, "r:gz") as tar:
                first = tar.next()
                if first is None or first.name.partition("/")[2] != MANIFEST:
                    raise damaged(path, "it does not begin with a manifest")
                yield read_manifest(path, tar.extractfile(first)), entries_of(path, tar)
        except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise damaged(path, str(error).lower() or "it ends too early") from error


def entries_of(path: Path, tar: tarfile.TarFile) -> Iterator[tuple[str, Any]]:
    while (entry := tar.next()) is not None:
        content = tar.extractfile(entry) if entry.isreg() else None
        if content is None:
            raise damaged(path, f"{entry.name[:200]!r} is no plain file")
        yield entry.name.partition("/")[2], content


def read_manifest(path: Path, content: Any) -> Json:
    """The manifest, with everything in it that is relied upon."""
    try:
        found = json.loads(content.read(LONGEST_MANIFEST))
    except (ValueError, RecursionError) as error:
        raise damaged(path, "its manifest cannot be read") from error
    if not isinstance(found, dict) or not isinstance(found.get("format"), int):
        raise damaged(path, "its manifest says nothing")
    if found["format"] > FORMAT:
        raise BackupError(
            f"{path} was made by a newer pb ({found.get('pb_version')})",
            hint="Upgrade pb: pip install --upgrade ponybunny",
        )
    wanted = {"created_at": str, "pb_version": str, "db_schema": int, "counts": dict, "files": dict}
    wanted |= {"jobs": int, "services": int}
    for key, kind in wanted.items():
        if not isinstance(found.get(key), kind):
            raise damaged(path, f"its manifest has no {key}")
    return found


def damaged(path: Path, why: str) -> BackupError:
    return BackupError(
        f"{path} is damaged or no backup: {why}", hint="See the others: pb backup list"
    )


@contextlib.contextmanager
def told(path: Path, what: str) -> Iterator[None]:
    """Turn what the system refuses into a sentence, once."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotFoundError(
            f"There is no file {error.filename or path}", hint="See: pb backup list"
        ) from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise BackupError(
            f"{what} {path}: {reason}", hint="Check the path, the disk and its free space."
        ) from error
