"""History as a table, as CSV, as a calendar and in numbers, as a person sees it."""

from __future__ import annotations

import csv
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pb.api.views import run_view
from pb.cli import heatmap, history
from pb.core.model import State
from pb.store.rows import Run
from pb.store.store import Store
from tests.kit.cli import Cli

LONG = "nightly-backup-of-everything-that-matters-on-this-machine"
HOUR, DAY = 3_600_000, 86_400_000


def record(pb: Cli, *, state: str = "succeeded", ago: int = HOUR, **facts: Any) -> int:
    """One record in the command's own store, a second long."""
    pb.home.mkdir(mode=0o700, exist_ok=True)
    at = time.time_ns() // 1_000_000 - ago
    values = {"job": "job", "trigger": "cron", "fire_at": at, **facts}
    ran = state not in {"skipped", "missed"}
    run = Run(
        **values,
        state=State(state),
        queued_at=at,
        started_at=at + 7 if ran else None,
        finished_at=at + 1_007,
    )
    with Store(pb.home / "pony.db") as store, store.transaction(durable=False):
        assert store.claim(run)
    return run.id


@pytest.fixture
def filled(pb: Cli) -> Cli:
    """Seven records: five of `job`, one of a job with a long name, one of `pb run`."""
    record(pb, ago=10 * DAY)
    record(pb, ago=9 * DAY, state="failed", reason="exit code 1: no space left")
    record(pb, ago=3 * HOUR, state="skipped", reason="the run before has not ended")
    record(pb, ago=2 * HOUR, trigger="manual", requested_by="cli:me")
    record(pb, ago=1 * HOUR, state="timed_out", reason="timeout of 1 s")
    record(pb, ago=1 * HOUR, job=LONG)
    record(pb, ago=1 * HOUR, job=None, trigger="cli", command='["echo","a, \\"b\\""]')
    return pb


def ids(pb: Cli, *words: str) -> list[int]:
    ran = pb("job", "history", *words, "--json")
    assert ran.code == 0, ran
    return [run["run_id"] for run in ran.json["runs"]]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), [7, 6, 5, 4, 3, 2, 1]),
        (("job",), [5, 4, 3, 2, 1]),
        (("--failed",), [5, 2]),
        (("--state", "failed", "--state", "skipped"), [3, 2]),
        (("--trigger", "manual"), [4]),
        (("--reason", "NO SPACE"), [2]),
        (("job", "--since", "1d", "--until", "150m"), [3]),
        (("--until", "2000-01-01T00:00:00Z"), []),
        (("-n", "2"), [7, 6]),
    ],
)
def test_each_filter_leaves_out_what_does_not_match(
    filled: Cli, words: tuple[str, ...], expected: list[int]
) -> None:
    assert ids(filled, *words) == expected


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--since", "someday"), "--since: 'someday' is neither a duration nor an instant"),
        (("--csv", "--json"), "exclude each other"),
        (("--heatmap", "--failed"), "--heatmap goes with a job's name and --since only"),
        (("--state", "bad"), "no run state 'bad'"),
        (("nobody",), "no job named 'nobody'"),
    ],
)
def test_what_cannot_be_meant_is_said(filled: Cli, words: tuple[str, ...], said: str) -> None:
    ran = filled("job", "history", *words)

    assert ran.code != 0
    assert said in ran.all


def test_a_filter_that_finds_nothing_says_so(filled: Cli) -> None:
    assert filled("job", "history", "job", "--state", "lost").out == "No runs match.\n"


@pytest.mark.parametrize("columns", [50, 80, 100])
def test_no_line_of_the_history_is_wider_than_the_terminal(filled: Cli, columns: int) -> None:
    ran = filled.on_terminal("job", "history", columns=columns, env={"NO_COLOR": "1"})

    assert ran.code == 0
    assert max(map(len, ran.out.splitlines())) <= columns, ran.out
    assert "nightly-backup" in ran.out


def test_a_pipe_gets_whole_names(filled: Cli) -> None:
    assert LONG in filled("job", "history").out


def test_csv_is_what_rfc_4180_says_with_every_value_in_full(filled: Cli) -> None:
    ran = filled("job", "history", "--csv")
    text = subprocess_bytes(filled)

    assert text.count(b"\r\n") == text.count(b"\n") == 8
    rows = list(csv.DictReader(StringIO(ran.out)))
    assert tuple(rows[0]) == history.CSV_COLUMNS
    shown = filled("job", "history", "--json").json["runs"]
    for row, run in zip(rows, shown, strict=True):
        assert row["finished_at"] == run["finished_at"]
        assert row["duration_ms"] == ("1000" if run["started_at"] else "")
        assert row["reason"] == (run["reason"] or "")
    assert rows[0]["command"] == '["echo", "a, \\"b\\""]'


def subprocess_bytes(pb: Cli) -> bytes:
    """The exact bytes, which a text pipe would change."""
    import subprocess

    process = pb.start("job", "history", "--csv", stdout=subprocess.PIPE)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    return bytes(out)


def test_csv_has_its_header_without_runs(pb: Cli) -> None:
    assert pb("job", "history", "--csv").out.strip() == ",".join(history.CSV_COLUMNS)


def test_every_fact_of_a_run_has_its_column() -> None:
    run = Run(job="job", fire_at=1, trigger="cron", state=State.SUCCEEDED, queued_at=1)

    assert set(history.CSV_COLUMNS) == set(run_view(run))


