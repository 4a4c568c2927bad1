"""``pb job validate``: what definition files mean, or what is wrong in them. Changes nothing.

No typer here; the grammar is in ``pb.cli.job``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pb.cli.asked import asked, home
from pb.cli.job_views import draft, meaning
from pb.cli.problems import count, problem_views, say_problems
from pb.cli.render import clean, emit, mark, note, out
from pb.errors import Exit

if TYPE_CHECKING:
    from pb.config.folders import DefinitionFile


def show_schema(kind: str = "job") -> int:
    """``--schema``: the JSON Schema of a job or a service, as it comes with the package."""
    from pb.config.schema_file import published

    out(published(kind).rstrip("\n"))
    return 0


def validate(places: list[str]) -> int:
    """Check files and directories; without any, those that the scheduler follows. Exit 6 on
    problems."""
    from pb.config.folders import circles, definition_files, named_files, read_files

    named = [Path(os.path.abspath(place)) for place in places]
    folders = () if named else (home().jobs_dir, home().services_dir)
    paths = named_files(named) if named else [p for f in folders for p in definition_files(f)]
    files = list(read_files(paths))
    going_round = circles(files)
    problems = [*(problem for file in files for problem in file.found.problems), *going_round]
    code = int(Exit.INVALID if problems else Exit.DONE)
    if asked.as_json:
        emit({"files": list(map(view, files)), "problems": problem_views(problems)})
        return code
    for file in files:
        show(file)
    say_problems(going_round, out)
    if not files:
        where = " or ".join(clean(place) for place in named[:1] or folders)
        note(f"hint: There are no .json or .toml files in {where}")
    jobs = sum(len(file.found.jobs) for file in files)
    services = sum(len(file.found.services) for file in files)
    found = [count(jobs, "job"), *([count(services, "service")] if services else [])]
    found.append(f"{count(len(problems), 'problem')} in {count(len(files), 'file')}")
    out(", ".join(found))
    return code


def view(file: DefinitionFile) -> dict[str, object]:
    from pb.core.definition import job_dump
    from pb.core.service_definition import service_dump

    jobs = [draft(job_dump(job)) for job in file.found.jobs]
    services = [{"definition": service_dump(service)} for service in file.found.services]
    return {"file": str(file.path), "jobs": jobs, "services": services}


def show(file: DefinitionFile) -> None:
    """The problems of one file, then what its good jobs mean and when they run, and what its good
    services mean."""
    from pb.core.definition import job_dump
    from pb.core.service_phrases import phrases

    out(f"{mark('bad' if file.found.problems else 'ok')} {clean(file.path)}")
    say_problems(file.found.problems, out)
    for job in file.found.jobs:
        answer = draft(job_dump(job))
        out(f"{clean(job.name)}:")
        meaning(answer, answer["definition"])
    for service in file.found.services:
        out(f"{clean(service.name)}:")
        for word, text in phrases(service):
            out(f"  {word}: {clean(text)}")
    out()
