"""Overlap, retry, timeout and pause together: every combination, and what becomes of each run.

The job fires each minute, at 1:00, 2:00, 3:00 and 4:00; its runs never end by themselves, a second
attempt comes 20 seconds after a first one that has failed, and the pause begins at 1:01. Looked at
is 4:01. What has begun before a pause goes on, its second attempt too.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest

from pb.core.model import Overlap
from tests.kit.scheduler import World

TABLE = (
    # overlap, attempts, timeout, paused, each record in the order in which it was made
    ("skip", 1, None, False, "running skipped skipped skipped"),
    ("skip", 1, None, True, "running"),
    ("skip", 1, "90s", False, "timed_out skipped running skipped"),
    ("skip", 1, "90s", True, "timed_out"),
    ("skip", 2, None, False, "running skipped skipped skipped"),
    ("skip", 2, None, True, "running"),
    ("skip", 2, "90s", False, "timed_out skipped running#2 skipped skipped"),
    ("skip", 2, "90s", True, "timed_out running#2"),
    ("queue", 1, None, False, "running queued skipped skipped"),
    ("queue", 1, None, True, "running"),
    ("queue", 1, "90s", False, "timed_out timed_out running skipped"),
    ("queue", 1, "90s", True, "timed_out"),
    ("queue", 2, None, False, "running queued skipped skipped"),
    ("queue", 2, None, True, "running"),
    ("queue", 2, "90s", False, "timed_out queued running#2 skipped skipped"),
    ("queue", 2, "90s", True, "timed_out running#2"),
    ("replace", 1, None, False, "cancelled cancelled cancelled running"),
    ("replace", 1, None, True, "running"),
    ("replace", 1, "90s", False, "cancelled cancelled cancelled running"),
    ("replace", 1, "90s", True, "timed_out"),
    ("replace", 2, None, False, "cancelled cancelled cancelled running"),
    ("replace", 2, None, True, "running"),
    ("replace", 2, "90s", False, "cancelled cancelled cancelled running"),
    ("replace", 2, "90s", True, "timed_out running#2"),
    ("allow", 1, None, False, "running running running running"),
    ("allow", 1, None, True, "running"),
    ("allow", 1, "90s", False, "timed_out timed_out running running"),
    ("allow", 1, "90s", True, "timed_out"),
    ("allow", 2, None, False, "running running running running"),
    ("allow", 2, None, True, "running"),
    ("allow", 2, "90s", False, "timed_out timed_out running#2 running running#2 running"),
    ("allow", 2, "90s", True, "timed_out running#2"),
)


def test_the_table_is_whole() -> None:
    wanted = set(product(map(str, Overlap), (1, 2), (None, "90s"), (False, True)))

    assert {row[:4] for row in TABLE} == wanted
    assert len(TABLE) == len(wanted)


@pytest.mark.parametrize(("overlap", "attempts", "timeout", "paused", "records"), TABLE)
def test_each_combination(
    world: Callable[..., World],
    overlap: str,
    attempts: int,
    timeout: str | None,
    paused: bool,
    records: str,
) -> None:
    w = world()
    retry = {"max_attempts": attempts, "base": "20s", "jitter": 0}
    w.add(triggers=["every: 1m"], overlap=overlap, retry=retry, timeout=timeout)
    w.run_for(61)
    if paused:
        w.call("job.pause", name="job")
    w.run_for(180)

    tries = ((run.state, f"#{run.attempt}" if run.attempt > 1 else "") for run in w.runs())
    assert " ".join(state + attempt for state, attempt in tries) == records
