"""Durations and sizes: read, written, and read back the same."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pb.core.durations import (
    duration_words,
    format_duration,
    format_size,
    format_uptime,
    parse_duration,
    parse_size,
)
from pb.errors import InvalidError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (90, 90),
        (0, 0),
        (1.5, 1.5),
        ("90", 90),
        ("0", 0),
        ("90s", 90),
        ("1.5", 1.5),
        ("250ms", 0.25),
        ("5us", 5e-6),
        ("5m", 300),
        ("1h30m", 5_400),
        ("1h 30m", 5_400),
        (" 2d ", 172_800),
        ("1w", 604_800),
        ("1d12h", 129_600),
        ("1.5h", 5_400),
        ("1s500ms", 1.5),
        ("10 minutes", 600),
        ("1 hour 30 min", 5_400),
        ("5M", 300),
    ],
)
def test_a_duration_is_read_as_seconds(text: str | float, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "-5",
        "-5m",
        -1,
        -0.5,
        math.nan,
        math.inf,
        10**400,
        "nan",
        "inf",
        "five",
        "5x",
        "5m30",
        "m5",
        "1s1s",
        "1,5s",
        "٣s",
        "5 5",
        "1e3",
        "9" * 400,
        "200000d",
        True,
        None,
        [5],
        "1h-30m",
    ],
)
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(InvalidError) as caught:
        parse_duration(text)  # type: ignore[arg-type]
    assert "duration" in caught.value.message


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.25, "250ms"),
        (1.5, "1s500ms"),
        (90, "1m30s"),
        (5_400, "1h30m"),
        (86_400, "1d"),
        (604_800, "1w"),
        (1_209_600, "2w"),
        (691_200, "8d"),
        (0.0001, "0.0001s"),
    ],
)
def test_a_duration_has_one_canonical_spelling(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=10**11))
def test_any_number_of_milliseconds_is_read_back_the_same(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds, abs=1e-9, rel=1e-15)


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=10**9))
def test_whole_seconds_are_read_back_exactly(seconds: int) -> None:
    assert parse_duration(format_duration(seconds)) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (12.9, "12s"),
        (303, "5m 3s"),
        (8_130, "2h 15m 30s"),
        (94_500, "1d 2h 15m"),
        (-3, "0s"),
    ],
)
def test_uptime_reads_as_promised(seconds: float, text: str) -> None:
    assert format_uptime(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (1.5, "1.5 seconds"),
        (60, "1 minute"),
        (5_400, "1 hour and 30 minutes"),
        (90_061, "1 day, 1 hour, 1 minute and 1 second"),
    ],
)
def test_a_duration_in_words(seconds: float, words: str) -> None:
    assert duration_words(seconds) == words


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (0, 0),
        (512, 512),
        ("512", 512),
        ("512B", 512),
        ("1K", 1024),
        ("1KB", 1000),
        ("1KiB", 1024),
        ("512MiB", 2**29),
        ("1.5GiB", 3 * 2**29),
        ("10 mb", 10**7),
        ("2G", 2**31),
        ("1TiB", 2**40),
    ],
)
def test_a_size_is_read_as_bytes(text: str | int, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "-1", -1, "1XB", "1.5B", "0.1KiB", "MiB", "1 2", "1e9", True, 1.5, None, "9" * 60]
)
def test_what_is_no_size_is_refused(text: object) -> None:
    with pytest.raises(InvalidError):
        parse_size(text)  # type: ignore[arg-type]


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=2**62))
def test_any_size_is_read_back_the_same(size: int) -> None:
    assert parse_size(format_size(size)) == size


def test_a_size_is_written_in_the_largest_unit_that_is_exact() -> None:
    assert [format_size(n) for n in (0, 1, 1500, 1024, 2**29)] == [
        "0B",
        "1B",
        "1500B",
        "1KiB",
        "512MiB",
    ]
