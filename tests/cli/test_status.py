"""The status screens without a daemon: stopped, dead, unreadable; shapes and exit codes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.kit.cli import Cli

STATUS_KEYS = {
    "schema",
    "running",
    "pid",
    "mode",
    "db_path",
    "socket_path",
    "started_at",
    "uptime_seconds",
    "log_path",
    "jobs",
}
SERVICE_KEYS = {
    "name",
    "builtin",
    "enabled",
    "desired",
    "state",
    "health",
    "pid",
    "started_at",
    "uptime_seconds",
    "restarts",
    "address",
    "last_exit",
    "log_path",
    "pid_file",
}


def make_home(pb: Cli) -> Path:
    pb.home.mkdir(mode=0o700)
    return pb.home


def test_a_stopped_scheduler_is_said_with_exit_code_3(pb: Cli) -> None:
    ran = pb("scheduler", "status")
    assert ran.code == 3
    assert ran.out.splitlines()[:3] == ["Scheduler Daemon Status:", "", "  Status: Not running"]
    assert ran.err == "hint: Start it with `pb scheduler start`.\n"


def test_the_status_of_a_stopped_scheduler_still_shows_the_jobs(pb: Cli) -> None:
    assert pb("job", "add", "a", "--every", "1h", "--", "true").code == 0
    ran = pb("scheduler", "status")
    assert ran.code == 3
    assert ran.out.splitlines()[-1].startswith("a                    IDLE         Never")
    assert "JOB" not in pb("scheduler", "status", "--no-jobs").out


def test_the_json_of_a_stopped_scheduler_keeps_its_names(pb: Cli) -> None:
    ran = pb("scheduler", "status", "--json")
    assert (ran.code, ran.err) == (3, "")
    assert set(ran.json) >= STATUS_KEYS
    assert ran.json["running"] is False
    assert ran.json["jobs"] == []


def test_a_dead_scheduler_with_its_pid_file_is_exit_code_1(pb: Cli) -> None:
    (make_home(pb) / "scheduler.pid").write_text(f"{os.getpid()}\n")
    ran = pb("scheduler", "status")
    assert ran.code == 1
    assert "⚠ Process is not running but PID file exists" in ran.out
    assert "hint: Run `pb scheduler start` to start a new instance." in ran.err


@pytest.mark.parametrize("content", ["garbage", "0", "-1", "1", "{", '{"pid": "x"}', "9" * 40, ""])
def test_a_pid_file_that_cannot_be_believed_is_exit_code_4_with_a_sentence(
    pb: Cli, content: str
) -> None:
    (make_home(pb) / "scheduler.pid").write_text(content)
    ran = pb("scheduler", "status")
    assert ran.code == 4, ran
    assert "  Status: Unknown" in ran.out
    assert "PID file" in ran.err
    assert pb("service", "status").code == 4


@pytest.mark.parametrize("kind", ["directory", "fifo", "symlink"])
def test_a_pid_file_that_is_no_file_is_exit_code_4(pb: Cli, kind: str) -> None:
    path = make_home(pb) / "scheduler.pid"
    make = {
        "directory": path.mkdir,
        "fifo": lambda: os.mkfifo(path),
        "symlink": lambda: path.symlink_to("/etc/hostname"),
    }
    make[kind]()
    ran = pb("scheduler", "status", timeout=10)
    assert ran.code == 4, ran
    assert pb("scheduler", "stop", timeout=10).code in (0, 1)


def test_stopping_what_does_not_run_is_said_and_fine(pb: Cli) -> None:
    for words, text in (
        (("scheduler", "stop"), "Scheduler is not running\n"),
        (("gateway", "stop", "--force"), "Gateway is not running\n"),
        (("debug", "stop"), "Debug Server is not running\n"),
    ):
        ran = pb(*words)
        assert (ran.code, ran.out) == (0, text)
    ran = pb("service", "stop", "all")
    assert ran.code == 0
    assert ran.out.count("Not running") == 3


def test_a_pid_file_that_cannot_be_believed_is_told_of_when_stopping(pb: Cli) -> None:
    (make_home(pb) / "scheduler.pid").write_text("garbage")
    alone = pb("scheduler", "stop")
    assert (alone.code, alone.out) == (0, "Scheduler is not running\n")
    assert "note: The PID file " in alone.err
    together = pb("service", "stop", "all")
    assert together.code == 0
    assert "✓ Scheduler: Not running (The PID file " in together.out


def test_service_status_has_a_mark_and_a_way_to_start_each(pb: Cli) -> None:
    ran = pb("service", "status")
    assert ran.code == 3
    for name, title in (
        ("scheduler", "Scheduler"),
        ("gateway", "Gateway"),
        ("debug", "Debug Server"),
    ):
        block = f"  {title}:\n    ✗ Not running\n    Start: pb service start {name}\n"
        assert block in ran.out
    assert "PonyBunny Services Status" in ran.out


def test_the_json_of_service_status_keeps_its_names(pb: Cli) -> None:
    ran = pb("service", "status", "--json")
    assert (ran.code, ran.err, ran.json["schema"]) == (3, "", 1)
    assert [service["name"] for service in ran.json["services"]] == [
        "scheduler",
        "gateway",
        "debug",
    ]
    for service in ran.json["services"]:
        assert set(service) >= SERVICE_KEYS
        assert (service["builtin"], service["state"], service["pid"]) == (True, "stopped", None)


@pytest.mark.parametrize("words", [("scheduler", "logs"), ("service", "logs", "all")])
def test_logs_that_do_not_exist_are_said_and_fine(pb: Cli, words: tuple[str, ...]) -> None:
    ran = pb(*words)
    assert (ran.code, ran.out) == (0, "")
    assert "No log file found for scheduler" in ran.err


def test_logs_are_cut_to_the_last_lines_filtered_and_made_harmless(pb: Cli) -> None:
    log = make_home(pb) / "scheduler.log"
    log.write_bytes(b"one\ntwo\n\x1b[31mthree \xe2\x80\xae [bold]x\n")
    assert pb("scheduler", "logs", "-n", "1").out == "\\x1b[31mthree \\u202e [bold]x\n"
    assert pb("scheduler", "logs", "-n", "0").out == ""
    assert pb("scheduler", "logs", "--grep", "tw").out == "two\n"
    document = pb("scheduler", "logs", "-n", "2", "--json").json
    assert document["lines"][0]["text"] == "two"
    assert {"service", "time", "text"} == set(document["lines"][0])


def test_several_logs_have_a_prefix_each(pb: Cli) -> None:
    home = make_home(pb)
    (home / "scheduler.log").write_text("a\n")
    (home / "gateway.log").write_text("b\n")
    ran = pb("service", "logs", "all")
    assert ran.out == "scheduler | a\ngateway   | b\n"
    assert "No log file found for debug" in ran.err


@pytest.mark.parametrize("words", [("job", "list"), ("scheduler", "start"), ("config", "show")])
def test_a_broken_configuration_is_refused_with_file_and_line(
    pb: Cli, words: tuple[str, ...]
) -> None:
    (make_home(pb) / "config.toml").write_text("[gateway]\nprot = 1\n")
    ran = pb(*words)
    assert ran.code == 6, ran
    assert "config.toml:2: gateway.prot" in ran.err.splitlines()[0]
    assert "hint: Did you mean port?" in ran.err


def test_status_and_stop_work_with_a_broken_world(pb: Cli) -> None:
    home = make_home(pb)
    (home / "config.toml").write_text("nonsense [")
    (home / "pony.db").write_bytes(b"not a database" * 500)
    status = pb("scheduler", "status")
    assert status.code == 3
    assert "config.toml:1" in status.err
    assert pb("scheduler", "stop").code == 0
    (home / "config.toml").unlink()
    status = pb("scheduler", "status", "--json")
    assert status.code == 3
    assert "pony.db" in status.json["notice"]
    assert (home / "pony.db").read_bytes() == b"not a database" * 500


def test_pb_alone_is_an_overview_with_the_next_step(pb: Cli) -> None:
    ran = pb()
    assert ran.code == 0
    assert "✗ Scheduler: not running" in ran.out
    assert "  pb service start all" in ran.out
    assert pb("--json").json["next_step"] == "pb service start all"


def test_the_settings_are_shown_with_their_origin(pb: Cli) -> None:
    (make_home(pb) / "config.toml").write_text("[logs]\nkeep = 7\n")
    lines = pb("config", "show", "--origin", env={"PB_GATEWAY__PORT": "4711"}).out.splitlines()
    found = {line.split(" = ")[0].strip(): line.split(" = ")[1] for line in lines}
    assert found["logs.keep"] == f"7  ({pb.home}/config.toml:2)"
    assert found["gateway.port"] == "4711  (environment PB_GATEWAY__PORT)"
    assert found["debug.host"] == "127.0.0.1  (default)"
    assert found["logs.compress"] == "true  (default)"
    assert {found["logs.socket"], found["gateway.names"]} == {"-  (default)"}
    assert found["scheduler.db"] == f"{pb.home}/pony.db  (default)"
    document = pb("config", "show", "--json").json
    assert document["settings"]["logs.keep"] == 7
    assert pb("config", "path").out == f"{pb.home}/config.toml\n"


def test_the_version_is_told(pb: Cli) -> None:
    from pb import __version__

    assert pb("version").out == f"pb {__version__}\n"
    assert pb("--version").out == f"pb {__version__}\n"
    assert json.loads(pb("version", "--json").out)["version"] == __version__
