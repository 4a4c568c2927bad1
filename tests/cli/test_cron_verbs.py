"""``pb cron``: next, validate, explain."""

from __future__ import annotations

import pytest

from tests.kit.cli import Cli


def test_next_is_strictly_later_in_utc(pb: Cli) -> None:
    ran = pb(
        *("cron", "next", "30 2 * * *", "--tz", "Europe/Berlin", "-n", "2"),
        *("--from", "2026-11-20T01:30:00Z", "--json"),
    )
    assert ran.code == 0, ran
    assert ran.json == {
        "schema": 1,
        "expr": "30 2 * * *",
        "tz": "Europe/Berlin",
        "fire_times": ["2026-11-21T01:30:00Z", "2026-11-22T01:30:00Z"],
    }


def test_six_fields_have_seconds_first(pb: Cli) -> None:
    words = ("cron", "next", "0 0 1 * * *", "--tz", "UTC", "--from", "2026-01-01T00:00:00Z")
    assert pb(*words, "-n", "1").out == "Thu 2026-01-01 01:00:00 UTC (2026-01-01T01:00:00Z)\n"


def test_an_instant_without_an_offset_is_in_the_zone(pb: Cli) -> None:
    words = ("cron", "next", "0 * * * *", "--tz", "Asia/Tokyo", "-n", "1", "--json")
    ran = pb(*words, "--from", "2026-01-01T09:00")
    assert ran.json["fire_times"] == ["2026-01-01T01:00:00Z"]


def test_what_never_fires_again_is_said(pb: Cli) -> None:
    ran = pb("cron", "next", "0 0 0 1 1 * 2027", "--tz", "UTC", "--from", "2026-06-01T00:00:00Z")
    assert ran.code == 0
    assert ran.out.splitlines() == [
        "Fri 2027-01-01 00:00:00 UTC (2027-01-01T00:00:00Z)",
        "It never fires after that.",
    ]


@pytest.mark.parametrize("verb", ["validate", "explain"])
def test_the_meaning_is_told_in_words_with_clock_changes(pb: Cli, verb: str) -> None:
    ran = pb("cron", verb, "30 2 * * *", "--tz", "Europe/Berlin")
    assert ran.code == 0
    assert "  At 02:30 every day" in ran.out.splitlines()
    assert "  Next (Europe/Berlin):" in ran.out.splitlines()
    assert "happens twice" in ran.out
    document = pb("cron", verb, "30 2 * * *", "--tz", "Europe/Berlin", "--json").json
    assert document["explain"] == "At 02:30 every day"
    assert len(document["fire_times"]) == 3
    assert len(document["notes"]) == 2


def test_an_invalid_expression_is_shown_with_a_caret_and_exit_code_6(pb: Cli) -> None:
    ran = pb("cron", "validate", "*/90 * * * *")
    assert ran.code == 6
    assert ran.out == ""
    lines = ran.err.splitlines()
    assert lines[0].startswith("error: minute: ")
    assert lines[1] == "  */90 * * * *"
    assert set(lines[2].strip()) == {"^"}


def test_prev_goes_back_strictly_newest_first(pb: Cli) -> None:
    ran = pb(
        *("cron", "prev", "30 2 * * *", "--tz", "Europe/Berlin", "-n", "2"),
        *("--before", "2026-03-30T00:30:00Z", "--json"),
    )
    assert ran.code == 0, ran
    assert ran.json["fire_times"] == ["2026-03-29T01:00:00Z", "2026-03-28T01:30:00Z"]


def test_a_boot_is_not_said_never_to_come(pb: Cli) -> None:
    ran = pb("cron", "explain", "@reboot")
    assert (ran.code, ran.out) == (
        0,
        "@reboot\n  When the machine starts; at no time of the clock\n",
    )


@pytest.mark.parametrize("verb", ["validate", "explain", "next", "prev"])
def test_an_expression_that_the_shell_has_split_asks_for_quotes(pb: Cli, verb: str) -> None:
    ran = pb("cron", verb, "30", "2", "1", "1", "1")
    assert ran.code == 2
    assert ran.err.splitlines()[-1] == f'hint: Put it in quotes: pb cron {verb} "30 2 * * *"'
    assert "quotes" in pb("job", "add", "a", "--cron", "30", "2", "*", "--", "true").err


def test_what_has_never_fired_is_said(pb: Cli) -> None:
    ran = pb("cron", "prev", "0 0 0 1 1 * 2027", "--tz", "UTC", "--before", "2026-06-01T00:00:00Z")
    assert (ran.code, ran.out) == (0, "It has never fired.\n")
    assert pb("cron", "prev", "@reboot").out == "At boot only.\n"


def test_what_is_said_in_words_is_explained_as_well(pb: Cli) -> None:
    ran = pb("cron", "explain", "every 15 minutes between 9 and 17", "--json")
    assert ran.json["expr"] == "*/15 9-16 * * *"
    assert "At 09:00 on Sundays" in pb("cron", "validate", "weekly on sunday at 09:00").out


def test_an_instant_that_is_none_names_its_flag(pb: Cli) -> None:
    ran = pb("cron", "prev", "* * * * *", "--before", "noon")
    assert ran.code == 2
    assert "--before: 'noon' is not an instant" in ran.err
