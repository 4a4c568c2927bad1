"""``pb job history`` and ``pb job stats``: the past as a table, as CSV, as a calendar, in numbers.

No typer here; the grammar is in ``pb.cli.job``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import field
from datetime import datetime
from typing import Any

from pb.cli import heatmap
from pb.cli.asked import ANSWER_TIME, asked, session
from pb.cli.job_views import history_table
from pb.cli.render import (
    clean,
    emit,
    local_minute,
    note,
    out,
    out_bytes,
    paint,
    seconds,
    speaks_utf8,
    width,
)
from pb.core.lean import dataclass
from pb.errors import UsageError

Json = dict[str, Any]

PAGE = 2_000
"""Runs of one answer: a few hundred kilobytes."""

CSV_COLUMNS = (
    *("run_id", "job", "fire_time", "fire_count", "trigger", "queued_at", "started_at"),
    *("finished_at", "state", "reason", "exit_code", "signal", "pid", "attempt", "log_path"),
    *("command", "by", "duration_ms", "lateness_ms", "max_rss_bytes", "cpu_seconds"),
)
"""The columns of ``--csv``, in this order for good; new ones come behind."""

DEFAULT_LOOK = "14d"
"""How far back a calendar goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked for; ``filters`` go to ``job.history`` as they are."""

    name: str | None
    count: int
    filters: Json = field(default_factory=dict)


def runs(wanted: Asked) -> Iterator[list[Json]]:
    """The runs, newest first, a page at a time."""
    left, before = wanted.count, None
    with session() as talk:
        while left > 0:
            n = min(left, PAGE)
            params = {"name": wanted.name, "n": n, "before": before, **wanted.filters}
            page = talk.call("job.history", params, timeout=ANSWER_TIME)["runs"]
            if page or before is None:
                yield page
            if len(page) < n:
                return
            left, before = left - n, page[-1]["run_id"]


def show(wanted: Asked) -> int:
    """The table, or with ``--json`` the document."""
    found = [run for page in runs(wanted) for run in page]
    if asked.as_json:
        emit({"runs": found})
    elif found:
        history_table(found)
    elif any(wanted.filters.values()):
        out("No runs match.")
    else:
        out("No runs yet.")
        note("hint: Run a job now with: pb job run NAME --follow")
    return 0


def show_csv(wanted: Asked) -> int:
    """RFC 4180: a header, lines that end in CR LF, quotes where needed; every value in full."""
    import csv
    from io import StringIO

    if asked.as_json:
        raise UsageError("--csv and --json exclude each other", hint="Choose one.")
    lines = StringIO(newline="")
    writer = csv.writer(lines, lineterminator="\r\n")
    writer.writerow(CSV_COLUMNS)
    for page in runs(wanted):
        writer.writerows([csv_value(run.get(key)) for key in CSV_COLUMNS] for run in page)
        out_bytes([lines.getvalue().encode("utf-8", "surrogateescape")])
        lines.seek(0)
        lines.truncate()
    return 0


def csv_value(value: object) -> object:
    """A value as a cell: nothing for null, JSON for a command."""
    if isinstance(value, list | dict):
        import json

        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else value


# -- calendar


def show_heatmap(name: str | None, since: str | None) -> int:
    """``--heatmap``: days by hours, or weeks by weekdays when it is long ago."""
    with session() as talk:
        params = {"name": name, "since": since or DEFAULT_LOOK, "bucket": "15m"}
        answer = talk.call("job.activity", params, timeout=ANSWER_TIME)
    if asked.as_json:
        emit(answer)
        return 0
    from pb.config.zones import local_zone_name, zone

    first, last = (datetime.fromisoformat(answer[key]) for key in ("since", "until"))
    found = ((datetime.fromisoformat(one["at"]), one["runs"]) for one in answer["buckets"])
    whole = heatmap.calendar(found, first, last, zone("local"))
    who = f"Runs of {clean(name)}" if name else "Runs of all jobs"
    days = f"{whole.first_day:%Y-%m-%d} to {whole.last_day:%Y-%m-%d}"
    columns = width() or 80
    title = f"{who}, {days}"
    place = f" ({clean(local_zone_name())})"
    out(paint(title + (place if len(title + place) <= columns else f"\n{place.strip()}"), "bold"))
    out("")
    draw(whole, columns)
    if not answer["is_complete"]:
        out("Only the newest runs of these are drawn; give a shorter --since.")
    return 0


def draw(whole: heatmap.Calendar, columns: int) -> None:
    """The picture and its legend, for a screen of so many columns."""
    glyphs = heatmap.RICH if speaks_utf8(sys.stdout) else heatmap.PLAIN
    is_long = (whole.last_day - whole.first_day).days > heatmap.LONGEST_BY_HOURS
    roomy = columns >= heatmap.ROOMY and not is_long
    if is_long:
        rows, above = heatmap.by_weeks(whole, columns - 20)
    else:
        rows, above = heatmap.by_hours(whole, roomy=roomy)
    label = max(len(row.label) for row in rows)
    gap = " " if roomy else ""
    places = len(rows[0].cells) * (2 if roomy else 1) - len(gap)
    head = "RUNS  FAILED" if roomy else "RUNS BAD"
    out(paint(f"{'':{label}}  {above.ljust(places)}  {head}", "grey"))
    for row in rows:
        cells = gap.join(painted(cell, glyphs) for cell in row.cells)
        ran, failed = heatmap.counted(row.runs)
        counts = f"{ran:4}  {failed or '-':>6}" if roomy else f"{ran:4} {failed or '-':>3}"
        out(f"{row.label:{label}}  {cells}  {counts if ran else '   -'}")
    out("")
    legend(glyphs, columns)


def painted(cell: str, glyphs: heatmap.Glyphs) -> str:
    if not cell:
        return " "
    glyph: str = getattr(glyphs, cell)
    return paint(glyph, heatmap.COLOURS.get(cell, "grey"))


def legend(glyphs: heatmap.Glyphs, columns: int) -> None:
    """What each character means, in as many lines as it takes."""
    line = ""
    for name, words in heatmap.MEANINGS:
        part = f"{getattr(glyphs, name)} {words}"
        if line and len(line) + 2 + len(part) > columns:
            out(paint(line, "grey"))
            line = ""
        line += ("  " if line else "") + part
    out(paint(line, "grey"))


# -- statistics

COUNTS = (
    ("Runs", "runs"),
    ("Succeeded", "succeeded"),
    ("Errors", "errors"),
    ("- timed out", "timeouts"),
    ("Cancelled", "cancelled"),
    ("Skips", "skips"),
    ("Misses", "misses"),
)

PERIODS = (("7 DAYS", "last_7_days"), ("BEFORE", "before"), ("ALL", "all"))


def show_stats(name: str | None) -> int:
    """``pb job stats``."""
    with session() as talk:
        answer = talk.call("job.stats", {"name": name}, timeout=ANSWER_TIME)
    if asked.as_json:
        emit(answer)
        return 0
    if not answer["records"]:
        out("No runs yet.")
        note("hint: Run a job now with: pb job run NAME --follow")
        return 0
    parts = [answer[key] for _, key in PERIODS]
    newest = "" if answer["is_complete"] else "the newest "
    who = clean(name) if name else "All jobs"
    out(paint(f"{who}: {newest}{answer['records']} records", "bold"))
    out(f"since {local_minute(answer['since'])}\n")
    out(paint(f"{'':14}" + "".join(f"{title:>11}" for title, _ in PERIODS), "grey"))
    row("Success rate", [percent(part["success_rate"]) for part in parts])
    for label, key in COUNTS:
        row(label, [str(part[key]) for part in parts])
    for label, key, points in (
        ("Took", "duration_ms", ("p50", "p90", "p99", "max")),
        ("Late", "lateness_ms", ("p50", "p95", "max")),
    ):
        for point in points:
            row(f"{label} {point}", [seconds((part[key] or {}).get(point)) for part in parts])
    return 0


def row(label: str, cells: list[str]) -> None:
    out(f"{label:14}" + "".join(f"{cell:>11}" for cell in cells))


def percent(rate: float | None) -> str:
    """A share of one, never rounded up to all of it or down to nothing."""
    if rate is None:
        return "-"
    shown = f"{rate * 100:.1f}"
    if rate < 1 and shown == "100.0":
        shown = "99.9"
    return ("0.1" if rate > 0 and shown == "0.0" else shown) + " %"
