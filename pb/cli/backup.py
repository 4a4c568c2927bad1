"""``pb backup``: make, list, verify and put back backups; set a damaged database aside."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from pb.cli.asked import asked, elsewhere, home, session, settings
from pb.cli.jobs import hint_to_start
from pb.cli.render import clean, emit, local_second, mark, note, out, table
from pb.cli.tree import Verbs
from pb.core.durations import shown_size
from pb.errors import UsageError

Json = dict[str, Any]

TIME = 900.0
"""Seconds for a backup: a gigabyte takes about one minute."""

app = Verbs("Make, verify and put back backups of everything that pb remembers.")


def backup_names(incomplete: str) -> list[str]:
    """Names for the shell to complete with."""
    from pb.api.backups import LATEST, newest_first
    from pb.errors import PbError

    try:
        known = [path.name for path in newest_first(settings().backup_dir(home()))]
    except (PbError, OSError):
        return []  # A completion has nowhere to say what went wrong; the command itself will.
    return [name for name in (LATEST, *known) if name.startswith(incomplete)]


File = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help="A file, a name out of the list, or latest.",
        autocompletion=backup_names,
    ),
]


@app.verb("create", "pb backup create", "pb backup create /mnt/usb/pb.tar.gz")
def create(
    file: Annotated[
        str | None,
        typer.Argument(metavar="[FILE]", help="Where to (default: backups in the home)."),
    ] = None,
) -> int:
    """Make a backup, while everything goes on, and verify it.

    It holds the database, the definitions as a file that is readable without pb, config.toml and
    the definition files. In the usual place the oldest go (backup.keep).
    """
    place = None if file is None else place_of(file)
    with session() as talk:
        answer = talk.call("backup.create", {"file": place}, timeout=TIME)
    made, removed = answer["backup"], answer["removed"]
    if asked.as_json:
        emit(answer)
        return 0
    out(f"{mark('ok')} Backup {clean(made['path'])}")
    out(f"  {_summary(made)}; verified")
    if removed:
        out(f"  Removed the oldest: {', '.join(removed)}")
    return 0


def place_of(file: str) -> str:
    """The whole path of a new backup. Raises UsageError for one that would begin here and be used
    elsewhere."""
    if elsewhere() is not None and not os.path.isabs(file):
        hint = "Write it from / on, as it is on the other machine."
        raise UsageError(f"{file!r} begins in a directory of this machine", hint=hint)
    return os.path.abspath(os.path.expanduser(file))


def _summary(made: Json) -> str:
    return f"{_contents(made)}; {shown_size(made['size_bytes'])}"


def _contents(one: Json) -> str:
    numbers = {"job": one["jobs"], "service": one["services"], "run": one["counts"].get("run", 0)}
    return ", ".join(f"{n:,} {word}{'' if n == 1 else 's'}" for word, n in numbers.items())


@app.verb("list", "pb backup list", "pb backup list --json")
def list_() -> int:
    """Show the backups that there are, the newest first."""
    from pb.api.backups import newest_first, view

    if elsewhere() is not None:
        with session() as talk:
            answer = talk.call("backup.list", timeout=TIME)
        folder, found = answer["directory"], answer["backups"]
    else:
        # Read from the directory itself: it is asked for when nothing else works any more.
        folder = settings().backup_dir(home())
        found = [view(path) for path in newest_first(folder)]
    if asked.as_json:
        emit({"directory": str(folder), "backups": found})
    elif found:
        headings = ("BACKUP", "MADE", "SIZE", "CONTENTS")
        table(headings, [_row(one) for one in found])
    else:
        out(f"No backups in {clean(folder)}.")
        note("hint: Make one with: pb backup create")
    return 0


def _row(one: Json) -> tuple[tuple[str, ...], str]:
    made, size = local_second(one["created_at"]) or "-", shown_size(one["size_bytes"])
    contents = "cannot be read" if one["problem"] else _contents(one)
    return (clean(one["name"]), made, size, contents), clean(one["problem"] or "")


@app.verb("verify", "pb backup verify latest", "pb backup verify /mnt/usb/pb.tar.gz")
def verify(file: File) -> int:
    """Open a backup, whole: its checksums, its database, its definitions. Exit 1 if it is bad."""
    from pb.api.backups import verify as verified

    if elsewhere() is not None:
        with session() as talk:
            answer = talk.call("backup.verify", {"name": file}, timeout=TIME)
    else:
        # In this process, like the list: a backup is most wanted where no database can be opened.
        answer = verified(home(), settings(), file)
    if asked.as_json:
        emit(answer)
        return 0
    one = answer["backup"]
    out(f"{mark('ok')} {clean(one['path'])} is whole: {_summary(one)}")
    out(f"  Made {local_second(one['created_at'])} by pb {clean(one['pb_version'])}")
    return 0


@app.verb(
    "restore",
    "pb backup restore latest",
    "pb backup restore pb-20261120T030000Z.tar.gz --definitions-only",
    "pb backup restore /mnt/usb/pony.db",
)
def restore(
    file: File,
    definitions_only: Annotated[
        bool,
        typer.Option(
            "--definitions-only", help="Only jobs and services; history stays. Also while it runs."
        ),
    ] = False,
    catch_up: Annotated[
        bool,
        typer.Option("--catch-up", help="Treat fire times since the backup as missed."),
    ] = False,
) -> int:
    """Put a backup back; the present database is kept aside under another name.

    The scheduler must be stopped; services stay up and are found again. A database file of this or
    an older version will do as well. Fire times since the backup are not made up for, because they
    may have been acted on.
    """
    if definitions_only:
        return _definitions(file)
    from pb.api.restoring import restore as put_back

    answer = put_back(home(), settings(), file, context_of=_maker(), catch_up=catch_up)
    if asked.as_json:
        emit(answer)
        return 0
    made = local_second(answer["created_at"])
    out(f"{mark('ok')} Restored {clean(answer['restored'])}" + (f", made {made}" if made else ""))
    out(f"  {_contents(answer)}")
    if answer["kept"]:
        out(f"  The database before is {clean(answer['kept'])}")
    if answer["files"]:
        out(f"  Put back: {clean(', '.join(answer['files']))}")
    for name in answer["files_left"]:
        note(f"note: {clean(name)} differs from the backup's and was left as it is.")
    for text in answer["notes"]:
        note(f"{mark('warn')} {clean(text)}")
    note("Start the scheduler with: pb scheduler start")
    return 0


def _maker() -> Any:
    from time import time_ns

    from pb.api.restoring import Maker
    from pb.process.peer import user_name

    return Maker(
        home=home(),
        settings=settings(),
        actor=f"cli:{user_name(os.geteuid())}",
        peer=f"pid {os.getpid()}",
        now_ms=time_ns() // 1_000_000,
    )


def _definitions(file: str) -> int:
    from pb.api.backups import find

    path = str(find(home(), settings(), file))
    with session() as talk:
        answer = talk.call("backup.definitions", {"name": path}, timeout=TIME)
        is_local = talk.is_local
    if asked.as_json:
        emit(answer)
        return 0
    out(f"{mark('ok')} Definitions of {clean(path)}")
    for word in ("added", "changed", "unchanged"):
        names = answer[word]
        if names:
            listed = "" if word == "unchanged" else f": {clean(', '.join(names))}"
            out(f"  {len(names)} {word}{listed}")
    for one in answer["kept"]:
        note(f"note: {clean(one['name'])} was left as it is: {clean(one['reason'])}")
    if is_local:
        hint_to_start()
    return 0


@app.verb("set-aside", "pb backup set-aside", "pb backup set-aside --force")
def set_aside(
    force: Annotated[
        bool, typer.Option("-f", "--force", help="Also a database that is sound.")
    ] = False,
) -> int:
    """Move a damaged database out of the way; the next start begins with an empty one."""
    from time import time_ns

    from pb.api.restoring import keep_aside

    kept = keep_aside(home(), settings(), time_ns() // 1_000_000, force=force)
    if asked.as_json:
        emit({"kept": str(kept)})
        return 0
    out(f"{mark('ok')} The database is {clean(kept)} now")
    note("Begin with an empty one: pb scheduler start")
    return 0
