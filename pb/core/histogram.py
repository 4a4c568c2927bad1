"""Many durations in a few places, so that percentiles can be told of what is no longer there. Pure.

Places grow by two percent, so a value that comes out is off by one percent at most. Two histograms
add up to the one of all their values, in whatever order. As text: ``PLACE:COUNT,PLACE:COUNT``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from itertools import accumulate
from math import floor, log

STEP = log(1.02)


def place(value: int) -> int:
    """Where a value belongs; nothing, and what is less, is at 0."""
    return 0 if value < 1 else 1 + floor(log(value) / STEP)


def value_at(position: int) -> int:
    """The value that stands for a place: the middle of it."""
    return 0 if position == 0 else round(1.02 ** (position - 0.5))


def read(text: str) -> dict[int, int]:
    pairs = (one.partition(":") for one in text.split(",") if one)
    return {int(position): int(count) for position, _, count in pairs}


def write(counts: Mapping[int, int]) -> str:
    return ",".join([f"{position}:{count}" for position, count in counts.items()])


def add(counts: dict[int, int], others: Iterable[tuple[int, int]]) -> None:
    for position, count in others:
        counts[position] = counts.get(position, 0) + count


def merged(one: str, other: str) -> str:
    """Both as one, as text."""
    if not one or not other:
        return one or other
    # Called for each row that a rollup adds to: what only one of them has stays text.
    counts = dict(pair.split(":") for pair in one.split(","))
    for pair in other.split(","):
        position, count = pair.split(":")
        before = counts.get(position)
        counts[position] = count if before is None else str(int(before) + int(count))
    return ",".join([f"{position}:{count}" for position, count in counts.items()])


def percentile(counts: Mapping[int, int], part: int, low: int, high: int) -> int:
    """The value that ``part`` percent are not above, by nearest rank; between the bounds that are
    known exactly. There has to be one value at least."""
    rank = max(1, -(-part * sum(counts.values()) // 100))
    positions = sorted(counts)
    sums = list(accumulate(counts[position] for position in positions))
    return min(high, max(low, value_at(positions[bisect_left(sums, rank)])))
