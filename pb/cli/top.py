"""``pb top``: what runs and what it uses, the busiest first, again and again in place."""

from __future__ import annotations

import sys
import time
from datetime import datetime
from typing import Annotated, Any

import typer

from pb.cli import options
from pb.cli.asked import asked, refuse_elsewhere
from pb.cli.outcomes import count
from pb.cli.render import clean, emit, flush, is_terminal, local_second, out, paint, width
from pb.cli.service_screen import TRANSIENT, sign
from pb.cli.service_watch import draw, screen
from pb.cli.top_facts import FAILED, Looks
from pb.cli.tree import single
from pb.core.durations import format_uptime, shown_size
from pb.errors import UsageError

Json = dict[str, Any]

SAMPLE = 0.5
"""Seconds over which the use of the processor is measured before the first picture."""

HEADINGS = ("NAME", "KIND", "STATE", "PID", "UPTIME", "CPU", "MEMORY")
DROPPED = ("KIND", "PID", "UPTIME")
"""What a narrow terminal goes without, in this order."""

RIGHT = ("PID", "UPTIME", "CPU", "MEMORY")
LEAST_NAME = 12

app, command = single(
    "top", "pb top", "pb top --once", "pb top -n 10 --every 1s --json", "pb top | head -n 20"
)


@command
def top(
    once: Annotated[bool, typer.Option("--once", help="One look, as when it is piped.")] = False,
    iterations: Annotated[
        int | None,
        typer.Option("--iterations", "-n", min=1, metavar="N", help="So many looks, then end."),
    ] = None,
    every: Annotated[
        str, typer.Option(metavar="DURATION", help="How long between two looks.")
    ] = "2s",
) -> int:
    """Show what runs and what it uses, the busiest first, and what comes next; q ends it.

    Of each run and service the whole tree of processes is measured. With --json one document a
    look. More of everything: pb debug.
    """
    pause = options.duration("--every", every)
    if pause < 0.1:
        raise UsageError("--every should be at least 100ms")
    is_live = is_terminal(sys.stdout) and not asked.as_json and not once and iterations is None
    refuse_elsewhere()  # what is measured are processes of this machine
    looks = Looks()
    looks.take()
    time.sleep(min(SAMPLE, pause))
    if is_live:
        _live(looks, pause)
        return 0
    many = 1 if once or iterations is None else iterations
    for number in range(many):
        if number:
            time.sleep(pause)
        _tell(looks.take(), number, many)
    return 0


def _live(looks: Looks, pause: float) -> None:
    with screen() as has_ended:
        is_over = False
        while not is_over:
            draw(
                lines(looks.take(is_patient=True), live=f"every {pause:g} s, q ends it"),
                "pb top --once",
            )
            is_over = has_ended(pause)


def _tell(document: Json, number: int, many: int) -> None:
    if asked.as_json:
        emit(document, indent=2 if many == 1 else None)
    else:
        out("\n" * bool(number) + "\n".join(lines(document, live=None)))
    flush()


# -- the picture


def lines(document: Json, live: str | None) -> list[str]:
    """Heading, table, what comes next."""
    rows = sorted([*document["services"], *document["runs"]], key=_order)
    shown = [*_heading(document, live), "", *_table(rows)]
    coming = _coming(document["next"])
    return [*shown, "", coming] if coming else shown


def _order(row: Json) -> tuple[bool, bool, float, int, str]:
    """The user's own before pb's, what needs somebody first, then by what it uses."""
    is_calm = row["state"] not in FAILED and row.get("health") != "unhealthy"
    use = -(row["cpu_percent"] or 0.0), -(row["memory_bytes"] or 0)
    return row["kind"] == "builtin", is_calm, *use, row["name"]


