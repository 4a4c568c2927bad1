"""Adding a long past up: how long, in how much memory, and how long others wait for the store."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from pb.store.store import Store
from tests.benchmarks.report import Row
from tests.benchmarks.subject import Subject
from tests.kit.past import fill

JOBS = 10

MAIN = """
import resource
from pb.maintenance.targets import rollup_month
print(rollup_month()["runs"], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def adding_up(pb: Subject, runs: int) -> list[Row]:
    """So many runs over two years, added up in a process of its own while another one commits."""
    home = pb.pb.home
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = home / "pony.db"
    with Store(database) as store:
        fill(store, runs, jobs=JOBS)
    with Committing(database) as others:
        alone = others.for_a_while(2.0)
        begun = time.perf_counter()
        ran = subprocess.run(
            [sys.executable, "-P", "-c", MAIN],
            env={**os.environ, "PB_HOME": str(home), "PB_SCHEDULER__DB": str(database)},
            capture_output=True,
            text=True,
            check=True,
        )
        seconds = time.perf_counter() - begun
        beside = others.waits()
    counted, peak = ran.stdout.split()[-2:]
    if int(counted) != runs:
        raise RuntimeError(f"{counted} runs were counted, not {runs}")
    what = f"{runs:,} runs added up"
    return [
        Row(f"{what}, s", {"pb": seconds}, goal="<= 30"),
        Row(f"{what}: memory of that process, MB", {"pb": int(peak) / 1024}, goal="<= 60"),
        Row(f"{what}: longest commit beside it, ms", {"pb": max(beside)}, goal="<= 100"),
        Row(f"{what}: longest commit without it, ms", {"pb": max(alone)}),
    ]


class Committing:
    """Commits every few milliseconds, as a busy scheduler does, and knows how long each took."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._took: list[float] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Committing:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        with Store(self._database) as store:
            while not self._end.wait(0.005):
                begun = time.perf_counter()
                with store.transaction(durable=False):
                    store.set_meta("benchmark", str(begun))
                self._took.append((time.perf_counter() - begun) * 1000)

    def for_a_while(self, seconds: float) -> list[float]:
        self._end.wait(seconds)
        return self.waits()

    def waits(self) -> list[float]:
        """How long the commits took since it was asked last, in milliseconds."""
        taken, self._took = self._took, []
        return taken or [0.0]
