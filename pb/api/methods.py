"""What can be asked, carried out on the store: the same code in the scheduler and in the CLI.

What needs a running scheduler has no body here; the engine supplies it. Nothing here knows a
socket, a process or an event loop. ``catalogue`` lists every method.
"""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pb import __version__
from pb.api import builtin, graph
from pb.api.context import (
    Context,
    explained,
    fire_times,
    job_of,
    jobs_of_people,
    next_fire_ms,
    replan,
    require,
    require_run,
)
from pb.api.remarks import event_of, start_notes, stray_notes
from pb.api.told import policy_of
from pb.api.views import (
    BUILTIN,
    Json,
    job_view,
    rfc3339,
    run_view,
    scheduler_view,
    whole_run_view,
)
from pb.config.zones import zone
from pb.core.definition import job_dump, job_from
from pb.core.limits import KEPT, LIMITS
from pb.core.model import NAME_PATTERN, Cron, Job, Startup, State
from pb.core.reactive import Reactive
from pb.core.scheduling import instant
from pb.errors import ConflictError, InvalidError
from pb.store import removed
from pb.store.rows import JobRow, Run

if TYPE_CHECKING:
    pass

HISTORY_LIMIT = 10_000

IDENTITY = ("pid", "start_ticks", "boot_id", "pid_namespace", "host")


def system_ping(context: Context) -> Json:
    return {"ok": True}


def system_info(context: Context) -> Json:
    return {"alive": context.facts is not None, "version": __version__}


def scheduler_status(context: Context, *, jobs: bool) -> Json:
    nobody = {"running": False, "pid": None, "mode": None, "started_at": None}
    facts = context.facts() if context.facts is not None else nobody
    counts = context.store.open_counts()
    answer = {
        "uptime_seconds": None,
        "db_path": str(context.store.path),
        "socket_path": str(context.settings.socket_path(context.home)),
        "log_path": str(context.home.log("scheduler")),
        "notice": None,
        **facts,
        "counts": {
            "running": counts.get("running", 0) + counts.get("starting", 0),
            "queued": counts.get("queued", 0),
        },
        "shared_with": [
            scheduler_view(row)
            for row in context.store.sharing.schedulers()
            if row.home != str(context.home.root)
        ],
    }
    if jobs:
        answer["jobs"] = map(job_view, jobs_of_people(context))
    return answer


def job_show(context: Context, *, name: str) -> Json:
    row = require(context, name)
    job = job_of(row)
    runs = context.store.runs(job=name, n=5)
    plans = row.enabled and row.paused_at is None
    return {
        "job": job_view(row),
        "definition": job_dump(dataclasses.replace(job, enabled=row.enabled)),
        "source": row.source,
        "created_at": rfc3339(row.created_at),
        "updated_at": rfc3339(row.updated_at),
        "fire_times": fire_times(job, context.now(), 5, row=row) if plans else [],
        "explain": explained(job),
        "reactions": reactions_of(context, job),
        "notes": clock_notes(job, instant(context.now())),
        "runs": [whole_run_view(run) for run in runs],
        "last_event": event_of(context, runs[0].id)["event"] if runs else None,
        "told": policy_of(context.settings, job.notify),
        "kept": {key: KEPT[key] for key in LIMITS if getattr(job.limits, key) is not None},
        "log_path": next((run.log_path for run in runs if run.log_path), None),
    }


def reactions_of(context: Context, job: Job) -> list[Json]:
    """How its triggers that react stand; most jobs have none."""
    if not any(isinstance(trigger, Reactive) for trigger in job.triggers):
        return []
    from pb.api.reactions import reactions

    return reactions(context, job)


def clock_notes(job: Job, now: datetime) -> list[str]:
    """What the clock changes of the coming year mean for the job's cron triggers."""
    from pb.core.cron import clock_change_notes, parse_cron

    tz = zone(job.timezone)
    return [
        note
        for trigger in job.triggers
        if isinstance(trigger, Cron)
        for note in clock_change_notes(
            parse_cron(
                trigger.expr,
                name=job.name,
                day_match=trigger.day_match,
                dst_gap=trigger.dst_gap,
                dst_overlap=trigger.dst_overlap,
            ),
            tz,
            now,
        )
    ]


