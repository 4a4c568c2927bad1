"""A generated past: runs of some jobs over two years, of every outcome; and adding it up.

As a program, `python -m tests.kit.past DB`, it adds up in many small transactions, to be killed.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pb.core.rollups import MONTH, WEEK
from pb.store import rollups
from pb.store.store import Store

START_MS = round(datetime(2024, 2, 5, 3, 30, tzinfo=UTC).timestamp() * 1000)
TWO_YEARS = 2 * 365 * 86_400_000

STATES = ("succeeded",) * 20 + ("failed", "timed_out", "cancelled", "skipped", "missed", "lost")

INSERT = """
INSERT INTO run (job, fire_at, fire_count, attempt, trigger, state, queued_at, started_at,
                 finished_at, cpu_seconds, max_rss_bytes)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


def fill(store: Store, count: int, *, jobs: int, seed: int = 1) -> None:
    """``count`` runs of so many jobs, evenly over two years; a hundredth without a job."""
    with store.transaction(durable=False):
        store.write(INSERT, past(count, jobs, seed))


def past(count: int, jobs: int, seed: int) -> Iterator[tuple[Any, ...]]:
    luck = random.Random(seed)
    for number in range(count):
        fire = START_MS + number * TWO_YEARS // count
        state = luck.choice(STATES)
        queued = fire + luck.randrange(50)
        started = None if state in ("skipped", "missed") else queued + luck.randrange(2_000)
        ended = (started or queued) + round(luck.lognormvariate(8, 2))
        is_named = luck.randrange(100) > 0
        yield (
            f"job{number % jobs}" if is_named else None,
            fire,
            luck.randrange(1, 5) if state == "missed" else 1,
            1 if luck.randrange(30) else 2,
            "cron" if is_named else "cli",
            state,
            queued,
            started,
            ended,
            None if started is None else luck.random() * 10,
            None if started is None else luck.randrange(10**9),
        )


def main() -> None:
    with Store(Path(sys.argv[1])) as store:
        while rollups.fold_some(store, 100):
            print("counted", flush=True)
        for level in (WEEK, MONTH):
            while rollups.raise_some(store, level, 20):
                print("raised", flush=True)


if __name__ == "__main__":
    main()
