"""`pb metric list`, and how jobs that wait for a number look in the list of jobs."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest

from pb.cli.reactions import stray
from tests.kit.cli import Cli
from tests.kit.users import unprivileged


def test_the_metrics_are_listed_with_their_units(pb: Cli) -> None:
    lines = pb("metric", "list").out.splitlines()
    assert lines[0].split() == ["METRIC", "UNIT"]
    (disk,) = [line for line in lines if line.startswith("disk.percent")]
    assert disk.split(maxsplit=2) == [
        "disk.percent:/path",
        "%",
        "Of what this user may use there, how much is",
    ]
    found = json.loads(pb("metric", "list", "--json").out)["metrics"]
    assert {"metric": "load1", "unit": None, "meaning": "Load of the last minute"} in found


def test_a_job_that_waits_for_a_number_says_so_in_the_list(pb: Cli) -> None:
    pb("job", "add", "tidy", "--when", "disk.percent:/ > 90 for 5m", "--", "true")
    pb("job", "add", "page", "--when", "absence job.tidy.succeeded 26h", "--", "true")
    listed = pb("job", "list").out
    assert "on threshold" in listed
    assert "on pattern" in listed
    shown = pb("job", "show", "tidy").out
    assert "  When: disk.percent:/ > 90 % for 5 minutes\n" in shown
    assert "    When disk.percent:/ > 90 % for 5 minutes\n" in shown


def test_a_narrow_terminal_shows_the_metrics_without_empty_lines(pb: Cli) -> None:
    lines = pb.on_terminal("metric", "list", columns=40, env={"NO_COLOR": "1"}).out.splitlines()
    assert lines[:2] == [
        "cpu.percent  %",
        "  Of all processors, how busy they were since the last look",
    ]
    assert "" not in [line.strip() for line in lines[:30]]


def test_places_to_watch_that_are_not_there_or_closed_are_said(pb: Cli, tmp_path: Path) -> None:
    said = pb("job", "add", "load", "--on-file", str(tmp_path / "inn" / "*.csv"), "--", "true").out
    assert f"There is no {tmp_path}/inn yet; it is waited for." in said
    said = pb("job", "add", "look", "--when", f"log {tmp_path}/a.log ERROR", "--", "true").out
    assert f"There is no {tmp_path}/a.log yet; it is waited for." in said
    said = pb("job", "add", "fine", "--on-file", str(tmp_path / "*.csv"), "--", "true").out
    assert "⚠" not in said
    with tempfile.TemporaryDirectory() as place:
        closed = Path(place) / "closed"
        closed.mkdir(mode=0)
        Path(place).chmod(0o755)
        with unprivileged():
            assert stray(str(closed)) == f"{closed} cannot be read."


def test_a_variable_that_was_not_set_is_no_file_to_wait_for(pb: Cli) -> None:
    refused = pb("job", "add", "load", "--on-file", "", "--", "true")
    assert (refused.code, "--on-file is empty" in refused.err) == (2, True)


@pytest.mark.parametrize(
    ("when", "remark"),
    [
        ("service.wbe.rss > 1GiB", "There is no service named 'wbe' yet."),
        ("job.bakcup.last_duration > 1h", "named 'bakcup' yet. Did you mean backup?"),
        ("absence job.bakcup.succeeded 26h", "There is no job named 'bakcup' yet."),
        ("slow bakcup 2x", "There is no job named 'bakcup' yet."),
        ("log service:wbe ERROR", "There is no service named 'wbe' yet."),
        ("idle service.wbe.cpu < 5 30m", "There is no service named 'wbe' yet."),
        ("job.backup.last_duration > 1h", None),
        ("slow * 2x", None),
        ("log /nowhere/x ERROR", "There is no /nowhere/x yet; it is waited for."),
        ("load1 > 4", None),
        ("count user.import 3 1h", None),
    ],
)
def test_names_that_nothing_has_are_remarked_upon(pb: Cli, when: str, remark: str | None) -> None:
    pb("job", "add", "backup", "--", "true")
    added = pb("job", "add", "look", "--when", when, "--", "true")
    assert added.code == 0
    if remark is None:
        assert "There is no" not in added.out
    else:
        assert remark in added.out