def job_add(context: Context, *, definition: Json, replace: bool, source: str) -> Json:
    job = job_from(definition)
    refuse_the_past(job, context.now())
    created = put(context, job, replace=replace, source=claimed(source))
    graph.check(context)
    now = context.now()
    return {
        "job": job_view(require(context, job.name)),
        "created": created,
        "explain": explained(job),
        "fire_times": fire_times(job, now, 3),
        "notes": [
            *clock_notes(job, instant(now)),
            *stray_notes(context, job),
            *start_notes(job),
        ],
    }


def claimed(source: str) -> str:
    """Where a job comes from that somebody adds; it is no built-in one any more."""
    return "cli" if source == BUILTIN else source


def refuse_the_past(job: Job, now: int) -> None:
    """A job whose only fire times are gone would never run, and nobody would be told."""
    if will_never_run(job, now):
        raise InvalidError(
            f"Job {job.name} would never run: its time is in the past",
            hint="Give a time to come, or run it now with: pb run -- COMMAND",
        )


def will_never_run(job: Job, now: int) -> bool:
    """Whether a job has fire times only, and all of them are gone."""
    reacts = any(isinstance(trigger, Startup | Reactive) for trigger in job.triggers)
    return bool(job.triggers) and not reacts and next_fire_ms(job, now) is None


def put(
    context: Context, job: Job, *, replace: bool, source: str, keep_switch: bool = False
) -> bool:
    """Add ``job``, or with ``replace`` change the one of that name; True when it is new.

    With ``keep_switch`` a job that was enabled or disabled by hand stays so, as long as its
    definition says nothing else than before. A job without a zone of its own gets the one of
    the settings.
    """
    builtin.refuse_reserved(context, job.name, replace=replace)
    row = context.store.job(job.name)
    usual = context.settings.scheduler.timezone
    if job.timezone == "local" and usual != "local":
        job = dataclasses.replace(job, timezone=usual)
    if row is None:
        insert(context, job, source)
        return True
    if not replace:
        raise ConflictError(
            f"A job named {job.name!r} exists already",
            hint=f"Add --replace to change it, or run: pb job remove {job.name}",
        )
    change(context, job, row, source, keep_switch=keep_switch)
    return False


def insert(context: Context, job: Job, source: str) -> None:
    now = context.now()
    context.store.add_job(
        name=job.name,
        definition=canonical(job),
        source=source,
        enabled=job.enabled,
        paused_at=now if job.paused else None,
        now=now,
        next_fire_at=next_fire_ms(job, now) if job.enabled and not job.paused else None,
    )
    context.changed.append(job.name)
    context.tell("job.added", f"Job {job.name} added", job=job.name)


def change(context: Context, job: Job, row: JobRow, source: str, *, keep_switch: bool) -> None:
    """Replace a definition. A changed schedule counts from now; an unchanged one goes on.

    ``paused`` takes effect when the definition says otherwise than before; else a pause stays.
    """
    text = canonical(job)
    is_switched = not keep_switch and job.enabled != row.enabled
    if text == row.definition and source == row.source and not is_switched:
        return
    before, now = job_of(row), context.now()
    enabled = row.enabled if keep_switch and before.enabled == job.enabled else job.enabled
    context.store.replace_job(
        name=job.name, definition=text, source=source, enabled=enabled, now=now
    )
    if before.paused != job.paused and job.paused != (row.paused_at is not None):
        at = now if job.paused else None
        context.store.set_paused(job.name, paused_at=at, note=None, until=None, now=now)
    after = require(context, job.name)
    same = (before.triggers, before.timezone) == (job.triggers, job.timezone)
    is_back = is_planned(after) and not is_planned(row)
    replan(context, job, after, afresh=is_back or not same)
    context.tell("job.changed", f"Job {job.name} changed", job=job.name)


def is_planned(row: JobRow) -> bool:
    return row.enabled and row.paused_at is None


def canonical(job: Job) -> str:
    return json.dumps(job_dump(job), ensure_ascii=False, separators=(",", ":"))


def job_import(context: Context, *, definitions: list[Json], replace: bool, source: str) -> Json:
    """Add many at once, all or nothing but for those that exist already (named in the answer)."""
    answer: dict[str, list[Any]] = {"added": [], "replaced": [], "skipped": []}
    for job in [job_from(definition) for definition in definitions]:
        try:
            created = put(context, job, replace=replace, source=claimed(source))
        except ConflictError as error:
            answer["skipped"].append({"name": job.name, "reason": error.message})
        else:
            answer["added" if created else "replaced"].append(job.name)
    graph.check(context)
    return dict(answer)


