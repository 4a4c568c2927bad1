"""``pb import supervisor|pm2|procfile|systemd|compose``: services out of what peers keep.

Reads the files, adds what came of them (or writes a definition file), and tells everything that
did not come over as it was.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pb.cli.asked import asked, session
from pb.cli.importing import app
from pb.cli.jobs import hint_to_start
from pb.cli.render import clean, emit, mark, note, out
from pb.core.lean import dataclass
from pb.errors import ConflictError, Exit, NotFoundError, PbError, UsageError

if TYPE_CHECKING:
    from pb.api import Session
    from pb.config.imports.found import Definition, Imported, Remark, Surroundings

VERSION = "1.0.0"
MARKS = {"refused": "bad", "left_out": "warn", "changed": "warn"}

File = Annotated[str, typer.Argument(metavar="FILE", help="The file to read.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be imported; change nothing.")
]
Replace = Annotated[bool, typer.Option("--replace", help="Replace those of the same names.")]
Prefix = Annotated[str, typer.Option("--prefix", metavar="TEXT", help="Put this before each name.")]
Disabled = Annotated[
    bool, typer.Option("--disabled", help="Add them disabled, so that none is started now.")
]
Write = Annotated[
    str | None,
    typer.Option("--write", metavar="FILE", help="Write TOML (- is stdout) and add nothing."),
]


@dataclass(frozen=True, slots=True)
class How:
    """What is to be done with what was found."""

    dry_run: bool
    replace: bool
    prefix: str
    disabled: bool
    write: str | None

    def done(self, word: str) -> str:
        """How a success is told: ``added``, ``would be added``, ``written``."""
        return "written" if self.write else f"would be {word}" if self.dry_run else word


@app.verb(
    "supervisor",
    "pb import supervisor /etc/supervisor/supervisord.conf --dry-run",
    "pb import supervisor supervisord.conf --disabled",
)
def supervisor(
    file: File,
    dry_run: DryRun = False,
    replace: Replace = False,
    prefix: Prefix = "",
    disabled: Disabled = False,
    write: Write = None,
) -> int:
    """Import supervisor's programs and groups as services; included files are read as well.

    Exit 6 when something could not be taken; the rest is imported.
    """
    from pb.config.imports.supervisor import read_supervisor

    path = found_file(file)
    imported = read_supervisor(text_of(path), path=path, around=around())
    how = How(dry_run, replace, prefix, disabled, write)
    return take(imported, "supervisor", path, how)


@app.verb(
    "pm2",
    "pb import pm2 ecosystem.config.js --env production --dry-run",
    "pb import pm2 process.yml",
)
def pm2(
    file: File,
    env: Annotated[
        str | None, typer.Option("--env", metavar="NAME", help="Take env_NAME over env.")
    ] = None,
    dry_run: DryRun = False,
    replace: Replace = False,
    prefix: Prefix = "",
    disabled: Disabled = False,
    write: Write = None,
) -> int:
    """Import the apps of pm2's ecosystem file as services; a .js file is run with node.

    Exit 6 when something could not be taken; the rest is imported.
    """
    from pb.config.imports.pm2 import read_pm2

    path = found_file(file)
    imported = read_pm2(text_of(path), path=path, around=around(), environment=env)
    how = How(dry_run, replace, prefix, disabled, write)
    return take(imported, "pm2", path, how)


@app.verb("procfile", "pb import procfile Procfile", "pb import procfile Procfile --prefix shop-")
def procfile(
    file: Annotated[str, typer.Argument(metavar="[FILE]", help="The file to read.")] = "Procfile",
    dry_run: DryRun = False,
    replace: Replace = False,
    prefix: Prefix = "",
    disabled: Disabled = False,
    write: Write = None,
) -> int:
    """Import the lines of a Procfile as services, with the ports that foreman would give.

    Exit 6 when something could not be taken; the rest is imported.
    """
    from pb.config.imports.procfile import read_procfile

    path = found_file(file)
    imported = read_procfile(text_of(path), path=path, around=around())
    how = How(dry_run, replace, prefix, disabled, write)
    return take(imported, "procfile", path, how)


@app.verb(
    "systemd",
    "pb import systemd redis-server.service --dry-run",
    "pb import systemd web.service worker@1.service backup.timer",
)
def systemd(
    files: Annotated[
        list[str], typer.Argument(metavar="UNIT...", help="Unit files, or names of units.")
    ],
    dry_run: DryRun = False,
    replace: Replace = False,
    prefix: Prefix = "",
    disabled: Disabled = False,
    write: Write = None,
) -> int:
    """Import systemd units: services as services, timers and oneshot units as jobs.

    Exit 6 when something could not be taken; the rest is imported.
    """
    from pb.config.imports.systemd import read_units, unit_files

    units = unit_files(files)
    first = next(iter(units.values()))[0][0]
    imported = read_units(units, around=around())
    how = How(dry_run, replace, prefix, disabled, write)
    return take(imported, "systemd", first, how)


@app.verb("compose", "pb import compose compose.yaml --dry-run", "pb import compose compose.yaml")
def compose(
    file: File = "compose.yaml",
    dry_run: DryRun = False,
    replace: Replace = False,
    prefix: Prefix = "",
    disabled: Disabled = False,
    write: Write = None,
) -> int:
    """Import a compose file's services, as far as they run without a container.

    Exit 6 when something could not be taken; the rest is imported.
    """
    from pb.config.imports.compose import read_compose

    path = found_file(file)
    imported = read_compose(text_of(path), path=path, around=around())
    how = How(dry_run, replace, prefix, disabled, write)
    return take(imported, "compose", path, how)


def around() -> Surroundings:
    from getpass import getuser

    from pb.config.imports.found import Surroundings

    return Surroundings(env=dict(os.environ), user=getuser(), is_root=os.geteuid() == 0)


def found_file(file: str) -> str:
    path = Path(file).absolute()
    if not path.exists():
        raise NotFoundError(f"There is no file {path}", hint="Name the file to import.")
    return str(path)


def text_of(path: str) -> str:
    from pb.config.located import read_text

    try:
        return read_text(path)
    except PbError as error:
        raise type(error)(f"{path}: {error.message}", hint=error.hint) from error


def take(imported: Imported, kind: str, path: str, how: How) -> int:
    """Add, write or only show what was found, then tell the rest; the exit code."""
    from pb.config.imports.found import Fate

    imported = imported.prefixed(how.prefix)
    imported = imported.disabled() if how.disabled else imported
    if how.write is not None:
        answer = written(imported, how.write, how.replace)
    elif how.dry_run:
        answer = every_name(imported)
    else:
        answer = added(imported, f"{kind}:{path}", how.replace)
    show(answer, imported, how)
    is_whole = not imported.count(Fate.REFUSED) and not answer["failed"]
    return int(Exit.DONE if is_whole else Exit.INVALID)


def every_name(imported: Imported) -> dict[str, Any]:
    names = [one["name"] for one in (*imported.services, *imported.jobs)]
    return {"added": names, "replaced": [], "skipped": [], "failed": []}


def written(imported: Imported, place: str, replace: bool) -> dict[str, Any]:
    """Write the definition file; an existing one is only replaced when that was asked for."""
    from pb.config.toml_write import toml_file

    if asked.as_json and place == "-":
        raise UsageError("--json and --write - exclude each other", hint="Choose one.")
    text = toml_file(VERSION, imported.jobs, imported.services)
    if place == "-":
        out(text.rstrip("\n"))
        return every_name(imported)
    path = Path(place)
    if path.suffix.lower() != ".toml":
        raise UsageError(f"{place} should end in .toml", hint="The file is written as TOML.")
    try:
        with path.open("w" if replace else "x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        hint = "Choose another name, or replace it: --replace"
        raise ConflictError(f"There is a file {place} already", hint=hint) from None
    return {**every_name(imported), "written": str(path.absolute())}


def added(imported: Imported, source: str, replace: bool) -> dict[str, Any]:
    """Add everything, what others depend on first; what is there already is skipped."""
    answer: dict[str, Any] = {"added": [], "replaced": [], "skipped": [], "failed": []}
    with session() as talk:
        for definition in in_order(imported.services):
            params = {"definition": definition, "replace": replace, "source": source}
            add_one(talk, answer, params)
        if imported.jobs:
            add_jobs(talk, answer, list(imported.jobs), replace, source)
        if talk.is_local and (answer["added"] or answer["replaced"]):
            hint_to_start()
    return answer


def add_one(talk: Session, answer: dict[str, Any], params: dict[str, Any]) -> None:
    name = params["definition"]["name"]
    try:
        done = talk.call("service.add", params)
    except ConflictError as error:
        answer["skipped"].append({"name": name, "reason": error.message})
    except PbError as error:
        answer["failed"].append({"name": name, "reason": error.message})
    else:
        answer["replaced" if done.get("replaced") else "added"].append(name)


def add_jobs(
    talk: Session, answer: dict[str, Any], jobs: list[Definition], replace: bool, source: str
) -> None:
    params = {"definitions": jobs, "replace": replace, "source": source}
    done = talk.call("job.import", params, timeout=30.0)
    for key in ("added", "replaced", "skipped"):
        answer[key] += done[key]


def in_order(services: tuple[Definition, ...]) -> list[Definition]:
    """Each after those that it depends on; a cycle keeps the order of the file."""
    by_name = {one["name"]: one for one in services}
    ordered: dict[str, Definition] = {}
    under_way: set[str] = set()

    def visit(name: str) -> None:
        if name in ordered or name in under_way or name not in by_name:
            return
        under_way.add(name)
        for need in by_name[name].get("depends_on", ()):
            visit(need["service"])
        ordered[name] = by_name[name]

    for name in by_name:
        visit(name)
    return list(ordered.values())


def show(answer: dict[str, Any], imported: Imported, how: How) -> None:
    if asked.as_json:
        definitions = {"services": imported.services, "jobs": imported.jobs}
        emit({**answer, **definitions, "report": [document(r) for r in imported.remarks]})
        return
    say = note if how.write == "-" else out
    commands = {one["name"]: one for one in (*imported.services, *imported.jobs)}
    for word in ("added", "replaced"):
        for name in answer[word]:
            say(f"{mark('ok')} {clean(name)} {how.done(word)} ({clean(shown(commands[name]))})")
    for skipped in answer["skipped"]:
        note(f"{mark('warn', sys.stderr)} {clean(skipped['name'])} skipped: {skipped['reason']}")
    for failed in answer["failed"]:
        note(f"{mark('bad', sys.stderr)} {clean(failed['name'])} refused: {failed['reason']}")
    tell(imported)
    say(summed_up(answer, imported, how))


def tell(imported: Imported) -> None:
    """The report: one line for each thing, its advice below it."""
    for remark in imported.remarks:
        note(f"{mark(MARKS[remark.fate], sys.stderr)} {clean(remark)}")
        if remark.hint:
            note(f"    {clean(remark.hint)}")


def summed_up(answer: dict[str, Any], imported: Imported, how: How) -> str:
    from pb.config.imports.found import Fate

    count = len(answer["added"]) + len(answer["replaced"])
    refused = imported.count(Fate.REFUSED) + len(answer["failed"])
    return (
        f"{count} {how.done('imported')}, {len(answer['skipped'])} skipped, {refused} refused; "
        f"of their keys {imported.count(Fate.CHANGED)} changed, "
        f"{imported.count(Fate.LEFT_OUT)} left out"
    )


def shown(definition: Definition) -> str:
    """What it runs, on one short line."""
    from shlex import join

    command = definition["command"]
    text = command if isinstance(command, str) else join(command)
    return text if len(text) <= 60 else text[:57] + "..."


def document(remark: Remark) -> dict[str, Any]:
    return {
        "fate": remark.fate.value,
        "file": remark.file,
        "line": remark.line,
        "key": remark.key,
        "message": remark.message,
        "hint": remark.hint,
    }
