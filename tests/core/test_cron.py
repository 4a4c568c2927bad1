"""Cron expressions: what is accepted, what is refused and how, words, days, clocks, speed."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo, available_timezones

import pytest

from pb.core.cron import MACROS, CronError, clock_change_notes, parse_cron
from pb.core.second_opinion import croniter_times, disagreement
from pb.errors import Exit, InvalidError

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
START = datetime(2026, 1, 1, tzinfo=UTC)


def fires(text: str, count: int = 3, zone: str = "UTC", start: str = "2026-01-01", **options):
    """The next fire times after midnight UTC of ``start``, as local wall-clock texts."""
    expr, tz = parse_cron(text, **options), ZoneInfo(zone)
    at, found = datetime.fromisoformat(start).replace(tzinfo=UTC), []
    for _ in range(count):
        at = expr.next(at, tz)
        if at is None:
            break
        found.append(f"{at.astimezone(tz):%Y-%m-%d %H:%M:%S}".removesuffix(":00"))
    return found


# --- refused -----------------------------------------------------

REFUSED = [
    # expression, field, what the sentence says, where the caret begins and how long it is
    ("", "", "empty", 0, 1),
    ("   ", "", "empty", 0, 1),
    ("* * *", "", "5, 6 or 7 fields, this one has 3", 5, 1),
    ("* * * *", "", "this one has 4", 7, 1),
    ("* * * * * * * *", "", "this one has 8", 14, 1),
    ("60 * * * *", "minute", "60 is out of range (allowed: 0-59)", 0, 2),
    ("60 * * * * *", "second", "60 is out of range (allowed: 0-59)", 0, 2),
    ("* 24 * * *", "hour", "24 is out of range (allowed: 0-23)", 2, 2),
    ("* * 0 * *", "day of month", "0 is out of range (allowed: 1-31)", 4, 1),
    ("* * 32 * *", "day of month", "32 is out of range", 4, 2),
    ("* * * 13 *", "month", "13 is out of range (allowed: 1-12 or JAN-DEC)", 6, 2),
    ("* * * * 8", "day of week", "8 is out of range (allowed: 0-7 or SUN-SAT)", 8, 1),
    ("0 0 0 1 1 * 1969", "year", "1969 is out of range (allowed: 1970-2199)", 12, 4),
    ("* * * FOO *", "month", "FOO is not the name of a month", 6, 3),
    ("* * * * MOO", "day of week", "MOO is not the name of a day", 8, 3),
    ("*/90 * * * *", "minute", "the step 90 is beyond the field", 2, 2),
    ("*/60 * * * *", "minute", "the step 60 is beyond the field", 2, 2),
    ("0 */24 * * *", "hour", "the step 24 is beyond the field", 4, 2),
    ("0 0 */32 * *", "day of month", "the step 32 is beyond the field", 6, 2),
    ("0 0 1 */13 *", "month", "the step 13 is beyond the field", 8, 2),
    ("*/0 * * * *", "minute", "a step of 0 goes nowhere", 2, 1),
    ("*/ * * * *", "minute", "nothing after / is not a step", 1, 1),
    ("*/x * * * *", "minute", "X after / is not a step", 2, 1),
    ("1/2/3 * * * *", "minute", "2/3 after / is not a step", 2, 3),
    ("10-5 * * * *", "minute", "the range 10-5 runs backwards", 0, 4),
    ("30-10 * * * * *", "second", "the range 30-10 runs backwards", 0, 5),
    ("0 0 20-10 * *", "day of month", "the range 20-10 runs backwards", 4, 5),
    ("0 0 0 1 1 * 2030-2026", "year", "the range 2030-2026 runs backwards", 12, 9),
    ("R * * * *", "minute", "R is random", 0, 1),
    ("R(1-5) * * * *", "minute", "R is random", 0, 6),
    ("0 R * * *", "hour", "R is random", 2, 1),
    ("\N{ARABIC-INDIC DIGIT THREE} * * * *", "", "cannot be in a cron expression", 0, 1),
    ("0\N{NO-BREAK SPACE}0 * * *", "", "cannot be in a cron expression", 1, 1),
    ("0 0 * * *\n0 1 * * *", "", "cannot be in a cron expression", 9, 1),
    ("5* * * * *", "minute", "'5*' is not a number", 0, 2),
    ("*5 * * * *", "minute", "'*5' is not a number", 0, 2),
    ("1.5 * * * *", "minute", "'1.5' is not a number", 0, 3),
    ("1,,2 * * * *", "minute", "missing around a comma", 1, 1),
    ("1, * * * *", "minute", "missing around a comma", 1, 1),
    (",1 * * * *", "minute", "missing around a comma", 0, 1),
    ("-5 * * * *", "minute", "-5 has no beginning", 0, 2),
    ("5- * * * *", "minute", "a number is missing", 2, 1),
    ("/5 * * * *", "minute", "a number is missing", 0, 1),
    ("1-2-3 * * * *", "minute", "'2-3' is not a number", 2, 3),
    ("? * * * *", "minute", "? stands only for a day", 0, 1),
    ("0 0 ?/2 * *", "day of month", "? stands alone", 4, 3),
    ("0 0 L-31 * *", "day of month", "L-31 is not a day before the last", 4, 4),
    ("0 0 L-x * *", "day of month", "L-X is not a day before the last", 4, 3),
    ("0 0 32W * *", "day of month", "32 is out of range", 4, 2),
    ("0 0 1-5W * *", "day of month", "'1-5' is not a number", 4, 3),
    ("0 0 L/2 * *", "day of month", "'L' is not a number", 4, 1),
    ("0 0 * * L", "day of week", "L needs a day", 8, 1),
    ("0 0 * * 1#6", "day of week", "after # comes 1 to 5", 10, 1),
    ("0 0 * * 1#", "day of week", "after # comes 1 to 5", 9, 1),
    ("0 0 * * 9#1", "day of week", "9 is out of range", 8, 1),
    ("0 0 * * 8L", "day of week", "8 is out of range", 8, 1),
    ("0 L * * *", "hour", "'L' is not a number", 2, 1),
    ("H(5-2) * * * *", "minute", "the range 5-2 runs backwards", 2, 3),
    ("H(0-99) * * * *", "minute", "99 is out of range", 4, 2),
    ("0 0 0 1 1 * H", "year", "H cannot choose a year", 12, 1),
    ("0 0 31 2 *", "day of month", "31 never comes", 4, 2),
    ("0 0 30 feb *", "day of month", "30 never comes", 4, 2),
    ("0 0 31 4,6,9,11 *", "day of month", "31 never comes", 4, 2),
    ("0 0 0 29 2 * 2027", "day of month", "29 never comes", 6, 2),
    ("0 0 L-30 2 *", "day of month", "L-30 never comes", 4, 4),
    ("0 0 31W 2 *", "day of month", "31W never comes", 4, 3),
    ("0 0 1-7 * +1#2", "day of month", "1-7 never comes", 4, 3),
    ("@dayly", "", "there is no macro @dayly", 0, 6),
    ("@reboot", "", "@reboot is not a time", 0, 7),
    ("  @every 5m", "", "@every is not a cron expression", 2, 9),
    ("* " * 200, "", "at most 256 characters, this one has 400", 256, 1),
]


@pytest.mark.parametrize(("text", "field", "says", "at", "length"), REFUSED)
def test_a_mistake_is_told_with_its_field_and_a_caret_under_it(
    text: str, field: str, says: str, at: int, length: int
) -> None:
    with pytest.raises(CronError) as caught:
        parse_cron(text)
    error = caught.value
    assert isinstance(error, InvalidError)
    assert error.exit_code == Exit.INVALID
    assert says in error.message
    assert error.field == field
    assert not field or error.message.startswith(f"{field}: ")
    lines = error.caret.split("\n")
    assert len(lines) == 2
    assert lines[1] == " " * at + "^" * length


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("@dayly", "Did you mean @daily"),
        ("@hourlly", "Did you mean @hourly"),
        ("@zzz", "Known are @yearly"),
        ("@reboot", "startup"),
        ("* * * * MOO", "Did you mean MON"),
        ("* * * JANU *", "Did you mean JAN"),
        ("10-5 * * * *", "Write 5-10"),
        ("R * * * *", "H"),
        ("* * *", "second first"),
    ],
)
def test_a_mistake_comes_with_the_next_step(text: str, hint: str) -> None:
    with pytest.raises(CronError) as caught:
        parse_cron(text)
    assert hint in (caught.value.hint or "")


def test_an_expression_that_is_no_text_is_refused() -> None:
    with pytest.raises(CronError, match="is a text"):
        parse_cron(5)  # type: ignore[arg-type]


@pytest.mark.parametrize("option", ["day_match", "dst_gap", "dst_overlap"])
def test_an_unknown_choice_names_the_known_ones(option: str) -> None:
    with pytest.raises(CronError, match=f"{option} cannot be 'maybe'"):
        parse_cron("0 0 * * *", **{option: "maybe"})


def test_plus_and_day_match_or_contradict_each_other() -> None:
    with pytest.raises(CronError, match="day of week"):
        parse_cron("0 0 13 * +5", day_match="or")


def test_random_junk_is_refused_with_a_cron_error_or_understood() -> None:
    rng = random.Random(7)
    for _ in range(5_000):
        text = "".join(rng.choice("0123456789*/,-LWH#?()+ @JANSUNé\t") for _ in range(12))
        refusal = None
        try:
            parse_cron(text).explain()
        except CronError as error:
            refusal = error
        assert refusal is None or (refusal.message and refusal.caret.count("\n") == 1)


# --- days, names, ranges -----------------------------------------


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("5-5 * * * *", "5 * * * *"),
        ("0 0 * jan-Mar MON", "0 0 * 1-3 1"),
        ("0 0 * * sun", "0 0 * * 7"),
        ("0 0 * * 5-7", "0 0 * * 5,6,0"),
        ("0 0 * * fri-mon", "0 0 * * 5,6,0,1"),
        ("0 0 * * 7-2", "0 0 * * 0,1,2"),
        ("0 0 * * 1/2", "0 0 * * 1,3,5"),
        ("0 0 * * fri-mon/2", "0 0 * * 5,0"),
        ("0 22-2 * * *", "0 22,23,0,1,2 * * *"),
        ("0 22-4/2 * * *", "0 22,0,2,4 * * *"),
        ("0 0 1 nov-feb *", "0 0 1 11,12,1,2 *"),
        ("0 0 1 11-4/2 *", "0 0 1 11,1,3 *"),
        ("59/15 * * * *", "59 * * * *"),
        ("0 0 ? * ?", "0 0 * * *"),
        ("0 0 * * FRI#L", "0 0 * * 5L"),
        ("0 0 * * 5#L", "0 0 * * 5L"),
        ("0 0 * * L5", "0 0 * * 5L"),
        ("0 0 * * friL", "0 0 * * 5L"),
        ("  0\t0 * * *  ", "0 0 * * *"),
        *MACROS.items(),
        ("@Daily", "0 0 * * *"),
        ("0 0 L,L,15W,15W * *", "0 0 L,15W * *"),
        ("0 0 * * 1#2,MON#2", "0 0 * * 1#2"),
    ],
)
def test_two_spellings_of_the_same_schedule(text: str, same: str) -> None:
    ours, theirs = parse_cron(text).schedule, parse_cron(same).schedule
    assert ours == theirs


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 0 L * *", ["2026-01-31 00:00", "2026-02-28 00:00", "2026-03-31 00:00"]),
        ("0 0 L-30 * *", ["2026-03-01 00:00", "2026-05-01 00:00"]),
        ("0 0 LW * *", ["2026-01-30 00:00", "2026-02-27 00:00", "2026-03-31 00:00"]),
        ("0 0 1W 8 *", ["2026-08-03 00:00", "2027-08-02 00:00", "2028-08-01 00:00"]),
        ("0 0 31W 5,6 *", ["2026-05-29 00:00", "2027-05-31 00:00", "2028-05-31 00:00"]),
        ("0 0 15,L-1 * *", ["2026-01-15 00:00", "2026-01-30 00:00", "2026-02-15 00:00"]),
        ("0 0 * * 1#1,3", ["2026-01-05 00:00", "2026-01-07 00:00", "2026-01-14 00:00"]),
        ("0 0 * * 1#5", ["2026-03-30 00:00", "2026-06-29 00:00", "2026-08-31 00:00"]),
        ("0 0 13 * +5", ["2026-02-13 00:00", "2026-03-13 00:00", "2026-11-13 00:00"]),
        ("0 0 * 2 MON#5", ["2044-02-29 00:00", "2072-02-29 00:00"]),
        ("0 0 29 2 1", ["2026-02-02 00:00", "2026-02-09 00:00", "2026-02-16 00:00"]),
        ("0 0 0 1 1 * 2190", ["2190-01-01 00:00"]),
        ("0 0 0 1 1 * 2020", []),
    ],
)
def test_days_that_are_not_numbers(text: str, expected: list[str]) -> None:
    assert fires(text, max(1, len(expected))) == expected


@pytest.mark.parametrize(
    ("text", "day_match", "expected"),
    [
        ("0 0 13 * 5", None, ["2026-01-02", "2026-01-09", "2026-01-13"]),
        ("0 0 13 * 5", "or", ["2026-01-02", "2026-01-09", "2026-01-13"]),
        ("0 0 13 * 5", "and", ["2026-02-13", "2026-03-13", "2026-11-13"]),
        ("0 0 */10 * 1", None, ["2026-05-11", "2026-06-01", "2026-08-31"]),
        ("0 0 */10 * 1", "or", ["2026-01-05", "2026-01-11", "2026-01-12"]),
        ("0 0 * * 1", "or", ["2026-01-05", "2026-01-12", "2026-01-19"]),
    ],
)
def test_which_day_fields_must_match(text: str, day_match: str | None, expected) -> None:
    assert fires(text, day_match=day_match) == [f"{day} 00:00" for day in expected]


def test_seconds_come_first_and_the_year_last() -> None:
    assert fires("0 0 1 * * *", 2) == ["2026-01-01 01:00", "2026-01-02 01:00"]
    assert fires("30 15 10 1 6 * 2027", 2) == ["2027-06-01 10:15:30"]


# --- H -----------------------------------------------------------


def test_a_hash_stays_for_a_name_and_differs_between_names() -> None:
    assert fires("H H * * *", 1, name="backup") == fires("H H * * *", 1, name="backup")
    times = {fires("H H * * *", 1, name=f"job-{n}")[0] for n in range(50)}
    assert len(times) > 40


def test_a_hash_is_the_documented_one() -> None:
    from hashlib import sha256

    number = int.from_bytes(sha256(b"minute:backup").digest()[:8], "big")
    assert parse_cron("H * * * *", name="backup").schedule.minutes == 1 << number % 60
    assert parse_cron("H/15 * * * *", name="backup").schedule.minutes == sum(
        1 << n for n in range(number % 15, 60, 15)
    )


@pytest.mark.parametrize("name", ["a", "backup", "x" * 64, "Ünïcode"])
def test_a_hash_keeps_to_its_bounds(name: str) -> None:
    schedule = parse_cron("H(10-20) H(3-5) H * H", name=name).schedule
    assert 10 <= schedule.minutes.bit_length() - 1 <= 20
    assert 3 <= schedule.hours.bit_length() - 1 <= 5
    assert 1 <= schedule.days.bit_length() - 1 <= 28
    assert parse_cron("H H * * *", name=name).is_wildcard is False
    assert parse_cron("H * * * *", name=name).is_wildcard is True


# --- words -------------------------------------------------------

WORDS = [
    ("* * * * *", "Every minute"),
    ("*/15 * * * *", "Every 15 minutes"),
    ("0,30 * * * *", "Every 30 minutes"),
    ("0 * * * *", "Every hour"),
    ("@hourly", "Every hour"),
    ("5 * * * *", "At minute 5 of every hour"),
    ("15,45 * * * *", "At minutes 15 and 45 of every hour"),
    ("*/7 * * * *", "Every 7 minutes from minute 0 to 56 of every hour"),
    ("5/10 * * * *", "Every 10 minutes from minute 5 to 55 of every hour"),
    ("0-29 * * * *", "Every minute from minute 0 to 29 of every hour"),
    ("0 */2 * * *", "Every 2 hours"),
    ("30 */2 * * *", "Every 2 hours from 00:30 to 22:30"),
    ("0 */5 * * *", "Every 5 hours from 00:00 to 20:00"),
    ("30 2 * * *", "At 02:30 every day"),
    ("@daily", "At 00:00 every day"),
    ("0 9,18 * * *", "At 09:00 and 18:00 every day"),
    ("*/40 2 * * *", "At 02:00 and 02:40 every day"),
    ("* 2 * * *", "Every minute from 02:00 to 02:59"),
    ("*/15 9-17 * * mon-fri", "Every 15 minutes from 09:00 to 17:59, Monday to Friday"),
    ("0 9-17 * * mon-fri", "Every hour from 09:00 to 17:00, Monday to Friday"),
    ("0 22-4 * * fri-mon", "Every hour from 22:00 to 04:00, Friday to Monday"),
    ("*/5 22-3 * * *", "Every 5 minutes from 22:00 to 03:59"),
    ("*/10 8-11,13-17 * * *", "Every 10 minutes from 08:00 to 11:59 and from 13:00 to 17:59"),
    ("0,5,7 */3 * * *", "At minutes 0, 5 and 7 of every 3rd hour from 00:00 to 21:59"),
    ("0 1,2,4,7,11 * * *", "At 01:00, 02:00, 04:00, 07:00 and 11:00"),
    ("30 1,2,4,7,11 * * sun", "At 01:30, 02:30, 04:30, 07:30 and 11:30, on Sundays"),
    ("30 2 1 * 1", "At 02:30 on day 1 of the month and on Mondays (either)"),
    ("0 0 1 * mon-fri", "At 00:00 on day 1 of the month and from Monday to Friday (either)"),
    ("0 0 13 * +5", "At 00:00 on day 13 of the month if it is a Friday"),
    ("0 0 1-7 * +1,3", "At 00:00 on days 1 to 7 of the month if it is a Monday or a Wednesday"),
    ("@weekly", "At 00:00 on Sundays"),
    ("0 8 * * sat,sun", "At 08:00 on Saturdays and Sundays"),
    ("@monthly", "At 00:00 on day 1 of the month"),
    ("0 3 */2 * *", "At 03:00 on every 2nd day from day 1 to 31 of the month"),
    ("@yearly", "At 00:00 on 1 January"),
    ("0 6 25 12 *", "At 06:00 on 25 December"),
    ("0 0 1 1,7 *", "At 00:00 on 1 January and 1 July"),
    ("0 12 * nov-feb *", "At 12:00 every day from November to February"),
    ("* * * 2 *", "Every minute, in February"),
    ("0 8,20 * 1,7 sat", "At 08:00 and 20:00 on Saturdays in January and July"),
    ("0 0 L * *", "At 00:00 on the last day of the month"),
    ("0 0 L-3 * *", "At 00:00 on the last day but 3 of the month"),
    ("0 0 LW * *", "At 00:00 on the last working day of the month"),
    ("0 9 15W * *", "At 09:00 on the working day nearest to day 15 of the month"),
    ("0 0 15,L * *", "At 00:00 on day 15 and the last day of the month"),
    ("0 0 * * 5L", "At 00:00 on the last Friday of the month"),
    ("0 0 * * MON#1", "At 00:00 on the first Monday of the month"),
    ("0 0 * * 1#1,3#2", "At 00:00 on the first Monday and the second Wednesday of the month"),
    ("* * * * * *", "Every second"),
    ("*/10 * * * * *", "Every 10 seconds"),
    ("*/10 * 9-17 * * *", "Every 10 seconds from 09:00 to 17:59"),
    ("* 30 2 * * *", "Every second of 02:30"),
    ("15 30 2 * * *", "At 02:30:15 every day"),
    ("* 0-9 * * * *", "Every second of minutes 0 to 9 of every hour"),
    ("* 0-9 9-17 * * *", "Every second of minutes 0 to 9 of every hour from 09:00 to 17:59"),
    ("*/10 5 */3 * * *", "Every 10 seconds of minute 5 of every 3rd hour from 00:00 to 21:59"),
    ("30 */5 * * * *", "Every 5 minutes, at second 30"),
    ("10-12 */5 * * * *", "Every 5 minutes, at seconds 10 to 12"),
    ("10,12 */5 * * * *", "Every 5 minutes, at seconds 10 and 12"),
    ("0 0 1 * * *", "At 01:00 every day"),
    ("0 0 0 1 1 * 2027-2032", "At 00:00 on 1 January from 2027 to 2032"),
    ("0 0 0 1 1 * 2030", "At 00:00 on 1 January in 2030"),
    ("0 0 0 1 */6 * 2026/2", "At 00:00 on 1 January and 1 July every 2 years from 2026"),
    ("H H * * *", "At 01:54 every day (minute and hour chosen by the job's name)"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), WORDS)
def test_the_meaning_in_plain_words(text: str, expected: str) -> None:
    assert parse_cron(text, name="backup").explain() == expected


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        (
            "30 2 * * *",
            {},
            [
                "2026-03-29 02:30 does not exist (clocks go forward): runs at 03:00",
                "2026-10-25 02:30 happens twice: runs once, the first time",
            ],
        ),
        (
            "30 2 * * *",
            {"dst_gap": "skip", "dst_overlap": "second"},
            [
                "2026-03-29 02:30 does not exist (clocks go forward): does not run",
                "2026-10-25 02:30 happens twice: runs once, the second time",
            ],
        ),
        (
            "*/30 2 * * *",
            {},
            [
                "2026-03-29 02:00 and 02:30 do not exist (clocks go forward): does not run then",
                "2026-10-25 02:00 and 02:30 happen twice: runs both times",
            ],
        ),
        (
            "0,15,30 2 29 3 *",
            {},
            [
                "2026-03-29 02:00, 02:15 and 02:30 do not exist (clocks go forward): "
                "runs once, at 03:00"
            ],
        ),
        ("*/15 * * * *", {}, []),
        ("0 12 * * *", {}, []),
    ],
)
def test_clock_changes_within_a_year_are_told(text: str, options, expected: list[str]) -> None:
    assert clock_change_notes(parse_cron(text, **options), BERLIN, START) == expected


def test_a_day_that_is_left_out_is_told() -> None:
    start = datetime(2011, 6, 1, tzinfo=UTC)
    assert clock_change_notes(parse_cron("0 12 * * *"), ZoneInfo("Pacific/Apia"), start) == [
        "2011-12-30 12:00 does not exist (clocks go forward 24 hours): does not run"
    ]


# --- clocks ------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "zone", "start", "expected"),
    [
        ("30 3 * * *", "Antarctica/Casey", "2009-10-17", ["10-19 03:30", "10-20 03:30"]),
        ("30 0 * * *", "Antarctica/Casey", "2010-03-04", ["03-05 00:30", "03-06 00:30"]),
        ("0 12 * * *", "Pacific/Apia", "2011-12-29", ["12-29 12:00", "12-31 12:00"]),
        ("15 2 * * *", "Australia/Lord_Howe", "2025-10-04", ["10-05 02:30", "10-06 02:15"]),
        ("30 1 * * *", "Antarctica/Troll", "2025-03-29", ["03-29 01:30", "03-30 03:00"]),
        ("0 0 * * *", "America/Sao_Paulo", "2018-11-03", ["11-03 00:00", "11-04 01:00"]),
        ("45 2 * * *", "America/Caracas", "2016-04-30", ["04-30 02:45", "05-01 03:00"]),
        ("45 23 * * *", "Asia/Pyongyang", "2018-05-03", ["05-03 23:45", "05-05 00:00"]),
        ("30 23 * * *", "Asia/Almaty", "2024-02-29", ["02-29 23:30", "03-01 23:30"]),
    ],
)
def test_famous_clock_changes(text: str, zone: str, start: str, expected: list[str]) -> None:
    assert [when[5:] for when in fires(text, 2, zone, start)] == expected


def test_the_options_override_the_rule_whatever_the_length() -> None:
    apia = {"zone": "Pacific/Apia", "start": "2011-12-29"}
    assert fires("0 12 * * *", 3, **apia, dst_gap="run_after") == [
        "2011-12-29 12:00",
        "2011-12-31 00:00",
        "2011-12-31 12:00",
    ]
    expr = parse_cron("30 2 * * *", dst_overlap="both")
    first = expr.next(datetime(2026, 10, 24, 12, tzinfo=UTC), BERLIN)
    assert first == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert expr.next(first, BERLIN) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "dst_overlap", "expected"),
    [
        # Berlin's clocks tell 02:00 to 02:59 twice that day: from 00:00 and from 01:00 UTC.
        ("30 1 * * *", None, "10-24 23:30"),
        ("0 3 * * *", None, "10-24 01:00"),
        ("5 2 * * *", None, "10-25 00:05"),
        ("30 2 * * *", None, "10-25 00:30"),
        ("30 2 * * *", "second", "10-24 00:30"),
        ("5 2 * * *", "second", "10-25 01:05"),
        ("5 2 * * *", "both", "10-25 01:05"),
        ("30 2 * * *", "both", "10-25 00:30"),
        ("*/20 * * * *", None, "10-25 01:00"),
    ],
)
def test_what_came_before_a_moment_in_the_second_pass(
    text: str, dst_overlap: str | None, expected: str
) -> None:
    second_pass = datetime(2026, 10, 25, 1, 15, tzinfo=UTC)
    before = parse_cron(text, dst_overlap=dst_overlap).prev(second_pass, BERLIN)
    assert f"{before:%m-%d %H:%M}" == expected


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia", "UTC"])
def test_fire_times_only_ever_go_forward_and_back_again(zone: str) -> None:
    tz = ZoneInfo(zone)
    for text in ("*/20 * * * *", "30 2 * * *", "0 0 L * *", "0,30 0-3 * * *"):
        expr, at, seen = parse_cron(text), datetime(2011, 10, 1, tzinfo=UTC), []
        for _ in range(800):
            later = expr.next(at, tz)
            assert later is not None
            assert later > at
            assert later.tzinfo is UTC
            at = later
            seen.append(at)
        for _ in range(799):
            seen.pop()
            at = expr.prev(at, tz)
            assert at == seen[-1]


def test_forwards_and_back_meet_in_every_zone() -> None:
    rng, zones = random.Random(4), sorted(available_timezones() - {"localtime", "Factory"})
    texts = ("*/20 * * * *", "30 2 * * *", "0 */6 L * *", "10 30 0-3 * * 0", "15 1,2 15W * *")
    moment = timedelta(microseconds=1)
    for zone in zones:
        tz = ZoneInfo(zone)
        expr = parse_cron(rng.choice(texts), dst_overlap=rng.choice((None, "second", "both")))
        after = datetime(1972, 1, 1, tzinfo=UTC) + timedelta(seconds=rng.randrange(2_000_000_000))
        fire = expr.next(after, tz)
        assert fire is not None, zone
        before = expr.prev(fire, tz)
        assert before is not None, zone
        assert before <= after < fire == expr.next(before, tz), zone
        assert expr.next(fire - moment, tz) == expr.prev(fire + moment, tz) == fire, zone


def test_what_follows_a_moment_does_not_depend_on_how_it_is_written() -> None:
    expr = parse_cron("30 2 * * *")
    moment = datetime(2026, 3, 29, 0, 59, 59, 999_999, tzinfo=UTC)
    expected = datetime(2026, 3, 29, 1, tzinfo=UTC)
    tokyo = timezone(timedelta(hours=9))
    for written in (moment, moment.astimezone(BERLIN), moment.astimezone(tokyo)):
        assert expr.next(written, BERLIN) == expected


def test_a_naive_moment_is_a_mistake_of_the_caller() -> None:
    naive = START.replace(tzinfo=None)
    with pytest.raises(ValueError, match="aware"):
        parse_cron("* * * * *").next(naive, UTC)
    with pytest.raises(ValueError, match="aware"):
        parse_cron("* * * * *").prev(naive, UTC)


@pytest.mark.parametrize(
    ("text", "start", "expected"),
    [
        ("0 0 1 1 *", "1900-06-01", []),  # no day counts before 1970, nor more than 50 years ahead
        ("0 0 1 1 *", "1950-06-01", ["1970-01-01 00:00"]),
        ("0 0 0 1 1 * 2030", "1900-06-01", ["2030-01-01 00:00"]),
        ("0 0 1 1 *", "2199-06-01", []),
    ],
)
def test_the_calendar_of_fire_times_has_two_ends(
    text: str, start: str, expected: list[str]
) -> None:
    assert fires(text, 1, start=start) == expected


def test_never_is_answered_at_once() -> None:
    begun = time.process_time()
    assert parse_cron("0 0 0 1 1 * 1999").next(START, NEW_YORK) is None
    assert parse_cron("0 0 0 1 1 * 2190").prev(START, NEW_YORK) is None
    # Only ever in the gap, and a wildcard: 02:00-02:59 on that one day does not exist.
    assert parse_cron("0 */30 2 8 3 * 2026").next(START, NEW_YORK) is None
    assert time.process_time() - begun < 0.5


# --- croniter ----------------------------------------------------


def test_croniter_agrees_on_wall_clock_times() -> None:
    rng, opinions = random.Random(20_261_120), 0

    def field(low: int, high: int) -> str:
        first, last = sorted(rng.sample(range(low, high + 1), 2))
        plain = ["*", "*", f"*/{rng.randint(1, high // 2)}", str(first), f"{first}-{last}"]
        return rng.choice([*plain, f"{first},{last}", f"{first}-{last}/{rng.randint(1, 5)}"])

    for _ in range(400):
        minute, hour, month = field(0, 59), field(0, 23), field(1, 12)
        weekday = rng.choice(["*", "*", "5L", "MON#1", "1#2,3#4", field(0, 6)])
        day = "*" if {"#", "L"} & set(weekday) else rng.choice(["*", "*", "L", field(1, 28)])
        second = rng.choice(["", "", field(0, 59) + " "])
        expr = parse_cron(f"{second}{minute} {hour} {day} {month} {weekday}")
        start = datetime(2026, 1, 1) + timedelta(minutes=rng.randrange(5_000_000))  # noqa: DTZ001
        opinions += bool(croniter_times(expr, start, 1))
        assert disagreement(expr, start) is None
    assert opinions > 250


def test_a_disagreement_is_told() -> None:
    ours, theirs = parse_cron("0 0 * * *"), parse_cron("0 1 * * *")
    mixed = type(ours)(text="mixed", schedule=theirs.schedule, clock=ours.clock)
    assert "croniter says" in (disagreement(mixed, START.replace(tzinfo=None)) or "")


def test_croniter_is_not_imported_to_schedule() -> None:
    script = (
        "import sys; from datetime import UTC, datetime; from pb.core.triggers import *;"
        "t = trigger_from('cron: 30 2 L * *'); describe(t);"
        "next_fire(t, datetime(2026, 1, 1, tzinfo=UTC), UTC, 'x');"
        "sys.exit(any(m.startswith(('croniter', 'dateutil', 'calendar')) for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.parametrize("text", ["* * * * *", "*/15 * * * *", "30 2 * * *", "0 9-17 * * mon-fri"])
def test_next_is_at_least_as_fast_as_croniter_alone(text: str) -> None:
    from croniter import croniter

    expr, theirs = parse_cron(text), croniter(text, datetime(2026, 1, 1))  # noqa: DTZ001

    def ours_once() -> float:
        at, begun = START, time.process_time()
        for _ in range(300):
            at = expr.next(at, NEW_YORK)
        return time.process_time() - begun

    def theirs_once() -> float:
        begun = time.process_time()
        for _ in range(300):
            theirs.get_next(datetime)
        return time.process_time() - begun

    assert min(ours_once() for _ in range(5)) < min(theirs_once() for _ in range(5)) / 0.8
