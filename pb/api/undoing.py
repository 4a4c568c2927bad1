"""Taking back a removal. Carried out on the store alone."""

from __future__ import annotations

import json

from pb.api import graph
from pb.api.context import Context, next_fire_ms, require
from pb.api.views import Json, job_view
from pb.core.definition import job_from
from pb.errors import ConflictError, NotFoundError, did_you_mean
from pb.store import removed

NAMED = 5
"""Jobs that are named when none was."""


def job_restore(context: Context, *, name: str) -> Json:
    """Bring a removed job back as it was: definition, switches, counters. It counts from now on."""
    if context.store.job(name) is not None:
        raise ConflictError(f"A job named {name!r} is there", hint=f"See: pb job show {name}")
    row = removed.find(context.store, name)
    if row is None:
        raise unknown(name, removed.names(context.store))
    now = context.now()
    is_planned = row.enabled and row.paused_at is None
    context.store.add_job(
        name=name,
        definition=row.definition,
        source=row.source,
        enabled=row.enabled,
        paused_at=row.paused_at,
        now=now,
        next_fire_at=next_fire_ms(job_from(json.loads(row.definition)), now)
        if is_planned
        else None,
    )
    if row.paused_at is not None:
        context.store.set_paused(
            name, paused_at=row.paused_at, note=row.pause_note, until=row.paused_until, now=now
        )
    removed.give_back(context.store, name)
    graph.check(context)
    context.changed.append(name)
    context.tell("job.added", f"Job {name} restored", job=name)
    return {"job": job_view(require(context, name))}


def unknown(name: str, known: list[str]) -> NotFoundError:
    shown = f"Removed at last: {', '.join(known[:NAMED])}." if known else "None was removed lately."
    return NotFoundError(
        f"No job named {name!r} was removed lately", hint=did_you_mean(name, known) or shown
    )
