"""``pb apply``: definition files made true, with a diff for each job. All of a file or nothing."""

from __future__ import annotations

import json
import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pb.cli.asked import asked, elsewhere, home, session
from pb.cli.jobs import hint_to_start
from pb.cli.problems import problem_views, say_problems
from pb.cli.render import clean, emit, mark, note, out
from pb.cli.tree import single
from pb.errors import ConflictError, Exit, InvalidError, UsageError

if TYPE_CHECKING:
    from pb.api import Session
    from pb.config.folders import DefinitionFile
    from pb.config.located import FileProblem
    from pb.core.model import Job
    from pb.core.service import Service

Json = dict[str, Any]

TIME = 60.0
"""Seconds for one file: a thousand jobs take about one."""

FEW = 8
"""How many names a sentence lists before it only counts."""

WORDS = ("job", "service")
"""What a file may define, in the order in which it is applied."""

app, command = single(
    "apply",
    "pb apply",
    "pb apply jobs.toml",
    "pb apply jobs/ --prune --dry-run",
)


@command
def apply(
    places: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE|DIR]...", help="Files, or directories of them (default: ./pb.toml)."
        ),
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove what came from there and no longer does.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change; change nothing.")
    ] = False,
) -> int:
    """Make jobs and services what definition files say, and show what that changes.

    A file with a problem is left out whole; the others are applied. What runs goes on as it is: a
    service takes a change with its next restart. Exit 6 for problems, exit 1 when something is
    left alone because it comes from elsewhere.
    """
    from pb.config.folders import named_files, read_files

    named = [Path(os.path.abspath(place)) for place in places or [own_file()]]
    files = list(read_files(named_files(named)))
    problems = [problem for file in files for problem in file.found.problems]
    with session() as talk:
        good = [file for file in files if not file.found.problems]
        answers, refused = _apply_all(talk, good, dry_run)
        problems += refused
        broken = {problem.file for problem in problems}
        pruned = [
            _prune(talk, word, place, files, broken, dry_run or not prune, problems)
            for place in named
            for word in WORDS
        ]
        is_local = talk.is_local
    report = _report(answers, pruned, prune=prune)
    code = Exit.INVALID if problems else Exit.FAILED if report["kept"] else Exit.DONE
    if asked.as_json:
        emit({"dry_run": dry_run, **report, "problems": problem_views(problems)})
        return int(code)
    _show(report, dry_run=dry_run)
    say_problems(problems, note)
    if broken:
        note(f"Nothing of {_names(sorted(broken))} was applied.")
    if is_local and not dry_run and (report["added"] or report["changed"]):
        hint_to_start()
    return int(code)


def own_file() -> str:
    """The project's own file in the current directory. Raises UsageError."""
    from pb.config.kinds import PROJECT

    found = next((name for name in PROJECT if os.path.exists(name)), None)
    if found is None:
        raise UsageError(
            "There is no pb.toml here", hint="Name a file or a directory: pb apply FILE."
        )
    return found


def source_of(place: Path) -> str:
    """What the store remembers as the origin; files in ``jobs.d`` and ``services.d`` have the
    scheduler's own."""
    if elsewhere() is not None:
        return f"apply:{platform.node()}:{place}"
    folders = (home().jobs_dir, home().services_dir)
    is_watched = place in folders or place.parent in folders
    return f"file:{place}" if is_watched else f"apply:{place}"


def _apply_all(
    talk: Session, files: list[DefinitionFile], dry_run: bool
) -> tuple[list[Json], list[FileProblem]]:
    """Each file whole or not at all; one that was refused again once others have been applied,
    which its own may depend on."""
    from pb.config.located import FileProblem

    answers: list[Json] = []
    beside = {word: [one.name for file in files for one in defined(file, word)] for word in WORDS}
    refused: list[FileProblem] = []
    while files:
        again, refused = [], []
        for file in files:
            try:
                answers += _apply(talk, file, beside, dry_run)
            except (InvalidError, ConflictError) as error:
                again.append(file)
                refused.append(FileProblem(str(file.path), None, "", error.message, error.hint))
        if len(again) == len(files):
            break
        files = again
    return answers, refused


def defined(file: DefinitionFile, word: str) -> tuple[Job, ...] | tuple[Service, ...]:
    return file.found.jobs if word == "job" else file.found.services


def _apply(
    talk: Session, file: DefinitionFile, beside: dict[str, list[str]], dry_run: bool
) -> list[Json]:
    """The changes of one file. Jobs and services are two transactions: where there are both, both
    are tried before either is made."""
    words = [word for word in WORDS if defined(file, word)]
    if len(words) > 1 and not dry_run:
        for word in words:
            _apply_kind(talk, word, file, beside[word], True)
    return [_apply_kind(talk, word, file, beside[word], dry_run) for word in words]


