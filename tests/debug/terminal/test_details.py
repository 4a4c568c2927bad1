"""One job, run and service as rows: what is told, and what is left out."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest

from pb.debug.terminal import attention, details, views, words
from pb.debug.terminal.table import Row
from tests.debug.terminal.stage import DEFINED, a_service, a_whole_job, a_whole_run

Json = dict[str, Any]

NOW = words.seconds_of("2026-11-26T12:00:00.000Z")
ROOM = 60


def ago(**span: float) -> str:
    """An instant that long before ``NOW``."""
    return words.instant(round((NOW - timedelta(**span).total_seconds()) * 1000))


def told(rows: Iterable[Row]) -> str:
    return "\n".join(" ".join(cell.text for cell in row.cells) for row in rows)


def job_told(job: Json, history: list[Json], **changes: Any) -> str:
    found = {"job": job, "history": history, "fire_times": [], **DEFINED, **changes}
    return told(details.job(found, ["one line"], NOW, ROOM))


def test_a_paused_job_says_until_when_and_how_to_resume_it() -> None:
    paused = {"state": "paused", "paused": True, "pause_note": "moving", "tags": ["disk"]}
    shown = job_told(a_whole_job("backup", **paused, paused_until=ago(hours=-2, minutes=-5.5)), [])
    assert "Paused       moving · until in 2h 5m" in shown
    assert "It is paused: p resumes it." in shown
    assert "It has not run yet: r runs it." in shown
    assert "Tags         disk" in shown
    assert "Log" not in shown
    forever = job_told(a_whole_job("backup", **paused), [])
    assert "until somebody resumes it" in forever


def test_a_job_tells_its_counts_its_notes_and_how_long_its_runs_took() -> None:
    took = [a_whole_run(n, "backup", "succeeded", duration_ms=n * 1000) for n in (3, 2, 1)]
    counts = {"run_count": 3, "success_count": 2, "error_count": 1, "skip_count": 4}
    note = ["On 2027-03-28 it runs at 03:00, once"]
    job = a_whole_job("backup", **counts, last_skip=ago(hours=1), last_skip_reason="overlap")
    shown = job_told(job, took, notes=note)
    assert "Counts       3 runs · 2 succeeded · 1 failed · 4 skipped" in shown
    assert "Took         ▃▆█  1.0s to 3.0s" in shown
    assert "◷ On 2027-03-28" in shown
    assert "It fires at no time to come." in shown
    assert "Log of run 3" in shown
    assert "overlap" in shown
    assert "Took" not in job_told(job, took[:1])


def test_an_open_run_tells_how_long_it_runs_and_a_late_one_how_late() -> None:
    running = a_whole_run(
        5, "backup", "running", finished_at=None, duration_ms=None, exit_code=None
    )
    running |= {"lateness_ms": 5000, "attempt": 2, "by": "cli:me", "started_at": ago(seconds=90)}
    shown = told(details.run({"run": running}, [], NOW, ROOM))
    for part in ("Runs for     1m", "Late by      5.0s", "Attempt      2", "by cli:me", "PID"):
        assert part in shown
    assert "It has written nothing yet." in shown


def test_a_run_tells_its_result_and_one_that_never_began_has_no_log() -> None:
    done = a_whole_run(5, None, "succeeded", command=["make", "all"], output={"rows": 812})
    shown = told(details.run({"run": done | {"max_rss_bytes": 5 * 2**20}}, ["done"], NOW, ROOM))
    assert "Run 5 of make all: succeeded" in shown
    assert '"rows": 812' in shown
    assert "Memory       5 MiB at most" in shown
    skipped = a_whole_run(6, "backup", "skipped", started_at=None, reason="overlap")
    shown = told(details.run({"run": skipped}, [], NOW, ROOM))
    assert "Why          overlap" in shown
    assert "Log" not in shown


def test_a_service_tells_its_use_now_and_over_the_last_minutes() -> None:
    samples = [{"rss_bytes": n * 2**20, "cpu_percent": None if n == 1 else 12.5} for n in (1, 2)]
    one = a_service("web", health="unhealthy", health_reason="refused", groups=["front"])
    event = {"at": ago(hours=1, minutes=5.5), "text": "Service web: exit code 1"}
    found = {"service": one, "exits": [event], **DEFINED}
    shown = told(details.service(found, samples, ["line"], NOW, ROOM))
    assert "Memory           2 MiB  ▅█" in shown
    assert "Processor        12.5%  █" in shown
    assert "Health       unhealthy: refused" in shown
    assert "1h 5m ago  Service web: exit code 1" in shown
    assert "Memory" not in told(details.service(found, [], [], NOW, ROOM))


def test_a_daemon_that_is_down_says_how_to_start_it() -> None:
    down = {"name": "gateway", "state": "stopped", "reason": None, "pid": None}
    down |= {"mode": None, "address": None, "started_at": None}
    assert "Start it     pb service start gateway" in told(details.builtin(down, [], [], NOW, ROOM))


def test_what_is_refused_is_told_with_its_hint() -> None:
    error = {"message": "There is no job 'x'", "hint": "Did you mean y?"}
    assert told(details.problem(error, ROOM)) == "There is no job 'x'\nDid you mean y?"


# -- attention


def state(**changes: Any) -> Json:
    jobs = {"failing": [], "paused": []}
    return {"services": [], "jobs": jobs, "runs": [], "file_problems": [], **changes}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"state": "failed", "reason": "exit code 1"}, "✗ Service web has failed exit code 1"),
        ({"state": "orphaned", "reason": "alone"}, "✗ Service web is orphaned alone"),
        ({"health": "unhealthy"}, "✗ Service web is unhealthy its health probe fails"),
        (
            {"state": "backoff", "next_start_at": ago(seconds=-30.5), "reason": "exit code 2"},
            "! Service web waits to start again in 30s: exit code 2",
        ),
        ({"state": "failed", "last_exit": {"reason": "gone"}}, "✗ Service web has failed gone"),
        ({}, ""),
        ({"state": "stopped"}, ""),
    ],
)
def test_a_service_that_needs_somebody_is_named_with_why(changes: Json, said: str) -> None:
    rows = attention.rows(state(services=[a_service("web", **changes)]), {}, NOW)
    assert told(rows).startswith(said)
    assert bool(said) == bool(
        told(attention.rows(state(services=[a_service("web", **changes)]), {}, NOW))
    )


def test_a_full_disk_a_mistake_in_a_file_and_missed_fire_times_are_named() -> None:
    missed = [a_whole_run(n, "backup", "missed", fire_count=3, reason="asleep") for n in (2, 1)]
    disk = {"free": 2**20, "total": 2**30, "is_low": True}
    found = state(disk=disk, file_problems=["a.toml:3: no such key"], runs=missed)
    lines = told(attention.rows(found, {}, NOW)).splitlines()
    assert lines[0].startswith("✗ The disk is nearly full 1 MiB are free")
    assert lines[1].startswith("✗ Mistake in a definition file a.toml:3: no such key")
    assert [line for line in lines if "missed 3 fire times" in line] == [lines[2]]


def test_events_of_what_is_gone_lead_nowhere() -> None:
    event = {"type": "job.removed", "job": "a", "run_id": None, "service": None}
    assert views.thing_of(event) is None
    service = event | {"type": "service.started", "job": None, "service": "web"}
    thing = views.thing_of(service)
    assert thing is not None
    assert (thing.kind, thing.name) == ("service", "web")
