"""A digest as text: for a terminal, readable without colour in 80 columns, and as Markdown.

What others wrote (reasons, names) is made harmless here; nothing is asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, tzinfo
from typing import Any

from pb.api.views import Json
from pb.config.zones import local_zone_name, zone
from pb.core.durations import format_uptime
from pb.core.sparkline import RICH, sparkline

WIDTH = 79

MOST_JOBS = 30
"""Jobs that have a line of their own; those in trouble come first."""

COLUMNS = ("RUNS", "BAD", "SKIP", "MISS", "P50", "MAX")

COUNTS = (
    *(("Runs", "runs"), ("Errors", "errors"), ("Skipped", "skips"), ("Missed", "misses")),
    ("Retries", "retries"),
)

SIZES = (5, 5, 5, 5, 8, 8)

CHANGES = (
    ("failing", "Failing now, and not before"),
    ("well_again", "Well again"),
    ("silent", "Ran before, and not this time"),
    ("new", "New"),
    ("gone", "Not defined any more"),
    ("paused", "Paused"),
)


class Words:
    """A digest in words that every form of it shares; ``zone`` is that of its times."""

    def __init__(self, digest: Json, *, clock: tzinfo | None = None, steps: str = RICH) -> None:
        self.digest = digest
        self._zone = clock or zone("local")
        self._name = local_zone_name() if clock is None else str(clock)
        self._steps = steps

    def moment(self, instant: str, form: str = "%a %H:%M") -> str:
        return f"{datetime.fromisoformat(instant).astimezone(self._zone):{form}}"

    @property
    def title(self) -> str:
        form = "%Y-%m-%d %H:%M"
        times = (self.moment(self.digest[key], form) for key in ("since", "until"))
        return f"{' to '.join(times)} ({self._name})"

    def spark(self, counts: Sequence[int]) -> str:
        return sparkline(counts, self._steps)

    def numbers(self) -> list[tuple[str, str, str]]:
        """What there was in all: its name, how much, and how much before."""
        now, before = self.digest["total"], self.digest["before"]
        rows = [(label, str(now[key]), str(before[key])) for label, key in COUNTS]
        rates = rate(now["success_rate"]), rate(before["success_rate"])
        return [*rows, ("Success", *rates), ("Busy", took(now["busy_ms"]), took(before["busy_ms"]))]

    def jobs(self) -> list[tuple[str, tuple[str, ...], str]]:
        """Each job with a line of its own: its name, its cells, and its runs as a line."""
        rows = []
        for job in self.digest["jobs"][:MOST_JOBS]:
            spread = job["duration_ms"] or {}
            counts = (job["runs"], job["errors"], job["skips"], job["misses"])
            cells = (*(str(one or "-") for one in counts), took(spread.get("p50")))
            rows.append((name_of(job), (*cells, took(spread.get("max"))), self.spark(job["spark"])))
        return rows

    def more_jobs(self) -> str | None:
        left = len(self.digest["jobs"]) - MOST_JOBS + self.digest.get("jobs_left_out", 0)
        return f"and {left} more, without errors or fewer of them" if left > 0 else None

    def failures(self) -> list[str]:
        """The newest first; those of one job that failed alike are one line."""
        alike: dict[tuple[str, str, str], list[Json]] = {}
        for one in self.digest["failures"]:
            key = (name_of(one), one["state"].replace("_", " "), one["reason"] or "")
            alike.setdefault(key, []).append(one)
        lines = []
        for (name, state, reason), runs in alike.items():
            times = f" {len(runs)} times, last" if len(runs) > 1 else ""
            why = f": {reason}" if reason else ""
            when = self.moment(runs[0]["at"])
            lines.append(f"{when}  {name} {state}{times} (run {runs[0]['run_id']}){why}")
        return lines

    def slow(self) -> list[str]:
        return [
            f"{self.moment(one['at'])}  {name_of(one)} (run {one['run_id']}) took "
            f"{took(one['took_ms'])}, usually {took(one['usual_ms'])}"
            for one in self.digest["slow"]
        ]

    def services(self) -> list[str]:
        lines = []
        for one in self.digest["services"]:
            health = f", {one['health']}" if one["health"] == "unhealthy" else ""
            exits = f", ended by itself {one['exits']} times" if one["exits"] else ""
            reason = f": {one['reason']}" if one["reason"] else ""
            lines.append(f"{one['service']} is {one['state']}{health}{exits}{reason}")
        return lines

    def changes(self) -> list[tuple[str, str]]:
        found = self.digest["changes"]
        return [(label, ", ".join(found[key])) for key, label in CHANGES if found[key]]

    def own(self) -> list[str]:
        return [f"{one['job']} failed: {one['reason']}" for one in self.digest["own_failures"]]

    def parts(self) -> list[tuple[str, list[str]]]:
        """The lists, each with its heading; an empty one is left out."""
        listed = [
            ("Failed", self.failures()),
            ("Took long", self.slow()),
            ("Services", self.services()),
            ("Different from before", [f"{label}: {names}" for label, names in self.changes()]),
            ("pb's own jobs", self.own()),
        ]
        return [(title, lines) for title, lines in listed if lines]


def in_short(digest: Json) -> Json:
    """A digest with no more jobs than have a line of their own: what is sent to people."""
    jobs = digest["jobs"]
    return {**digest, "jobs": jobs[:MOST_JOBS], "jobs_left_out": max(0, len(jobs) - MOST_JOBS)}


def name_of(one: Json) -> str:
    return one["job"] or "pb run"


def rate(value: float | None) -> str:
    return "-" if value is None else f"{value * 100:.1f} %"


def took(ms: Any) -> str:
    if ms is None:
        return "-"
    if ms < 1000:
        return f"{ms}ms"
    return f"{ms / 1000:.1f}s" if ms < 60_000 else format_uptime(ms / 1000)


def plain(text: str) -> str:
    """One line without anything that could move a cursor or hide what follows."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


