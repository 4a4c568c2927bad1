"""Events count once, whatever happens to the scheduler: killed between them, again and again."""

from __future__ import annotations

import json
import signal
from collections import Counter
from typing import Any

from pb.api import session
from pb.paths import Home
from pb.store.store import Store
from tests.kit import eventually
from tests.kit.command import Pb, is_running, kill

ROUNDS, EACH = 3, 8


def events_of(pb: Pb, job: str) -> list[dict[str, Any]]:
    """What the runs of a job were for, one by one."""
    with Store(Home(pb.home).db, readonly=True) as store:
        found = [store.occasions.of_run(run.id) for run in store.runs(job=job, n=1000)]
    return [json.loads(line) for about in found if about for line in about.lines.splitlines()]


def kill_scheduler(pb: Pb) -> None:
    pid = pb.pid()
    kill(pid, signal.SIGKILL)
    eventually(lambda: not is_running(pid), timeout=30)


def test_each_event_and_each_outcome_counts_once_through_kills(pb: Pb) -> None:
    pb.ok("job", "add", "load", "--on", "user.import", "--", "true")
    pb.ok("job", "add", "after", "--on", "job.load.*", "--overlap", "queue", "--", "true")
    for round_ in range(ROUNDS):
        pb.ok("scheduler", "start")
        for number in range(EACH):
            emit(pb, round_ * EACH + number)
        kill_scheduler(pb)
    emit(pb, ROUNDS * EACH)
    pb.ok("scheduler", "start")

    def is_quiet() -> bool:
        with Store(Home(pb.home).db, readonly=True) as store:
            return not store.open_runs() and store.occasions.emitted_count() == 0

    eventually(is_quiet, timeout=60)
    numbers = Counter(event["number"] for event in events_of(pb, "load"))
    assert numbers == Counter(range(ROUNDS * EACH + 1))
    ends = Counter(event["run_id"] for event in events_of(pb, "after") if not started(event))
    with Store(Home(pb.home).db, readonly=True) as store:
        runs = [run.id for run in store.runs(job="load", n=1000)]
    assert ends == Counter(runs)


def emit(pb: Pb, number: int) -> None:
    with session(Home(pb.home)) as talk:
        talk.call("event.emit", {"name": "import", "facts": {"number": number}}, timeout=30)


def started(event: dict[str, Any]) -> bool:
    return bool(event["event"].endswith(".started"))
