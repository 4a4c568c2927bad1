"""``pb import crontab``: jobs out of a crontab. Services are ``moving_in``'s."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pb.cli.asked import asked, session, settings
from pb.cli.jobs import hint_to_start
from pb.cli.render import clean, emit, mark, note, out
from pb.cli.tree import Verbs
from pb.errors import Exit, InvalidError, NotFoundError, PbError

if TYPE_CHECKING:
    from pb.config.crontab import CrontabImport
    from pb.core.model import Job

LARGEST = 4 * 1024 * 1024
"""Bytes of a crontab that are read; a larger file is something else."""

app = Verbs("Import jobs and services from what other programs keep.")


@app.verb(
    "crontab",
    "crontab -l | pb import crontab - --dry-run",
    "pb import crontab /etc/crontab --system",
    "pb import crontab my.crontab --replace",
)
def crontab(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A crontab; - is stdin.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be imported; change nothing.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace jobs of the same names.")
    ] = False,
    system: Annotated[
        bool | None,
        typer.Option("--system/--user", help="With or without a user column (default: guessed)."),
    ] = None,
) -> int:
    """Import a crontab's lines as jobs; each line that cannot be is named with its reason.

    Exit 6 when some line could not be imported; the others are.
    """
    found = _read(file, system)
    answer = _dry(found) if dry_run else _import(found, file, replace)
    code = Exit.INVALID if found.problems else Exit.DONE
    if asked.as_json:
        emit({**answer, "problems": [_problem(p) for p in found.problems], "notes": found.notes})
        return int(code)
    _say(answer, found, dry_run)
    return int(code)


def _read(file: str, system: bool | None) -> CrontabImport:
    from getpass import getuser

    from pb.config.crontab import read_crontab

    path = "<stdin>" if file == "-" else str(Path(file).absolute())
    return read_crontab(
        _text(file), path=path, system=system, user=getuser(), mailboxes=_mailboxes()
    )


def _mailboxes() -> dict[str, str]:
    """The channels that send mail, by the addresses that they send to."""
    tables = settings().notify.channels.items()
    mails = [(name, table) for name, table in tables if table["type"] == "mail"]
    return {str(address).lower(): name for name, table in mails for address in table["to"]}


def _text(file: str) -> str:
    if file == "-":
        content = sys.stdin.buffer.read(LARGEST + 1) if sys.stdin is not None else b""
    else:
        content = _content(Path(file))
    if len(content) > LARGEST:
        raise InvalidError(f"{file} is larger than {LARGEST // 2**20} MiB: that is no crontab")
    return "\n".join(_line(line) for line in content.split(b"\n"))


def _line(line: bytes) -> str:
    """A comment is read whatever its encoding; another line that is not UTF-8 is a problem of
    that line alone, which reading it tells."""
    try:
        return line.decode()
    except UnicodeDecodeError:
        is_comment = line.lstrip().startswith(b"#")
        return line.decode("latin-1") if is_comment else line.decode("utf-8", "surrogateescape")


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(LARGEST + 1)
    except FileNotFoundError as error:
        raise NotFoundError(
            f"There is no file {path}",
            hint="For your own crontab: crontab -l | pb import crontab -",
        ) from error
    except IsADirectoryError as error:
        raise PbError(f"{path} is a directory", hint="Name a file in it.") from error


def _definitions(jobs: tuple[Job, ...]) -> list[dict[str, object]]:
    from pb.core.definition import job_dump

    return [job_dump(job) for job in jobs]


def _dry(found: CrontabImport) -> dict[str, Any]:
    definitions = _definitions(found.jobs)
    names = [job.name for job in found.jobs]
    return {"added": names, "replaced": [], "skipped": [], "definitions": definitions}


def _import(found: CrontabImport, file: str, replace: bool) -> dict[str, Any]:
    params = {
        "definitions": _definitions(found.jobs),
        "replace": replace,
        "source": "crontab" if file == "-" else f"crontab:{Path(file).absolute()}",
    }
    with session() as talk:
        answer = talk.call("job.import", params, timeout=30.0)
        if talk.is_local and found.jobs:
            hint_to_start()
    return answer


def _problem(problem: Any) -> dict[str, Any]:
    return {
        "file": problem.file,
        "line": problem.line,
        "key": problem.key,
        "message": problem.message,
        "hint": problem.hint,
    }


def _say(answer: dict[str, Any], found: CrontabImport, dry_run: bool) -> None:
    from pb.core.triggers import short

    jobs = {job.name: job for job in found.jobs}
    for word, names in (("added", answer["added"]), ("replaced", answer["replaced"])):
        verb = f"would be {word}" if dry_run else word
        for name in names:
            when = ", ".join(short(trigger) for trigger in jobs[name].triggers)
            out(f"{mark('ok')} {clean(name)} {verb} ({clean(when)})")
    for skipped in answer["skipped"]:
        out(f"{mark('warn')} {clean(skipped['name'])} skipped: {clean(skipped['reason'])}")
    for remark in found.notes:
        note(f"note: {clean(remark)}")
    for problem in found.problems:
        note(f"{mark('bad', sys.stderr)} {clean(problem)}")
    done = len(answer["added"]) + len(answer["replaced"])
    verb = "would be imported" if dry_run else "imported"
    out(f"{done} {verb}, {len(answer['skipped'])} skipped, {len(found.problems)} not understood")