# -- a terminal, or a file


def terminal(words: Words) -> str:
    return "\n".join(plain(line).rstrip() for line in terminal_lines(words)) + "\n"


def terminal_lines(words: Words) -> Iterator[str]:
    yield words.title
    yield ""
    yield f"  {'':10}{'NOW':>12}{'BEFORE':>12}"
    for label, now, before in words.numbers():
        yield f"  {label:10}{now:>12}{before:>12}"
    yield ""
    yield f"  Runs by {words.digest['by']}: {words.spark(words.digest['total']['spark'])}"
    rows = words.jobs()
    if rows:
        yield ""
        yield from job_lines(rows)
    if words.more_jobs() is not None:
        yield f"  {words.more_jobs()}"
    for title, lines in words.parts():
        yield ""
        yield title.upper()
        for line in lines:
            yield from folded(line)
    if not rows and not words.parts():
        yield ""
        yield "Nothing happened."


def job_lines(rows: list[tuple[str, tuple[str, ...], str]]) -> Iterator[str]:
    """The table; the line of runs goes below a row where both do not fit side by side."""
    longest = max(len(spark) for _, _, spark in rows)
    cells = sum(SIZES)
    beside = WIDTH - cells - 2 - longest - 1
    name_size = min(max(len("JOB"), *(len(name) for name, _, _ in rows)), max(16, beside))
    is_beside = name_size <= beside
    yield f"{'JOB':{name_size}} " + aligned(COLUMNS)
    for name, row, spark in rows:
        head = name if len(name) <= name_size else name[: name_size - 1] + "…"
        line = f"{head:{name_size}} " + aligned(row)
        yield f"{line}  {spark}" if is_beside else line
        if not is_beside:
            yield f"  {spark[-(WIDTH - 2) :]}"


def aligned(cells: Sequence[str]) -> str:
    return "".join(cell.rjust(size) for cell, size in zip(cells, SIZES, strict=True))


def folded(line: str) -> Iterator[str]:
    """A line in as many as it takes, the further ones indented."""
    import textwrap

    yield from textwrap.wrap(
        plain(line), WIDTH, initial_indent="  ", subsequent_indent="      ", break_on_hyphens=False
    )


# -- Markdown


def markdown(words: Words) -> str:
    return "\n".join(markdown_lines(words)) + "\n"


def markdown_lines(words: Words) -> Iterator[str]:
    yield f"# {escaped(words.title)}"
    yield ""
    yield from rows_of(("", "now", "before"), words.numbers())
    yield ""
    yield f"Runs by {words.digest['by']}: `{words.spark(words.digest['total']['spark'])}`"
    rows = [(name, *cells, spark) for name, cells, spark in words.jobs()]
    if rows:
        yield ""
        heads = ("job", *(one.lower() for one in COLUMNS), f"runs by {words.digest['by']}")
        yield from rows_of(heads, rows)
    if words.more_jobs() is not None:
        yield ""
        yield str(words.more_jobs())
    for title, lines in words.parts():
        yield ""
        yield f"## {title}"
        yield ""
        for line in lines:
            yield f"- {escaped(line)}"


def rows_of(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(heads) + " |"
    yield "| --- " + "| ---: " * (len(heads) - 1) + "|"
    for row in rows:
        yield "| " + " | ".join(escaped(cell) for cell in row) + " |"


SPECIAL = re.compile(r"([\\`*_{}\[\]<>#+!|~&-])")


def escaped(text: str) -> str:
    """Text in which no character means anything to Markdown, or to HTML inside of it."""
    return SPECIAL.sub(r"\\\1", plain(text))


FORMS: dict[str, Callable[[Words], str]] = {"terminal": terminal, "markdown": markdown}