def _heading(document: Json, live: str | None) -> list[str]:
    scheduler = document["scheduler"]
    now = local_second(document["at"]) or ""
    up = sum(one["kind"] == "service" and one["state"] == "running" for one in document["services"])
    own = sum(one["kind"] == "service" for one in document["services"])
    counts = scheduler.get("counts") or {}
    told = [
        f"{counts['running']} running" if counts.get("running") else "nothing runs",
        f"{counts['queued']} queued" if counts.get("queued") else "",
        f"{up} of {count(own, 'service')} up" if own else "",
    ]
    state = f"up {format_uptime(scheduler['uptime_seconds'])}" if scheduler["running"] else ""
    first = f"{now}  scheduler {state}" if state else f"{now}  {paint('no scheduler runs', 'red')}"
    parts = [first, *(part for part in told if part)] if state else [first]
    while len(parts) > 1 and not _fits(", ".join(parts), ""):
        parts.pop()
    found = [", ".join(parts)]
    if live and _fits(found[0], f"  {live}"):
        found[0] += paint(f"  {live}", "grey")
    if scheduler["notice"]:
        found.append(paint(clean(scheduler["notice"]), "yellow"))
    if not state:
        found.append("  Start it: pb scheduler start")
    return found


def _fits(text: str, more: str) -> bool:
    columns = width()
    return columns is None or len(text) + len(more) <= columns


def _table(rows: list[Json]) -> list[str]:
    cells = [_cells(row) for row in rows]
    kept = list(HEADINGS)
    columns = width()
    for name in DROPPED:
        if columns is not None and 2 + sum(_sizes(cells, kept)) + 2 * len(kept) > columns:
            kept.remove(name)
    sizes = _sizes(cells, kept)
    if columns is not None:  # the name gives, so that no row is torn
        too_much = 2 + sum(sizes) + 2 * (len(sizes) - 1) - columns
        sizes[0] = max(LEAST_NAME, sizes[0] - max(0, too_much))
    shown = [paint(_row(dict(zip(HEADINGS, HEADINGS, strict=True)), kept, sizes, " "), "bold")]
    for row, found in zip(rows, cells, strict=True):
        shown.append(_row(found, kept, sizes, _sign(row)))
    return shown


def _sizes(cells: list[dict[str, str]], kept: list[str]) -> list[int]:
    return [max(len(name), *(len(one[name]) for one in cells)) for name in kept]


def _row(cells: dict[str, str], kept: list[str], sizes: list[int], mark: str) -> str:
    parts = []
    for name, size in zip(kept, sizes, strict=True):
        text = cells[name] if len(cells[name]) <= size else cells[name][: size - 1] + "…"
        parts.append(text.rjust(size) if name in RIGHT else text.ljust(size))
    return f"{mark} {'  '.join(parts).rstrip()}"


def _sign(row: Json) -> str:
    if row["kind"] == "run":
        return sign({"state": "starting" if row["state"] != "running" else "running", "health": ""})
    known = {"desired": "running", **row}
    return sign({**known, "state": "starting"} if row["state"] in TRANSIENT else known)


def _cells(row: Json) -> dict[str, str]:
    up, cpu, memory = row["uptime_seconds"], row["cpu_percent"], row["memory_bytes"]
    number = f" #{row['run_id']}" if row["kind"] == "run" else ""
    state = "unhealthy" if row.get("health") == "unhealthy" else str(row["state"])
    return {
        "NAME": clean(row["name"]) + number,
        "KIND": "pb" if row["kind"] == "builtin" else str(row["kind"]),
        "STATE": state,
        "PID": "-" if row["pid"] is None else str(row["pid"]),
        "UPTIME": "-" if up is None or row["pid"] is None else format_uptime(up),
        "CPU": "-" if cpu is None else f"{cpu:.1f} %",
        "MEMORY": "-" if memory is None else shown_size(memory),
    }


def _coming(coming: list[Json]) -> str:
    """``Next: backup in 2h 15m 3s, disk in 5m 2s``, as many as there is room for."""
    told = [f"{clean(one['job'])} {_in(one['at'])}" for one in coming]
    while len(told) > 1 and not _fits(f"Next: {', '.join(told)}", ""):
        told.pop()
    return f"Next: {', '.join(told)}" if told else ""


def _in(instant: str) -> str:
    left = datetime.fromisoformat(instant).timestamp() - time.time()
    return f"in {format_uptime(left)}" if left >= 1 else "now"
