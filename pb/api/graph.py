"""The graph of jobs that depend on jobs: checked at every change, and shown.

Rules are ``core.dependencies``'; here they meet the stored definitions.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from pb.api.context import Context, require
from pb.api.views import Json
from pb.core.definition import job_from
from pb.core.dependencies import cycle, unknown
from pb.core.model import Dependency, Job
from pb.errors import ConflictError, InvalidError, did_you_mean


def dependencies(context: Context) -> dict[str, tuple[Dependency, ...]]:
    """Every job that depends on others, with what it depends on."""
    return {
        name: job_from(json.loads(text)).depends_on for name, text in context.store.dependents()
    }


def names_of(graph: dict[str, tuple[Dependency, ...]]) -> dict[str, list[str]]:
    return {job: [dependency.job for dependency in needed] for job, needed in graph.items()}


def check(context: Context, *, jobs: Iterable[Job] = (), also: Iterable[str] = ()) -> None:
    """Refuse unknown names and circles, inside the transaction that made them.

    ``jobs`` count as if they were stored, and the names ``also`` as if they existed.
    Raises InvalidError that names the jobs.
    """
    drafts = {job.name: job.depends_on for job in jobs}
    graph = names_of({**dependencies(context), **drafts})
    if not graph:
        return
    known = [*context.store.job_names(), *drafts, *also]
    stray = unknown(graph, known)
    if stray is not None:
        job, name = stray
        hint = did_you_mean(name, known) or f"Add {name} first."
        raise InvalidError(f"Job {job} depends on {name!r}, which does not exist", hint=hint)
    path = cycle(graph)
    if path is not None:
        raise InvalidError(
            f"Jobs would wait for each other for ever: {' → '.join(path)}",
            hint="Leave one of these dependencies out.",
        )


def refuse_needed(context: Context, name: str) -> None:
    """Raises ConflictError when other jobs depend on ``name``."""
    needing = [job for job, names in names_of(dependencies(context)).items() if name in names]
    if needing:
        raise ConflictError(
            f"Job {name} is needed by {', '.join(needing)}",
            hint=f"Remove {needing[0]} first, or its dependency.",
        )


def job_deps(context: Context, *, name: str | None) -> Json:
    """What each job depends on, and what depends on it: of one job's part of the graph, or all."""
    graph = dependencies(context)
    names = names_of(graph)
    if name is None:
        wanted = set(names) | {needed for needs in names.values() for needed in needs}
    else:
        require(context, name)
        wanted = reach(name, names) | reach(name, reverse(names))
    return {
        "jobs": [
            {
                "name": job,
                "depends_on": [
                    {"job": one.job, "on": str(one.on), "within_seconds": one.within}
                    for one in graph.get(job, ())
                ],
                "dependents": sorted(reverse(names).get(job, [])),
            }
            for job in sorted(wanted)
        ]
    }


def reverse(names: dict[str, list[str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for job, needs in names.items():
        for needed in needs:
            found.setdefault(needed, []).append(job)
    return found


def reach(start: str, names: dict[str, list[str]]) -> set[str]:
    """``start`` and all that can be reached from it."""
    found: set[str] = set()
    rest = [start]
    while rest:
        job = rest.pop()
        if job not in found:
            found.add(job)
            rest += names.get(job, [])
    return found
