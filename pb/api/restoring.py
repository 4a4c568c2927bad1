"""Putting a backup back: a database that is ready before it takes the place of the present one.

Nothing that is there is overwritten: the present database is kept aside under another name. No
scheduler may run meanwhile, which its lock sees to.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import field
from pathlib import Path

from pb.api import archive, audit
from pb.api.archive import DATABASE, FILES, BackupError
from pb.api.backups import check, document_of, find, stamp, sync, unfinished
from pb.api.context import Context, job_of, replan
from pb.api.lives import set_identity
from pb.api.views import Json
from pb.config.settings import Settings
from pb.core.lean import dataclass
from pb.core.service import instance_name
from pb.core.supervision import Phase
from pb.errors import ConflictError, PbError, StoreError
from pb.paths import Home
from pb.process.identity import Identity, is_alive
from pb.process.lifecycle import AlreadyRunningError, take_lock
from pb.process.table import MARKER_VARIABLE, Table, take_table
from pb.store.backup import BESIDE, MAGIC, contents_of, faults_of, settle
from pb.store.services import InstanceRow
from pb.store.store import Store

METHOD = "backup.restore"
"""What the record of changes calls it."""

KEPT = "kept"


@dataclass(slots=True, kw_only=True)
class Living:
    """The processes that this store's runs and services have now, by what their markers say."""

    runs: dict[int, int] = field(default_factory=dict)
    services: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)


