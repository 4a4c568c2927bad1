"""Backups: made while everything runs, listed, verified by really opening them, and rotated.

A backup holds the database as it was at one moment, the definitions as a file that is readable
without pb, and the files that people wrote into the home. Putting one back is for ``restoring``.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pb import __version__
from pb.api import archive
from pb.api.applying import with_switch
from pb.api.archive import DATABASE, DEFINITIONS, FILES, BackupError
from pb.api.backup_catalogue import BACKUP_PATTERN
from pb.api.context import Context
from pb.api.views import Json, rfc3339
from pb.config.settings import Settings
from pb.errors import NotFoundError, PbError, StoreError, did_you_mean
from pb.paths import Home, make_private_dir
from pb.store.backup import (
    Defined,
    Halted,
    contents_of,
    copy_to,
    definitions_in,
    faults_of,
    never,
)

NAME = re.compile(BACKUP_PATTERN)

LATEST = "latest"
"""Stands for the newest backup in the usual place."""

VERSION = "1.0.0"
"""Of definition files (SPEC section 4)."""

UNFINISHED = ".pb-unfinished-"
"""How directories begin in which a backup is made or looked into."""

UNFINISHED_SECONDS = 24 * 3600
"""After this long such a directory belongs to nobody any more: its maker was killed."""

OWN = "builtin"
"""The source of the jobs that pb itself has: the next start brings them anyway, so they are no
definitions of anybody's."""

ABOUT = (
    "A backup of pb. pb backup restore puts it back. Without pb: pony.db is an SQLite database, "
    "definitions.json are the definitions (pb apply reads it), files/ is what stood in the home."
)


def backup_create(context: Context, *, file: str | None) -> Json:
    """Make one and verify it; the record of it is written in a transaction of its own."""
    answer = create(context.home, context.settings, context.store.path, context.now(), file)
    with context.store.transaction():
        context.tell("backup.created", created_text(answer))
    return answer


def created_text(answer: Json) -> str:
    made = answer["backup"]
    return f"Backup {made['path']}: {made['jobs']} jobs, {made['counts'].get('run', 0)} runs"


def backup_list(context: Context) -> Json:
    folder = context.settings.backup_dir(context.home)
    return {"directory": str(folder), "backups": [view(path) for path in newest_first(folder)]}


def backup_verify(context: Context, *, name: str) -> Json:
    return verify(context.home, context.settings, name)


# -- making


def create(
    home: Home,
    settings: Settings,
    database: Path,
    now_ms: int,
    file: str | None = None,
    halted: Halted = never,
) -> Json:
    """Make a backup of ``database``, in the usual place or as ``file``, and verify it.

    Only one that has been verified gets its name; in the usual place the oldest are then removed.
    It reads one snapshot, and holds nobody up. Raises BackupError, StoreError.
    """
    folder = settings.backup_dir(home)
    target = Path(file) if file is not None else None
    with unfinished(folder if target is None else target.parent, is_ours=target is None) as inside:
        made = pack(home, database, inside, now_ms, halted)
        check(made, inside / "check", halted)
        if target is None:
            target = free_name(folder, now_ms)
        publish(made, target)
    removed = rotate(folder, settings.backup.keep) if file is None else []
    return {"backup": view(target), "removed": removed}


def pack(home: Home, database: Path, inside: Path, now_ms: int, halted: Halted) -> Path:
    """The whole backup as a file in ``inside``."""
    copy = inside / DATABASE
    copy_to(database, copy, halted)
    definitions = inside / DEFINITIONS
    document = document_of(copy)
    definitions.write_text(written(document), encoding="utf-8")
    members = {DEFINITIONS: definitions, **files_of_people(home, inside), DATABASE: copy}
    contents = contents_of(copy)
    manifest = {
        "about": ABOUT,
        "format": archive.FORMAT,
        "created_at": rfc3339(now_ms),
        "pb_version": __version__,
        "home": str(home.root),
        "db_schema": contents.schema,
        "store_id": contents.store_id,
        "jobs": len(document["jobs"]),
        "services": len(document["services"]),
        "counts": dict(contents.counts),
        "files": {name: archive.digest_of(path).view() for name, path in members.items()},
    }
    made = inside / "made.tar.gz"
    archive.pack(made, stamp(now_ms), manifest, members, halted)
    return made


