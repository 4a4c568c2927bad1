"""``--since`` and ``--until``: what the words of a person mean."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from pb.cli.options import instant_ms, later_ms
from pb.errors import PbError, UsageError


def clock() -> datetime:
    """This machine's wall clock."""
    return datetime.now().astimezone().replace(tzinfo=None)


def wall(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone().replace(tzinfo=None)


def seen(text: str) -> datetime:
    return wall(instant_ms("--since", text))


def coming(text: str) -> datetime:
    at_ms = later_ms("--until", text)
    assert at_ms is not None
    return wall(at_ms)


def test_a_day_is_its_midnight_here() -> None:
    before = clock()
    found = {word: seen(word) for word in ("today", "Yesterday")}
    days = {before.date(), clock().date()}

    assert found["today"].date() in days
    assert found["Yesterday"].date() in {day - timedelta(days=1) for day in days}
    assert {moment.time().isoformat() for moment in found.values()} == {"00:00:00"}


@pytest.mark.parametrize("text", ["00:00", "9:05", "12:30:15", "23:59"])
def test_a_time_of_day_is_the_last_one_or_the_next_one(text: str) -> None:
    past, spoken = seen(text), text.zfill(5 if len(text) < 6 else 8)

    assert past <= clock()
    assert past.time().isoformat().startswith(spoken)
    if text.count(":") == 1:
        assert coming(text) > past
        assert coming(text).time() == past.time()


@pytest.mark.parametrize("text", ["2h", "2h ago", "2 hours ago", "120m"])
def test_a_duration_may_say_ago(text: str) -> None:
    now = time.time()
    assert abs(instant_ms("--since", text) / 1000 - (now - 7200)) < 60


def test_a_moment_to_come_may_be_words() -> None:
    assert coming("tomorrow 9:00").time().isoformat() == "09:00:00"
    assert coming("tomorrow 9:00").date() > clock().date() - timedelta(days=1)
    assert coming("2h") > clock() + timedelta(hours=1)
    assert later_ms("--until", None) is None


@pytest.mark.parametrize("text", ["someday", "25:00", "9:75", "", "ago", "18:00:00:00"])
def test_what_is_none_of_these_is_refused_with_examples(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        instant_ms("--since", text)
    assert "today" in str(caught.value.hint)
    with pytest.raises(PbError):
        later_ms("--until", text)
