"""What needs somebody first, the worst on top: each with why, and what its log said last. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pb.core.durations import shown_size
from pb.debug.terminal.table import Cell, Row, Thing, sentence
from pb.debug.terminal.words import BAD, STILL, WARN, harmless, when, words

Json = dict[str, Any]
Tails = Mapping[str, Sequence[str]]
"""The last log lines of services that are not well, by name."""

SIGNS = {BAD: "✗", WARN: "!"}


def rows(state: Json, tails: Tails, now: float) -> Iterator[Row]:
    yield from _disk(state)
    yield from _services(state["services"], tails, now)
    for number, text in enumerate(state.get("file_problems", ())):
        yield row(f"file-{number}", BAD, "Mistake in a definition file", text)
    for job in state["jobs"]["failing"]:
        title = f"Job {job['name']} {words(job['last_result'])}"
        yield row(
            f"job-{job['name']}", BAD, title, job["last_error"] or "",
            at=when(job["last_run"], now, ""), thing=Thing(kind="job", name=job["name"]),
        )  # fmt: skip
    yield from _missed(state["runs"], now)
    for job in state["jobs"]["paused"]:
        yield row(
            f"job-{job['name']}", WARN, f"Job {job['name']} is paused", job.get("pause_note") or "",
            at=when(job.get("paused_at"), now, ""), thing=Thing(kind="job", name=job["name"]),
        )  # fmt: skip


def row(
    key: str, tone: str, title: str, why: str, *, at: str = "", thing: Thing | None = None
) -> Row:
    cells = (
        Cell(SIGNS[tone], tone),
        Cell(harmless(title)),
        Cell(harmless(why), STILL),
        Cell(at, STILL),
    )
    return Row(key=f"need-{key}", cells=cells, thing=thing)


def _disk(state: Json) -> Iterator[Row]:
    disk = state.get("disk")
    if disk and disk["is_low"]:
        yield row("disk", BAD, "The disk is nearly full", f"{shown_size(disk['free'])} are free")


def is_unwell(view: Json) -> bool:
    return view["state"] in ("failed", "orphaned", "backoff") or view["health"] == "unhealthy"


def _services(views: Sequence[Json], tails: Tails, now: float) -> Iterator[Row]:
    unwell = [view for view in views if is_unwell(view)]
    for view in sorted(unwell, key=lambda view: view["state"] == "backoff"):
        name, tone = view["name"], WARN if view["state"] == "backoff" else BAD
        yield row(
            f"service-{name}", tone, f"Service {name} {_state(view)}", _why(view, now),
            at=when(view["since"], now, ""), thing=Thing(kind="service", name=name),
        )  # fmt: skip
        for line in tails.get(name, ()):
            yield sentence(f"│ {harmless(line)}", STILL, indent=4)


def _state(view: Json) -> str:
    if view["health"] == "unhealthy":
        return "is unhealthy"
    if view["state"] == "backoff":
        return "waits to start again"
    return "has failed" if view["state"] == "failed" else f"is {view['state']}"


def _why(view: Json, now: float) -> str:
    if view["health"] == "unhealthy":
        return view.get("health_reason") or "its health probe fails"
    again = when(view["next_start_at"], now, "")
    reason = view["reason"] or (view["last_exit"] or {}).get("reason") or ""
    return f"{again}: {reason}" if again and reason else again or reason


def _missed(runs: Sequence[Json], now: float) -> Iterator[Row]:
    seen = set()
    for run in runs:
        if run["state"] == "missed" and run["job"] and run["job"] not in seen:
            seen.add(run["job"])
            many = run.get("fire_count") or 1
            what = "a fire time" if many == 1 else f"{many:,} fire times"
            yield row(
                f"missed-{run['run_id']}", WARN, f"Job {run['job']} missed {what}",
                run["reason"] or "", at=when(run["finished_at"] or run["fire_time"], now, ""),
                thing=Thing(kind="job", name=run["job"]),
            )  # fmt: skip
