"""``pb schedule``: the coming hours, a row for each job that fires in them.

Who fires is asked of the scheduler; when exactly is worked out here, so that it need not.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pb.cli import options, timeline
from pb.cli.asked import ANSWER_TIME, asked, session
from pb.cli.jobs import hint_to_start
from pb.cli.render import clean, emit, note, out, paint, speaks_utf8, width
from pb.cli.tree import single
from pb.errors import UsageError

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from pb.core.clock_changes import Change

Json = dict[str, Any]

PIPED = 80
"""Columns where nobody has said how many there are."""

PER_COLUMN = 10
"""From so many fire times on a column says `many`, and they are counted no further."""

PER_JOB = 100
"""Fire times of each job in the JSON document."""

LONGEST_HOURS = 24 * 366

app, command = single("schedule", "pb schedule", "pb schedule --hours 48 --job backup")


@command
def schedule(
    hours: Annotated[
        float, typer.Option("--hours", metavar="HOURS", help="How far to look ahead.")
    ] = 12.0,
    job: Annotated[
        str | None,
        typer.Option(
            "--job", metavar="JOB", help="Only this job.", autocompletion=options.job_names
        ),
    ] = None,
    count: Annotated[
        int, typer.Option("--count", "-n", min=1, max=10_000, help="How many jobs at most.")
    ] = 40,
) -> int:
    """Show what runs in the coming hours, as a timeline; the soonest first."""
    if not 0 < hours <= LONGEST_HOURS:
        raise UsageError(f"--hours should be above 0 and at most {LONGEST_HOURS}")
    with session() as talk:
        params = {"name": job, "hours": hours, "n": count}
        answer = talk.call("job.schedule", params, timeout=ANSWER_TIME)
        is_local = talk.is_local
    if asked.as_json:
        emit(document(answer))
        return 0
    show(answer, width() or PIPED)
    if is_local and answer["jobs"]:
        hint_to_start()
    return 0


def document(answer: Json) -> Json:
    """The answer with each job's fire times, at most a hundred of them."""
    until = datetime.fromisoformat(answer["until"])
    jobs = []
    for job in answer["jobs"]:
        found = first_times(job, datetime.fromisoformat(answer["from"]), until, PER_JOB + 1)
        times = [rfc3339(at) for at in found[:PER_JOB]]
        jobs.append({**job, "fire_times": times, "is_complete": len(found) <= PER_JOB})
    return {**answer, "jobs": jobs}


def rfc3339(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def first_times(job: Json, start: datetime, until: datetime, most: int) -> list[datetime]:
    found: list[datetime] = []
    at = first_time(job, start)
    while at is not None and at <= until and len(found) < most:
        found.append(at)
        at = next_time(job, at)
    return found


def first_time(job: Json, start: datetime) -> datetime | None:
    """The first fire time after ``start``; the only one that is known of a job whose fire times
    count from the ends of its runs."""
    from pb.core.triggers import pause_of, trigger_from

    at = next_time(job, start)
    if pause_of(map(trigger_from, job["triggers"])) is None or not job["next_run"]:
        return at
    planned = datetime.fromisoformat(job["next_run"])
    return planned if planned > start and (at is None or planned < at) else at


def next_time(job: Json, after: datetime) -> datetime | None:
    """When the job fires next, strictly after ``after``."""
    from pb.config.zones import zone
    from pb.core.triggers import next_fire_of, trigger_from

    triggers = [trigger_from(trigger) for trigger in job["triggers"]]
    return next_fire_of(triggers, after, zone(job["timezone"]), job["name"])


def show(answer: Json, columns: int) -> None:
    """The picture, for a screen of so many columns."""
    from pb.config.zones import local_zone_name, zone
    from pb.core.clock_changes import changes

    start, until = (datetime.fromisoformat(answer[key]) for key in ("from", "until"))
    here = zone("local")
    glyphs = timeline.RICH if speaks_utf8(sys.stdout) else timeline.PLAIN
    out(paint(heading(start, until, here, local_zone_name()), "bold"))
    if not answer["jobs"]:
        out("Nothing is planned in this time.")
        note("hint: See when a job runs next with: pb job next")
        return
    names = [clean(job["name"]) for job in answer["jobs"]]
    size = timeline.name_width(names, columns)
    grid = timeline.grid(start, until, room(columns, size, until - start), here)
    lines = [line_of(job, grid, start, until) for job in answer["jobs"]]
    moved = list(changes(here, start, until))
    ruled(grid, size, moved, here, glyphs)
    for text in timeline.rows(lines, grid, size, here, glyphs):
        out(text)
    below(answer, grid, moved, here, glyphs, columns)


def room(columns: int, name: int, length: timedelta) -> int:
    """How many columns a picture may have between a name, and how often and when."""
    when = len("Fri 13:30") if timeline.has_days(length) else len("13:30")
    return max(12, columns - name - len("  ") - len("  1000+  ") - when)


def heading(start: datetime, until: datetime, here: ZoneInfo, name: str) -> str:
    first, last = start.astimezone(here), until.astimezone(here)
    far = f"{last:%H:%M}" if last.date() == first.date() else f"{last:%a %H:%M}"
    return f"{first:%a %Y-%m-%d %H:%M} to {far} ({clean(name)})"


def line_of(job: Json, grid: timeline.Grid, start: datetime, until: datetime) -> timeline.Line:
    """How often the job fires in each column; a column that is full is counted no further."""
    counts, complete = [0] * grid.count, True
    first = at = first_time(job, start)
    while at is not None and at <= until and (column := grid.column(at)) < grid.count:
        counts[column] += 1
        if counts[column] >= PER_COLUMN:
            at = grid.begin(column + 1) - timedelta(milliseconds=1)
            complete = False
        at = next_time(job, at)
    return timeline.Line(
        name=clean(job["name"]), counts=counts, first=first or start, is_complete=complete
    )


def ruled(
    grid: timeline.Grid, size: int, moved: list[Change], here: ZoneInfo, glyphs: timeline.Glyphs
) -> None:
    """The times above the columns, and below them where the clock changes."""
    margin = " " * (size + 2)
    out("")
    out(paint((margin + timeline.ruler(grid, here)).rstrip(), "grey"))
    if moved:
        out(paint(margin + timeline.change_row(grid, moved, glyphs), "yellow"))


def below(
    answer: Json,
    grid: timeline.Grid,
    moved: list[Change],
    here: ZoneInfo,
    glyphs: timeline.Glyphs,
    columns: int,
) -> None:
    """What was left out, what the characters mean, and what the clock does."""
    left = answer["total"] - len(answer["jobs"])
    if left > 0:
        out(f"and {left} more: pb schedule -n {min(answer['total'], 10_000)}")
    out("")
    for change in moved:
        words = f"{glyphs.change} {timeline.change_words(change, here)}"
        out(paint(words if len(words) <= columns else words.replace(": ", "\n  "), "yellow"))
    legend = f"{glyphs.once} once  2-9 times  {glyphs.many} more often"
    scale = f"a column is {timeline.step_words(grid.step)}"
    gap = "  " if len(legend) + len(scale) + 2 <= columns else "\n"
    out(paint(legend + gap + scale, "grey"))
