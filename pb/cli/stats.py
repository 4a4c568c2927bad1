"""``pb stats``: how runs went by hour, day, week or month, however long ago that was."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Annotated, Any

import typer

from pb.api import Session
from pb.cli import options
from pb.cli.asked import asked, elsewhere, home, session
from pb.cli.history import csv_value, percent
from pb.cli.render import clean, emit, note, out, out_bytes, paint, seconds, speaks_utf8, width
from pb.cli.tree import single
from pb.core.sparkline import PLAIN, RICH, sparkline
from pb.errors import UsageError

Json = dict[str, Any]

COLUMNS = ("PERIOD", "RUNS", "ERRORS", "SKIPS", "MISSES", "RATE", "P50", "P90", "MAX", "LATE")
"""The last is the 95th percentile of lateness."""

LESS = ("PERIOD", "RUNS", "ERRORS", "RATE", "P50", "MAX")
"""What is left of them on a narrow screen."""

CSV_COLUMNS = (
    *("start", "end", "runs", "succeeded", "errors", "timeouts", "cancelled", "skips", "misses"),
    *("retries", "success_rate", "busy_ms", "cpu_seconds", "max_rss_bytes"),
    *("duration_p50_ms", "duration_p90_ms", "duration_p99_ms", "duration_max_ms"),
    *("lateness_p50_ms", "lateness_p95_ms", "lateness_max_ms", "is_exact"),
)
"""The columns of ``--csv``, in this order for good; new ones come behind."""

FORMS = {"hour": "%Y-%m-%d %H:00", "day": "%a %Y-%m-%d", "week": "%Y-%m-%d", "month": "%Y-%m"}

app, command = single(
    "stats",
    "pb stats",
    "pb stats backup --by month --since 730d",
    "pb stats --by week --csv > weeks.csv",
)


@command
def stats(
    job: Annotated[
        str | None,
        typer.Argument(
            metavar="[JOB]",
            help="One job (default: all together).",
            autocompletion=options.job_names,
        ),
    ] = None,
    since: options.RunsSince = None,
    until: options.RunsUntil = None,
    by: Annotated[
        str, typer.Option("--by", metavar="PERIOD", help="hour, day, week or month, of UTC.")
    ] = "day",
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV, for a spreadsheet.")] = False,
) -> int:
    """Show how runs went, by day or by another period; also of runs that are long gone."""
    if csv and asked.as_json:
        raise UsageError("--csv and --json exclude each other", hint="Choose one.")
    wanted = {
        "name": job,
        "by": by,
        "since": options.instant("--since", since),
        "until": options.instant("--until", until),
    }
    with own_process() as talk:
        answer = talk.call("stats.periods", wanted)
    if asked.as_json:
        emit(answer)
    elif csv:
        out_bytes([csv_text(answer["periods"]).encode()])
    else:
        show(answer)
    return 0


def own_process() -> Session:
    """Asked in this process: a scheduler has better to do than to add up years."""
    from pb.api import local_session

    return session() if elsewhere() is not None else local_session(home())


def show(answer: Json) -> None:
    who = clean(answer["name"]) if answer["name"] else "All jobs"
    out(paint(f"{who}, by {answer['by']} (UTC), since {answer['since'][:10]}", "bold"))
    if not answer["periods"]:
        out("Nothing was recorded in that time.")
        note("hint: Look further back with --since, for example --since 90d.")
        return
    heights = [one["runs"] for one in answer["periods"]]
    line = sparkline(heights, RICH if speaks_utf8(sys.stdout) else PLAIN)
    room = (width() or 80) - 8
    out(f"Runs:   {line[-room:]}\n")
    print_table(answer)
    out("")
    if not answer["total"]["is_exact"]:
        out("Counts are exact; percentiles of runs that are gone are off by 1 % at most.")
    if not answer["is_complete"]:
        out("Only the newest runs were read; add the others up with: pb job run rollup_day")


def print_table(answer: Json) -> None:
    rows = [row_of(period(one, answer["by"]), one) for one in answer["periods"]]
    rows.append(row_of("All", answer["total"]))
    room = width() or sys.maxsize
    kept = COLUMNS if needed(COLUMNS, rows) <= room else LESS
    cells = [[row[name] for name in kept] for row in rows]
    sizes = sizes_of(kept, rows)
    out(paint(aligned(kept, sizes), "bold"))
    for line in cells:
        out(aligned(line, sizes))


def needed(names: tuple[str, ...], rows: list[dict[str, str]]) -> int:
    return sum(sizes_of(names, rows)) + 2 * (len(names) - 1)


def sizes_of(names: tuple[str, ...], rows: list[dict[str, str]]) -> list[int]:
    return [max(len(name), *(len(row[name]) for row in rows)) for name in names]


def period(one: Json, by: str) -> str:
    start = datetime.fromisoformat(one["start"])
    word = f"{start:{FORMS[by]}}"
    return f"{word} W{start.isocalendar().week:02d}" if by == "week" else word


def row_of(label: str, part: Json) -> dict[str, str]:
    took, late = part["duration_ms"] or {}, part["lateness_ms"] or {}
    numbers = {
        "RUNS": part["runs"],
        "ERRORS": part["errors"],
        "SKIPS": part["skips"],
        "MISSES": part["misses"],
    }
    return {
        "PERIOD": label,
        **{name: str(number or "-") for name, number in numbers.items()},
        "RATE": percent(part["success_rate"]),
        "P50": seconds(took.get("p50")),
        "P90": seconds(took.get("p90")),
        "MAX": seconds(took.get("max")),
        "LATE": seconds(late.get("p95")),
    }


def aligned(cells: tuple[str, ...] | list[str], sizes: list[int]) -> str:
    """The first cell to the left, numbers to the right."""
    rest = (cell.rjust(size) for cell, size in zip(cells[1:], sizes[1:], strict=True))
    return "  ".join([cells[0].ljust(sizes[0]), *rest])


def csv_text(periods: list[Json]) -> str:
    """RFC 4180: a header, lines that end in CR LF; nothing for what is not known."""
    import csv
    from io import StringIO

    lines = StringIO(newline="")
    writer = csv.writer(lines, lineterminator="\r\n")
    writer.writerow(CSV_COLUMNS)
    for one in periods:
        flat = {
            **one,
            **{f"duration_{key}_ms": value for key, value in (one["duration_ms"] or {}).items()},
            **{f"lateness_{key}_ms": value for key, value in (one["lateness_ms"] or {}).items()},
        }
        flat["is_exact"] = str(one["is_exact"]).lower()
        writer.writerow([csv_value(flat.get(key)) for key in CSV_COLUMNS])
    return lines.getvalue()
