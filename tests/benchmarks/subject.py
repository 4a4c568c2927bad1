"""pb as a benchmark sees it: the installed command, its files, and bulk imports by its API."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.benchmarks.measure import output, timed
from tests.kit.command import Pb, command

BATCH = 500


class Subject:
    """One scheduler in a home of its own."""

    name = "pb"

    def __init__(self, home: Path) -> None:
        self.pb = Pb(home)
        self.environment = self.pb.environment

    @property
    def status(self) -> list[str]:
        return [*command(), "scheduler", "status"]

    def start(self, *more: str) -> tuple[float, float]:
        returned = timed([*command(), "scheduler", "start", *more], self.environment)
        answered = timed(self.status, self.environment)
        return returned, returned + answered

    def pid(self) -> int:
        return self.pb.pid()

    def stop(self) -> None:
        timed([*command(), "scheduler", "stop"], self.environment)

    def close(self) -> None:
        self.pb.close()

    def add(self, definitions: Iterable[Mapping[str, Any]]) -> int:
        """Import definitions through the live scheduler's socket, or straight into its store."""
        from pb.api import session
        from pb.paths import Home

        pending, added = list(definitions), 0
        with session(Home(self.pb.home)) as call:
            for first in range(0, len(pending), BATCH):
                batch = {"definitions": pending[first : first + BATCH], "source": "benchmark"}
                added += len(call.call("job.import", batch, timeout=120)["added"])
        return added

    def fill_jobs(self, first: int, end: int) -> None:
        """Put idle jobs straight into the store of a scheduler that is down."""
        from pb.paths import Home
        from pb.store.store import Store

        now = time.time_ns() // 1_000_000
        home = Home(self.pb.home)
        home.ensure()
        with Store(home.db) as store, store.transaction():
            for job in idle_jobs(first, end - first):
                store.add_job(
                    name=job["name"],
                    definition=json.dumps(job),
                    source="benchmark",
                    enabled=True,
                    paused_at=None,
                    now=now,
                    next_fire_at=None,
                )

    def fill_runs(self, n: int) -> None:
        """Put n runs of fifty jobs into the store, of the last days, a few of them failed."""
        from pb.paths import Home
        from pb.store.store import Store

        self.fill_jobs(0, 50)
        home = Home(self.pb.home)
        first = time.time_ns() // 1_000_000 - n * 100
        with Store(home.db) as store:
            store._db.execute("PRAGMA cache_size = -200000")
            store.set_meta("retention_at", str(time.time_ns() // 1_000_000))
            store._db.execute(
                """
                WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < ?)
                INSERT INTO run (job, fire_at, trigger, state, queued_at, started_at, finished_at)
                SELECT 'job' || (x % 50), ? + x * 100, 'cron',
                       CASE WHEN x % 97 = 3 THEN 'failed' ELSE 'succeeded' END,
                       ? + x * 100, ? + x * 100, ? + x * 100 + 50 FROM n
                """,
                (n, first, first, first, first),
            )

    def runs(self, n: int) -> list[dict[str, Any]]:
        """The last n runs of any job, as the command tells them."""
        words = [*command(), "job", "history", "-n", str(n), "--json"]
        found: list[dict[str, Any]] = json.loads(output(words, self.environment))["runs"]
        return found


def idle_jobs(first: int, n: int) -> list[dict[str, Any]]:
    """Jobs that will not fire today: each night, each at its own minute, half a year away."""
    month = (datetime.now().astimezone().month + 5) % 12 + 1
    return [
        {
            "name": f"idle{k}",
            "command": ["/bin/true"],
            "triggers": [
                {"type": "cron", "expr": f"{k % 60} {k // 60 % 24} {k // 1440 % 28 + 1} {month} *"}
            ],
        }
        for k in range(first, first + n)
    ]


def seconds_between(early: str, late: str) -> float:
    return (datetime.fromisoformat(late) - datetime.fromisoformat(early)).total_seconds()
