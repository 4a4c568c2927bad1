"""The timeline's picture: what stands in which column, across clock changes and on any screen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pb.cli import timeline
from pb.cli.schedule import line_of
from pb.cli.timeline import PLAIN, RICH, Grid, Line, grid
from pb.core.clock_changes import changes
from tests.kit.cli import Cli

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 11, 20, 11, 7, tzinfo=UTC)


def hours(count: float, *, start: datetime = NOON, room: int = 48, zone: Any = UTC) -> Grid:
    return grid(start, start + timedelta(hours=count), room, zone)


def job(*triggers: str, zone: str = "UTC") -> Any:
    return {"name": "job", "triggers": list(triggers), "timezone": zone}


def counts(columns: Grid, *triggers: str) -> list[int]:
    return list(line_of(job(*triggers), columns, NOON, columns.end).counts)


@pytest.mark.parametrize("room", [12, 20, 48, 200])
@pytest.mark.parametrize("length", [0.5, 1, 12, 24, 100, 24 * 366])
def test_the_columns_hold_all_of_the_time_and_fit(length: float, room: int) -> None:
    columns = hours(length, room=room, zone=BERLIN)

    assert columns.count <= room
    assert columns.start <= NOON
    assert NOON - columns.start < columns.step
    if length < 24 * 80:
        assert columns.end >= NOON + timedelta(hours=length)


def test_columns_begin_at_round_times() -> None:
    columns = hours(12, room=49)

    assert columns.step == timedelta(minutes=15)
    assert columns.start == datetime(2026, 11, 20, 11, 0, tzinfo=UTC)
    labels = timeline.ruler(columns, UTC).split()
    assert labels == ["12:00", "14:00", "16:00", "18:00", "20:00", "22:00"]


def test_fire_times_stand_in_their_columns() -> None:
    columns = hours(4, room=20)
    found = counts(columns, "cron: 30 12 * * *", "cron: 0 14 * * *", "at: 2026-11-20T14:00:00Z")

    assert [n for n, count in enumerate(found) if count] == [
        columns.column(datetime(2026, 11, 20, hour, minute, tzinfo=UTC))
        for hour, minute in ((12, 30), (14, 0))
    ]
    assert max(found) == 1


def test_a_job_of_each_second_is_counted_no_further_than_many() -> None:
    line = line_of(job("every: 1s"), hours(12), NOON, NOON + timedelta(hours=12))

    assert max(line.counts) == 10
    assert all(line.counts)
    assert not line.is_complete
    assert timeline.total(line).endswith("+")


def test_of_a_job_that_counts_from_ends_the_next_fire_time_is_drawn() -> None:
    waiting = {**job("every: 1h after finish"), "next_run": "2026-11-20T12:00:00.000Z"}
    line = line_of(waiting, hours(12), NOON, NOON + timedelta(hours=12))

    assert sum(line.counts) == 1
    assert line.first == datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert sum(line_of({**waiting, "next_run": None}, hours(12), NOON, NOON).counts) == 0


def test_each_count_has_a_character_of_its_own() -> None:
    assert [timeline.cell(n, PLAIN) for n in (0, 1, 2, 9, 10, 500)] == [
        ".",
        "o",
        "2",
        "9",
        "#",
        "#",
    ]
    assert {timeline.cell(n, RICH) for n in range(11)} >= {"·", "●", "#"}


@pytest.mark.parametrize(
    ("day", "words", "column"),
    [
        (
            (2026, 3, 28),
            "Sun 2026-03-29 02:00 CET becomes 03:00 CEST: the clock goes forward 1 h",
            8,
        ),
        (
            (2026, 10, 24),
            "Sun 2026-10-25 03:00 CEST becomes 02:00 CET: the clock goes back 1 h",
            10,
        ),
    ],
)
def test_a_clock_change_is_marked_where_it_is_and_said(
    day: tuple[int, int, int], words: str, column: int
) -> None:
    start = datetime(*day, 22, 0, tzinfo=BERLIN).astimezone(UTC)
    columns = hours(8, start=start, room=20, zone=BERLIN)
    moved = list(changes(BERLIN, start, start + timedelta(hours=8)))

    assert columns.step == timedelta(minutes=30)
    assert timeline.change_row(columns, moved, RICH) == " " * column + "↕"
    assert [timeline.change_words(change, BERLIN) for change in moved] == [words]


def test_the_hour_that_happens_twice_has_its_columns_twice() -> None:
    start = datetime(2026, 10, 25, 0, 0, tzinfo=BERLIN).astimezone(UTC)
    columns = hours(4, start=start, room=48, zone=BERLIN)
    wall = [f"{columns.begin(n).astimezone(BERLIN):%H:%M}" for n in range(columns.count)]

    assert wall.count("02:30") == 2


def test_a_long_name_is_cut_and_the_rest_stays_in_line() -> None:
    lines = [
        Line(name=name, counts=[0, 1, 12], first=NOON) for name in ("a", "a-name-of-many-letters")
    ]
    drawn = timeline.rows(lines, hours(1), 10, UTC, RICH)

    assert drawn == ["a           ·●#  13  11:07", "a-name-of…  ·●#  13  11:07"]


@pytest.fixture
def busy(pb: Cli) -> Cli:
    """Three jobs, one of them with a long name and one that fires each second."""
    long = "nightly-backup-of-everything-that-matters"
    for name, flag, value in (
        ("second", "--every", "1s"),
        (long, "--cron", "30 * * * *"),
        ("quarter", "--every", "15m"),
    ):
        assert pb("job", "add", name, flag, value, "--", "true").code == 0
    return pb


@pytest.mark.parametrize("columns", [50, 80, 132])
@pytest.mark.parametrize("length", ["3", "12", "60", "1000"])
def test_no_line_of_the_schedule_is_wider_than_the_screen(
    busy: Cli, columns: int, length: str
) -> None:
    ran = busy.on_terminal("schedule", "--hours", length, columns=columns)

    assert ran.code == 0
    picture = ran.out.partition("hint:")[0]
    assert "\x1b[" in picture
    for line in picture.splitlines():
        plain = line.replace("\x1b[90m", "").replace("\x1b[1m", "").replace("\x1b[0m", "")
        assert len(plain) <= columns, plain


def test_without_colour_or_utf8_the_schedule_says_the_same(busy: Cli) -> None:
    rich = busy("schedule", "--job", "quarter").out
    plain = busy("schedule", "--job", "quarter", env={"PYTHONIOENCODING": "ascii"}).out

    assert plain.isascii()
    assert "\x1b" not in rich
    row = next(line for line in rich.splitlines() if line.startswith("quarter"))
    assert row.count("●") >= 45
    assert row.replace("●", "o").replace("·", ".").split()[1] in plain


def test_more_jobs_than_asked_for_are_counted(busy: Cli) -> None:
    ran = busy("schedule", "-n", "1")

    assert "and 2 more: pb schedule -n 3" in ran.out
    assert ran.out.count("quarter") + ran.out.count("nightly") == 0


def test_a_schedule_as_json_has_the_fire_times(busy: Cli) -> None:
    document = busy("schedule", "--hours", "2", "--json").json

    assert document["schema"] == 1
    jobs = {job["name"]: job for job in document["jobs"]}
    assert len(jobs["second"]["fire_times"]) == 100
    assert not jobs["second"]["is_complete"]
    assert len(jobs["quarter"]["fire_times"]) == 8


def test_nothing_planned_is_said(pb: Cli) -> None:
    assert "Nothing is planned" in pb("schedule").out
    assert pb("schedule", "--hours", "0").code == 2
    assert pb("schedule", "--job", "nobody").code == 5