def test_more_than_a_page_is_shown_whole(pb: Cli) -> None:
    record(pb)
    with Store(pb.home / "pony.db") as store:
        store._db.execute(
            """
            WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 4500)
            INSERT INTO run (job, fire_at, trigger, state, queued_at, finished_at)
            SELECT 'job', x, 'cron', 'missed', x, x FROM n
            """
        )
    rows = list(csv.DictReader(StringIO(pb("job", "history", "--csv", "-n", "4400").out)))

    assert len(rows) == 4400
    assert [int(row["run_id"]) for row in rows] == list(range(4501, 101, -1))


def test_statistics_are_told_in_numbers(filled: Cli) -> None:
    ran = filled("job", "stats", "job")
    cells = {line[:14].strip(): line[14:].split() for line in ran.out.splitlines()[3:]}

    assert ran.out.startswith("job: 5 records\n")
    assert cells["Success rate"] == ["50.0", "%", "50.0", "%", "50.0", "%"]
    assert cells["Runs"] == ["2", "2", "4"]
    assert cells["Errors"] == ["1", "1", "2"]
    assert cells["- timed out"] == ["1", "0", "1"]
    assert cells["Skips"] == ["1", "0", "1"]
    assert cells["Took max"] == ["1.00s"] * 3
    assert cells["Late p50"] == ["7ms"] * 3
    assert max(map(len, ran.out.splitlines())) <= 50


@pytest.mark.parametrize(
    ("rate", "shown"),
    [(None, "-"), (1.0, "100.0 %"), (0.9999, "99.9 %"), (0.0001, "0.1 %"), (0.0, "0.0 %")],
)
def test_a_rate_is_never_rounded_to_all_or_nothing(rate: float | None, shown: str) -> None:
    assert history.percent(rate) == shown


# -- the calendar


@pytest.mark.parametrize(
    ("runs", "drawn"),
    [
        ({}, "none"),
        ({"succeeded": 3}, "good"),
        ({"succeeded": 3, "lost": 1}, "mixed"),
        ({"timed_out": 1, "skipped": 9}, "bad"),
        ({"skipped": 2}, "unrun"),
        ({"missed": 1, "running": 1}, "open"),
        ({"succeeded": 1, "running": 1}, "good"),
    ],
)
def test_an_hour_is_drawn_by_its_worst(runs: dict[str, int], drawn: str) -> None:
    assert heatmap.outcome(runs) == drawn


def test_each_outcome_has_a_character_of_its_own() -> None:
    for glyphs in (heatmap.RICH, heatmap.PLAIN):
        shown = [getattr(glyphs, name) for name, _ in heatmap.MEANINGS]
        assert len(set(shown)) == len(shown)
        assert all(len(glyph) == 1 for glyph in shown)
    assert all(getattr(heatmap.PLAIN, name).isascii() for name, _ in heatmap.MEANINGS)


def test_runs_stand_in_the_hour_of_the_zones_clock() -> None:
    zone = ZoneInfo("Asia/Kathmandu")  # 5 h 45 min ahead of UTC
    until = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)
    begun = datetime(2026, 3, 2, 18, 15, tzinfo=UTC)
    whole = heatmap.calendar(
        [(begun, {"failed": 1}), (begun - timedelta(minutes=15), {"succeeded": 2})],
        until - timedelta(days=3),
        until,
        zone,
    )
    rows, above = heatmap.by_hours(whole, roomy=True)

    assert [row.label for row in rows] == ["Sat 02-28", "Sun 03-01", "Mon 03-02", "Tue 03-03"]
    assert (rows[2].cells[23], rows[3].cells[0]) == ("good", "bad")
    assert heatmap.counted(rows[3].runs) == (1, 1)
    # What lies before the first hour asked for, or ahead, is no "none": nobody knows it.
    assert rows[0].cells[16:18] == ("", "none")
    assert rows[3].cells[17:19] == ("none", "")
    assert above.split() == ["00", "06", "12", "18"]


def test_a_long_time_is_drawn_in_weeks() -> None:
    until = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)  # a Friday
    failed = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)  # a Sunday
    whole = heatmap.calendar([(failed, Counter(failed=1))], until - timedelta(days=100), until, UTC)
    rows, above = heatmap.by_weeks(whole, 60)

    assert [row.label for row in rows] == ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    assert [place for place, cell in enumerate(rows[6].cells) if cell == "bad"] == [11]
    assert rows[5].cells[-1] == ""
    assert len({len(row.cells) for row in rows}) == 1
    assert above.split() == ["Sep", "Oct", "Nov"]
    assert len(heatmap.by_weeks(whole, 5)[0][0].cells) == 5


@pytest.mark.parametrize("columns", [50, 80])
@pytest.mark.parametrize("since", ["2d", "14d", "35d", "100d", "730d"])
def test_no_line_of_the_calendar_is_wider_than_the_screen(
    filled: Cli, columns: int, since: str
) -> None:
    ran = filled.on_terminal(
        "job", "history", "--heatmap", "--since", since, columns=columns, env={"NO_COLOR": "1"}
    )

    assert ran.code == 0
    assert max(map(len, ran.out.splitlines())) <= columns, ran.out
    assert "▲" in ran.out


def test_without_utf8_the_calendar_is_ascii(filled: Cli) -> None:
    ran = filled("job", "history", "job", "--heatmap", env={"PYTHONIOENCODING": "ascii"})

    assert ran.out.isascii()
    assert "X failed" in ran.out
    assert sum(line.count("#") for line in ran.out.splitlines()[3:-1]) >= 1


def test_a_calendar_as_json_has_its_stretches(filled: Cli) -> None:
    document = filled("job", "history", "job", "--heatmap", "--json").json

    assert sum(sum(one["runs"].values()) for one in document["buckets"]) == 5
    assert document["bucket_seconds"] == 900
