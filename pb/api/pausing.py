"""Pausing and resuming: one job, those with a tag, or all; until somebody resumes or a moment."""

from __future__ import annotations

import json

from pb.api.context import Context, job_of, jobs_of_people, replan, require
from pb.api.views import LATEST_MS, Json, job_view, rfc3339
from pb.errors import InvalidError, NotFoundError
from pb.store.rows import JobRow


def job_pause(
    context: Context, *, name: str | None, tag: str | None, note: str | None, until: int | None
) -> Json:
    """Run nothing of these jobs until they are resumed, or until ``until`` (epoch ms).

    Pausing a paused job changes its note and its end.
    """
    if until is not None and not 0 <= until <= LATEST_MS:
        raise InvalidError("until: should be an instant, in milliseconds, up to the year 9999")
    if until is not None and until <= context.now():
        raise InvalidError(
            f"The pause would end at {rfc3339(until)}, which has passed",
            hint="Give an instant to come, or a duration such as 2h.",
        )
    changed = [row.name for row in chosen(context, name, tag) if pause(context, row, note, until)]
    return answer(context, name, tag, changed)


def pause(context: Context, row: JobRow, note: str | None, until: int | None) -> bool:
    """Pause one job; False when it is paused just so already."""
    if row.paused_at is not None and (row.pause_note, row.paused_until) == (note, until):
        return False
    now = context.now()
    context.store.set_paused(
        row.name, paused_at=row.paused_at or now, note=note, until=until, now=now
    )
    replan(context, job_of(row), require(context, row.name), afresh=row.paused_at is None)
    words = f" until {rfc3339(until)}" if until is not None else ""
    words += f": {note}" if note else ""
    context.tell("job.paused", f"Job {row.name} paused{words}", job=row.name)
    return row.paused_at is None or until != row.paused_until


def job_resume(context: Context, *, name: str | None, tag: str | None, catch_up: bool) -> Json:
    """Let them run again. Fire times that passed meanwhile are only made up with ``catch_up``,
    and then as the misfire policy says (SPEC section 4)."""
    changed = [
        row.name for row in chosen(context, name, tag) if resume(context, row, catch_up=catch_up)
    ]
    return answer(context, name, tag, changed)


def resume(context: Context, row: JobRow, *, catch_up: bool) -> bool:
    if row.paused_at is None:
        return False
    context.store.set_paused(row.name, paused_at=None, note=None, until=None, now=context.now())
    replan(context, job_of(row), require(context, row.name), afresh=not catch_up)
    context.tell("job.resumed", f"Job {row.name} resumed", job=row.name)
    return True


def chosen(context: Context, name: str | None, tag: str | None) -> list[JobRow]:
    """The one job of that name, those with the tag, or all."""
    if name is not None:
        return [require(context, name)]
    rows = list(jobs_of_people(context))
    if tag is None:
        return rows
    tagged = [row for row in rows if tag in json.loads(row.definition).get("tags", [])]
    if not tagged:
        raise NotFoundError(
            f"No job has the tag {tag!r}", hint="See the tags with: pb job list --json"
        )
    return tagged


def answer(context: Context, name: str | None, tag: str | None, changed: list[str]) -> Json:
    found: Json = {"changed": bool(changed), "names": changed}
    if name is not None:
        found["job"] = job_view(require(context, name))
    return found
