"""Adding runs up: periods, histograms, and that the order in which it is done changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pb.core import histogram
from pb.core.rollups import (
    DAY,
    HOUR,
    LATEST_MS,
    MONTH,
    WEEK,
    Spread,
    Tally,
    cover,
    end_of,
    start_of,
)

HOUR_MS = 3_600_000


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("level", "moment", "start", "end"),
    [
        (HOUR, "2026-03-01T12:59:59", "2026-03-01T12:00:00", "2026-03-01T13:00:00"),
        (DAY, "2024-02-29T23:59:59", "2024-02-29T00:00:00", "2024-03-01T00:00:00"),
        (WEEK, "2026-03-01T12:00:00", "2026-02-23T00:00:00", "2026-03-02T00:00:00"),  # a Sunday
        (WEEK, "2026-03-02T00:00:00", "2026-03-02T00:00:00", "2026-03-09T00:00:00"),
        (WEEK, "1970-01-01T00:00:00", "1969-12-29T00:00:00", "1970-01-05T00:00:00"),
        (MONTH, "2024-02-29T12:00:00", "2024-02-01T00:00:00", "2024-03-01T00:00:00"),
        (MONTH, "2025-12-31T23:59:59", "2025-12-01T00:00:00", "2026-01-01T00:00:00"),
    ],
)
def test_a_period_begins_and_ends_on_the_calendar_of_utc(
    level: str, moment: str, start: str, end: str
) -> None:
    assert start_of(level, at(moment)) == at(start)
    assert end_of(level, at(start)) == at(end)


hours = st.integers(0, 40_000).map(lambda n: at("2023-01-01T00:00:00") + n * HOUR_MS)


@given(hours, hours)
def test_the_stretches_of_a_time_meet_without_gap_and_never_cut_a_period(a: int, b: int) -> None:
    since, until = min(a, b), max(a, b)
    found = list(cover(since, until))
    edges = [since, *(end for _, _, end in found)]

    assert edges == [*(first for _, first, _ in found), until]
    for level, first, end in found:
        assert start_of(level, first) == first
        assert start_of(level, end) == end


def test_all_of_time_is_one_stretch_of_months() -> None:
    assert list(cover(0, LATEST_MS)) == [(MONTH, 0, LATEST_MS)]
    assert list(cover(at("2026-03-01T00:00:00"), at("2026-03-01T00:00:00"))) == []


@given(st.lists(st.integers(-5, 10**11), min_size=1), st.integers(0, 100))
def test_a_percentile_is_off_by_one_percent_at_most(values: list[int], part: int) -> None:
    spread = Spread()
    for value in values:
        spread.take(value)
    exact = sorted(max(0, value) for value in values)
    wanted = exact[max(1, -(-part * len(exact) // 100)) - 1]

    assert abs(spread.percentile(part) - wanted) <= 0.01 * wanted + 1
    assert (spread.low, spread.high, spread.sum) == (exact[0], exact[-1], sum(exact))


@given(st.lists(st.integers(0, 10**9)), st.lists(st.integers(0, 10**9)))
def test_histograms_add_up_as_text_as_they_do_as_numbers(one: list[int], other: list[int]) -> None:
    texts, whole = [], Spread()
    for values in (one, other):
        part = Spread()
        for value in values:
            part.take(value)
            whole.take(value)
        texts.append(histogram.write(part.places))

    assert histogram.read(histogram.merged(*texts)) == whole.places
    assert histogram.read(histogram.merged(*reversed(texts))) == whole.places


OUTCOMES = ("succeeded", "failed", "timed_out", "cancelled", "skipped", "missed", "lost")


@st.composite
def run(draw: Any) -> dict[str, Any]:
    fire = draw(st.integers(0, 10**6))
    started = draw(st.none() | st.integers(fire - 5, fire + 10**6))
    return {
        "state": draw(st.sampled_from(OUTCOMES)),
        "trigger": draw(st.sampled_from(("cron", "manual", "cli"))),
        "attempt": draw(st.integers(1, 3)),
        "fire_at": fire,
        "fire_count": draw(st.integers(1, 9)),
        "started_at": started,
        "finished_at": (started or fire) + draw(st.integers(-5, 10**6)),
        "cpu_seconds": draw(st.none() | st.floats(0, 1000)),
        "max_rss_bytes": draw(st.none() | st.integers(0, 10**10)),
    }


def counted(runs: list[dict[str, Any]]) -> Tally:
    tally = Tally()
    for one in runs:
        tally.count(one)
    return tally


@settings(deadline=None)
@given(st.lists(run()), st.lists(run()), st.lists(run()))
def test_runs_add_up_to_the_same_in_whatever_parts(
    a: list[dict[str, Any]], b: list[dict[str, Any]], c: list[dict[str, Any]]
) -> None:
    one, other = counted(a), counted(c)
    one.add(counted(b))
    other.add(one)

    assert other == counted(a + b + c)
    assert other.records == len(a + b + c)
    assert other.runs == sum(run["state"] not in ("skipped", "missed") for run in a + b + c)


def test_only_what_is_meant_counts() -> None:
    base = {"fire_count": 1, "fire_at": 100, "cpu_seconds": 1.5, "max_rss_bytes": 7}
    times = {"started_at": 150, "finished_at": 450}
    tally = counted(
        [
            {**base, **times, "state": "succeeded", "trigger": "cron", "attempt": 1},
            {**base, **times, "state": "timed_out", "trigger": "cron", "attempt": 2},
            {**base, **times, "state": "failed", "trigger": "manual", "attempt": 1},
            {
                **base,
                **times,
                "state": "missed",
                "trigger": "missed",
                "attempt": 1,
                "fire_count": 4,
            },
        ]
    )

    assert (tally.took.count, tally.took.sum) == (2, 600)  # not the one that was stopped
    assert (tally.late.count, tally.late.sum) == (1, 50)  # not the second attempt, not by hand
    assert (tally.missed, tally.retries, tally.errors, tally.records) == (4, 1, 2, 4)
    assert (tally.cpu_ms, tally.cpu_ms_max, tally.memory_max) == (4500, 1500, 7)
