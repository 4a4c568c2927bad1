"""Moments in words: what they mean at a given now, and what is none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from pb.core.moments import moment_of_words
from pb.errors import InvalidError

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 25, 14, 30, tzinfo=BERLIN)
"""A Wednesday, an hour ahead of UTC."""


@pytest.mark.parametrize(
    ("words", "utc"),
    [
        ("tomorrow 18:00", "2026-11-26T17:00"),
        ("Tomorrow at 6pm", "2026-11-26T17:00"),
        ("tomorrow", "2026-11-25T23:00"),
        ("today 18:00", "2026-11-25T17:00"),
        ("18:00", "2026-11-25T17:00"),
        ("at 9am", "2026-11-26T08:00"),
        ("14:30", "2026-11-26T13:30"),
        ("noon", "2026-11-26T11:00"),
        ("midnight", "2026-11-25T23:00"),
        ("monday 09:00", "2026-11-30T08:00"),
        ("wed 15:00", "2026-11-25T14:00"),
        ("wednesday 09:00", "2026-12-02T08:00"),
        ("in 2h30m", "2026-11-25T16:00"),
    ],
)
def test_words_are_a_moment_to_come(words: str, utc: str) -> None:
    assert moment_of_words(words, NOW) == datetime.fromisoformat(utc).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "words", ["soon", "", "18", "tomorrow evening", "montag 9:00", "9 o'clock"]
)
def test_other_words_are_none(words: str) -> None:
    assert moment_of_words(words, NOW) is None


def test_so_long_from_now_is_a_whole_second_and_never_sooner() -> None:
    now = NOW.replace(microsecond=239_439)
    found = moment_of_words("in 5m", now)
    assert found == NOW.replace(microsecond=0) + timedelta(minutes=5, seconds=1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("today 09:00", "has passed"),
        ("today", "has passed"),
        ("tomorrow 25:00", "there is no 25:00 on a clock"),
        ("13pm", "there is no 13pm"),
        ("in a while", "not a duration"),
    ],
)
def test_what_is_understood_and_impossible_is_said(words: str, said: str) -> None:
    with pytest.raises(InvalidError, match=said):
        moment_of_words(words, NOW)


@pytest.mark.parametrize(
    ("day", "utc"), [(28, "2026-03-29T01:30"), (24, "2026-10-25T00:30")], ids=["gap", "overlap"]
)
def test_a_clock_change_makes_it_later_once(day: int, utc: str) -> None:
    now = datetime(2026, 3 if day == 28 else 10, day, 12, tzinfo=BERLIN)

    assert moment_of_words("tomorrow 02:30", now) == datetime.fromisoformat(utc).replace(tzinfo=UTC)