def job_remove(context: Context, *, name: str) -> Json:
    builtin.refuse_removal(name, require(context, name).source)
    graph.refuse_needed(context, name)
    drop(context, name)
    return {"removed": name}


def drop(context: Context, name: str) -> None:
    """Remove a job, whoever depends on it: the caller has looked, or looks at the end."""
    removed.keep(context.store, name, now=context.now())
    context.store.remove_job(name)
    context.changed.append(name)
    context.tell("job.removed", f"Job {name} removed; its history stays", job=name)


def job_enable(context: Context, *, name: str) -> Json:
    return set_enabled(context, name, enabled=True)


def job_disable(context: Context, *, name: str) -> Json:
    return set_enabled(context, name, enabled=False)


def set_enabled(context: Context, name: str, *, enabled: bool) -> Json:
    row = require(context, name)
    if row.enabled != enabled:
        job = job_of(row)
        context.store.replace_job(
            name=name,
            definition=row.definition,
            source=row.source,
            enabled=enabled,
            now=context.now(),
        )
        replan(context, job, require(context, name), afresh=True)
        word = "enabled" if enabled else "disabled"
        context.tell(f"job.{word}", f"Job {name} {word}", job=name)
    return {"job": job_view(require(context, name)), "changed": row.enabled != enabled}


def job_next(context: Context, *, name: str | None, n: int) -> Json:
    rows = [require(context, name)] if name else jobs_of_people(context)
    now = context.now()
    return {
        "jobs": [
            {
                "name": row.name,
                "timezone": job.timezone,
                "fire_times": fire_times(job, now, limited(n), row=row)
                if row.enabled and row.paused_at is None
                else [],
                "state": job_view(row)["state"],
            }
            for row in rows
            for job in (job_of(row),)
        ]
    }


def limited(n: int) -> int:
    if n < 0:
        raise InvalidError("n must not be negative")
    return min(n, HISTORY_LIMIT)


def run_show(context: Context, *, run_id: int) -> Json:
    """One run, with its result and what it was started for."""
    run = require_run(context, run_id)
    return {"run": {**whole_run_view(run), **event_of(context, run_id)}}


def run_begin(
    context: Context, *, command: list[Any], name: str | None, identity: Json | None
) -> Json:
    """Record that `pb run` starts a command in its own terminal.

    ``identity`` is that of the `pb run` process: as long as it lives, the outcome is its to tell.
    """
    import re

    if not command or not all(isinstance(word, str) for word in command):
        raise InvalidError("run.begin needs a command: a list of strings")
    if name is not None and not re.fullmatch(NAME_PATTERN, name):
        raise InvalidError(f"{name!r} is not a name", hint="Letters, digits, '.', '_' and '-'.")
    now = context.now()
    run = Run(
        job=name,
        fire_at=now,
        trigger="cli",
        requested_by=context.actor,
        command=json.dumps(command, ensure_ascii=False),
        state=State.RUNNING,
        queued_at=now,
        started_at=now,
        owner=context.actor,
    )
    context.store.claim(run)
    for field_name, value in (identity or {}).items():
        if field_name not in IDENTITY:
            raise InvalidError(f"An identity has no {field_name!r}")
        setattr(run, field_name, value)
    context.store.save_runs([run])
    return {"run": run_view(run)}


def run_end(context: Context, *, run_id: int, exit_code: int | None, signal: str | None) -> Json:
    """Record how a command of `pb run` ended."""
    run = require_run(context, run_id)
    if run.trigger != "cli":
        raise InvalidError(f"Run {run_id} was not started by `pb run`")
    run.state = State.SUCCEEDED if exit_code == 0 else State.FAILED
    run.exit_code, run.signal, run.finished_at = exit_code, signal, context.now()
    run.reason = outcome_reason(exit_code, signal)
    context.store.save_runs([run])
    return {"run": run_view(run)}


def outcome_reason(exit_code: int | None, signal: str | None) -> str | None:
    """In words why a run failed; None when it did not."""
    if signal:
        return f"ended by {signal}"
    return f"exit code {exit_code}" if exit_code else None
