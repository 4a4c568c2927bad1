"""Figures that grow with what there is: next fire times, plans of many jobs, a long history."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime

from tests.benchmarks import measure
from tests.benchmarks.measure import median, output, timed
from tests.benchmarks.report import Row
from tests.benchmarks.subject import Subject
from tests.kit.command import command

PLAIN = ("*/5 * * * *", "30 2 * * *", "0 9-17 * * MON-FRI", "15 4 1 * *", "0 */6 * * *")
"""Expressions that every cron library has in common."""

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def next_times(rounds: int, steps: int) -> list[Row]:
    """Fire times a second, one after the other; croniter's own speed in the same rounds."""
    from croniter import croniter

    from pb.core.cron import parse_cron

    def ours(expr: str) -> None:
        cron, at = parse_cron(expr), START
        for _ in range(steps):
            at = cron.next(at, UTC) or START

    def theirs(expr: str) -> None:
        walker = croniter(expr, START.replace(tzinfo=None))
        for _ in range(steps):
            walker.get_next(datetime)

    speeds: dict[str, list[float]] = {"ours": [], "theirs": []}
    for _ in range(rounds):
        for name, walk in (("ours", ours), ("theirs", theirs)):
            speeds[name].append(len(PLAIN) * steps / seconds_of(walk))
    mine, other = median(speeds["ours"]), median(speeds["theirs"])
    return [
        Row("next, fire times a second", {"pb": mine}),
        Row("next, croniter's fire times a second", {"pb": other}),
        Row("next, pb : croniter", {"pb": f"{mine / other:.2f} x"}, goal=">= 0.8 x"),
    ]


def seconds_of(walk: Callable[[str], None]) -> float:
    began = time.perf_counter()
    for expr in PLAIN:
        walk(expr)
    return time.perf_counter() - began


def many_plans(subject: Subject, counts: tuple[int, ...]) -> list[Row]:
    """A start with so many jobs in the store, until it answers; its memory; a status answer."""
    rows, have = [], 0
    start = [*command(), "scheduler", "start"]
    status = [*command(), "scheduler", "status", "--json"]
    for count in counts:
        subject.fill_jobs(have, count)
        have = count
        returned = timed([*start, "--wait", "170"], subject.environment)
        measure.pause(1.0)
        rows += [
            Row(f"start with {count} jobs, s", {"pb": returned / 1000}, goal=PLAN_GOALS.get(count)),
            Row(
                f"RSS right after, {count} jobs, MB",
                {"pb": measure.memory(subject.pid()).rss},
                goal=MEMORY_GOALS.get(count),
            ),
        ]
        if count <= TABLE:
            took = median([timed(status, subject.environment) for _ in range(3)])
            rows.append(Row(f"status with {count} jobs, ms", {"pb": took}, goal="<= 300"))
        subject.stop()
    return rows


TABLE = 10_000
"""With more jobs nobody asks for all of them in one table."""

PLAN_GOALS = {10_000: "<= 2", 100_000: "<= 12"}
MEMORY_GOALS = {10_000: "<= 40", 100_000: "<= 120"}


def long_history(subject: Subject, n: int) -> list[Row]:
    """Questions about the past with so many runs in the store, each a command of its own."""
    subject.fill_runs(n)
    subject.start()
    asked = {
        "newest 20": ("-n", "20"),
        "newest 20 of a job": ("job3", "-n", "20"),
        "failed": ("--failed", "-n", "20"),
    }
    rows = []
    for what, words in asked.items():
        question = [*command(), "job", "history", *words, "--json"]
        found = json.loads(output(question, subject.environment))["runs"]
        if not found:
            raise RuntimeError(f"history has no {what}")
        took = median([timed(question, subject.environment) for _ in range(3)])
        rows.append(Row(f"history of {n} runs, {what}, ms", {"pb": took}, goal="<= 300"))
    subject.stop()
    return rows
