"""What is worth saying of a job: names that nothing has, what its last run was for, what would
keep it from being started."""

from __future__ import annotations

import os

from pb.api.context import Context
from pb.api.views import Json
from pb.core.event_names import subject_of
from pb.core.model import Job, Trigger
from pb.core.reactive import Event, Pattern, Threshold
from pb.errors import did_you_mean


def stray_notes(context: Context, job: Job) -> list[str]:
    """Events that cannot come, as things are: of jobs and services that do not exist."""
    found = []
    for trigger in job.triggers:
        family, name = asked_of(trigger)
        if not name or "*" in name:
            continue
        is_job = family == "job"
        services = context.store.services.sources
        names = context.store.job_names() if is_job else [one for one, _ in services()]
        if name not in names:
            near = did_you_mean(name, names)
            found.append(f"There is no {family} named {name!r} yet.{f' {near}' if near else ''}")
    return found


def start_notes(job: Job) -> list[str]:
    """What would keep it from being started, as things are: its directory, or its program.

    Only what can be seen without starting anything: not what a shell or Python would look for.
    """
    from pb.process.program import SpawnError, check_directory, find_from

    cwd = os.path.abspath(os.path.expanduser(job.cwd or "~"))
    try:
        check_directory(cwd)
        if job.command and not job.shell:
            find_from(cwd, job.command[0], {**os.environ, **job.env})
    except SpawnError as error:
        return [f"It could not be started now: {error.message}"]
    return []


def event_of(context: Context, run_id: int) -> Json:
    """What a run was started for: the facts of the first event, and how many there were."""
    about = context.store.occasions.of_run(run_id)
    if about is None:
        return {"event": None, "event_count": None}
    return {"event": about.event, "event_count": about.count or about.occasions}


def asked_of(trigger: Trigger) -> tuple[str, str]:
    """The job or service that a trigger asks for by its name; nothing for others."""
    match trigger:
        case Event(name=event) | Pattern(event=str(event)):
            return subject_of(event)
        case Threshold(metric=metric) | Pattern(metric=str(metric)):
            from pb.core.metric_names import parse_metric

            found = parse_metric(metric)
            family = found.kind.partition(".")[0]
            return family, found.subject if family in ("job", "service") else ""
        case Pattern(source=str(source)):
            family, _, name = source.partition(":")
            return family, name if family in ("job", "service") else ""
        case Pattern(job=str(job)):
            return "job", job
    return "", ""
