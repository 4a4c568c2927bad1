"""The doctor's look at the home: files and their modes, configuration, disk, database."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from pb.cli.findings import Finding, Look, noted, problem, warning, well
from pb.core.durations import format_uptime, shown_size
from pb.errors import PbError, as_word
from pb.paths import BUILTINS, is_network_file_system
from pb.process.pidfile import PidRecord

LITTLE = 100 * 2**20
"""Bytes free below which a disk is nearly full; less than a tenth of it is full."""

LARGE_WAL = 64 * 2**20

OLD_BACKUP = 15 * 24 * 3600.0
"""Seconds: two weekly ones have not been made."""


def home(look: Look) -> Iterator[Finding]:
    """The directory itself: there, ours, private, on a disk that can lock."""
    root = look.home.root
    try:
        facts = os.stat(root)
    except FileNotFoundError:
        yield noted("home", f"there is no home at {root} yet", "pb scheduler start")
        return
    if facts.st_uid != os.geteuid():
        yield problem("home", f"{root} belongs to uid {facts.st_uid}", "Set PB_HOME to your own.")
        return
    if facts.st_mode & 0o077:
        mode = stat.S_IMODE(facts.st_mode)
        said = f"{root} is open to others (mode {mode:04o})"
        yield warning("home", said, f"chmod 700 {as_word(root)}", partial(close_to_others, root))
    else:
        yield well("home", f"{root} is yours and private")
    if is_network_file_system(root):
        places = f"{look.home.socket.parent} and {look.home.lock('scheduler').parent}"
        yield noted("home", f"{root} is on a network file system; socket and locks are in {places}")


def close_to_others(path: Path) -> str:
    """Take all rights from group and others."""
    try:
        os.chmod(path, stat.S_IMODE(path.stat().st_mode) & 0o700)
    except OSError as error:
        raise PbError(f"Cannot change {path}: {(error.strerror or str(error)).lower()}") from error
    return f"closed {path} to others"


def modes(look: Look) -> Iterator[Finding]:
    """Files that others could read or write: logs, tokens and environments may hold secrets.

    What people write themselves is safe in a home that is closed.
    """
    root = look.home.root
    is_closed = look.home.exists() and not root.stat().st_mode & 0o077
    written = [path for path in files_of(root) if not (is_closed and is_peoples(path, root))]
    open_ones = [path for path in written if is_open(path)]
    for path in open_ones:
        mode = stat.S_IMODE(path.stat().st_mode)
        said = f"{path} can be read by others (mode {mode:04o})"
        yield warning("modes", said, f"chmod go= {path}", partial(close_to_others, path))
    if look.home.exists() and not open_ones:
        yield well("modes", "no file of it is open to others")


def files_of(root: Path) -> Iterator[Path]:
    """The home's own files, the definitions' among them; the logs of runs are in closed ones."""
    for folder in (root, root / "jobs.d", root / "services.d"):
        if folder.is_dir():
            yield from sorted(path for path in folder.iterdir() if not path.is_symlink())


def is_peoples(path: Path, root: Path) -> bool:
    return path.parent != root or path.is_dir() or path.suffix in (".toml", ".json", ".env")


def is_open(path: Path) -> bool:
    try:
        facts = path.stat()
    except OSError:
        return False
    is_kept = stat.S_ISREG(facts.st_mode) or stat.S_ISDIR(facts.st_mode)
    return is_kept and facts.st_uid == os.geteuid() and bool(facts.st_mode & 0o077)


def pid_files(look: Look) -> Iterator[Finding]:
    """PID files whose process is gone, or that cannot be believed."""
    from pb.process.pidfile import PidFileError, read_pid_file
    from pb.process.status import look as look_at

    scheduler = look_at(look.home, "scheduler").state
    found = False
    for path in sorted(look.home.root.glob("*.pid")):
        name = path.name.removesuffix(".pid")
        try:
            record = read_pid_file(path)
        except PidFileError as error:
            found = True
            yield problem("pid files", error.message, error.hint)
            continue
        if record is not None and is_stale(look, name, record, scheduler):
            found = True
            said = f"{path} names process {record.pid}, which is gone"
            yield warning("pid files", said, f"rm {path}", partial(remove, look, name, record))
    if look.home.exists() and not found:
        yield well("pid files", "each names a live process")


def is_stale(look: Look, name: str, record: PidRecord, scheduler: str) -> bool:
    """A daemon's by its lock as well; a service's only while no scheduler sees to it."""
    from pb.process.identity import is_alive, is_same_host
    from pb.process.status import look as look_at

    if name in BUILTINS:
        return look_at(look.home, name).state == "dead"
    if scheduler in ("running", "unknown") or record.identity is None:
        return False
    return is_same_host(record.identity) and not is_alive(record.identity)


def remove(look: Look, name: str, record: PidRecord) -> str:
    """Remove a stale file, under the daemon's lock, so that none can start meanwhile."""
    from pb.process.lock import Lock
    from pb.process.pidfile import remove_pid_file

    path = look.home.pid_file(name)
    lock = Lock(look.home.lock(name if name in BUILTINS else "scheduler"))
    if not lock.acquire():
        raise PbError(f"{path} is left alone: its daemon has just been started")
    try:
        return f"removed {path}" if remove_pid_file(path, record) else f"{path} is gone already"
    finally:
        lock.release()


