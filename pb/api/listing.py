"""Lists with filters and pages: jobs, queues, events. Carried out on the store alone."""

from __future__ import annotations

from functools import partial
from itertools import islice

from pb.api.context import Context, jobs_of_people
from pb.api.methods import limited
from pb.api.views import Json, event_view, job_view
from pb.errors import InvalidError, did_you_mean

JOB_STATES = ("idle", "running", "paused", "disabled")

DEFAULT_QUEUE = "default"


def job_list(
    context: Context,
    *,
    n: int | None,
    after: str | None,
    state: str | None,
    tag: str | None,
    text: str | None,
    all: bool,  # noqa: A002 - the word of the flag
) -> Json:
    """The jobs by name, and with ``all`` those too that pb itself has. With ``n`` a page of them:
    ``next`` is what ``after`` is for the next one, null on the last page."""
    if state is not None and state not in JOB_STATES:
        hint = did_you_mean(state, JOB_STATES) or f"One of: {', '.join(JOB_STATES)}."
        raise InvalidError(f"There is no job state {state!r}", hint=hint)
    rows = context.store.jobs if all else partial(jobs_of_people, context)
    views = map(job_view, rows(after=after or ""))
    found = (job for job in views if is_wanted(job, state, tag, text))
    standings = standings_of(context)
    if n is None:
        return {"jobs": found, "standings": standings}
    page = list(islice(found, limited(n) + 1))
    after = page[n - 1]["name"] if len(page) > n > 0 else None
    shown = {job["name"] for job in page[:n]}
    standings = {name: standing for name, standing in standings.items() if name in shown}
    return {"jobs": page[:n], "next": after, "standings": standings}


def standings_of(context: Context) -> dict[str, Json]:
    """How the thresholds stand, by job: of several the one that is furthest."""
    order = ("inactive", "pending", "firing")
    found: dict[str, Json] = {}
    for job, phase in context.store.occasions.phases():
        if job not in found or order.index(phase) > order.index(found[job]["state"]):
            found[job] = {"state": phase, "shown": None}
    if context.readings:
        from pb.core.metric_names import measured_value

        for job, readings in list(context.readings.items()):
            one = max(readings.values(), key=lambda it: order.index(it["phase"]), default=None)
            if one is not None:
                value = one["value"]
                shown = "no value" if value is None else measured_value(one["metric"], value)
                found[job] = {"state": one["phase"], "shown": shown}
    return found


def is_wanted(job: Json, state: str | None, tag: str | None, text: str | None) -> bool:
    """Every condition that is given holds; ``text`` is a part of the name or the description."""
    if state is not None and job["state"] != state:
        return False
    if tag is not None and tag not in job["tags"]:
        return False
    words = f"{job['name']}\n{job['description']}".lower()
    return text is None or text.lower() in words


def queue_list(context: Context) -> Json:
    """Every queue that a setting, a job or an open run names: its slots, and what is in it.

    ``slots`` null: no bound of its own, only ``max_running`` of all runs together.
    """
    slots = context.settings.scheduler.queues
    queues: dict[str, Json] = {}

    def at(name: str) -> Json:
        usual = None if name == DEFAULT_QUEUE else 1
        empty = {"slots": slots.get(name, usual), "jobs": 0, "running": 0, "queued": 0}
        return queues.setdefault(name, {"name": name, **empty})

    for name in (DEFAULT_QUEUE, *slots):
        at(name)
    for name, jobs in context.store.queue_sizes():
        at(name)["jobs"] = jobs
    for name, state, count in context.store.queue_lengths():
        at(name)["queued" if state == "queued" else "running"] += count
    return {
        "queues": [queues[name] for name in sorted(queues)],
        "max_running": context.settings.scheduler.max_running,
    }


def events_recent(
    context: Context,
    *,
    n: int,
    since: int | None,
    type: str | None,  # noqa: A002 - the word of the event itself
    job: str | None,
    service: str | None,
) -> Json:
    """The newest events, newest first; or with ``since`` those after that number, oldest first.

    ``type`` is a whole type, or a family such as ``run``; ``service`` may be ``*``, any of them.
    ``oldest_seq`` and ``newest_seq`` are
    what is kept at all, 0 when nothing is.
    """
    rows = context.store.events(limited(n), since=since, family=type, job=job, service=service)
    oldest, newest = context.store.event_bounds()
    return {
        "events": [event_view(row) for row in rows],
        "oldest_seq": oldest,
        "newest_seq": newest,
    }
