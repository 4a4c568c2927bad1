"""Several definition files together: which there are, and names that two of them define.

What one file holds is ``files``'; applying it is the daemon's and ``pb apply``'s work.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from pb.config.files import PARSERS, Definitions, FileProblem, read_definitions
from pb.core.dependencies import cycle
from pb.core.fields import shown_text
from pb.core.lean import dataclass
from pb.core.model import Job
from pb.core.service import Service
from pb.errors import NotFoundError

One = TypeVar("One", Job, Service)


@dataclass(frozen=True, slots=True)
class DefinitionFile:
    """One file and what it defines."""

    path: Path
    found: Definitions


def definition_files(folder: Path) -> list[Path]:
    """The ``.json`` and ``.toml`` files of a folder by name; none where there is no folder.

    Names that begin with a dot are editors' own (swap files, locks) and are passed over.
    """
    if not folder.is_dir():
        return []
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in PARSERS and not path.name.startswith(".")
    )


def named_files(places: Iterable[Path]) -> list[Path]:
    """The files that people named, a folder standing for all in it. Raises NotFoundError."""
    named: list[Path] = []
    for place in places:
        if not place.exists() and not place.is_symlink():
            raise NotFoundError(
                f"There is no file {place}", hint="Name a .json or .toml file, or a directory."
            )
        named += definition_files(place) if place.is_dir() else [place]
    return list(dict.fromkeys(named))


def read_files(paths: Iterable[Path]) -> Iterator[DefinitionFile]:
    """Each file in turn; of two that define the same name, the first one in order has it."""
    job_owners: dict[str, str] = {}
    service_owners: dict[str, str] = {}
    for path in paths:
        found = read_definitions(path)
        jobs, twice = new_ones(path, found.jobs, found.lines, job_owners)
        services, again = new_ones(path, found.services, found.service_lines, service_owners)
        problems = (*found.problems, *twice, *again)
        yield DefinitionFile(path, replace(found, jobs=jobs, services=services, problems=problems))


def new_ones(
    path: Path, found: Sequence[One], lines: Mapping[str, int], owners: dict[str, str]
) -> tuple[tuple[One, ...], list[FileProblem]]:
    """Those of ``found`` whose name no file before has, and a problem for each of the others."""
    problems = [
        FileProblem(
            str(path),
            lines[one.name],
            shown_text(one.name)[1:-1],
            f"is defined in {owners[one.name]} too",
            "Rename one of them, or remove it.",
        )
        for one in found
        if one.name in owners
    ]
    new = tuple(one for one in found if one.name not in owners)
    owners.update((one.name, f"{path}:{lines[one.name]}") for one in new)
    return new, problems


def circles(files: Iterable[DefinitionFile]) -> list[FileProblem]:
    """A problem for each kind whose definitions in these files wait for themselves in a circle,
    with the path. Whether a name exists at all only the store knows."""
    jobs: dict[str, FilePlace] = {}
    services: dict[str, FilePlace] = {}
    for file in files:
        for job in file.found.jobs:
            needs = [one.job for one in job.depends_on]
            jobs[job.name] = FilePlace(file.path, file.found.lines[job.name], needs)
        for service in file.found.services:
            needs = [one.service for one in service.depends_on]
            line = file.found.service_lines[service.name]
            services[service.name] = FilePlace(file.path, line, needs)
    return [problem for places in (jobs, services) for problem in circle(places)]


@dataclass(frozen=True, slots=True)
class FilePlace:
    """Where something is defined, and the names that it depends on."""

    path: Path
    line: int
    needs: list[str]


def circle(places: Mapping[str, FilePlace]) -> list[FileProblem]:
    path = cycle({name: place.needs for name, place in places.items()})
    if path is None:
        return []
    first = places[path[0]]
    said = f"would wait for itself for ever: {' → '.join(path)}"
    hint = "Correct the depends_on of one of them."
    return [FileProblem(str(first.path), first.line, path[0], said, hint)]