def configuration(look: Look) -> Iterator[Finding]:
    """Settings and definition files: whatever in them cannot be read."""
    from pb.config.folders import circles, definition_files, read_files
    from pb.config.settings import load_settings

    try:
        load_settings(look.home)
    except PbError as error:
        yield problem("configuration", error.message, error.hint or "pb config show")
    folders = (look.home.jobs_dir, look.home.services_dir)
    files = list(read_files(path for folder in folders for path in definition_files(folder)))
    faults = [*(fault for file in files for fault in file.found.problems), *circles(files)]
    yield from (problem("configuration", str(fault), fault.hint) for fault in faults)
    if look.settings is not None and not faults:
        yield well("configuration", "settings and definition files can be read")


def disk(look: Look) -> Iterator[Finding]:
    """Room for the database and the logs, in bytes and in files."""
    place = look.home.root if look.home.exists() else look.home.root.parent
    if not place.is_dir():
        return
    facts = os.statvfs(place)
    free = facts.f_bavail * facts.f_frsize
    if free < LITTLE:
        level = problem if free < LITTLE // 10 else warning
        yield level("disk", f"{shown_size(free)} are free where the home is", f"df -h {place}")
    elif facts.f_files and facts.f_favail < 1000:
        said = f"{facts.f_favail} files can still be made where the home is"
        yield warning("disk", said, f"df -i {place}")
    else:
        yield well("disk", f"{shown_size(free)} are free")


def logs(look: Look) -> Iterator[Finding]:
    """Logs that nobody rotates: far beyond what the settings allow."""
    if look.settings is None or not look.home.exists():
        return
    limit = look.settings.logs.max_size
    large = [p for p in sorted(look.home.root.glob("*.log")) if size_of(p) > 2 * limit]
    for path in large:
        said = f"{path} has {shown_size(size_of(path))}, and logs.max_size is {shown_size(limit)}"
        yield warning("logs", said, "Is the scheduler running? It rotates: pb scheduler start")
    if not large:
        yield well("logs", "no log is larger than it may be")


def size_of(path: Path) -> int:
    """Bytes on the disk: a log may have a hole where its older lines were."""
    try:
        facts = path.stat()
    except OSError:
        return 0
    return min(facts.st_size, facts.st_blocks * 512)


def database(look: Look) -> Iterator[Finding]:
    """The database's own check of itself."""
    from pb.store.checking import quick_check

    if look.settings is None:
        return
    path = look.settings.db_path(look.home)
    if not path.exists():
        if look.home.exists():
            yield noted("database", f"there is no database at {path} yet")
        return
    try:
        faults = quick_check(path)
    except PbError as error:
        yield problem("database", error.message, error.hint)
        return
    for fault in faults:
        yield problem("database", f"{path}: {fault}", "pb backup restore latest")
    if not faults:
        yield well("database", f"{path} is in order")
    wal = Path(f"{path}-wal")
    if size_of(wal) > LARGE_WAL:
        said = f"{wal} has {shown_size(size_of(wal))}: something keeps the database open"
        yield warning("database", said, "pb scheduler restart")


def backups(look: Look) -> Iterator[Finding]:
    """Whether there is a backup, whether it can be read, and how old it is."""
    from time import time

    from pb.api.backups import made_at, newest_first, view

    if look.settings is None or not look.settings.db_path(look.home).exists():
        return
    folder = look.settings.backup_dir(look.home)
    newest = next(iter(newest_first(folder)), None)
    if newest is None:
        yield noted("backups", f"there is no backup in {folder} yet", "pb backup create")
        return
    age, wrong = time() - made_at(newest), view(newest)["problem"]
    if wrong is not None:
        yield warning("backups", wrong, "pb backup create")
    elif age > OLD_BACKUP:
        said = f"the newest backup is {format_uptime(age)} old"
        yield warning("backups", said, "pb backup create")
    else:
        yield well("backups", f"the newest is {newest}")


def channels(look: Look) -> Iterator[Finding]:
    """Channels that are named and not there, and those that the last notice did not reach."""
    from pb.api.notifying import users_of
    from pb.store.notices import NoticeStore
    from pb.store.store import Store

    if look.settings is None or not look.settings.db_path(look.home).exists():
        return
    known = look.settings.notify.channels
    with Store(look.settings.db_path(look.home), readonly=True) as store:
        users = users_of(store, look.settings)
        last = {name: NoticeStore(store).last(name) for name in known}
    strange = {name: found for name, found in users.items() if name not in known}
    for name, found in strange.items():
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        said = f"{', '.join(found[:3])}{more}: there is no channel {name}"
        yield warning("channels", said, "pb config edit")
    lost = {name: row for name, row in last.items() if row is not None and row.state == "failed"}
    for name, row in lost.items():
        yield warning("channels", f"{name} was not reached: {row.answer}", f"pb notify test {name}")
    if known and not strange and not lost:
        yield well("channels", f"the last notices of all {len(known)} were delivered")


EXAMINATIONS = (home, modes, pid_files, configuration, disk, logs, database, backups, channels)
