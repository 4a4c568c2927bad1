"""`python -m tests.benchmarks`: every figure in one run. `--quick` only proves that it works."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks import cases, sizes
from tests.benchmarks.adding_up import adding_up
from tests.benchmarks.faces import faces
from tests.benchmarks.keeping import keeping
from tests.benchmarks.measure import calibration
from tests.benchmarks.peers import Peer, available
from tests.benchmarks.report import Row, lines
from tests.benchmarks.subject import Subject
from tests.benchmarks.triggers import triggers


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much of everything."""

    rounds: int
    idle_seconds: float
    many_jobs: int
    tick_seconds: int
    burst: int
    steps: int
    plans: tuple[int, ...]
    history: int
    services: tuple[int, ...]
    kills: int
    load_seconds: float
    listeners: int
    triggers: int


FULL = Size(
    rounds=7,
    idle_seconds=60,
    many_jobs=10_000,
    tick_seconds=30,
    burst=1000,
    steps=2_000,
    plans=(10_000, 100_000),
    history=1_000_000,
    services=(100, 1_000),
    kills=15,
    load_seconds=15,
    listeners=200,
    triggers=200,
)
QUICK = Size(
    rounds=1,
    idle_seconds=1,
    many_jobs=200,
    tick_seconds=3,
    burst=20,
    steps=50,
    plans=(100, 500),
    history=1_000,
    services=(10,),
    kills=2,
    load_seconds=1,
    listeners=5,
    triggers=10,
)

Case = Callable[[Subject, list[Peer], Size], list[Row]]
CASES: dict[str, Case] = {
    "start": lambda pb, peers, size: cases.starts(pb, peers, size.rounds),
    "status": lambda pb, peers, size: cases.answers(pb, peers, size.rounds * 3),
    "lateness": lambda pb, peers, size: cases.lateness(pb, peers, size.tick_seconds),
    "burst": lambda pb, peers, size: cases.burst(pb, size.burst),
    "footprint": lambda pb, peers, size: cases.footprint(
        pb, peers, size.many_jobs, size.idle_seconds
    ),
    "next": lambda pb, peers, size: sizes.next_times(size.rounds, size.steps),
    "plans": lambda pb, peers, size: sizes.many_plans(pb, size.plans),
    "services": lambda pb, peers, size: services(pb, size, alone=not peers),
    "faces": lambda pb, peers, size: faces(pb, size.load_seconds, size.listeners, size.rounds * 3),
    "triggers": lambda pb, peers, size: triggers(pb, size.triggers, size.idle_seconds),
    "history": lambda pb, peers, size: sizes.long_history(pb, size.history),
    "rollups": lambda pb, peers, size: adding_up(pb, size.history),
}
"""In this order: each starts what it needs and stops it again. Each has a home of its own."""


def services(pb: Subject, size: Size, *, alone: bool) -> list[Row]:
    """Beside more peers than the other cases have, each of which is opened when its turn comes."""
    rows: list[Row] = []
    for count in size.services:
        folder = pb.pb.home.parent / "services"
        rows += keeping(folder, count, size.idle_seconds, size.kills, alone=alone)
    return rows


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny rounds without the peers")
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES), help="these cases")
    parser.add_argument("--no-peers", action="store_true", help="pb alone")
    return parser.parse_args()


def measured(name: str, size: Size, peers: list[Peer], folder: Path) -> list[Row]:
    """One case, in a fresh home; a case that cannot be measured says so and fails the run."""
    subject = Subject(folder / f"home-{name}")
    try:
        return CASES[name](subject, peers, size)
    finally:
        subject.close()
        for peer in peers:
            peer.close()


def main() -> int:
    asked = arguments()
    size = QUICK if asked.quick else FULL
    broken = 0
    with tempfile.TemporaryDirectory(prefix="pb-bench-") as name:
        folder = Path(name)
        peers, skipped = ([], []) if asked.quick or asked.no_peers else available(folder)
        print(f"Python {platform.python_version()}, {platform.release()}, {os.cpu_count()} CPUs")
        print("".join(f"{word}\n" for word in skipped))
        rows = []
        for case in asked.only:
            print(
                f"measuring {case} (a fixed sum takes {calibration():.1f} ms now)", file=sys.stderr
            )
            try:
                rows += measured(case, size, peers, folder)
            except (RuntimeError, OSError, ValueError, KeyError) as error:
                broken += 1
                rows.append(Row(f"{case}: not measured: {error}", {}))
        print("\n".join(lines(rows)))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
