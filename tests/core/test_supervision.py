"""The table of services and the judge: total, and as the tables below say."""

from __future__ import annotations

import pytest

from pb.core.service import RestartMode, RestartPolicy
from pb.core.supervision import (
    CELLS,
    ENDING,
    GRID,
    MEANINGS,
    RESTING,
    STATES,
    TABLE,
    UP,
    Act,
    End,
    Event,
    Phase,
    delay,
    judge,
)

QUIET = RestartPolicy(jitter=0.0)


def test_every_phase_has_a_cell_for_every_event() -> None:
    assert set(TABLE) == {(phase, event) for phase in Phase for event in Event}
    assert set(STATES) == set(Phase)
    assert set(MEANINGS) == set(Event)


def test_every_word_of_the_grid_is_used() -> None:
    words = {word for line in GRID.strip().splitlines()[1:] for word in line.split()[1:]}

    assert words == set(CELLS)


def test_nothing_is_launched_while_something_of_it_may_live() -> None:
    for (phase, event), cell in TABLE.items():
        if Act.LAUNCH in cell.acts:
            assert phase is Phase.PREPARING, (phase, event)
        if cell.phase is Phase.PREPARING:
            assert phase is Phase.WAITING, (phase, event)
        if cell.phase is Phase.WAITING:
            assert phase not in UP | {Phase.CLEANING, Phase.ORPHANED}, (phase, event)


def test_a_stop_leads_down_from_every_phase_and_nothing_but_a_wish_leads_up_again() -> None:
    for phase in Phase:
        after = TABLE[phase, Event.STOP].phase or phase
        assert after in (Phase.STOPPED, Phase.STOPPING), phase
    wishes = {Event.START, Event.RESTART, Event.RESET}
    for phase in RESTING:
        moving = {event for event in Event if TABLE[phase, event].phase not in (None, phase)}
        assert moving - {Event.STOP} <= wishes, phase


def test_a_stop_under_way_is_never_begun_twice() -> None:
    for phase in ENDING:
        for event in (Event.START, Event.STOP, Event.RESTART):
            assert Act.STOP_TREE not in TABLE[phase, event].acts


@pytest.mark.parametrize("phase", [*UP, Phase.PREPARING, Phase.LAUNCHING])
@pytest.mark.parametrize(
    ("event", "after"),
    [(Event.AGAIN, Phase.BACKOFF), (Event.DONE, Phase.EXITED), (Event.FAILED, Phase.FAILED)],
)
def test_an_end_by_itself_leads_where_the_judge_says(
    phase: Phase, event: Event, after: Phase
) -> None:
    assert TABLE[phase, event].phase is after


ALWAYS, ON_FAILURE, NEVER = RestartMode


@pytest.mark.parametrize(
    ("mode", "end", "event"),
    [
        (ALWAYS, End(code=0), Event.AGAIN),
        (ALWAYS, End(code=1), Event.AGAIN),
        (ALWAYS, End(signal="SIGKILL"), Event.AGAIN),
        (ALWAYS, End(), Event.AGAIN),
        (ON_FAILURE, End(code=0), Event.DONE),
        (ON_FAILURE, End(code=3), Event.DONE),
        (ON_FAILURE, End(code=1), Event.AGAIN),
        (ON_FAILURE, End(signal="SIGSEGV"), Event.AGAIN),
        (ON_FAILURE, End(), Event.AGAIN),
        (ON_FAILURE, End(code=0, cause="unhealthy"), Event.AGAIN),
        (NEVER, End(code=0), Event.DONE),
        (NEVER, End(code=1), Event.FAILED),
        (NEVER, End(cause="cannot be started"), Event.FAILED),
    ],
)
def test_the_restart_mode_decides(mode: RestartMode, end: End, event: Event) -> None:
    policy = RestartPolicy(mode=mode, success_exit_codes=(0, 3))

    assert judge(policy, end, (), 0.0).event is event


@pytest.mark.parametrize(
    ("end", "text"),
    [
        (End(code=1), "exit code 1"),
        (End(code=1, words="boom"), "exit code 1: boom"),
        (End(signal="SIGKILL"), "ended by SIGKILL"),
        (End(), "ended unseen"),
        (End(code=0, cause="unhealthy: no answer"), "unhealthy: no answer"),
    ],
)
def test_an_end_is_told_in_words(end: End, text: str) -> None:
    assert judge(QUIET, end, (), 0.0).reason == text


def test_delays_grow_up_to_the_longest_and_never_overflow() -> None:
    policy = RestartPolicy(delay=0.1, factor=2.0, max_delay=60.0, jitter=0.0)

    assert [delay(policy, n, 0.5) for n in (1, 2, 3, 4)] == [0.1, 0.2, 0.4, 0.8]
    assert delay(policy, 11, 0.0) == 60.0
    assert delay(policy, 10_000, 0.0) == 60.0


def test_jitter_takes_away_and_never_adds() -> None:
    policy = RestartPolicy(delay=10.0, jitter=0.5)

    assert delay(policy, 1, 0.0) == 10.0
    assert delay(policy, 1, 1.0) == 5.0


def crash_until_it_fails(policy: RestartPolicy, lived: float, most: int = 100) -> int:
    """How often an instance that lives so long each time is started again."""
    lives: tuple[float, ...] = ()
    for count in range(most):
        verdict = judge(policy, End(code=1, lived=lived), lives, 0.0)
        if verdict.event is Event.FAILED:
            return count
        lives = verdict.lives
    return most


@pytest.mark.parametrize(
    ("lived", "restarts"), [(0.0, 3), (1.0, 3), (2.5, 3), (2.6, 100), (5.0, 100)]
)
def test_the_start_limit_adds_up_lifetimes(lived: float, restarts: int) -> None:
    policy = RestartPolicy(max_restarts=3, window=10.0, reset_after=60.0)

    assert crash_until_it_fails(policy, lived) == restarts


def test_a_long_delay_cannot_hide_a_crash_loop() -> None:
    policy = RestartPolicy(delay=3600.0, max_delay=3600.0, max_restarts=3, window=10.0)

    assert crash_until_it_fails(policy, lived=0.1) == 3


def test_a_long_life_ends_the_row_of_short_ones() -> None:
    lives = (0.1,) * 10
    verdict = judge(QUIET, End(code=1, lived=60.0), lives, 0.0)

    assert verdict.event is Event.AGAIN
    assert verdict.lives == (60.0,)
    assert verdict.delay == QUIET.delay


def test_a_start_limit_says_how_often_and_within_what() -> None:
    verdict = judge(QUIET, End(code=1), (0.1,) * 10, 0.0)

    assert verdict.event is Event.FAILED
    assert verdict.reason == "exit code 1; 11 times within 10m of life"


def test_no_restarts_at_all_can_be_asked_for() -> None:
    assert crash_until_it_fails(RestartPolicy(max_restarts=0), lived=0.0) == 0


def test_above_a_thousand_there_is_no_limit_and_little_to_remember() -> None:
    policy = RestartPolicy(max_restarts=1_000_000)
    lives: tuple[float, ...] = ()
    for _ in range(1_500):
        verdict = judge(policy, End(code=1), lives, 0.0)
        assert verdict.event is Event.AGAIN
        lives = verdict.lives

    assert len(lives) == 1_000
    assert verdict.delay == pytest.approx(policy.max_delay)