def document_of(database: Path) -> Json:
    """All definitions, enabled and paused as they are, as `pb apply` reads them."""
    jobs, services = definitions_in(database)
    return {
        "schema_version": VERSION,
        "jobs": [
            with_switch(switched(one), "paused", one.paused, default=False)
            for one in jobs
            if one.source != OWN
        ],
        "services": [switched(one) for one in services],
    }


def written(document: Json) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def switched(one: Defined) -> Json:
    definition: Json = json.loads(one.definition)
    return with_switch(definition, "enabled", one.enabled, default=True)


def files_of_people(home: Home, inside: Path) -> dict[str, Path]:
    """Copies of the configuration and of the definition files, by their names in the backup.

    What cannot be read by us is left out: the database has what it defined.
    """
    from pb.config.located import MAX_BYTES

    found = {}
    for path in (home.config, *of_folder(home.jobs_dir), *of_folder(home.services_dir)):
        name = f"{FILES}{path.relative_to(home.root)}"
        copy = inside / name
        with contextlib.suppress(OSError):
            if archive.PLACE.fullmatch(name) and path.is_file():
                with path.open("rb") as file:
                    content = file.read(MAX_BYTES + 1)
                if len(content) <= MAX_BYTES:
                    copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                    copy.write_bytes(content)
                    found[name] = copy
    return found


