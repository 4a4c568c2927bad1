"""`pb debug events` and `pb gateway ps`, by the installed command."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit import eventually
from tests.kit.cli import Cli


@pytest.fixture
def pb(tmp_path: Path) -> Iterator[Cli]:
    work = tmp_path / "work"
    work.mkdir()
    cli = Cli(home=tmp_path / "home", cwd=work)
    yield cli
    cli.end_everything()


def test_nothing_has_happened_before_there_is_a_store_and_none_is_made(pb: Cli) -> None:
    told = pb("debug", "events")
    assert (told.code, told.out) == (0, "Nothing has happened yet.\n")
    assert pb("debug", "events", "--json").json == {"schema": 1, "events": []}
    assert not (pb.home / "pony.db").exists()
    assert pb("debug", "events", "-f").code == 7


def test_events_are_chosen_by_type_job_and_number(pb: Cli) -> None:
    for name in ("one", "two"):
        assert pb("job", "add", name, "--every", "1h", "--", "true").code == 0
    assert pb("job", "pause", "two").code == 0
    lines = pb("debug", "events", "--type", "job").out.splitlines()
    assert [line.split()[2] for line in lines] == ["job.added", "job.added", "job.paused"]
    assert pb("debug", "events", "-n", "1").out.splitlines() == lines[-1:]
    of_one = pb("debug", "events", "--job", "one", "--json").json["events"]
    assert [event["type"] for event in of_one] == ["job.added"]
    assert pb("debug", "events", "--service", "web").out == "Nothing like it has happened.\n"


def test_an_unknown_type_is_refused_with_the_nearest(pb: Cli) -> None:
    for word, hint in (
        ("run.faild", "Did you mean run.failed"),
        ("weather", "There are "),
    ):
        refused = pb("debug", "events", "--type", word)
        assert refused.code == 2
        assert hint in refused.err


def test_events_are_followed_across_a_restart_and_none_twice(pb: Cli) -> None:
    assert pb("scheduler", "start").code == 0
    assert pb("job", "add", "one", "--every", "1h", "--", "true").code == 0
    log = pb.cwd / "events"
    with log.open("wb") as file:
        following = pb.start("debug", "events", "-f", "-n", "0", "--json", stdout=file)
    try:

        def runs() -> bool:
            pb("job", "run", "one", "--wait")
            return '"run.succeeded"' in log.read_text()

        eventually(runs, timeout=30, interval=0.2)
        assert pb("scheduler", "restart").code == 0
        eventually(lambda: '"scheduler.started"' in log.read_text(), timeout=30)
        assert pb("job", "pause", "one").code == 0
        eventually(lambda: '"job.paused"' in log.read_text(), timeout=30)
    finally:
        following.send_signal(signal.SIGINT)
    assert following.wait(10) == 130
    numbers = [json.loads(line)["seq"] for line in log.read_text().splitlines()]
    kept = [number for number in numbers if number is not None]
    assert kept == sorted(set(kept))


def test_the_process_of_the_gateway_is_shown(pb: Cli) -> None:
    assert "Status: Not running" in pb("gateway", "ps").out
    assert pb("gateway", "start").code == 0
    shown = pb("gateway", "ps", "--json").json["services"]
    assert [one["name"] for one in shown] == ["gateway"]
    assert shown[0]["rss_bytes"] > 2**20
    assert "Memory: " in pb("gateway", "ps").out
