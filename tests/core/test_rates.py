"""Rates of change: one window against those before it."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from pb.core.rates import Change, Rate, interval_of, rate_dump, rate_from, rated
from pb.core.reactive import Pattern

WINDOW = 60


def pattern(**more: Any) -> Pattern:
    usual: dict[str, Any] = {"metric": "load1", "change": 50, "within": WINDOW, "windows": 3}
    return Pattern(kind="rate", **{**usual, **more})


def changes(rule: Pattern, means: list[float], *, saved: bool = False) -> list[tuple[int, Change]]:
    """Which windows start a run; each has two samples."""
    rate, found = Rate(), []
    for place, mean in enumerate([*means, 0.0]):
        for half, value in enumerate((mean - 1, mean + 1)):
            rate, change = rated(rule, rate, value, (place * WINDOW + half * 30) * 1000)
            found += [(place - 1, change)] if change is not None else []
            if saved:
                rate = rate_from(json.loads(json.dumps(rate_dump(rate))))
    return found


@pytest.mark.parametrize("saved", [False, True])
def test_a_window_that_is_off_starts_one_run_with_how_far(saved: bool) -> None:
    found = changes(pattern(), [10, 10, 10, 15, 40, 10], saved=saved)
    assert found == [(3, Change(value=15, mean=10, percent=50))]


@pytest.mark.parametrize(
    ("rule", "means", "expected"),
    [
        (pattern(), [10, 10, 10, 4], [3]),
        (pattern(), [10, 10, 14, 16], []),
        (pattern(), [10, 30, 30], []),
        (pattern(), [10, 10, 10, 20, 12, 30], [3, 5]),
        (pattern(cooldown=600), [10, 10, 10, 20, 12, 30], [3]),
        (pattern(), [0, 0, 0, 5, 0], [3]),
        (pattern(), [0, 0, 0, 0], []),
        (pattern(change=10), [-10, -10, -10, -12], [3]),
    ],
)
def test_a_window_is_judged_by_those_before_it(
    rule: Pattern, means: list[float], expected: list[int]
) -> None:
    assert [place for place, _ in changes(rule, means)] == expected


def test_a_window_without_samples_is_as_if_it_had_not_been() -> None:
    rate, change = rated(pattern(), Rate(), None, 0)
    assert (rate, change) == (Rate(), None)
    assert rated(pattern(), Rate(), math.nan, 0) == (Rate(), None)
    rate, _ = rated(pattern(), Rate(), 3, 0)
    rate, _ = rated(pattern(), rate, 4, 10 * WINDOW * 1000)
    assert rate.means == (3.0,)


def test_a_window_has_ten_looks_and_a_long_one_one_a_minute() -> None:
    assert [interval_of(pattern(within=within)) for within in (5, 60, 3600)] == [1, 6, 60]
    assert rate_from(None) == Rate()
    assert rated(Pattern(kind="rate"), Rate(), 1, 5000)[0].window == 5
