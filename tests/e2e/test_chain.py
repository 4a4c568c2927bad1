"""``pb job run --with-deps``, ``retry`` and ``test``, with the installed command."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.command import BY_HAND, Pb


@pytest.fixture
def running(pb: Pb, tmp_path: Path) -> Pb:
    """A diamond: base; left and right follow it; top, which has a time of its own, needs both."""
    pb.ok("scheduler", "start")
    log = tmp_path / "order"
    for name, *words in (
        ("base", *BY_HAND),
        ("left", "--depends-on", "base"),
        ("right", "--depends-on", "base"),
        ("top", *BY_HAND, "--depends-on", "left", "--depends-on", "right"),
        ("alarm", *BY_HAND, "--depends-on", "base:failure"),
    ):
        script = f"echo {name} >> '{log}'; test ! -e '{tmp_path}/broken-{name}'"
        pb.ok("job", "add", name, *words, "--shell", "--", script)
    return pb


def ran(tmp_path: Path) -> list[str]:
    return (tmp_path / "order").read_text().split()


def test_each_runs_once_after_all_that_it_depends_on(running: Pb, tmp_path: Path) -> None:
    done = running.ok("job", "run", "top", "--with-deps", "--json").json

    assert [run["job"] for run in done["runs"]] == ["base", "left", "right", "top"]
    assert {run["state"] for run in done["runs"]} == {"succeeded"}
    assert sorted(ran(tmp_path)) == ["base", "left", "right", "top"]
    assert (ran(tmp_path)[0], ran(tmp_path)[-1]) == ("base", "top")
    assert [run["trigger"] for run in done["runs"]] == ["manual", "job", "job", "manual"]


def test_it_stops_where_something_fails_with_that_exit_code(running: Pb, tmp_path: Path) -> None:
    (tmp_path / "broken-left").touch()
    stopped = running("job", "run", "top", "--with-deps")

    assert stopped.code == 1
    assert "Stopped before top: run " in stopped.err
    assert "of left failed, and success is needed" in stopped.err
    assert "top" not in ran(tmp_path)


def test_a_dependency_on_failure_is_met_by_one(running: Pb, tmp_path: Path) -> None:
    assert running("job", "run", "alarm", "--with-deps").code == 1
    assert ran(tmp_path).count("alarm") == 0
    (tmp_path / "broken-base").touch()

    assert running("job", "run", "alarm", "--with-deps").code == 0
    assert ran(tmp_path).count("alarm") == 1


def test_a_failed_run_is_tried_again_with_its_fire_time(pb: Pb, tmp_path: Path) -> None:
    pb.ok("scheduler", "start")
    script = f"echo $PB_ATTEMPT $PB_FIRE_TIME; test -e '{tmp_path}/fixed'"
    pb.ok("job", "add", "j", *BY_HAND, "--shell", "--", script)
    assert pb("job", "run", "j", "--wait").code == 1
    (tmp_path / "fixed").touch()
    assert pb("job", "retry", "j", "--follow").code == 0

    second, first = pb.history("j")
    assert (first["state"], second["state"]) == ("failed", "succeeded")
    assert (second["attempt"], second["fire_time"]) == (2, first["fire_time"])
    said = pb.ok("job", "logs", str(second["run_id"])).out.split()
    assert said[0] == "2"
    assert pb("job", "retry", "12345").code == 5


def test_a_job_is_tried_out_with_its_environment_and_limits_shown(pb: Pb) -> None:
    pb.ok("scheduler", "start")
    env = ("--env", "COLOUR=blue", "--env", "API_TOKEN=s3cret")
    more = ("--limit", "memory=512MiB", "--condition", "load=0.001", "--timeout", "1m")
    script = 'echo "it is $COLOUR"; exit 3'
    pb.ok("job", "add", "j", *BY_HAND, *env, *more, "--shell", "--", script)
    ran = pb("job", "test", "j")

    assert ran.code == 3
    assert "COLOUR=blue" in ran.out
    assert "s3cret" not in ran.out
    assert "memory 512MiB (watched)" in ran.out
    assert "load: not asked for by hand" in ran.out
    assert "it is blue" in ran.out
    assert "failed" in ran.err
