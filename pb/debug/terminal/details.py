"""One job, one run, one service, whole, as rows. Pure: documents in, rows out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pb.core.durations import shown_size
from pb.debug.terminal.table import (
    BLANK,
    Column,
    Listing,
    Row,
    folded,
    heading,
    sentence,
)
from pb.debug.terminal.views import SIGN, longest, run_line
from pb.debug.terminal.words import (
    BAD,
    JOBS,
    NOTHING,
    RUNS,
    SERVICES,
    STILL,
    WARN,
    bars,
    count,
    duration,
    harmless,
    joined,
    moment,
    run_name,
    schedule,
    uptime,
    when,
    why,
    words,
)

Json = dict[str, Any]

LABEL = 13
"""Columns of the names of facts."""

TAIL = 12
"""Lines of a log below the facts."""

HISTORY = 10
COLUMNS = (
    SIGN,
    Column(title="", width=14, grows=True),
    Column(title="", width=8, grows=True, drop=1),
    Column(title="", width=12, is_right=True),
)


def listing(rows: Iterable[Row]) -> Listing:
    items = list(rows)
    return Listing(
        columns=COLUMNS, items=items, longest=(longest(items, 1), longest(items, 2)), empty="…"
    )


def title(kind: str, name: str, state: str, tone: str, room: int) -> Iterator[Row]:
    for line in folded(f"{kind} {harmless(name)}: {words(state)}", room):
        yield heading(line, f"head {tone}")


def facts(pairs: Iterable[tuple[str, object]], room: int) -> Iterator[Row]:
    """``Label  value``, folded below itself; what has no value is left out."""
    for label, value in pairs:
        if value in (None, "", []):
            continue
        first, *rest = folded(harmless(value), max(10, room - LABEL - 3))
        yield sentence(f"{label:<{LABEL}}{first}", indent=2)
        yield from (sentence(line, indent=LABEL + 2) for line in rest)


def block(text: str, room: int, tone: str = STILL) -> Iterator[Row]:
    for line in text.splitlines():
        yield from (sentence(part, tone) for part in folded(harmless(line), max(10, room - 3)))


def tail(lines: Sequence[str], room: int, name: str) -> Iterator[Row]:
    """The end of a log; all of it is one key away."""
    yield heading(f"{name} (l: all of it, live)")
    if not lines:
        yield sentence("It has written nothing yet.", STILL)
    for line in lines[-TAIL:]:
        yield from (sentence(part) for part in folded(harmless(line), max(10, room - 3)))


# -- a job


def job(found: Json, log: Sequence[str], now: float, room: int) -> Iterator[Row]:
    """``found``: what ``job.show`` answers, and ``history``."""
    one = found["job"]
    yield from title("Job", one["name"], one["state"], JOBS.get(one["state"], STILL), room)
    paused = when(one["paused_until"], now, "somebody resumes it")
    yield from facts(
        (
            ("About", one["description"]),
            ("Paused", joined(one["pause_note"], f"until {paused}") if one["paused"] else None),
            ("Fires", "; ".join(found["explain"])),
            ("Schedule", joined(schedule(one), one["timezone"])),
            ("Last run", moment(one["last_run"], now)),
            ("Outcome", joined(words(one["last_result"] or ""), duration(one["last_duration_ms"]))),
            ("Last error", one["last_error"] if one["last_result"] != "succeeded" else None),
            ("Last skip", joined(moment(one["last_skip"], now), one["last_skip_reason"])),
            ("Counts", counts(one)),
            ("Took", curve(found["history"], room)),
            ("Tags", ", ".join(one["tags"])),
            ("From", found["source"]),
        ),
        room,
    )
    for note in found["notes"]:
        yield from block(f"◷ {note}", room, WARN)
    yield BLANK
    yield from fire_times(one, found["fire_times"], now)
    yield from history(found["history"], now)
    last = next((run for run in found["history"] if run["started_at"]), None)
    if last:
        yield from tail(log, room, f"Log of run {last['run_id']}")
        yield BLANK
    yield heading("Definition")
    yield from block(json.dumps(found["definition"], indent=2, ensure_ascii=False), room)


COUNTS = {"success": "succeeded", "error": "failed", "timeout": "timed out", "skip": "skipped",
          "miss": "missed", "retry": "retried"}  # fmt: skip


def counts(one: Json) -> str:
    some = [(one[f"{key}_count"], word) for key, word in COUNTS.items()]
    told = [f"{number:,} {word}" for number, word in some if number]
    return joined(count(one["run_count"], "run"), *told)


def curve(runs: Sequence[Json], room: int) -> str:
    """How long its last runs took, the newest on the right."""
    took = [run["duration_ms"] for run in reversed(runs) if run["duration_ms"] is not None]
    if len(took) < 2:
        return ""
    small, large = duration(min(took)), duration(max(took))
    return f"{bars(took, min(len(took), room - LABEL - 24))}  {small} to {large}"


def fire_times(one: Json, times: Sequence[str], now: float) -> Iterator[Row]:
    yield heading("Next")
    if one["paused"]:
        yield sentence("It is paused: p resumes it.", WARN)
    elif not times:
        yield sentence("It fires at no time to come.", STILL)
    else:
        yield from (sentence(moment(at, now) or "") for at in times)
    yield BLANK


def history(runs: Sequence[Json], now: float) -> Iterator[Row]:
    yield heading("History")
    if not runs:
        yield sentence("It has not run yet: r runs it.", STILL)
    yield from map(run_line(now), runs[:HISTORY])
    yield BLANK


# -- a run


def run(found: Json, log: Sequence[str], now: float, room: int) -> Iterator[Row]:
    one = found["run"]
    tone, _ = RUNS.get(one["state"], NOTHING)
    yield from title(f"Run {one['run_id']} of", run_name(one), one["state"], tone, room)
    is_open = one["started_at"] and not one["finished_at"]
    memory, spent = one["max_rss_bytes"], one["cpu_seconds"]
    late = one["lateness_ms"]
    yield from facts(
        (
            ("Why", why(one)),
            ("Trigger", f"{one['trigger']} by {one['by']}" if one["by"] else one["trigger"]),
            ("Fire time", moment(one["fire_time"], now)),
            ("Started", moment(one["started_at"], now)),
            ("Late by", duration(late) if late and late >= 1000 else None),
            ("Runs for", uptime(one["started_at"], now) if is_open else None),
            ("Ended", moment(one["finished_at"], now)),
            ("Took", duration(one["duration_ms"])),
            ("Exit code", one["exit_code"]),
            ("Signal", one["signal"]),
            ("Attempt", one["attempt"] if one["attempt"] > 1 else None),
            ("PID", one["pid"] if is_open else None),
            ("Memory", f"{shown_size(memory)} at most" if memory else None),
            ("Processor", f"{spent:.2f}s" if spent is not None else None),
            ("Log", one["log_path"]),
        ),
        room,
    )
    yield BLANK
    if one.get("output"):
        yield heading("Result")
        yield from block(json.dumps(one["output"], indent=2, ensure_ascii=False), room)
        yield BLANK
    if one["started_at"]:
        yield from tail(log, room, "Log")


# -- a service


def service(
    found: Json, usage: Sequence[Json], log: Sequence[str], now: float, room: int
) -> Iterator[Row]:
    """``found``: what ``service.show`` answers, ``service`` being the instance that is meant."""
    one = found["service"]
    tone = BAD if one["health"] == "unhealthy" else SERVICES.get(one["state"], NOTHING)[0]
    yield from title("Service", one["name"], one["state"], tone, room)
    health = None if one["health"] == "none" else one["health"]
    yield from facts(
        (
            ("Why", one["reason"]),
            ("Says", one["status"]),
            ("Health", ": ".join(filter(None, (health, one["health_reason"])))),
            ("Desired", one["desired"]),
            ("Enabled", "yes" if one["enabled"] else "no"),
            ("PID", one["pid"]),
            ("Up for", uptime(one["started_at"], now) if one["pid"] else None),
            ("Restarts", one["restarts"] or None),
            ("Starts again", when(one["next_start_at"], now, "")),
            *used(usage if one["pid"] else (), room),
            ("Groups", ", ".join(one["groups"])),
            ("Log", one["log_path"]),
            ("From", one["source"]),
        ),
        room,
    )
    if one["changed"]:
        yield sentence("It runs an older definition: r restarts it with the present one.", WARN)
    yield BLANK
    yield from tail(log, room, "Log")
    yield BLANK
    if found["exits"]:
        yield heading("Last ends")
        for event in found["exits"]:
            yield from block(f"{when(event['at'], now)}  {event['text']}", room, "")
        yield BLANK
    yield heading("Definition")
    yield from block(json.dumps(found["definition"], indent=2, ensure_ascii=False), room)


def used(samples: Sequence[Json], room: int) -> list[tuple[str, str]]:
    """Memory and processor time, now and over the last minutes."""
    if not samples:
        return []
    space = max(8, min(60, room - LABEL - 16))
    memory = [one["rss_bytes"] for one in samples]
    cpu = [one["cpu_percent"] for one in samples if one["cpu_percent"] is not None]
    found = [("Memory", f"{shown_size(memory[-1]):>9}  {bars(memory, space)}")]
    if cpu:
        found.append(("Processor", f"{cpu[-1]:>8.1f}%  {bars(cpu, space)}"))
    return found


def builtin(
    one: Json, usage: Sequence[Json], log: Sequence[str], now: float, room: int
) -> Iterator[Row]:
    """One of pb's own daemons."""
    yield from title(
        "pb's", one["name"], one["state"], SERVICES.get(one["state"], NOTHING)[0], room
    )
    is_up = one["state"] == "running"
    yield from facts(
        (
            ("Why", one["reason"]),
            ("PID", one["pid"]),
            ("Mode", one["mode"]),
            ("Address", one["address"]),
            ("Started", moment(one["started_at"], now)),
            ("Up for", uptime(one["started_at"], now) if is_up else None),
            *used(usage if is_up else (), room),
            ("Start it", None if is_up else f"pb service start {one['name']}"),
        ),
        room,
    )
    yield BLANK
    yield from tail(log, room, "Log")


def problem(error: Json, room: int) -> Iterator[Row]:
    """What was answered instead of what was asked for."""
    yield from block(error["message"], room, BAD)
    yield from block(error["hint"] or "", room, STILL)
