"""What jobs that wait for numbers and lines cost a scheduler while nothing happens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.benchmarks import measure
from tests.benchmarks.report import Row
from tests.benchmarks.subject import Subject

KINDS = (
    *("cpu.percent > 101", "load1 > 1e6", "mem.available < 0", "net.rx_rate > 1e15"),
    *("disk.percent:/ > 101", "file.size:{log} > 1e15", "file.age:{log} > 1e12"),
    *("queue.queue{number}.length > 1e6", "job.job{number}.consecutive_failures > 1e6"),
    *("job.job{number}.seconds_since_success > 1e12",),
)
"""Half of them are the same for all who ask, half are of something else each; none can hold."""


def waiting(count: int, folder: Path) -> list[dict[str, Any]]:
    """That many jobs with a threshold each, and as many with a pattern in a log of their own."""
    jobs = []
    for number in range(count):
        log = folder / f"{number}.log"
        log.write_text("started\n")
        for name, trigger in (
            ("job", "threshold: " + KINDS[number % len(KINDS)].format(log=log, number=number)),
            ("log", f"pattern: log {log} ERROR"),
        ):
            command = ["/bin/true"]
            jobs.append({"name": f"{name}{number}", "command": command, "triggers": [trigger]})
    return jobs


def triggers(subject: Subject, count: int, seconds: float) -> list[Row]:
    """Memory and processor time, first with the thresholds alone, then with logs too."""
    folder = subject.pb.home.parent / "logs-of-triggers"
    folder.mkdir()
    jobs = waiting(count, folder)
    subject.start()
    rows = []
    for what, prefix in (("thresholds", "job"), ("thresholds and followed logs", "log")):
        subject.add([job for job in jobs if job["name"].startswith(prefix)])
        measure.pause(min(3.0, seconds))
        before = measure.cpu_ms(subject.pid())
        measure.pause(seconds)
        share = (measure.cpu_ms(subject.pid()) - before) / seconds / 10
        rss = measure.memory(subject.pid()).rss
        goal = ("<= 1", "<= 45") if prefix == "job" else (None, None)
        rows += [
            Row(f"{count} {what}, % of a core", {"pb": share}, goal=goal[0]),
            Row(f"{count} {what}, RSS in MB", {"pb": rss}, goal=goal[1]),
        ]
    subject.stop()
    return rows
