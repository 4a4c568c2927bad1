"""Triggers: their fire times, their spellings, their words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pb.core.cron import CronError
from pb.core.model import At, Cron, Every, Startup, Trigger
from pb.core.triggers import (
    describe,
    next_fire,
    next_fire_of,
    pause_of,
    short,
    trigger_dump,
    trigger_from,
)
from pb.errors import InvalidError

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 3, 28, 12, tzinfo=UTC)
EVENING = datetime(2026, 11, 20, 18, tzinfo=UTC)


# --- fire times ---------------------------------------------------------------------------------


def test_cron_follows_the_zone() -> None:
    trigger = Cron(expr="30 2 * * *")
    assert next_fire(trigger, NOW, UTC, "job") == datetime(2026, 3, 29, 2, 30, tzinfo=UTC)
    assert next_fire(trigger, NOW, BERLIN, "job") == datetime(2026, 3, 29, 1, tzinfo=UTC)


def test_cron_options_are_obeyed() -> None:
    skipping = Cron(expr="30 2 * * *", dst_gap="skip")
    assert next_fire(skipping, NOW, BERLIN, "job") == datetime(2026, 3, 30, 0, 30, tzinfo=UTC)
    both = Cron(expr="0 0 13 * 5", day_match="and")
    assert next_fire(both, NOW, UTC, "job") == datetime(2026, 11, 13, tzinfo=UTC)


def test_a_hash_is_drawn_from_the_name_of_the_job() -> None:
    trigger = Cron(expr="H H * * *")
    times = {next_fire(trigger, NOW, UTC, f"job-{n}") for n in range(20)}
    assert len(times) > 15


def test_every_is_aligned_to_the_epoch() -> None:
    assert next_fire(Every(seconds=300), NOW, BERLIN, "") == NOW + timedelta(minutes=5)
    odd = next_fire(Every(seconds=7), NOW, BERLIN, "")
    assert odd is not None
    assert odd.timestamp() % 7 == 0
    day = next_fire(Every(seconds=86_400), NOW, BERLIN, "")
    assert day == datetime(2026, 3, 29, tzinfo=UTC)


@settings(deadline=None)
@given(
    st.floats(min_value=1, max_value=1e7),
    st.datetimes(min_value=datetime(1960, 1, 1), max_value=datetime(2200, 1, 1)),  # noqa: DTZ001
)
def test_every_is_strictly_later_by_no_more_than_a_period(seconds: float, at: datetime) -> None:
    after = at.replace(tzinfo=UTC)
    fire = next_fire(Every(seconds=seconds), after, BERLIN, "")
    assert fire is not None
    assert timedelta(0) < fire - after <= timedelta(seconds=seconds)
    assert next_fire(Every(seconds=seconds), fire - timedelta.resolution, BERLIN, "") == fire


def test_at_fires_once() -> None:
    assert next_fire(At(at=EVENING), NOW, BERLIN, "") == EVENING
    assert next_fire(At(at=EVENING), EVENING - timedelta.resolution, BERLIN, "") == EVENING
    assert next_fire(At(at=EVENING), EVENING, BERLIN, "") is None


def test_startup_has_no_fire_time() -> None:
    assert next_fire(Startup(), NOW, BERLIN, "") is None


def test_the_earliest_of_several_triggers_counts() -> None:
    triggers = (At(at=EVENING), Startup(), Every(seconds=3_600), Cron(expr="0 0 1 1 *"))
    assert next_fire_of(triggers, NOW, UTC, "") == NOW + timedelta(hours=1)
    assert next_fire_of((Startup(), At(at=NOW)), NOW, UTC, "") is None
    assert next_fire_of((), NOW, UTC, "") is None


# --- reading and writing ------------------------------------------------------------------------

SPELLINGS: list[tuple[object, Trigger]] = [
    ("cron: 30 2 * * *", Cron(expr="30 2 * * *")),
    ("cron:*/5 * * * *", Cron(expr="*/5 * * * *")),
    ("Cron: @daily", Cron(expr="@daily")),
    ("@hourly", Cron(expr="@hourly")),
    ("cron: 30  2 * * *", Cron(expr="30 2 * * *")),
    ("cron: @reboot", Startup()),
    ("@reboot", Startup()),
    ("@every 5m", Every(seconds=300)),
    ("every: 5m", Every(seconds=300)),
    ("every: 90", Every(seconds=90)),
    ("at: 2026-11-20T18:00:00Z", At(at=EVENING)),
    ("at: 2026-11-20T19:00:00+01:00", At(at=EVENING)),
    ("at: 2026-11-20 18:00Z", At(at=EVENING)),
    ("startup", Startup()),
    ("startup:", Startup()),
    ("startup: +10m", Startup(delay=600)),
    ("startup: 10m", Startup(delay=600)),
    ("startup: daemon", Startup(per="daemon")),
    ("startup: daemon +5s", Startup(per="daemon", delay=5)),
    ({"type": "cron", "expr": "30 2 * * *"}, Cron(expr="30 2 * * *")),
    (
        {"type": "cron", "expr": "0 0 * * *", "dst_gap": "skip", "dst_overlap": "both"},
        Cron(expr="0 0 * * *", dst_gap="skip", dst_overlap="both"),
    ),
    ({"type": "every", "every": "5m"}, Every(seconds=300)),
    ({"type": "every", "every": 90}, Every(seconds=90)),
    ({"type": "at", "at": "2026-11-20T18:00:00Z"}, At(at=EVENING)),
    ({"type": "at", "at": EVENING.astimezone(timezone(timedelta(hours=1)))}, At(at=EVENING)),
    ({"type": "startup"}, Startup()),
    ({"type": "startup", "per": "daemon", "delay": "1m"}, Startup(per="daemon", delay=60)),
    ("daily at 18:00", Cron(expr="0 18 * * *")),
    ("Every day at 6:30 pm", Cron(expr="30 18 * * *")),
    ("every day at noon", Cron(expr="0 12 * * *")),
    ("daily at 12am", Cron(expr="0 0 * * *")),
    ("weekly on sunday at 09:00", Cron(expr="0 9 * * SUN")),
    ("every monday and thursday at 7", Cron(expr="0 7 * * MON,THU")),
    ("Sundays at 9:15", Cron(expr="15 9 * * SUN")),
    ("weekdays at 08:30", Cron(expr="30 8 * * MON-FRI")),
    ("weekly", Cron(expr="0 0 * * 0")),
    ("weekly at 9", Cron(expr="0 9 * * 0")),
    ("daily digest at 18:00", Cron(expr="0 18 * * *")),
    ("weekly summary on Sundays", Cron(expr="0 0 * * SUN")),
    ("weekly report on Sundays at 18:00", Cron(expr="0 18 * * SUN")),
    ("monthly invoice on the 1st at 6", Cron(expr="0 6 1 * *")),
    ("hourly", Cron(expr="0 * * * *")),
    ("monthly on the 15th at 03:00", Cron(expr="0 3 15 * *")),
    ("monthly on the last day at 18:00", Cron(expr="0 18 L * *")),
    ("every 15 minutes", Cron(expr="*/15 * * * *")),
    ("every 15 minutes between 9 and 17", Cron(expr="*/15 9-16 * * *")),
    ("every 2 hours between 8:00 and 20:00 on weekdays", Cron(expr="0 8-19/2 * * MON-FRI")),
    ("every minute between 22 and 6", Cron(expr="* 22-5 * * *")),
]


@pytest.mark.parametrize(("written", "expected"), SPELLINGS, ids=[str(s[0]) for s in SPELLINGS])
def test_every_spelling_is_understood(written: str, expected: Trigger) -> None:
    assert trigger_from(written) == expected


@pytest.mark.parametrize("expected", {str(t): t for _, t in SPELLINGS}.values(), ids=str)
def test_what_is_written_is_read_back_the_same(expected: Trigger) -> None:
    assert trigger_from(trigger_dump(expected)) == expected
    if not (isinstance(expected, Cron) and expected.dst_gap):
        assert trigger_from(short(expected)) == expected


@pytest.mark.parametrize(
    ("written", "says", "hint"),
    [
        ("", "is not a trigger", "cron: 30 2"),
        ("cron", "is not a trigger", "cron: 30 2"),
        ("crom: 30 2 * * *", "is not a trigger", "Did you mean cron"),
        ("cron:", "expr is missing", "30 2"),
        ("every: 0", "at least one second", "5m"),
        ("every: 0.5s", "at least one second", "5m"),
        ("every: -5m", "is not a duration", "1h30m"),
        ("every: soon", "is not a duration", "1h30m"),
        ("at: 2026-11-20T18:00:00", "has no time zone", "2026-11-20T18:00:00Z for UTC"),
        ("at: tomorrow", "is not a time", "2026-11-20T18:00:00Z"),
        ("at: 2026-11-20", "is not a time", "2026-11-20T18:00:00Z"),
        ("at: 2026-02-30T18:00:00Z", "is not a time", "2026-11-20T18:00:00Z"),
        ("at: 0001-01-01T00:00:00+10:00", "beyond the calendar", ""),
        ("startup: soon", "is not a duration", "1h30m"),
        ("startup: daemon 5s 6s", "is not a trigger", "startup: +10m"),
        ("daily at 25:00", "there is no 25:00 on a clock", "18:00"),
        ("daily at 13pm", "there is no 13pm on a clock", "18:00"),
        ("every 7 minutes", "7 does not divide 60 evenly", "every: 7m"),
        ("every 15 minutes between 9 and 30", "no such hours", "9 and 17"),
        ("daily digest", "is not a trigger", "daily at 18:00"),
        ("every now and then", "is not a trigger", "daily at 18:00"),
        ({}, "needs a type", "cron"),
        ({"type": "corn"}, "no trigger type 'corn'", "Did you mean cron"),
        ({"type": ["cron"]}, "no trigger type", "cron"),
        ({"type": "cron"}, "expr is missing", "30 2"),
        ({"type": "cron", "expr": 5}, "expr is a text", "30 2"),
        ({"type": "cron", "expr": "* * * * *", "dst": "x"}, "no key 'dst'", "dst_gap"),
        ({"type": "cron", "expr": "* * * * *", "dst_gap": "x"}, "dst_gap cannot be", "skip"),
        ({"type": "cron", "expr": "* * * * *", "dst_gap": 1}, "dst_gap is a text", ""),
        ({"type": "every"}, "every is missing", "5m"),
        ({"type": "every", "every": True}, "a duration cannot be True", ""),
        ({"type": "at"}, "at is missing", "2026"),
        ({"type": "at", "at": datetime(2026, 1, 1)}, "has no time zone", "Z"),  # noqa: DTZ001
        ({"type": "startup", "per": "year"}, "boot or daemon", "scheduler starts"),
        (5, "a text or a table", "cron"),
    ],
)
def test_a_mistake_is_one_sentence_with_the_next_step(written, says: str, hint: str) -> None:
    with pytest.raises(InvalidError) as caught:
        trigger_from(written)
    assert says in caught.value.message
    assert hint in (caught.value.hint or "")


def test_a_bad_expression_is_a_cron_error_with_its_caret() -> None:
    with pytest.raises(CronError) as caught:
        trigger_from("cron: 61 * * * *")
    assert caught.value.caret == "61 * * * *\n^^"


# --- words ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trigger", "words", "line"),
    [
        (Cron(expr="30 2 * * *"), "At 02:30 every day", "cron: 30 2 * * *"),
        (Every(seconds=60), "Every minute", "every: 1m"),
        (Every(seconds=300), "Every 5 minutes", "every: 5m"),
        (Every(seconds=5_400), "Every 1 hour and 30 minutes", "every: 1h30m"),
        (At(at=EVENING), "Once, at 2026-11-20 18:00:00 UTC", "at: 2026-11-20T18:00:00Z"),
        (Startup(), "When the machine starts", "startup"),
        (Startup(delay=600), "10 minutes after the machine starts", "startup: +10m"),
        (
            Startup(per="daemon", delay=5),
            "5 seconds after the scheduler starts",
            "startup: daemon +5s",
        ),
    ],
)
def test_a_trigger_in_words_and_in_one_line(trigger: Trigger, words: str, line: str) -> None:
    assert (describe(trigger), short(trigger)) == (words, line)


def test_every_after_finish_has_no_beat_of_its_own() -> None:
    trigger = Every(seconds=300, after_finish=True)
    for written in ("every: 5m after finish", {"type": "every", "every": 300, "after": "finish"}):
        assert trigger_from(written) == trigger
    assert trigger_from(trigger_dump(trigger)) == trigger_from(short(trigger)) == trigger
    assert describe(trigger) == "5 minutes after its last run has ended"
    assert next_fire(trigger, NOW, UTC, "job") is None
    assert pause_of([Every(seconds=60), trigger, Every(seconds=7, after_finish=True)]) == 7
    assert pause_of([Every(seconds=60)]) is None


def test_every_after_anything_else_is_refused() -> None:
    with pytest.raises(InvalidError, match="after is finish, not 'start'"):
        trigger_from({"type": "every", "every": "5m", "after": "start"})
