"""The five views as rows: overview, jobs, runs, services, events. Pure: documents in, rows out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pb.core.durations import shown_size
from pb.debug.terminal import attention
from pb.debug.terminal.table import BLANK, Cell, Column, Listing, Row, Thing, heading, sentence
from pb.debug.terminal.words import (
    BAD,
    BUSY,
    EVENTS,
    GOOD,
    JOBS,
    NOTHING,
    RUNS,
    SERVICES,
    STILL,
    WARN,
    clock,
    count,
    duration,
    harmless,
    joined,
    run_name,
    schedule,
    uptime,
    when,
    why,
    words,
)

Json = dict[str, Any]
Usage = Mapping[str, Sequence[Json]]
"""What each service that lives uses: samples by name, the newest last."""

SIGN = Column(title="", width=1)
FEW = 5


def matching(items: Iterable[Json], needle: str, told: Callable[[Json], str]) -> list[Json]:
    """Those whose text has ``needle`` in it, in whatever case."""
    small = needle.casefold()
    return [item for item in items if small in told(item).casefold()] if small else list(items)


# -- overview

OVERVIEW = (
    SIGN,
    Column(title="", width=16, grows=True),
    Column(title="", width=8, grows=True, drop=1),
    Column(title="", width=11, is_right=True),
)


def overview(state: Json, tails: attention.Tails, now: float, needle: str = "") -> Listing:
    needs = list(attention.rows(state, tails, now))
    rows = [sentence(figures(state), STILL, indent=1), BLANK]
    if needs:
        rows += [heading("Needs attention"), *needs, BLANK]
    elif not state["problem"]:
        rows += [sentence("✓ Nothing needs you.", GOOD, indent=1), BLANK]
    if not state["jobs"]["total"] and not state["services"] and not state["problem"]:
        rows += first_steps()
    rows += section("Running now", map(run_line(now), state["open_runs"]))
    rows += section("Coming next", map(coming_line(now), state["jobs"]["coming"][:FEW]))
    ended = [run for run in state["runs"] if run["finished_at"] or not run["started_at"]]
    rows += section("Recent runs", map(run_line(now), ended[: 2 * FEW]))
    rows += section("Events", map(event_line(now), state["events"][: 2 * FEW]))
    if needle:
        rows = [row for row in rows if row.key and needle.casefold() in text_of(row).casefold()]
    return Listing(
        columns=OVERVIEW, items=rows, longest=(longest(rows, 1), longest(rows, 2)),
        empty="Nothing here matches.",
    )  # fmt: skip


def text_of(row: Row) -> str:
    return " ".join(cell.text for cell in row.cells)


def longest(rows: Iterable[Row], at: int) -> int:
    """Of the texts that have no more room than their own column."""
    alone = (row.cells for row in rows if len(row.cells) > at + 1 and row.cells[at + 1].text)
    return max((len(cells[at].text) for cells in alone), default=0)


def figures(state: Json) -> str:
    """``7 jobs · 1 running · 2 failing · 3 of 4 services up · 80 GiB free``."""
    jobs, services = state["jobs"], state["services"]
    counts = (state["scheduler"] or {}).get("counts", {})
    up = sum(one["state"] == "running" for one in services)
    desired = sum(one["desired"] == "running" for one in services)
    disk = state.get("disk")
    return joined(
        count(jobs["total"], "job"),
        f"{counts['running']} running" if counts.get("running") else "",
        f"{counts['queued']} queued" if counts.get("queued") else "",
        f"{jobs['counts']['failing']} failing" if jobs["counts"]["failing"] else "",
        f"{jobs['counts']['paused']} paused" if jobs["counts"]["paused"] else "",
        f"{up} of {desired} services up" if services else "",
        f"{shown_size(disk['free'])} free" if disk else "",
    )


def first_steps() -> list[Row]:
    return [
        sentence("No jobs and no services yet. Type in another terminal:"),
        sentence("pb job add hello --every 1m -- echo hello", "head", indent=4),
        sentence("pb service add web -- python3 -m http.server", "head", indent=4),
        BLANK,
    ]


def section(title: str, rows: Iterable[Row]) -> list[Row]:
    found = list(rows)
    return [heading(title), *found, BLANK] if found else []


def run_line(now: float) -> Callable[[Json], Row]:
    def line(run: Json) -> Row:
        tone, sign = RUNS.get(run["state"], NOTHING)
        told = joined(words(run["state"]), duration(run["duration_ms"]), why(run))
        at = run["finished_at"] or run["started_at"] or run["queued_at"] or run["fire_time"]
        return Row(
            key=f"run-{run['run_id']}", thing=Thing(kind="run", name=str(run["run_id"])),
            cells=(Cell(sign, tone), Cell(f"{run_name(run)} #{run['run_id']}"), Cell(told, STILL),
                   Cell(when(at, now), STILL)),
        )  # fmt: skip

    return line


def coming_line(now: float) -> Callable[[Json], Row]:
    def line(job: Json) -> Row:
        at = when(job["next_run"], now)
        cells = (Cell("◷", STILL), Cell(harmless(job["name"])), Cell(""), Cell(at, STILL))
        thing = Thing(kind="job", name=job["name"])
        return Row(key=f"next-{job['name']}", cells=cells, thing=thing)

    return line


def event_line(now: float) -> Callable[[Json], Row]:
    def line(event: Json) -> Row:
        tone, sign = event_mark(event)
        text = Cell(harmless(event["text"] or event["type"]))
        cells = (
            Cell(sign, tone),
            text,
            Cell(""),
            Cell(when(event["at"], now), STILL),
        )
        return Row(key=f"event-{event['seq']}", cells=cells, thing=thing_of(event))

    return line


def event_mark(event: Json) -> tuple[str, str]:
    return EVENTS.get(event["type"].partition(".")[2], NOTHING)


def thing_of(event: Json) -> Thing | None:
    """What an event is about, where that still exists."""
    if event.get("run_id"):
        return Thing(kind="run", name=str(event["run_id"]))
    for kind in ("job", "service"):
        if event.get(kind) and event["type"] != f"{kind}.removed":
            return Thing(kind=kind, name=event[kind])
    return None


# -- jobs

JOB_COLUMNS = (
    SIGN,
    Column(title="JOB", width=12, grows=True),
    Column(title="STATE", width=8),
    Column(title="SCHEDULE", width=10, grows=True, drop=3),
    Column(title="LAST", width=10, is_right=True, drop=1),
    Column(title="NEXT", width=10, is_right=True),
    Column(title="RUNS", width=6, is_right=True, drop=2),
    Column(title="ERR", width=4, is_right=True, drop=4),
)
JOB_SORTS = ("name", "next_run", "-last_run", "-error_count")
JOB_SHOWS = ("all", "failing", "running", "paused")


def jobs(listed: Sequence[Json], now: float, *, empty: str, remark: str) -> Listing:
    """``listed``: the jobs that were selected already."""

    def row(job: Json) -> Row:
        tone, sign = job_mark(job)
        following = "-" if job["paused"] else when(job["next_run"], now)
        return Row(
            key=job["name"], thing=Thing(kind="job", name=job["name"]),
            cells=(
                Cell(sign, tone), Cell(harmless(job["name"])),
                Cell(job["state"], JOBS.get(job["state"], STILL)), Cell(schedule(job), STILL),
                Cell(when(job["last_run"], now, "never"), STILL), Cell(following),
                Cell(f"{job['run_count']:,}", STILL),
                Cell(f"{job['error_count']:,}", BAD if job["error_count"] else STILL),
            ),
        )  # fmt: skip

    names = max((len(job["name"]) for job in listed), default=0)
    return Listing(
        columns=JOB_COLUMNS, items=listed, make=row, key=lambda job: str(job["name"]),
        longest=(names,), empty=empty, remark=remark,
    )  # fmt: skip


def job_mark(job: Json) -> tuple[str, str]:
    if job["paused"]:
        return WARN, "‖"
    return (BUSY, "▸") if job["running"] else RUNS.get(job["last_result"], NOTHING)


def job_text(job: Json) -> str:
    return " ".join((job["name"], job["state"], *job["tags"], job.get("description") or ""))


# -- runs

RUN_COLUMNS = (
    SIGN,
    Column(title="RUN", width=7, is_right=True),
    Column(title="JOB", width=12, grows=True),
    Column(title="STATE", width=9),
    Column(title="STARTED", width=10, is_right=True),
    Column(title="TOOK", width=9, is_right=True, drop=1),
    Column(title="WHY", width=8, grows=True, drop=2),
)
RUN_SHOWS: dict[str, Json] = {
    "all": {},
    "running": {"states": ["queued", "starting", "running"]},
    "failed": {"failed": True},
    "skipped and missed": {"states": ["skipped", "missed"]},
}


def runs(listed: Sequence[Json], now: float, *, empty: str, remark: str = "") -> Listing:
    def row(run: Json) -> Row:
        return Row(key=str(run["run_id"]), cells=run_cells(run, now),
                   thing=Thing(kind="run", name=str(run["run_id"])))  # fmt: skip

    names = max((len(run_name(run)) for run in listed), default=0)
    return Listing(
        columns=RUN_COLUMNS, items=listed, make=row, key=lambda run: str(run["run_id"]),
        longest=(names,), empty=empty, remark=remark,
    )  # fmt: skip


def run_cells(run: Json, now: float) -> tuple[Cell, ...]:
    tone, sign = RUNS.get(run["state"], NOTHING)
    at = run["started_at"] or run["queued_at"] or run["fire_time"]
    is_open = run["started_at"] and not run["finished_at"]
    took = uptime(run["started_at"], now) if is_open else duration(run["duration_ms"])
    return (
        Cell(sign, tone), Cell(str(run["run_id"]), STILL), Cell(run_name(run)),
        Cell(words(run["state"]), tone), Cell(when(at, now), STILL), Cell(took, STILL),
        Cell(why(run), STILL),
    )  # fmt: skip


def run_text(run: Json) -> str:
    return f"{run['run_id']} {run_name(run)} {words(run['state'])} {run['reason'] or ''}"


# -- services

SERVICE_COLUMNS = (
    SIGN,
    Column(title="SERVICE", width=12, grows=True),
    Column(title="STATE", width=9),
    Column(title="HEALTH", width=9, drop=3),
    Column(title="PID", width=7, is_right=True, drop=2),
    Column(title="UPTIME", width=11, is_right=True),
    Column(title="RESTARTS", width=8, is_right=True, drop=4),
    Column(title="CPU", width=6, is_right=True),
    Column(title="MEMORY", width=9, is_right=True),
    Column(title="WHY", width=14, grows=True, drop=5),
)
SILENT = ("none", "unknown", None)


def services(state: Json, usage: Usage, now: float, needle: str, *, remark: str = "") -> Listing:
    """The user's own, then pb's three."""
    own = matching(state["services"], needle, service_text)
    pbs = matching([builtin(one) for one in state["builtins"]], needle, service_text)
    rows = [Row(key=one["name"], cells=service_cells(one, usage, now),
                thing=Thing(kind="service", name=one["name"])) for one in own]  # fmt: skip
    if not state["services"] and not state["problem"]:
        rows += [
            sentence("No services of your own yet. Type in another terminal:", STILL, indent=1),
            sentence("pb service add web -- python3 -m http.server", "head", indent=3),
        ]
    if pbs:
        rows += [BLANK, heading("pb itself")]
        rows += [Row(key=f"pb {one['name']}", cells=service_cells(one, usage, now),
                     thing=Thing(kind="builtin", name=one["name"])) for one in pbs]  # fmt: skip
    names = max((len(one["name"]) for one in [*own, *pbs]), default=0)
    empty = f"No service has {needle!r} in it."
    return Listing(
        columns=SERVICE_COLUMNS, items=rows, longest=(names,), empty=empty, remark=remark
    )


def builtin(one: Json) -> Json:
    """One of pb's daemons, with the keys of a service."""
    return {"health": "none", "restarts": None, "desired": "running", **one}


