"""`pb stats` as a person sees it, and as a spreadsheet does."""

from __future__ import annotations

import csv
from io import StringIO

import pytest

from tests.cli.test_history import DAY, HOUR, record
from tests.kit.cli import Cli


@pytest.fixture
def filled(pb: Cli) -> Cli:
    record(pb, ago=40 * DAY)
    record(pb, ago=40 * DAY - HOUR, state="missed")
    record(pb, ago=3 * DAY, state="failed", reason="exit code 1")
    record(pb, ago=HOUR)
    record(pb, ago=HOUR, job="other")
    return pb


def test_a_row_for_each_period_and_one_for_all(filled: Cli) -> None:
    ran = filled("stats", "job", "--since", "60d")
    lines = ran.out.splitlines()

    assert ran.code == 0
    assert lines[0].startswith("job, by day (UTC), since ")
    assert lines[3].split() == [
        "PERIOD",
        "RUNS",
        "ERRORS",
        "SKIPS",
        "MISSES",
        "RATE",
        "P50",
        "P90",
        "MAX",
        "LATE",
    ]
    assert lines[-2].split()[:6] == ["All", "3", "1", "-", "1", "66.7"]
    assert {len(line) for line in lines[4:-1]} == {len(lines[3])}


@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize("by", ["hour", "day", "week", "month"])
def test_no_line_is_wider_than_the_terminal(filled: Cli, by: str, columns: int) -> None:
    words = ("stats", "--by", by, "--since", "60d")
    ran = filled.on_terminal(*words, columns=columns, env={"NO_COLOR": "1"})

    assert ran.code == 0
    assert max(map(len, ran.out.splitlines())) <= columns, ran.out


def test_csv_has_a_line_for_each_period_and_every_value_in_full(filled: Cli) -> None:
    rows = list(csv.DictReader(StringIO(filled("stats", "--by", "month", "--csv").out)))

    assert sum(int(row["runs"]) for row in rows) == 4
    assert rows[-1]["duration_max_ms"] == "1000"
    assert rows[-1]["is_exact"] == "true"
    assert rows[-1]["start"].endswith("-01T00:00:00.000Z")


def test_nothing_and_nonsense_are_said(filled: Cli) -> None:
    nothing = filled("stats", "job", "--until", "100d")
    assert "Nothing was recorded in that time." in nothing.out
    assert "--since" in nothing.err
    assert filled("stats", "--csv", "--json").code == 2
    assert "no period 'year'" in filled("stats", "--by", "year").err
    assert filled("stats", "nobody").code == 5
    assert filled("stats", "--json").json["by"] == "day"
