"""A log of five gigabytes: its last lines are there at once, and a time leads into its middle."""

from __future__ import annotations

import os
from pathlib import Path

from pb.process.logfile import open_append, read_log
from pb.process.logindex import exclusive

FIVE = 5 << 30
HOUR_MS = 3_600_000


def large(log: Path) -> None:
    """Lines, gigabytes of nothing that takes no room, and lines again."""
    fd = open_append(log)
    os.write(fd, b"".join(b"early %d\n" % number for number in range(1_000)))
    os.ftruncate(fd, FIVE)
    os.write(fd, b"\n" + b"".join(b"late %d\n" % number for number in range(1_000)))
    os.close(fd)


def test_the_last_lines_are_found_from_the_end(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    large(log)

    last = [line.text for line in read_log(log, lines=100)]

    assert last == [f"late {number}" for number in range(900, 1_000)]


def test_a_time_leads_to_the_place_by_the_index(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    large(log)
    now = log.stat().st_mtime_ns // 1_000_000
    middle = FIVE + 1 + len(b"".join(b"late %d\n" % number for number in range(500)))
    with exclusive(log) as index:
        index.append([(9_000, now - 2 * HOUR_MS), (middle, now - HOUR_MS)])

    found = [line.text for line in read_log(log, lines=None, since_ms=now - HOUR_MS // 2)]

    assert found == [f"late {number}" for number in range(500, 1_000)]
