"""`pb top`: what runs and what it uses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pb.cli import top
from tests.kit import eventually
from tests.kit.cli import Cli

BUSY = "while true; do :; done"


@pytest.fixture
def pb(tmp_path: Path) -> Iterator[Cli]:
    work = tmp_path / "work"
    work.mkdir()
    cli = Cli(home=tmp_path / "home", cwd=work)
    yield cli
    cli.end_everything()


def test_without_a_scheduler_it_says_what_to_type_and_makes_no_store(pb: Cli) -> None:
    ran = pb("top")
    assert ran.code == 0
    assert "no scheduler runs\n  Start it: pb scheduler start" in ran.out
    assert not (pb.home / "pony.db").exists()


def test_the_busiest_comes_first_with_the_use_of_its_whole_tree(pb: Cli) -> None:
    assert pb("scheduler", "start").code == 0
    nested = f"sh -c '{BUSY}' & wait"
    assert pb("service", "add", "calm", "--", "sleep", "3600").code == 0
    assert pb("service", "add", "busy", "--", "sh", "-c", nested).code == 0
    assert pb("job", "add", "long", "--cron", "0 0 1 1 *", "--", "sleep", "3600").code == 0
    assert pb("job", "run", "long").code == 0

    def one() -> dict[str, dict[str, object]]:
        shown = pb("top", "--json").json
        rows = {row["name"]: row for row in [*shown["services"], *shown["runs"]]}
        assert rows["busy"]["cpu_percent"] > 5
        return rows

    rows = eventually(one, timeout=30)
    assert (rows["busy"]["processes"], rows["long"]["kind"]) == (2, "run")
    assert rows["calm"]["memory_bytes"]
    lines = pb("top", "--once").out.splitlines()
    assert "scheduler up" in lines[0]
    assert "1 running, 2 of 2 services up" in lines[0]
    assert lines[3].startswith("✓ busy")
    assert any(line.startswith("✓ long #1") for line in lines)


def test_looks_are_counted_and_one_json_document_is_a_line(pb: Cli) -> None:
    ran = pb("top", "-n", "2", "--every", "100ms", "--json")
    documents = [json.loads(line) for line in ran.out.splitlines()]
    assert [one["scheduler"]["running"] for one in documents] == [False, False]
    assert pb("top", "-n", "2", "--every", "100ms").out.count("NAME") == 2
    assert pb("top", "--every", "1ms").code == 2
    assert pb("top", "-n", "0").code == 2


@pytest.mark.parametrize("columns", [40, 60, 80])
def test_no_line_is_wider_than_the_terminal(pb: Cli, columns: int) -> None:
    for name in ("a", "nightly-backup-of-everything-that-matters-on-this-machine"):
        assert pb("job", "add", name, "--every", "1h", "--", "true").code == 0
    ran = pb.on_terminal("top", "--once", columns=columns, env={"NO_COLOR": "1"})
    lines = [line for line in ran.out.splitlines() if not line.startswith("Next:")]
    assert max(map(len, lines)) <= columns, lines


def row(name: str, kind: str, state: str, cpu: float | None, **more: object) -> dict[str, object]:
    known = {"health": "none", "restarts": 0, "reason": None, "memory_bytes": None}
    known |= {"pid": 1, "uptime_seconds": 5.0, "run_id": 7}
    return {"name": name, "kind": kind, "state": state, "cpu_percent": cpu, **known, **more}


def test_what_needs_somebody_stands_above_what_is_busy_and_pb_itself_below() -> None:
    counts = {"running": 1, "queued": 2}
    document = {
        "at": "2026-11-26T23:00:00.000Z",
        "scheduler": {"running": True, "uptime_seconds": 61.0, "notice": "full", "counts": counts},
        "services": [
            row("gateway", "builtin", "running", 99.0),
            row("web", "service", "running", 2.0),
            row("sick", "service", "running", 1.0, health="unhealthy"),
            row("bad", "service", "failed", None, pid=None),
            row("again", "service", "backoff", None),
        ],
        "runs": [row("job", "run", "queued", None, pid=None), row("x", "run", "running", 3.0)],
        "next": [{"job": "soon", "at": "2026-11-26T23:00:00.000Z"}],
    }
    lines = top.lines(document, live="every 2 s")

    assert "1 running, 2 queued, 2 of 4 services up  every 2 s" in lines[0]
    assert lines[1] == "full"
    names = [line[2:].split()[0] for line in lines[4:-2]]
    assert names == ["sick", "again", "bad", "x", "web", "job", "gateway"]
    assert lines[-1] == "Next: soon now"
