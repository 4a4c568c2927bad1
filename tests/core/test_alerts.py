"""Thresholds from sample to sample: one start on the edge, and again only as asked for."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pb.core.alerts import (
    Alert,
    Phase,
    alert_dump,
    alert_from,
    is_over,
    is_worth_writing,
    judged,
    reset_of,
    rule_of_idle,
)
from pb.core.reactive import Pattern, Threshold

SECOND = 1000
START = 1_700_000_000_000


def rule(**more: Any) -> Threshold:
    usual: dict[str, Any] = {"metric": "load1", "op": ">", "value": 90, "lasting": 0, "cooldown": 0}
    return Threshold(**{**usual, **more})


def starts(
    threshold: Threshold,
    values: list[float | None],
    *,
    step: float = 10,
    begin: Alert | None = None,
) -> list[int]:
    """The places of the samples at which a run is started."""
    alert, found = begin or Alert(), []
    for place, value in enumerate(values):
        alert, fires = judged(threshold, alert, value, START + round(place * step * SECOND))
        found += [place] if fires else []
    return found


@pytest.mark.parametrize(
    ("threshold", "values", "expected"),
    [
        (rule(), [80, 91, 95, 99], [1]),
        (rule(), [91, 89, 91], [0]),
        (rule(), [91, 85.5, 91], [0, 2]),
        (rule(reset=60), [91, 70, 91, 60, 91], [0, 4]),
        (rule(reset=90), [91, 90, 91], [0, 2]),
        (rule(op=">="), [90, 85, 90], [0, 2]),
        (rule(op="<", value=10), [9, 10.4, 9, 10.5, 9], [0, 4]),
        (rule(op="<=", value=10, reset=20), [10, 15, 10, 20, 10], [0, 4]),
        (rule(op="==", value=3), [3, 3, 2, 3], [0, 3]),
        (rule(op="!=", value=200), [200, 500, 404, 200, 0], [1, 4]),
        (rule(value=-5), [-4, -5.2, -4, -5.25, -4], [0, 4]),
        (rule(value=0), [1, 0, 1], [0, 2]),
        (rule(lasting=20), [91, 91, 91, 91], [2]),
        (rule(lasting=20), [91, 91, 80, 91, 91], []),
        (rule(lasting=25), [91, 91, 91, 91], [3]),
        (rule(cooldown=30), [91, 0, 91, 0, 91], [0, 4]),
        (rule(cooldown=30), [91, 0, 91, 91, 91], [0, 3]),
        (rule(cooldown=30), [91, 0, 91, 0, 0, 91], [0, 5]),
        (rule(repeat=20), [91, 91, 91, 91, 91], [0, 2, 4]),
        (rule(repeat=10, cooldown=30), [91] * 7, [0, 3, 6]),
        (rule(repeat=20), [91, 91, 0, 91], [0, 3]),
        (rule(), [None, 91, None, None, 91, math.nan, math.inf], [1]),
        (rule(lasting=20), [91, None, 91], [2]),
    ],
)
def test_a_run_starts_on_the_edge_and_again_only_as_asked_for(
    threshold: Threshold, values: list[float | None], expected: list[int]
) -> None:
    assert starts(threshold, values) == expected


def test_a_sample_that_comes_a_little_early_is_no_interval_lost() -> None:
    assert starts(rule(lasting=60), [91] * 8, step=9.99) == [6]


def test_time_that_nobody_watched_counts_nothing() -> None:
    threshold = rule(lasting=300)
    assert starts(threshold, [91] * 4, step=100) == []
    assert starts(threshold, [91] * 6, step=60) == [5]
    slow = rule(lasting=300, interval=100)
    assert starts(slow, [91] * 4, step=100) == [3]


def test_what_fires_survives_a_restart_and_is_not_told_again() -> None:
    alert, fires = judged(rule(), Alert(), 91, START)
    assert fires
    again = alert_from(json.loads(json.dumps(alert_dump(alert))))
    assert again == alert
    later = START + 3_600_000
    assert judged(rule(), again, 95, later)[1] is False
    cleared, _ = judged(rule(), again, 10, later)
    assert judged(rule(), cleared, 95, later + 1)[1] is True
    assert alert_from(None) == Alert()


def test_a_clock_that_is_set_back_does_not_lengthen_the_cooldown() -> None:
    threshold = rule(cooldown=60)
    alert, _ = judged(threshold, Alert(), 91, START)
    alert, _ = judged(threshold, alert, 10, START - 86_400_000)
    alert, fires = judged(threshold, alert, 91, START - 86_400_000 + 60_000)
    assert fires


def test_a_clock_that_is_set_back_while_pending_counts_nothing() -> None:
    threshold = rule(lasting=20)
    alert, _ = judged(threshold, Alert(), 91, START)
    alert, fires = judged(threshold, alert, 91, START - 86_400_000)
    assert (alert.phase, alert.held_ms, fires) == (Phase.PENDING, 0, False)


def test_what_would_be_lost_is_written_and_nothing_else() -> None:
    quiet = Alert(seen_ms=START)
    assert not is_worth_writing(None, quiet)
    pending = Alert(phase=Phase.PENDING, since_ms=START, seen_ms=START)
    assert is_worth_writing(None, pending)
    assert is_worth_writing(quiet, pending)
    assert not is_worth_writing(pending, replace(pending, held_ms=59_999, seen_ms=START + 1))
    assert is_worth_writing(pending, replace(pending, held_ms=60_000))
    firing = replace(pending, phase=Phase.FIRING)
    assert is_worth_writing(firing, replace(firing, fired_ms=1, is_told=True))


def test_an_idle_pattern_is_a_threshold_that_looks_down() -> None:
    pattern = Pattern(kind="idle", metric="cpu.percent", below=5, within=60, cooldown=10)
    assert rule_of_idle(pattern) == Threshold(
        metric="cpu.percent", op="<", value=5, lasting=60, cooldown=10
    )
    bare = rule_of_idle(Pattern(kind="idle"))
    assert (bare.metric, bare.value, bare.lasting) == ("", 0, 0)


RULES = st.builds(
    rule,
    op=st.sampled_from([">", ">=", "<", "<=", "==", "!="]),
    value=st.integers(-5, 5),
    lasting=st.sampled_from([0, 10, 30]),
    cooldown=st.sampled_from([0, 20, 100]),
    repeat=st.sampled_from([None, 10, 40]),
)
VALUES = st.lists(st.one_of(st.none(), st.integers(-7, 7)), max_size=60)


@given(RULES, VALUES)
def test_no_two_starts_are_closer_than_asked_and_each_has_a_cause(
    threshold: Threshold, values: list[float | None]
) -> None:
    found = starts(threshold, values)
    for before, after in pairwise(found):
        assert (after - before) * 10 >= threshold.cooldown
        crossed = any(
            value is not None and is_over(threshold, value) for value in values[before:after]
        )
        assert crossed or (threshold.repeat is not None and (after - before) * 10 >= 10)
    for place in found:
        value = values[place]
        assert value is not None
        assert not is_over(threshold, value)


@given(RULES, VALUES, st.integers(0, 60))
def test_a_restart_between_two_samples_changes_nothing(
    threshold: Threshold, values: list[float | None], at: int
) -> None:
    alert, found = Alert(), []
    for place, value in enumerate(values):
        if place == at:
            alert = alert_from(json.loads(json.dumps(alert_dump(alert))))
        alert, fires = judged(threshold, alert, value, START + place * 10 * SECOND)
        found += [place] if fires else []
    assert found == starts(threshold, values)


@given(RULES)
def test_the_bound_at_which_it_is_over_is_never_on_the_bad_side(threshold: Threshold) -> None:
    bound = reset_of(threshold)
    if bound is not None:
        up = threshold.op in (">", ">=")
        assert bound <= threshold.value if up else bound >= threshold.value