def of_folder(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def stamp(now_ms: int) -> str:
    return f"pb-{datetime.fromtimestamp(now_ms / 1000, UTC):%Y%m%dT%H%M%SZ}"


def free_name(folder: Path, now_ms: int) -> Path:
    """A name that no backup has yet: two may be made in one second."""
    path, number = folder / f"{stamp(now_ms)}.tar.gz", 1
    while path.exists():
        number += 1
        path = folder / f"{stamp(now_ms)}-{number}.tar.gz"
    return path


def publish(made: Path, target: Path) -> None:
    """Give a finished backup its name, all at once, and never another file's."""
    with archive.told(target, "Cannot write"):
        try:
            os.link(made, target)
        except FileExistsError:
            raise taken(target) from None
        except OSError:  # no hard links on this file system
            if target.exists():
                raise taken(target) from None
            os.replace(made, target)
        sync(target.parent)


def taken(target: Path) -> BackupError:
    return BackupError(
        f"{target} is there already, and was left as it is", hint="Give another name."
    )


def sync(folder: Path) -> None:
    """Have a directory's names on the disk (fsync(2))."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def rotate(folder: Path, keep: int) -> list[str]:
    """Remove all but the newest backups; the names of those that went."""
    gone = []
    for path in newest_first(folder)[keep:]:
        with archive.told(path, "Cannot remove"):
            path.unlink(missing_ok=True)
        gone.append(path.name)
    return gone


@contextlib.contextmanager
def unfinished(folder: Path, *, is_ours: bool) -> Iterator[Path]:
    """A private directory in ``folder`` to work in; what a killed maker left there goes too."""
    with archive.told(folder, "Cannot write in"):
        if is_ours:
            make_private_dir(folder)
        elif not folder.is_dir():
            raise NotFoundError(
                f"There is no directory {folder}", hint="Make it first, or give another place."
            )
        sweep(folder)
        inside = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=folder))
    try:
        yield inside
    finally:
        shutil.rmtree(inside, ignore_errors=True)


def sweep(folder: Path) -> None:
    for path in folder.glob(f"{UNFINISHED}*"):
        if time.time() - path.stat().st_mtime > UNFINISHED_SECONDS:
            shutil.rmtree(path, ignore_errors=True)


# -- looking


def newest_first(folder: Path) -> list[Path]:
    """The backups in the usual place."""
    found = [path for path in of_folder(folder) if NAME.fullmatch(path.name)]
    return sorted(found, key=in_order, reverse=True)


def in_order(path: Path) -> tuple[str, int]:
    time_, _, number = path.name.removesuffix(".tar.gz").removeprefix("pb-").partition("-")
    return time_, int(number or 1)


def made_at(path: Path) -> float:
    """When a backup of the usual place was made, by its name: seconds since 1970."""
    return datetime.strptime(in_order(path)[0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()


def find(home: Home, settings: Settings, name: str) -> Path:
    """The backup that ``name`` means: a path, a name in the usual place, or ``latest``."""
    folder = settings.backup_dir(home)
    known = newest_first(folder)
    if name == LATEST:
        if not known:
            raise NotFoundError(
                f"There is no backup in {folder}", hint="Name a file: pb backup restore FILE"
            )
        return known[0]
    inside = next((path for path in known if path.name == name), None)
    path = inside or Path(os.path.abspath(os.path.expanduser(name)))
    if not path.exists():
        hint = did_you_mean(name, [path.name for path in known]) or "See: pb backup list"
        raise NotFoundError(f"There is no backup {name}", hint=hint)
    return path


def view(path: Path) -> Json:
    """What is known of a backup without opening its database; ``problem`` says why it is not."""
    about: Json = {"name": path.name, "path": str(path), "size_bytes": 0, "problem": None}
    nothing = dict.fromkeys(("created_at", "pb_version", "db_schema", "jobs", "services"))
    try:
        about["size_bytes"] = path.stat().st_size
        manifest = archive.manifest_of(path)
    except (PbError, OSError) as error:
        return {**about, **nothing, "counts": {}, "problem": str(error)}
    return {**about, **{key: manifest.get(key) for key in (*nothing, "counts")}}


def verify(home: Home, settings: Settings, name: str, halted: Halted = never) -> Json:
    """Open a backup, whole: every checksum, the database's own check, every definition.

    Raises BackupError that says what is wrong.
    """
    path = find(home, settings, name)
    with unfinished(settings.backup_dir(home), is_ours=True) as inside:
        check(path, inside, halted)
    return {"backup": view(path), "ok": True}


def check(path: Path, inside: Path, halted: Halted = never) -> None:
    manifest = archive.unpack(path, inside, halted=halted)
    try:
        wrong = [*differences(manifest, inside / DATABASE), *faults_of(inside / DATABASE, halted)]
    except StoreError as error:
        raise BackupError(f"{path}: its database cannot be used: {error.message}") from error
    wrong += unreadable(inside)
    if wrong:
        raise BackupError(f"{path} is damaged: {wrong[0]}", hint="See the others: pb backup list")


def differences(manifest: Json, database: Path) -> Iterator[str]:
    """What the database holds against what the manifest says of it."""
    found = contents_of(database)
    if found.schema != manifest["db_schema"]:
        yield f"its database has schema {found.schema}, not {manifest['db_schema']}"
    for name in {*found.counts, *manifest["counts"]}:
        has, promised = found.counts.get(name), manifest["counts"].get(name)
        if has != promised:
            yield f"its database has {has} rows of {name}, not {promised}"


def unreadable(inside: Path) -> Iterator[str]:
    """Where the readable definitions are not those of the database."""
    wanted = document_of(inside / DATABASE)
    try:
        document = json.loads((inside / DEFINITIONS).read_bytes())
        names = names_in(document["jobs"]), names_in(document["services"])
    except (ValueError, KeyError, TypeError):
        yield f"{DEFINITIONS} cannot be read"
        return
    if names != (names_in(wanted["jobs"]), names_in(wanted["services"])):
        yield f"{DEFINITIONS} has other names than its database"


def names_in(definitions: Iterable[Any]) -> list[str]:
    return [one["name"] for one in definitions]
