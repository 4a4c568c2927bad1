"""``/metrics``: the registry's numbers in the text format of Prometheus (version 0.0.4)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

import anyio
from starlette.requests import Request
from starlette.responses import Response

from pb import __version__
from pb.gateway.asking import Visitor, ask
from pb.gateway.gate import GRANT
from pb.process.limits import resident

Json = dict[str, Any]
Labels = dict[str, str]
Sample = tuple[Labels, float | int]

KIND = "text/plain; version=0.0.4; charset=utf-8"

STATES = ("running", "starting", "stopping", "backoff", "stopped", "exited", "failed", "orphaned")

OF_JOBS: dict[str, tuple[str, str, str]] = {
    "runs_total": ("counter", "run_count", "Runs that were started or could not be."),
    "successes_total": ("counter", "success_count", "Runs that ended well."),
    "errors_total": ("counter", "error_count", "Runs that failed, timed out or were lost."),
    "timeouts_total": ("counter", "timeout_count", "Runs that took too long."),
    "skips_total": ("counter", "skip_count", "Fire times that were not acted on."),
    "misses_total": ("counter", "miss_count", "Fire times that passed unnoticed."),
    "retries_total": ("counter", "retry_count", "Further attempts."),
    "running": ("gauge", "running", "Runs that are active."),
    "paused": ("gauge", "paused", "1 while it is paused."),
    "enabled": ("gauge", "enabled", "1 while it is enabled."),
    "last_failed": ("gauge", "last_failed", "1 if its last run did not end well."),
}
"""Each number of a job: its type, its key in the answer, and what it means."""

TIMES = {
    "last_run_timestamp_seconds": ("last_run_ms", "When its last run was started."),
    "next_run_timestamp_seconds": ("next_run_ms", "When it fires next."),
}

SUMMARIES = {
    "duration_seconds": ("duration_ms_sum", "timed_runs", "How long its runs took."),
    "lateness_seconds": (
        "lateness_ms_sum",
        "late_runs",
        "How long after their fire times its planned runs were started.",
    ),
}


async def metrics(request: Request) -> Response:
    """All numbers, for a scraper with a token of the scope read."""
    rooms = request.app.state.rooms
    visitor = Visitor(grant=request.scope[GRANT], peer=None)
    numbers = await ask(rooms.bridge, visitor, "system.metrics", {})
    listeners = rooms.hub.count
    content = await anyio.to_thread.run_sync(lambda: "".join(text_of(numbers, listeners)).encode())
    return Response(content, headers={"content-type": KIND})


def text_of(numbers: Json, listeners: int) -> Iterator[str]:
    """The whole text, family by family."""
    yield from of_processes(numbers, listeners)
    yield from of_jobs(numbers["jobs"])
    yield from of_queues(numbers["queues"])
    yield from of_services(numbers["services"])


def of_processes(numbers: Json, listeners: int) -> Iterator[str]:
    yield from family("pb_info", "gauge", "The version of pb.", [({"version": __version__}, 1)])
    up = int(numbers["running"])
    yield from family("pb_scheduler_up", "gauge", "1 while the scheduler runs.", [({}, up)])
    lag = "For how long the fire time that is due first has been due."
    yield from family("pb_scheduler_lag_seconds", "gauge", lag, [({}, numbers["lag_seconds"])])
    memory: list[Sample] = [({"process": "gateway"}, resident(os.getpid()))]
    if numbers["memory_bytes"] is not None:
        memory.append(({"process": "scheduler"}, numbers["memory_bytes"]))
    yield from family("pb_memory_bytes", "gauge", "Resident memory of pb's processes.", memory)
    text = "Open streams of events."
    yield from family("pb_gateway_listeners", "gauge", text, [({}, listeners)])


def of_jobs(jobs: list[Json]) -> Iterator[str]:
    for name, (kind, key, text) in OF_JOBS.items():
        samples = [({"job": job["name"]}, int(job[key])) for job in jobs]
        yield from family(f"pb_job_{name}", kind, text, samples)
    for name, (key, text) in TIMES.items():
        found = [(job["name"], job[key]) for job in jobs if job[key] is not None]
        times: list[Sample] = [({"job": one}, at / 1000) for one, at in found]
        yield from family(f"pb_job_{name}", "gauge", text, times)
    for name, (total, count, text) in SUMMARIES.items():
        yield from summary(f"pb_job_{name}", text, jobs, total, count)


def of_queues(queues: list[Json]) -> Iterator[str]:
    for name, key, text in (
        ("running", "running", "Runs that are active in it."),
        ("waiting", "queued", "Runs that wait in it."),
        ("slots", "slots", "Runs that may be active in it; none: no bound of its own."),
    ):
        samples = [({"queue": q["name"]}, q[key]) for q in queues if q[key] is not None]
        yield from family(f"pb_queue_{name}", "gauge", text, samples)


def of_services(services: list[Json]) -> Iterator[str]:
    def labels(one: Json) -> Labels:
        return {"service": one["service"], "instance_name": one["name"]}

    up = [(labels(one), int(one["state"] == "running")) for one in services]
    yield from family("pb_service_up", "gauge", "1 while it runs and is ready.", up)
    states = [
        ({**labels(one), "state": state}, int(one["state"] == state))
        for one in services
        for state in STATES
    ]
    yield from family("pb_service_state", "gauge", "1 for the state that it is in.", states)
    ill = [(labels(one), int(one["health"] == "unhealthy")) for one in services]
    yield from family("pb_service_unhealthy", "gauge", "1 while its health probe fails.", ill)
    starts = [(labels(one), one["starts"]) for one in services]
    yield from family("pb_service_starts_total", "counter", "How often it was started.", starts)
    ages = [(one, one["uptime_seconds"]) for one in services]
    uptimes: list[Sample] = [(labels(one), age) for one, age in ages if age is not None]
    yield from family("pb_service_uptime_seconds", "gauge", "For how long it has run.", uptimes)


def family(name: str, kind: str, text: str, samples: Iterable[Sample]) -> Iterator[str]:
    """One metric with its samples; nothing without any."""
    rows = [f"{name}{marked(labels)} {number(value)}\n" for labels, value in samples]
    if rows:
        yield f"# HELP {name} {text}\n# TYPE {name} {kind}\n"
        yield "".join(rows)


def summary(name: str, text: str, jobs: list[Json], total: str, count: str) -> Iterator[str]:
    rows = []
    for job in jobs:
        mark = marked({"job": job["name"]})
        rows.append(f"{name}_sum{mark} {number(job[total] / 1000)}\n")
        rows.append(f"{name}_count{mark} {job[count]}\n")
    if rows:
        yield f"# HELP {name} {text}\n# TYPE {name} summary\n"
        yield "".join(rows)


def number(value: float) -> str:
    return str(value) if isinstance(value, int) else repr(round(value, 3))


def marked(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{key}="{escaped(value)}"' for key, value in labels.items()) + "}"


def escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
