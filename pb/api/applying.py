"""Definition files against the store: what would change, changing it, and giving it all back.

The same code in the scheduler and in the CLI, as all methods. Reading files is the caller's.
"""

from __future__ import annotations

import json
from typing import Any

from pb.api import graph
from pb.api.context import Context, jobs_of_people, require
from pb.api.methods import drop, put, will_never_run
from pb.api.views import Json
from pb.core.definition import job_dump, job_from
from pb.core.model import Job
from pb.store.rows import JobRow

WATCHED = "file:"
"""Source of a job that the scheduler takes from ``jobs.d`` by itself."""

APPLIED = "apply:"
"""Source of a job that `pb apply` took from a file."""


def job_apply(
    context: Context,
    *,
    definitions: list[Json],
    source: str,
    beside: list[str],
    dry_run: bool = False,
) -> Json:
    """Make the store's jobs those of one file, all or none; name what is left alone and why.

    With ``dry_run``, jobs of the names ``beside`` count as there: other files will add them.
    """
    answer: dict[str, list[Any]] = {"added": [], "changed": [], "unchanged": [], "kept": []}
    jobs = [job_from(definition) for definition in definitions]
    for job in jobs:
        row = context.store.job(job.name)
        word, entry = compared(context, job, row, source)
        answer[word].append(entry)
        if word in ("added", "changed") and not dry_run:
            put(context, job, replace=True, source=source)
    kept = {entry["name"] for entry in answer["kept"]}
    drafts = [job for job in jobs if job.name not in kept] if dry_run else []
    graph.check(context, jobs=drafts, also=beside if dry_run else ())
    return dict(answer)


def compared(context: Context, job: Job, row: JobRow | None, source: str) -> tuple[str, Json]:
    """What applying one job means: added, changed (which keys), unchanged, or kept (why)."""
    wanted = job_dump(job)
    if row is None:
        is_over = will_never_run(job, context.now())
        return "added", {"name": job.name, "definition": wanted, "is_over": is_over}
    return set_against(wanted, stored(row), before=row.source, source=source)


def set_against(wanted: Json, known: Json, *, before: str, source: str) -> tuple[str, Json]:
    """What ``wanted`` of ``source`` changes in a job or service that came from ``before``."""
    name = wanted["name"]
    if before != source and before.startswith(WATCHED):
        reason = f"it comes from {before.removeprefix(WATCHED)}"
        return "kept", {"name": name, "source": before, "reason": reason}
    changes = differences(known, wanted)
    if before != source:
        changes.append({"key": "source", "before": before, "after": source})
    entry = {"name": name, "changes": changes}
    return ("changed", entry) if changes else ("unchanged", {"name": name})


def stored(row: JobRow) -> Json:
    """The definition as it is stored, but enabled or disabled as it is now."""
    definition: Json = json.loads(row.definition)
    return with_switch(definition, "enabled", row.enabled, default=True)


def with_switch(definition: Json, key: str, state: bool, *, default: bool) -> Json:
    rest = {name: value for name, value in definition.items() if name != key}
    return rest if state is default else {**rest, key: state}


def differences(before: Json, after: Json) -> list[Json]:
    """Each key whose value differs, tables key by key; null for a value that is left out."""
    found = []
    for key in dict.fromkeys([*before, *after]):
        old, new = before.get(key), after.get(key)
        tables = [side for side in (old, new) if side is not None]
        if tables and all(isinstance(side, dict) for side in tables):
            inner = differences(old or {}, new or {})
            found += [{**change, "key": f"{key}.{change['key']}"} for change in inner]
        elif old != new:
            found.append({"key": key, "before": old, "after": new})
    return found


def job_prune(context: Context, *, scope: str, keep: list[str], dry_run: bool = False) -> Json:
    """Remove the jobs that came from ``scope`` (a source, or the sources below it) but ``keep``.

    The answer names them, and the jobs from elsewhere that are left alone.
    """
    kept = set(keep)
    gone: list[Json] = []
    left: list[Json] = []
    for row in jobs_of_people(context):
        if row.name in kept:
            continue
        is_inside = row.source == scope or row.source.startswith(scope + "/")
        (gone if is_inside else left).append({"name": row.name, "source": row.source})
    if not dry_run:
        for job in gone:
            drop(context, job["name"])
        graph.check(context)
    return {"removed": gone, "kept": left}


def job_export(context: Context, *, names: list[str]) -> Json:
    """The definitions of some jobs or all, enabled and paused as they are now."""
    rows = [require(context, name) for name in names] if names else jobs_of_people(context)
    return {
        "jobs": [
            with_switch(stored(row), "paused", row.paused_at is not None, default=False)
            for row in rows
        ]
    }
