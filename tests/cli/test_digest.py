"""`pb digest` and `pb retention` as a person uses them."""

from __future__ import annotations

import json
import stat

import pytest

from tests.cli.test_history import DAY, HOUR, record
from tests.kit.cli import Cli


@pytest.fixture
def filled(pb: Cli) -> Cli:
    record(pb, ago=3 * DAY, state="failed", reason="exit code 1")
    record(pb, ago=2 * HOUR, state="failed", reason="exit code 7: no space")
    record(pb, ago=HOUR)
    return pb


def test_a_day_a_week_and_any_time(filled: Cli) -> None:
    day, week = filled("digest"), filled("digest", "weekly")

    assert (day.code, week.code) == (0, 0)
    assert "exit code 7: no space" in day.out
    assert "exit code 1" not in day.out
    assert "exit code 1" in week.out
    some = filled("digest", "--since", "100h", "--until", "48h", "--json").json
    assert some["total"]["errors"] == 1
    assert some["schema"] == 1


@pytest.mark.parametrize("columns", [60, 80])
def test_it_is_readable_on_a_plain_terminal(filled: Cli, columns: int) -> None:
    ran = filled.on_terminal("digest", columns=columns, env={"NO_COLOR": "1"})

    assert ran.code == 0
    assert max(map(len, ran.out.splitlines())) < 80
    assert "\x1b" not in ran.out


def test_a_file_is_written_for_this_user_alone(filled: Cli) -> None:
    file = filled.cwd / "week.html"
    ran = filled("digest", "weekly", "--format", "html", "-o", str(file))

    assert ran.out == f"✓ Digest written to {file}\n"
    assert file.read_text().startswith("<!DOCTYPE html>")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    day = filled.cwd / "day.json"
    assert filled("digest", "-o", str(day), "--json").json == {"file": str(day), "schema": 1}
    assert json.loads(day.read_text())["total"]["errors"] == 1
    assert filled("digest", "--format", "markdown").out.startswith("# 20")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("yearly",), "no 'yearly' digest"),
        (("--format", "pdf"), "no format 'pdf'"),
        (("--since", "someday"), "--since: 'someday' is neither"),
        (("--since", "1h", "--until", "2h"), "should be before until"),
        (("-o", "/nowhere/at/all.txt"), "Cannot write /nowhere/at/all.txt"),
    ],
)
def test_what_cannot_be_meant_is_said(filled: Cli, words: tuple[str, ...], said: str) -> None:
    ran = filled("digest", *words)

    assert ran.code != 0
    assert said in ran.err


def test_retention_shows_what_would_go_and_deletes_nothing(pb: Cli) -> None:
    assert pb("retention").out == "Nothing is over its limits.\n"
    for days in (60, 50, 40):
        record(pb, ago=days * DAY)
    record(pb, ago=60 * DAY, job=None, trigger="cli")
    for job in ("job", None):
        record(pb, ago=HOUR, job=job, trigger="cli")
    ran = pb("retention")

    assert "pb run" in ran.out
    assert "4 runs and 0 B of logs would go" in ran.out
    assert "pb job run retention" in ran.err
    answer = pb("retention", "job", "--json").json
    assert (answer["runs"], answer["jobs"][0]["keep_days"]) == (3, 30)
    assert len(pb("job", "history", "--json").json["runs"]) == 6
    assert pb("retention", "nobody").code == 5
