"""``pb service`` with services of the user's own: the real command, scheduler and processes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit import eventually
from tests.kit.cli import Cli
from tests.kit.command import is_running

SLEEP = (sys.executable, "-c", "import time; print('up', flush=True); time.sleep(3600)")
SLOW_DEATH = (
    "import signal, time\n"
    "signal.signal(signal.SIGTERM, lambda *_: (time.sleep(1.5), exit(0)))\n"
    "print('up', flush=True)\n"
    "while True: time.sleep(60)\n"
)


@pytest.fixture
def pb(tmp_path: Path) -> Iterator[Cli]:
    work = tmp_path / "work"
    work.mkdir()
    cli = Cli(home=tmp_path / "home", cwd=work)
    yield cli
    cli.end_everything()


def view(pb: Cli, name: str) -> dict[str, Any]:
    (found,) = pb("service", "status", name, "--json").json["services"]
    return dict(found)


def add(pb: Cli, name: str, *flags: str, command: tuple[str, ...] = SLEEP) -> None:
    ran = pb("service", "add", name, *flags, "--", *command)
    assert ran.code == 0, ran


def test_a_service_is_added_started_watched_and_removed(pb: Cli) -> None:
    added = pb("service", "add", "web", "--", *SLEEP)
    assert added.code == 0, added
    assert "✓ Service 'web' added." in added.out
    assert "pb service start web" in added.err

    started = pb("service", "start", "web")
    assert started.code == 0, started
    assert "No scheduler runs to watch over it" in started.err
    assert "✓ web: Running (PID " in started.out

    found = view(pb, "web")
    assert (found["state"], found["builtin"], found["restarts"]) == ("running", False, 0)
    assert found["memory_bytes"] > 1_000_000
    assert pb("service", "status", "web").code == 0

    os.kill(found["pid"], signal.SIGKILL)
    assert eventually(lambda: view(pb, "web")["restarts"] == 1)
    assert view(pb, "web")["last_exit"]["signal"] == "SIGKILL"

    again = pb("service", "start", "web")
    assert (again.code, "Running already" in again.out) == (0, True)
    pid = view(pb, "web")["pid"]
    removed = pb("service", "remove", "web")
    assert removed.code == 0, removed
    assert "✓ web: Removed (its logs stay: " in removed.out
    assert not is_running(pid)
    assert pb("service", "status", "web").code == 5
    assert "up" in pb("service", "logs", "web").out


def test_a_running_scheduler_starts_a_new_service_at_once(pb: Cli) -> None:
    assert pb("scheduler", "start").code == 0
    added = pb("service", "add", "web", "--", *SLEEP)
    assert added.code == 0, added
    assert "✓ web: Running (PID " in added.out
    off = pb("service", "add", "off", "--disabled", "--", *SLEEP)
    assert off.code == 0, off
    assert "pb service start off" in off.err
    assert view(pb, "off")["state"] == "stopped"
    status = pb("service", "status")
    assert "✓ web " in status.out
    assert "✗ off " in status.out


def test_what_cannot_start_says_why_with_its_last_lines_and_hides_no_other(pb: Cli) -> None:
    add(pb, "good")
    add(pb, "bad", "--restart", "never", command=("sh", "-c", "echo first; echo last; exit 3"))
    ran = pb("service", "start", "good", "bad", "nobody", "--wait", "ready")
    assert ran.code == 1, ran
    assert "✓ good: Running (PID " in ran.out
    assert "✗ nobody: There is no service 'nobody'" in ran.out
    assert eventually(lambda: view(pb, "bad")["state"] == "failed")
    again = pb("service", "start", "bad")
    status = pb("service", "status")
    assert status.code == 1
    assert "✗ bad: failed: exit code 3" in status.out
    assert "    | last\n" in status.out
    assert "pb service reset bad" in status.out
    assert again.code in (0, 1)


def test_what_had_failed_is_started_before_what_waits_for_it(pb: Cli) -> None:
    add(pb, "zdb", "--restart", "never", command=("sh", "-c", "test -e good && exec sleep 3600"))
    add(pb, "web", "--depends-on", "zdb")
    pb("service", "start", "web")
    assert eventually(lambda: view(pb, "zdb")["state"] == "failed")
    (pb.cwd / "good").touch()
    again = pb("service", "start", "all", env={"PB_DEBUG__PORT": "0"})
    assert again.code == 0, again
    assert "✓ web: Running (PID " in again.out


def test_stop_all_is_the_reverse_and_works_without_a_scheduler(pb: Cli) -> None:
    add(pb, "db")
    add(pb, "web", "--depends-on", "db")
    assert pb("service", "start", "web").code == 0
    pids = [view(pb, name)["pid"] for name in ("db", "web")]
    assert pb("scheduler", "stop").code == 0
    status = pb("service", "status", "web", "db")
    assert status.code == 150, status
    assert "2 services that nobody watches over" in status.out
    assert view(pb, "web")["state"] == "orphaned"
    stopped = pb("service", "stop", "all")
    assert stopped.code == 0, stopped
    titles = [line.split(":")[0] for line in stopped.out.splitlines() if line.startswith("✓ ")]
    assert titles[:2] == ["✓ web", "✓ db"]
    assert not any(map(is_running, pids))
    assert pb("service", "status", "web").code == 3


def test_the_order_is_shown_before_anything_happens(pb: Cli) -> None:
    add(pb, "db")
    add(pb, "web", "--depends-on", "db", "--group", "front")
    assert pb("service", "start", "front", "--dry-run").out == "1. scheduler\n2. db\n3. web\n"
    alone = pb("service", "start", "front", "--dry-run", "--no-deps")
    assert alone.out == "1. scheduler\n2. web\n"
    whole = pb("service", "plan", "all", "--json").json
    assert whole["layers"] == [["scheduler"], ["gateway", "debug"], ["db"], ["web"]]
    down = pb("service", "stop", "db", "--dependents", "--dry-run")
    assert down.out == "1. web\n2. db\n"
    assert pb("service", "status").code == 3


def test_restart_takes_up_a_changed_definition(pb: Cli) -> None:
    add(pb, "web")
    assert pb("service", "start", "web").code == 0
    before = view(pb, "web")["pid"]
    changed = pb("service", "add", "web", "--replace", "--env", "A=1", "--", *SLEEP)
    assert "pb service restart web" in changed.err
    assert view(pb, "web")["changed"] is True
    status = pb("service", "status")
    assert "running*" in status.out
    assert "apply it: pb service restart web" in status.out
    restarted = pb("service", "restart", "web")
    assert restarted.code == 0, restarted
    assert "✓ web: Running again (PID " in restarted.out
    after = view(pb, "web")
    assert (after["changed"], after["pid"] != before) == (False, True)


def test_replicas_are_scaled_and_named_one_by_one(pb: Cli) -> None:
    add(pb, "worker", "--replicas", "2")
    assert pb("service", "start", "worker").code == 0
    names = [one["name"] for one in pb("service", "status", "worker", "--json").json["services"]]
    assert names == ["worker", "worker@1"]
    assert pb("service", "stop", "worker@1").code == 0
    assert view(pb, "worker@1")["state"] == "stopped"
    scaled = pb("service", "scale", "worker=3")
    assert scaled.out == "✓ worker: Scaled (2 → 3)\n"
    assert eventually(lambda: view(pb, "worker@2")["state"] == "running")
    assert pb("service", "scale", "worker").code == 2


def test_those_that_depend_on_each_other_are_removed_together(pb: Cli) -> None:
    add(pb, "db")
    add(pb, "web", "--depends-on", "db")
    refused = pb("service", "remove", "db")
    assert (refused.code, "web depends on" in refused.err) == (1, True)
    ran = pb("service", "remove", "db", "web", "nobody")
    removed = [line.split(":")[0] for line in ran.out.splitlines() if "Removed" in line]
    # Those of an unknown name are told, and an order is not asked for then.
    assert (ran.code, removed) == (1, ["✓ web"])
    add(pb, "web", "--depends-on", "db")
    ran = pb("service", "remove", "db", "web")
    assert [line.split(":")[0] for line in ran.out.splitlines()] == ["✓ web", "✓ db"]
    assert ran.code == 0


def test_one_that_goes_away_by_itself_is_told_to_stay(pb: Cli) -> None:
    add(
        pb, "gone", "--max-restarts", "1", "--restart-delay", "1ms", "--disabled", command=("true",)
    )
    pb("service", "start", "gone")
    assert eventually(lambda: view(pb, "gone")["state"] == "failed")
    assert "keep it in the foreground" in pb("service", "status", "gone").out


def test_a_word_that_means_nobody_is_refused_beside_all_too(pb: Cli) -> None:
    add(pb, "web", "--replicas", "2")
    ran = pb("service", "stop", "all", "nobody")
    assert (ran.code, ran.out) == (5, "")
    assert "There is no service 'nobody'" in ran.err
    assert "hint: web has: web." in pb("service", "status", "web@5").err
    for verb in ("remove", "enable", "disable"):
        ran = pb("service", verb, "all")
        assert (ran.code, "Say which services" in ran.err) == (2, True)


def test_what_is_scaled_to_none_says_how_it_runs_again(pb: Cli) -> None:
    add(pb, "worker")
    assert pb("service", "scale", "worker=0").code == 0
    assert eventually(lambda: view(pb, "worker")["reason"] == "scaled to 0")
    hint = "Let it run again: pb service scale worker=1"
    started = pb("service", "start", "worker")
    assert (started.code, started.err.splitlines()[-1]) == (1, f"hint: {hint}")
    assert hint in pb("service", "status", "worker").out


def test_the_switch_is_about_all_and_starts_and_stops_nothing(pb: Cli) -> None:
    add(pb, "web")
    assert pb("service", "start", "web").code == 0
    assert pb("service", "disable", "web").out == "✓ web: Disabled\n"
    assert pb("service", "disable", "web").out == "✓ web: Disabled already\n"
    assert view(pb, "web")["state"] == "running"
    assert pb("service", "plan", "all", "--json").json["layers"][2:] == []
    assert pb("service", "enable", "web", "scheduler").code == 1
    assert pb("service", "enable", "scheduler").code == 3


def test_logs_of_several_have_a_prefix_each(pb: Cli) -> None:
    add(pb, "a", command=("sh", "-c", "printf 'one\\033[31m\\n'; sleep 3600"))
    add(pb, "b-longer-name", command=("sh", "-c", "echo two; sleep 3600"))
    assert pb("service", "start", "a", "b-longer-name").code == 0
    assert eventually(lambda: pb("service", "logs", "a").out == "one\\x1b[31m\n")
    ran = pb("service", "logs", "a", "b-longer-name")
    assert sorted(ran.out.splitlines()) == ["a             | one\\x1b[31m", "b-longer-name | two"]
    assert pb("service", "logs", "a", "--json").json["lines"][0]["service"] == "a"
    assert "two" in pb("service", "logs", "all").out
    assert pb("service", "logs", "nobody").code == 5


def test_standard_error_that_is_kept_apart_can_be_asked_for(pb: Cli) -> None:
    both = ("sh", "-c", "echo good; echo bad >&2; exec sleep 3600")
    add(pb, "web", "--log", '{"split_stderr": true}', command=both)
    assert pb("service", "start", "web").code == 0
    assert eventually(lambda: pb("service", "logs", "web", "--stream", "err").out == "bad\n")
    assert pb("service", "logs", "web", "--stream", "out").out == "good\n"
    together = pb("service", "logs", "web").out.splitlines()
    assert sorted(together) == ["web       | good", "web:err   | bad"]
    (line,) = pb("service", "logs", "web", "--stream", "err", "--json").json["lines"]
    assert (line["service"], line["stream"], line["text"]) == ("web", "err", "bad")
    assert pb("service", "logs", "web", "--stream", "in").code == 2


def test_progress_says_what_is_waited_for_on_a_terminal(pb: Cli) -> None:
    add(pb, "slow", command=(sys.executable, "-c", SLOW_DEATH))
    assert pb("service", "start", "slow").code == 0
    assert eventually(lambda: "up" in pb("service", "logs", "slow").out)
    ran = pb.on_terminal("service", "stop", "slow", env={"NO_COLOR": "1"})
    assert ran.code == 0, ran
    assert "Waiting for slow to stop (" in ran.out
    assert ran.out.splitlines()[-1].endswith("✓ slow: Stopped")


def test_a_start_says_what_it_waits_for_on_a_terminal_and_nothing_elsewhere(pb: Cli) -> None:
    add(pb, "slow", "--disabled", "--ready", "delay:3s")
    add(pb, "web", "--disabled", "--depends-on", "slow")
    assert pb("scheduler", "start").code == 0
    ran = pb.on_terminal("service", "start", "web", columns=120, env={"NO_COLOR": "1"})
    assert ran.code == 0, ran
    assert "Waiting for slow to be ready, web (waiting for slow" in ran.out
    assert "✓ slow: Running (PID " in ran.out
    assert ", ready in 3." in ran.out
    assert pb("service", "stop", "web").code == 0
    assert "\x1b" not in pb("service", "start", "web").all


@pytest.mark.parametrize("columns", [40, 60, 80])
def test_the_screen_fits_the_terminal(pb: Cli, columns: int) -> None:
    add(pb, "web-with-a-name")
    add(pb, "bad", "--restart", "never", command=("sh", "-c", "exit 3"))
    assert pb("service", "start", "web-with-a-name").code == 0
    ran = pb.on_terminal("service", "status", columns=columns, env={"NO_COLOR": "1"})
    table = ran.out.split("\n\n")[0]
    assert "web-with-a-name" in table
    assert max(map(len, table.splitlines())) <= columns, table


def test_a_service_without_a_command_is_refused(pb: Cli) -> None:
    ran = pb("service", "add", "web")
    assert (ran.code, "has no command" in ran.err) == (2, True)
    assert pb("service", "add", "all", "--", "true").code == 6
    dry = pb("service", "add", "web", "--dry-run", "--", "true")
    assert (dry.code, "would be added" in dry.out) == (0, True)
    assert pb("service", "status", "web").code == 5
