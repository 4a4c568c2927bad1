"""When something is told: tables of what is known, what happens, and what follows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pb.core.model import State
from pb.core.notice import NOTHING, Known, Level, Occasion, Telling
from pb.core.service import Health
from pb.core.supervision import Phase
from pb.core.telling import (
    LONGEST_PAUSE,
    Decision,
    Seen,
    after_crossing,
    after_look,
    after_run,
    is_over,
    level_of,
    pause_after,
    seconds_to_look,
)

HOUR = 3_600_000
EVERYTHING = Telling(to=("ops",), on=tuple(one for one in Occasion if one is not Occasion.TEST))
USUAL = Telling(to=("ops",))

F, S, M, X, C, R = (
    State.FAILED,
    State.SUCCEEDED,
    State.MISSED,
    State.SKIPPED,
    State.CANCELLED,
    None,
)
"""R is a failure that is tried again."""


def told(policy: Telling, states: list[State | None], *, apart: int = HOUR) -> list[str | None]:
    """What is told of runs that end so, one after the other."""
    known, found = NOTHING, []
    for number, state in enumerate(states):
        decision = after_run(
            policy, known, state or F, (number + 1) * apart, is_retried=state is None
        )
        known = decision.known
        found.append(None if decision.occasion is None else str(decision.occasion))
    return found


@pytest.mark.parametrize(
    ("policy", "states", "expected"),
    [
        (USUAL, [S, S], [None, None]),
        (USUAL, [F, F, S, F], ["failure", None, "recovery", "failure"]),
        (USUAL, [R, R, F, S], [None, None, "failure", "recovery"]),
        (USUAL, [R, S], [None, None]),
        (USUAL, [State.TIMED_OUT, State.LOST, S], ["failure", None, "recovery"]),
        (USUAL, [C, F, C, S], [None, "failure", None, "recovery"]),
        (USUAL, [M, M, S, M], ["missed", None, None, "missed"]),
        (USUAL, [X, F, X, S], [None, "failure", None, "recovery"]),
        (EVERYTHING, [S, F, S, X], ["success", "failure", "recovery", "skipped"]),
        (replace(USUAL, on=(Occasion.RECOVERY,)), [F, S], [None, "recovery"]),
        (replace(USUAL, on=(Occasion.SUCCESS,)), [F, S, S], [None, "success", "success"]),
        (replace(USUAL, on=(Occasion.FAILURE,)), [M, F, S], [None, "failure", None]),
        (replace(USUAL, repeat=7200.0), [F, F, F, F], ["failure", None, "failure", None]),
        (replace(USUAL, cooldown=7200.0), [F, S, F], ["failure", "recovery", "failure"]),
        (replace(USUAL, cooldown=9000.0), [F, S, F, S], ["failure", "recovery", None, None]),
        (replace(USUAL, cooldown=9000.0), [F, S, F, F], ["failure", "recovery", None, "failure"]),
        (replace(EVERYTHING, cooldown=5400.0), [X, X, X], ["skipped", None, "skipped"]),
    ],
)  # fmt: skip
def test_runs(policy: Telling, states: list[State | None], expected: list[str | None]) -> None:
    assert told(policy, states) == expected


def test_a_threshold_is_told_where_it_is_asked_for_and_its_end_where_it_was_told() -> None:
    policy = replace(EVERYTHING, cooldown=3600.0)
    quiet = after_crossing(USUAL, NOTHING, HOUR, HOUR, is_over=False)
    assert (quiet.occasion, quiet.known) == (None, NOTHING)

    crossed = after_crossing(policy, NOTHING, HOUR, HOUR, is_over=False)
    over = after_crossing(policy, crossed.known, HOUR + 5, HOUR, is_over=True)
    assert [one.occasion for one in (crossed, over)] == [Occasion.THRESHOLD, Occasion.THRESHOLD]

    soon = HOUR + 60_000
    again = after_crossing(policy, over.known, soon, soon, is_over=False)
    end = after_crossing(policy, again.known, soon + 5, soon, is_over=True)
    assert [one.occasion for one in (again, end)] == [None, None]
    assert after_crossing(USUAL, crossed.known, HOUR + 5, HOUR, is_over=True).occasion is None


def test_failures_in_a_row_are_counted_since_the_first() -> None:
    known = NOTHING
    for number in range(1, 4):
        known = after_run(USUAL, known, F, number * HOUR, is_retried=False).known

    assert (known.count, known.since_ms) == (3, HOUR)


@pytest.mark.parametrize(
    ("seconds", "since", "now", "expected"),
    [
        (None, None, 5, True),
        (None, 0, 10**9, False),
        (0.0, 5, 5, True),
        (1.0, 1000, 1999, False),
        (1.0, 1000, 2000, True),
        (1.0, 2000, 1000, True),  # the clock was set back
    ],
)
def test_a_wait_is_over(seconds: float | None, since: int | None, now: int, expected: bool) -> None:
    assert is_over(seconds, since, now) is expected


# -- services


def seen(
    phase: Phase, *, health: Health = Health.NONE, restarts: int = 0, lived: float = 0
) -> Seen:
    return Seen(phase=phase, health=health, restarts=restarts, lived=lived, steady=60.0)


DOWN = Known(level=Level.DOWN, restarts=1, is_told=True, count=1, told={"failure": 0})
BROKEN = replace(DOWN, level=Level.BROKEN)

LEVELS = [
    (seen(Phase.RUNNING, lived=1), NOTHING, Level.WELL),
    (seen(Phase.SETTLING), NOTHING, Level.UNSURE),
    (seen(Phase.STOPPING), DOWN, Level.UNSURE),
    (seen(Phase.BACKOFF, restarts=1), NOTHING, Level.DOWN),
    (seen(Phase.LAUNCHING, restarts=1), DOWN, Level.DOWN),
    (seen(Phase.LAUNCHING, restarts=0), BROKEN, Level.BROKEN),
    (seen(Phase.SETTLING, restarts=1), DOWN, Level.UNSURE),
    (seen(Phase.RUNNING, restarts=1, lived=59), DOWN, Level.UNSURE),
    (seen(Phase.RUNNING, restarts=1, lived=60), DOWN, Level.WELL),
    (seen(Phase.RUNNING, health=Health.UNHEALTHY, lived=99), NOTHING, Level.DOWN),
    (seen(Phase.FAILED, restarts=1), DOWN, Level.BROKEN),
    (seen(Phase.ORPHANED), NOTHING, Level.BROKEN),
    (seen(Phase.STOPPED), BROKEN, Level.OFF),
    (seen(Phase.EXITED), NOTHING, Level.OFF),
    (seen(Phase.WAITING), NOTHING, Level.UNSURE),
]


@pytest.mark.parametrize(("now", "known", "expected"), LEVELS)
def test_how_an_instance_is(now: Seen, known: Known, expected: Level) -> None:
    assert level_of(now, known) is expected


def look(policy: Telling, known: Known, *looks: Seen, apart: int = 1000) -> list[str | None]:
    found: list[str | None] = []
    for number, one in enumerate(looks):
        decision = after_look(policy, known, one, number * apart)
        known = decision.known
        found.append(None if decision.occasion is None else str(decision.occasion))
    return found


def test_a_loop_of_crashes_is_told_once_and_its_failure_once_more() -> None:
    crashes = [seen(Phase.BACKOFF, restarts=number) for number in range(1, 5)]
    starts = [seen(Phase.RUNNING, restarts=number, lived=1) for number in range(1, 5)]
    both = [one for pair in zip(crashes, starts, strict=True) for one in pair]

    assert look(USUAL, NOTHING, *both, seen(Phase.FAILED, restarts=4)) == [
        *("failure", *[None] * 7, "failure")
    ]


def test_what_is_up_again_for_a_while_has_recovered() -> None:
    assert look(
        USUAL,
        NOTHING,
        seen(Phase.BACKOFF, restarts=1),
        seen(Phase.RUNNING, restarts=1, lived=59),
        seen(Phase.RUNNING, restarts=1, lived=60),
        seen(Phase.RUNNING, restarts=1, lived=61),
        seen(Phase.BACKOFF, restarts=2),
    ) == ["failure", None, "recovery", None, "failure"]


def test_what_somebody_stops_is_no_news_and_neither_is_its_start() -> None:
    assert look(
        USUAL,
        NOTHING,
        seen(Phase.FAILED, restarts=3),
        seen(Phase.STOPPED, restarts=3),
        seen(Phase.RUNNING, restarts=0, lived=70),
    ) == ["failure", None, None]


def test_what_fails_again_when_somebody_has_started_it_is_no_second_message() -> None:
    assert look(
        USUAL,
        NOTHING,
        seen(Phase.FAILED, restarts=3),
        seen(Phase.LAUNCHING, restarts=0),
        seen(Phase.BACKOFF, restarts=1),
        seen(Phase.FAILED, restarts=1),
        seen(Phase.RUNNING, restarts=0, lived=60),
        seen(Phase.FAILED, restarts=0),
    ) == ["failure", None, None, None, "recovery", "failure"]


def test_a_second_look_at_the_same_failure_counts_no_second_one() -> None:
    first = after_look(USUAL, NOTHING, seen(Phase.FAILED), 0)
    second = after_look(USUAL, first.known, seen(Phase.FAILED), 5)

    assert (second.known.count, second.occasion) == (1, None)


def test_what_stays_down_is_told_again_after_repeat() -> None:
    policy = replace(USUAL, repeat=2.0)
    broken = [seen(Phase.FAILED)] * 4

    assert look(policy, NOTHING, *broken) == ["failure", None, "failure", None]


def test_unsure_is_no_decision_but_restarts_are_remembered() -> None:
    decision = after_look(USUAL, DOWN, seen(Phase.STOPPING, restarts=0), 5)

    assert decision == Decision(known=replace(DOWN, restarts=0))


UNTOLD = replace(DOWN, is_told=False)
COOL = replace(USUAL, cooldown=10.0)


@pytest.mark.parametrize(
    ("policy", "known", "now", "expected"),
    [
        (USUAL, NOTHING, seen(Phase.RUNNING), None),
        (USUAL, DOWN, seen(Phase.RUNNING, lived=20), 40.0),
        (USUAL, DOWN, seen(Phase.RUNNING, lived=99), 0.0),
        (USUAL, DOWN, seen(Phase.BACKOFF), None),
        (replace(USUAL, repeat=30.0), DOWN, seen(Phase.BACKOFF), 25.0),
        (replace(USUAL, repeat=30.0, cooldown=35.0), DOWN, seen(Phase.BACKOFF), 30.0),
        (COOL, UNTOLD, seen(Phase.BACKOFF), 5.0),
        (COOL, replace(UNTOLD, told={}), seen(Phase.BACKOFF), None),
        (USUAL, DOWN, seen(Phase.RUNNING, health=Health.UNHEALTHY, lived=20), None),
    ],
)
def test_when_to_look_again(
    policy: Telling, known: Known, now: Seen, expected: float | None
) -> None:
    assert seconds_to_look(policy, known, now, 5000) == expected


def test_pauses_grow_and_end_growing() -> None:
    assert [pause_after(n) for n in (1, 2, 3)] == [15.0, 30.0, 60.0]
    assert pause_after(1000) == LONGEST_PAUSE