def service_cells(one: Json, usage: Usage, now: float) -> tuple[Cell, ...]:
    tone, sign = SERVICES.get(one["state"], NOTHING)
    if one["health"] == "unhealthy":
        tone, sign = BAD, "!"
    sample = (usage.get(one["name"]) or [{}])[-1] if one["pid"] else {}
    cpu, rss = sample.get("cpu_percent"), sample.get("rss_bytes")
    health = "-" if one["health"] in SILENT else one["health"]
    return (
        Cell(sign, tone), Cell(harmless(one["name"])), Cell(one["state"], tone),
        Cell(health, BAD if health == "unhealthy" else STILL), Cell(str(one["pid"] or "-"), STILL),
        Cell(uptime(one["started_at"], now) if one["pid"] else "-", STILL),
        Cell("-" if one["restarts"] is None else f"{one['restarts']:,}", STILL),
        Cell("-" if cpu is None else f"{cpu:.1f}%"), Cell("-" if rss is None else shown_size(rss)),
        Cell(harmless(one["reason"] or one.get("status") or ""), STILL),
    )  # fmt: skip


def service_text(one: Json) -> str:
    return " ".join((one["name"], one["state"], one["reason"] or "", *one.get("groups", ())))


# -- events

EVENT_COLUMNS = (
    SIGN,
    Column(title="TIME", width=8),
    Column(title="TYPE", width=18, drop=1),
    Column(title="WHAT", width=20, grows=True),
    Column(title="BY", width=10, drop=2),
)
EVENT_SHOWS = ("all", "run", "job", "service", "scheduler", "file")


def events(listed: Sequence[Json], *, empty: str, remark: str = "") -> Listing:
    def row(event: Json) -> Row:
        tone, sign = event_mark(event)
        by = "" if event.get("by") == "scheduler" else harmless(event.get("by") or "")
        return Row(
            key=event_key(event), thing=thing_of(event),
            cells=(Cell(sign, tone), Cell(clock(event["at"]), STILL), Cell(event["type"], tone),
                   Cell(harmless(event["text"])), Cell(by, STILL)),
        )  # fmt: skip

    return Listing(columns=EVENT_COLUMNS, items=listed, make=row, key=event_key,
                   empty=empty, remark=remark)  # fmt: skip


def event_key(event: Json) -> str:
    return str(event["seq"] or f"{event['at']} {event['run_id']} {event['type']}")


def event_text(event: Json) -> str:
    return f"{event['type']} {event['text']} {event.get('by') or ''}"
