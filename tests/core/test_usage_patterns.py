"""Patterns over events: so many in a time, none for a time, runs that take too long."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pb.core.reactive import Pattern
from pb.core.usage_patterns import (
    absent_at,
    began,
    counted,
    heard,
    is_known_slow,
    slow_after_ms,
    slow_told,
    told,
)


def pattern(kind: str, **more: Any) -> Pattern:
    return Pattern(kind=kind, **more)


def fired(rule: Pattern, times: list[int]) -> list[int]:
    state, found = None, []
    for at in times:
        state, fires = counted(rule, state, at * 1000)
        found += [at] if fires else []
    return found


@pytest.mark.parametrize(
    ("rule", "times", "expected"),
    [
        (pattern("count", count=3, within=60), [0, 10, 20], [20]),
        (pattern("count", count=3, within=60), [0, 30, 60], []),
        (pattern("count", count=3, within=60), [0, 30, 59], [59]),
        (pattern("count", count=3, within=60), [0, 1, 2, 3, 4, 5], [2, 5]),
        (pattern("count", count=1, within=60), [0, 1], [0, 1]),
        (pattern("count", count=2, within=60, cooldown=10), [0, 1, 2, 3, 11, 12], [1, 11]),
        (pattern("count", count=2, within=60, cooldown=10), [0, 1, 2], [1]),
    ],
)
def test_enough_in_so_short_a_time_is_told_and_counting_begins_anew(
    rule: Pattern, times: list[int], expected: list[int]
) -> None:
    assert fired(rule, times) == expected


@given(st.lists(st.integers(0, 200), max_size=40), st.integers(1, 5), st.integers(1, 50))
def test_what_is_told_was_so_often_in_that_time(steps: list[int], count: int, within: int) -> None:
    times = sorted(steps)
    found = fired(pattern("count", count=count, within=within), times)
    assert len(found) <= len(times) // count
    for at in found:
        assert sum(at - within < time <= at for time in times) >= count


def test_an_absence_is_told_once_and_again_after_it_has_happened_again() -> None:
    rule = pattern("absence", within=60)
    state = began(1000)
    assert absent_at(rule, state) == 61_000
    state = heard(state, 31_000)
    assert absent_at(rule, state) == 91_000
    state = told(state, 91_000)
    assert absent_at(rule, state) is None
    state = heard(state, 95_000)
    assert absent_at(rule, state) == 155_000


def test_what_is_told_late_does_not_turn_the_clock_of_an_absence_back() -> None:
    state = heard(began(50_000), 10_000)
    assert absent_at(pattern("absence", within=60), state) == 110_000


def test_an_absence_has_a_cooldown_too() -> None:
    rule = pattern("absence", within=60, cooldown=300)
    state = heard(told(began(0), 60_000), 61_000)
    assert absent_at(rule, state) == 360_000


@pytest.mark.parametrize(
    ("durations", "expected"),
    [
        ([], None),
        ([5000, 5000], None),
        ([5000, 6000, 7000], 12_000),
        ([1, 2, 3], 1000),
        ([60_000, 60_000, 60_000, 3_600_000], 120_000),
    ],
)
def test_how_long_a_run_may_take_is_known_from_those_that_went_well(
    durations: list[int], expected: int | None
) -> None:
    assert slow_after_ms(pattern("slow", job="a"), durations) == expected


def test_no_slow_run_is_told_of_twice() -> None:
    assert not is_known_slow(None, 7)
    state = slow_told(None, 7, 1)
    state = slow_told(state, 8, 2)
    assert is_known_slow(state, 7)
    assert is_known_slow(state, 8)
    for run_id in range(9, 200):
        state = slow_told(state, run_id, 3)
    assert not is_known_slow(state, 7)
    assert len(state["runs"]) == 100