def _apply_kind(
    talk: Session, word: str, file: DefinitionFile, beside: list[str], dry_run: bool
) -> Json:
    from pb.core.definition import job_dump
    from pb.core.service_definition import service_dump

    jobs, services = file.found.jobs, file.found.services
    params = {
        "definitions": [*map(job_dump, jobs)] if word == "job" else [*map(service_dump, services)],
        "source": source_of(file.path),
        "beside": beside,
        "dry_run": dry_run,
    }
    answer = talk.call(f"{word}.apply", params, timeout=TIME)
    return {**answer, "file": str(file.path), "kind": word}


def _prune(
    talk: Session,
    word: str,
    place: Path,
    files: list[DefinitionFile],
    broken: set[str],
    dry_run: bool,
    problems: list[FileProblem],
) -> Json:
    """Remove what came from ``place`` and is defined there no more, if all of it can be read."""
    inside = [file for file in files if file.path == place or place in file.path.parents]
    keep = [one.name for file in inside for one in defined(file, word)]
    unclear = [str(file.path) for file in inside if str(file.path) in broken]
    params = {"scope": source_of(place), "keep": keep, "dry_run": dry_run or bool(unclear)}
    nothing: Json = {"removed": [], "kept": [], "unclear": [], "kind": word}
    try:
        return {**nothing, **talk.call(f"{word}.prune", params, timeout=TIME), "unclear": unclear}
    except InvalidError as error:
        from pb.config.located import FileProblem

        said = f"nothing is pruned: {error.message}"
        problems.append(FileProblem(str(place), None, "", said, error.hint))
        return nothing


def _report(answers: list[Json], pruned: list[Json], *, prune: bool) -> Json:
    """All files' changes together, each with its kind and the file that it comes from."""
    report: Json = {
        word: [
            {"file": answer["file"], "kind": answer["kind"], **one}
            for answer in answers
            for one in answer[word]
        ]
        for word in ("added", "changed", "unchanged", "kept")
    }
    applied = {key_of(one) for word in report for one in report[word]}
    gone: dict[tuple[str, str], Json] = {}
    elsewhere: dict[tuple[str, str], Json] = {}
    for each in pruned:
        for one in each["removed"]:
            entry = {"kind": each["kind"], **one}
            if key_of(entry) not in applied:
                gone[key_of(entry)] = {**entry, "done": prune and not each["unclear"]}
        for one in each["kept"]:
            entry = {"kind": each["kind"], **one}
            elsewhere[key_of(entry)] = entry
    report["removed"] = [bare(one) for one in gone.values() if one["done"]]
    report["not_pruned"] = [bare(one) for one in gone.values() if not one["done"]]
    report["elsewhere"] = [
        bare(one) for key, one in elsewhere.items() if key not in applied | set(gone)
    ]
    return report


def key_of(entry: Json) -> tuple[str, str]:
    """A job and a service may have the same name."""
    return entry["kind"], entry["name"]


def bare(entry: Json) -> Json:
    return {key: entry[key] for key in ("kind", "name", "source")}


# -- showing


def _show(report: Json, *, dry_run: bool) -> None:
    for one in report["added"]:
        out(f"+ {_named(one)}")
        for key, value in one["definition"].items():
            if key != "name":
                out(f"    + {clean(key)}: {_value(key, value)}")
        if one.get("is_over"):
            out(f"    {mark('warn')} its time is in the past: it will not run")
    for one in report["changed"]:
        out(f"~ {_named(one)}")
        for change in one["changes"]:
            _show_change(change)
    for one in report["removed"]:
        out(f"- {_named(one)}  (from {clean(one['source'])})")
    for one in report["kept"]:
        out(f"{mark('warn')} {_named(one)} is left alone: {clean(one['reason'])}")
    for one in report["not_pruned"]:
        out(f"{mark('warn')} {_named(one)} is left alone: no file defines it any more")
    would = "would be " if dry_run else ""
    counted = [f"{len(report[word])} {would}{word}" for word in ("added", "changed", "removed")]
    out(", ".join([*counted, f"{len(report['unchanged'])} unchanged"]))
    if report["not_pruned"] and not report["removed"]:
        note("hint: With --prune they are removed, once all of the files can be read.")
    if report["elsewhere"]:
        names = [f"{one['name']} ({one['source']})" for one in report["elsewhere"]]
        note(f"Left alone, from elsewhere: {_names(names)}")


def _named(entry: Json) -> str:
    """Its name, and with a service that it is one."""
    name = clean(entry["name"])
    return f"service {name}" if entry["kind"] == "service" else name


def _show_change(change: Json) -> None:
    for sign, value in (("-", change["before"]), ("+", change["after"])):
        if value is not None:
            out(f"    {sign} {clean(change['key'])}: {_value(change['key'], value)}")


def _value(key: str, value: object) -> str:
    """The value of a dotted key as JSON, without what is a secret by its name."""
    from pb.core.secrets import hidden

    is_utf8 = (getattr(sys.stdout, "encoding", None) or "").lower().startswith("utf")
    shown = hidden(value, key.rpartition(".")[2].strip('"'))
    return clean(json.dumps(shown, ensure_ascii=not is_utf8))


def _names(names: list[str]) -> str:
    rest = f" and {len(names) - FEW} more" if len(names) > FEW else ""
    return clean(", ".join(names[:FEW]) + rest)