def restore(
    home: Home, settings: Settings, name: str, *, context_of: Maker, catch_up: bool = False
) -> Json:
    """Make the database of a backup, or of a file that is a database itself, the home's.

    An older one is brought up to date first, a newer one is refused. ``context_of`` makes the
    context in which the change is told. Raises BackupError, StoreError, ConflictError; then
    nothing was changed.
    """
    with alone(home):
        path = find(home, settings, name)
        target = Path(os.path.realpath(settings.db_path(home)))
        refuse_shared(home, target)
        with unfinished(target.parent, is_ours=False) as inside:
            manifest = unpacked(path, inside)
            refuse_shared(home, inside / DATABASE)
            notes = readied(home, inside / DATABASE, target, context_of, catch_up, path)
            kept = exchange(inside / DATABASE, target, context_of.now_ms)
            put_back, differ = files_back(home, inside)
        counts, document = contents_of(target).counts, document_of(target)
    return {
        "restored": str(path),
        "created_at": manifest.get("created_at"),
        "jobs": len(document["jobs"]),
        "services": len(document["services"]),
        "counts": counts,
        "kept": None if kept is None else str(kept),
        "files": put_back,
        "files_left": differ,
        "notes": notes,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """How a context for a store is made, and what time it is (epoch ms)."""

    home: Home
    settings: Settings
    actor: str
    peer: str | None
    now_ms: int

    def context(self, store: Store) -> Context:
        return Context(
            store=store,
            home=self.home,
            settings=self.settings,
            now=lambda: self.now_ms,
            actor=self.actor,
            peer=self.peer,
        )


@contextlib.contextmanager
def alone(home: Home) -> Iterator[None]:
    """Hold the scheduler's lock, so that none runs or starts. Raises ConflictError."""
    home.ensure()
    try:
        lock = take_lock(home, "scheduler")
    except AlreadyRunningError as error:
        raise ConflictError(
            f"{error.message}, and works on the database",
            hint="Stop it first: pb scheduler stop. Services stay up meanwhile.",
        ) from error
    try:
        yield
    finally:
        lock.release()


def refuse_shared(home: Home, database: Path) -> None:
    """A scheduler of another home may work on the same database; it would go on with the old one.

    What cannot be read has nobody to say so.
    """
    try:
        with Store(database, readonly=True) as store:
            rows = store.sharing.schedulers()
    except PbError:
        return
    for row in rows:
        identity = Identity(
            pid=row.pid,
            start_ticks=row.start_ticks,
            boot_id=row.boot_id,
            pid_namespace=row.pid_namespace,
            host=row.host,
        )
        if row.home != str(home.root) and is_alive(identity):
            raise ConflictError(
                f"The scheduler of {row.home} works on this database too (PID {row.pid})",
                hint=f"Stop it first: pb scheduler stop --home {row.home}",
            )


# -- the new one


def unpacked(path: Path, inside: Path) -> Json:
    """The backup's content, verified; of a bare database a copy. Answers the manifest, if any."""
    if not is_database(path):
        check(path, inside)
        return archive.manifest_of(path)
    with archive.told(path, "Cannot read"):
        for beside in ("", BESIDE[0]):
            source = path.with_name(path.name + beside)
            if source.exists():
                shutil.copyfile(source, inside / f"{DATABASE}{beside}")
                os.chmod(inside / f"{DATABASE}{beside}", 0o600)
    faults = faults_of(inside / DATABASE)
    if faults:
        raise BackupError(f"{path} is damaged: {faults[0]}", hint="See: pb backup list")
    return {}


def is_database(path: Path) -> bool:
    """Whether it is a bare database, not a backup of ours."""
    with archive.told(path, "Cannot read"), path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def readied(
    home: Home, database: Path, target: Path, maker: Maker, catch_up: bool, path: Path
) -> list[str]:
    """Bring the copy up to date, and make it one that nobody works on yet; what to know of it."""
    with Store(database) as store:
        living = living_of(store.store_id, take_table())
        context = maker.context(store)
        with store.transaction():
            settle(store, numbers_given(home, target))
            notes = take_in(store, living)
            if not catch_up:
                from_now_on(context)
            context.tell("backup.restored", f"Restored from {path}")
            audit.write(context, METHOD, path.name, {"catch_up": catch_up})
    return notes


def numbers_given(home: Home, target: Path) -> dict[str, int]:
    """The last numbers that may have been given out: a run must never get another's log."""
    numbers: dict[str, int] = {}
    with contextlib.suppress(PbError):
        numbers |= contents_of(target).numbers
    logs = home.run_log("*", 0).parent.parent
    ran = [
        int(log.stem) for log in logs.glob("*/*.log") if log.stem.isascii() and log.stem.isdigit()
    ]
    return numbers | {"run": max([numbers.get("run", 0), *ran])}


def living_of(store_id: str, table: Table) -> Living:
    """Who carries a marker of this store."""
    found, begin = Living(), f"{MARKER_VARIABLE}={store_id}/"
    for row in table.rows.values():
        for marker in table.markers(row):
            text = marker.decode("utf-8", "replace")
            if not row.is_dead and store_id and text.startswith(begin):
                note(found, text.removeprefix(begin).split("/"), row.pid)
    return found


def note(found: Living, words: list[str], pid: int) -> None:
    match words:
        case [run] if run.isdecimal():
            found.runs.setdefault(int(run), pid)
        case ["s", service, instance, life] if instance.isdecimal() and life.isdecimal():
            key = service, int(instance)
            found.services[key] = max(found.services.get(key, (0, 0)), (int(life), pid))
        case _:
            pass  # nobody whom this version starts


def take_in(store: Store, living: Living) -> list[str]:
    """Let the next scheduler find the services that live: they have had other lives since.

    Answers what it will not find.
    """
    rows = {(row.service, row.instance): row for row in store.services.instances()}
    known = {row.name for row in store.services.rows()}
    notes, found = [], []
    for (service, instance), (life, pid) in living.services.items():
        if service not in known:
            name = instance_name(service, instance)
            notes.append(f"Service {name} lives (PID {pid}), and the backup does not know it")
            continue
        row = rows.get((service, instance)) or InstanceRow(service=service, instance=instance)
        set_identity(row, None)
        row.phase, row.life, row.definition = Phase.RUNNING, life, None
        found.append(row)
    store.services.save(found)
    open_runs = {row.id for row in store.open_runs()}
    return notes + [
        f"Run {run} lives (PID {pid}), and the backup does not have it"
        for run, pid in living.runs.items()
        if run not in open_runs
    ]


def from_now_on(context: Context) -> None:
    """Let every job's fire times count from now: those since the backup may have been acted on."""
    for row in list(context.store.jobs()):
        with contextlib.suppress(PbError):  # one that cannot be used is told of by the scheduler
            replan(context, job_of(row), row, afresh=True)


# -- taking the place of the old one


def exchange(made: Path, target: Path, now_ms: int) -> Path | None:
    """Put ``made`` into the place of ``target``, which is kept aside; where it is then.

    The log of the old one (WAL) must be gone before the new one is there, or it would be taken for
    the new one's. Until then the old one is whole under its other name.
    """
    with archive.told(target, "Cannot write"):
        for beside in BESIDE:
            made.with_name(made.name + beside).unlink(missing_ok=True)
        with made.open("rb") as file:
            os.fsync(file.fileno())
        kept = set_aside(target, now_ms, leave=True)
        os.replace(made, target)
        sync(target.parent)
    return kept


def set_aside(target: Path, now_ms: int, *, leave: bool = False) -> Path | None:
    """Keep a database, whatever state it is in, under another name; None when there is none.

    ``leave``: its main file stays where it is as well, to be replaced at once.
    """
    if not os.path.lexists(target):
        return None
    kept = free_place(target, stamp(now_ms).removeprefix("pb-"))
    moved = [(target.with_name(target.name + beside), beside) for beside in BESIDE]
    if leave:
        linked_or_copied(target, kept)
    for path, beside in moved:
        if os.path.lexists(path):
            os.replace(path, kept.with_name(kept.name + beside))
    if not leave:
        os.replace(target, kept)
    sync(target.parent)
    return kept


def free_place(target: Path, when: str) -> Path:
    path, number = target.with_name(f"{target.name}.{KEPT}-{when}"), 1
    while os.path.lexists(path):
        number += 1
        path = target.with_name(f"{target.name}.{KEPT}-{when}-{number}")
    return path


def linked_or_copied(path: Path, other: Path) -> None:
    try:
        os.link(path, other, follow_symlinks=False)
    except OSError:  # no hard links on this file system
        shutil.copyfile(path, other)
        os.chmod(other, 0o600)


def files_back(home: Home, inside: Path) -> tuple[list[str], list[str]]:
    """Put back files of the home that are missing; those that differ are left, and named."""
    put, differ = [], []
    root = inside / FILES
    for path in sorted(found for found in root.rglob("*") if found.is_file()):
        name = str(path.relative_to(root))
        place = home.root / name
        if not os.path.lexists(place):
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.copyfile(path, place)
            os.chmod(place, 0o600)
            put.append(name)
        elif not (place.is_file() and place.read_bytes() == path.read_bytes()):
            differ.append(name)
    return put, differ


def keep_aside(home: Home, settings: Settings, now_ms: int, *, force: bool) -> Path:
    """Move a database out of the way, so that the next start begins with an empty one.

    Raises ConflictError for one that is sound, without ``force``.
    """
    with alone(home):
        target = Path(os.path.realpath(settings.db_path(home)))
        if not force and is_sound(target):
            raise ConflictError(
                f"{target} is sound: nothing is wrong with it",
                hint="Add --force to begin with an empty database all the same.",
            )
        with archive.told(target, "Cannot move"):
            kept = set_aside(target, now_ms)
        if kept is None:
            raise StoreError(f"There is no database at {target}", hint="Run: pb scheduler start")
        return kept


def is_sound(database: Path) -> bool:
    try:
        return database.exists() and not faults_of(database)
    except PbError:
        return False
