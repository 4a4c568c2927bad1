"""What a person does in the first hour with the installed command, in order."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.kit import eventually
from tests.kit.command import BY_HAND, Pb

STATUS = re.compile(
    r"""Scheduler Daemon Status:

  Status: Running
  PID: \d+
  Mode: background
  Database: (?P<home>.+)/pony\.db
  Socket: .+/gateway\.sock
  Started: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z
  Uptime: (\d+[dhm] )*\d+s
  Log file: (?P=home)/scheduler\.log
"""
)


def test_the_status_block_is_the_promised_one(pb: Pb) -> None:
    pb.ok("scheduler", "start")

    shown = STATUS.match(pb.ok("scheduler", "status").out)

    assert shown
    assert shown["home"] == str(pb.home)


def test_a_job_added_from_the_command_line_fires_by_itself(pb: Pb) -> None:
    pb.ok("scheduler", "start")

    added = pb.ok("job", "add", "tick", "--cron", "* * * * * *", "--", "/bin/date")

    assert re.search(r"every second", added.text, re.IGNORECASE), added.text
    run = eventually(lambda: pb.history("tick"), timeout=15)[-1]
    assert run["state"] in ("succeeded", "running", "starting")
    assert run["trigger"].startswith("cron")
    listed = pb.job("tick")
    assert listed["next_run"]
    assert listed["run_count"] >= 1
    assert eventually(lambda: "20" in pb.ok("job", "logs", "tick").out)


def test_a_job_added_while_the_scheduler_is_down_fires_once_it_is_up(pb: Pb) -> None:
    pb.ok("job", "add", "tick", "--every", "1s", "--", "/bin/true")
    assert pb.job("tick")["next_run"]

    pb.ok("scheduler", "start")

    eventually(lambda: [r for r in pb.history("tick") if r["state"] == "succeeded"], timeout=15)


def test_a_new_schedule_takes_effect_at_once(pb: Pb) -> None:
    pb.ok("scheduler", "start")
    pb.ok("job", "add", "tick", "--cron", "0 3 1 1 *", "--", "/bin/true")
    assert not pb.history("tick")

    pb.ok("job", "add", "tick", "--replace", "--every", "1s", "--", "/bin/true")

    eventually(lambda: pb.history("tick"), timeout=15)


def test_next_run_is_filled_for_every_job_that_has_one(pb: Pb) -> None:
    pb.ok("job", "add", "nightly", "--cron", "30 2 * * *", "--", "/bin/true")
    pb.ok("job", "add", "often", "--every", "5m", "--", "/bin/true")
    pb.ok("job", "add", "off", "--every", "5m", "--disabled", "--", "/bin/true")
    pb.ok("job", "pause", "often")
    pb.ok("scheduler", "start")

    rows = {
        line.split()[0]: line
        for line in pb.ok("scheduler", "jobs").out.splitlines()[1:]
        if line.strip()
    }

    assert re.search(r"nightly +IDLE +Never +\d{4}-\d\d-\d\d \d\d:\d\d +0 +0", rows["nightly"])
    assert re.search(r"often +PAUSED +Never +- +0 +0", rows["often"])
    assert re.search(r"off +IDLE +Never +- +0 +0", rows["off"])


def test_a_paused_job_stays_paused_over_a_restart_and_does_not_catch_up(pb: Pb) -> None:
    pb.ok("job", "add", "tick", "--every", "1s", "--", "/bin/true")
    pb.ok("job", "pause", "tick")
    pb.ok("scheduler", "start")
    pb.ok("scheduler", "restart")

    assert pb.job("tick")["paused"]
    assert not [r for r in pb.history("tick") if r["state"] != "skipped"]
    resumed = datetime.now(UTC)
    pb.ok("job", "resume", "tick")

    run = eventually(
        lambda: [r for r in pb.history("tick") if r["state"] == "succeeded"], timeout=15
    )[-1]
    assert datetime.fromisoformat(run["fire_time"]) > resumed


def test_a_failed_run_tells_its_code_and_its_output_is_kept(pb: Pb) -> None:
    pb.ok("scheduler", "start")
    pb.ok("job", "add", "bad", *BY_HAND, "--", "/bin/sh", "-c", "echo going down; exit 3")

    ran = pb("job", "run", "bad", "--wait")

    assert ran.code == 3, ran.text
    run = pb.history("bad")[0]
    assert (run["state"], run["exit_code"]) == ("failed", 3)
    assert pb.ok("job", "logs", "bad").out == "going down\n"
    assert "Last error" in pb.ok("scheduler", "jobs").out


def test_an_unknown_job_is_exit_five_with_the_nearest_name(pb: Pb) -> None:
    pb.ok("job", "add", "backup", *BY_HAND, "--", "/bin/true")
    pb.ok("scheduler", "start")

    ran = pb("scheduler", "pause", "bakcup")

    assert ran.code == 5
    assert "backup" in ran.err


def test_a_command_of_the_moment_is_run_in_the_foreground_and_recorded(pb: Pb) -> None:
    ran = pb("run", "--", "/bin/sh", "-c", "echo hello; exit 4")

    assert (ran.code, ran.out) == (4, "hello\n")
    assert pb.ok("job", "history", "--json").json["runs"][0]["exit_code"] == 4


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("job", "add", "x", "--cron", "61 * * * *", "--", "/bin/true"), 6),
        (("job", "add", "x", "--cron", "0 0 31 2 *", "--", "/bin/true"), 6),
        (("job", "add", "x", "--every", "soon", "--", "/bin/true"), 6),
        (("job", "add", "../x", *BY_HAND, "--", "/bin/true"), 6),
        (("job", "show", "nobody"), 5),
        (("job", "run", "nobody"), 7),
        (("cron", "next", "* * *"), 6),
        (("scheduler", "logs", "-n", "1; rm -rf x"), 2),
        (("scheduler", "fly"), 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value),
)
def test_bad_input_is_a_sentence_and_the_right_exit_code(
    pb: Pb, words: tuple[str, ...], code: int
) -> None:
    ran = pb(*words)

    assert ran.code == code, ran.text
    assert ran.err.strip()
    assert "Traceback" not in ran.text


def test_commands_on_a_stopped_home_say_so_and_are_no_failure(pb: Pb) -> None:
    assert pb("scheduler", "status").code == 3
    assert pb("scheduler", "stop").code == 0
    assert pb("scheduler", "logs").code == 0
    assert pb("service", "status").code == 3
    assert not Path(pb.home / "scheduler.pid").exists()
