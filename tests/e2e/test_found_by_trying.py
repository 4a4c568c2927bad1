"""What a newcomer found by trying: each once broke."""

from __future__ import annotations

import json
import os
import signal
import socket
from pathlib import Path

import pytest

from tests.kit import eventually
from tests.kit.cli import Cli


@pytest.fixture
def pb(tmp_path: Path) -> Cli:
    work = tmp_path / "work"
    work.mkdir()
    return Cli(home=tmp_path / "home", cwd=work)


def test_a_file_in_the_sockets_place_is_never_removed(pb: Cli) -> None:
    precious = pb.cwd / "notes.txt"
    precious.write_text("precious\n")
    ran = pb("scheduler", "start", "--socket", str(precious))
    assert (ran.code, precious.read_text()) == (1, "precious\n")
    assert "is not a socket, so it was left alone" in ran.err


def test_a_socket_that_somebody_listens_on_is_not_taken_over(pb: Cli) -> None:
    path = pb.cwd / "theirs.sock"
    with socket.socket(socket.AF_UNIX) as theirs:
        theirs.bind(str(path))
        theirs.listen()
        ran = pb("scheduler", "start", "--socket", str(path))
        assert ran.code == 1
        assert "Another process listens on" in ran.err
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


def test_a_directory_in_the_sockets_place_is_told(pb: Cli) -> None:
    assert pb("job", "list").code == 0
    (pb.home / "gateway.sock").mkdir()
    ran = pb("scheduler", "start")
    assert (ran.code, "is not a socket" in ran.err) == (1, True)
    assert "Traceback" not in (pb.home / "scheduler.log").read_text()


def test_an_empty_command_is_a_usage_error(pb: Cli) -> None:
    ran = pb("run", "--", "")
    assert (ran.code, "The command is empty" in ran.err) == (2, True)


def test_one_line_that_is_not_utf8_does_not_take_a_crontab_down(pb: Cli) -> None:
    crontab = pb.cwd / "crontab"
    crontab.write_bytes(b"# caf\xe9\n0 1 * * * echo ok\n0 2 * * * echo \xe9\n")
    ran = pb("import", "crontab", str(crontab), "--json")
    assert ran.code == 6
    assert ran.json["added"] == ["echo"]
    assert [problem["line"] for problem in ran.json["problems"]] == [3]
    assert pb("job", "show", "echo", "--json").json["definition"]["description"] == "café"


def test_reboot_is_a_macro_that_no_clock_knows(pb: Cli) -> None:
    ran = pb("cron", "validate", "@reboot", "--json")
    assert (ran.code, ran.json["valid"], ran.json["fire_times"]) == (0, True, [])
    assert "machine starts" in pb("cron", "explain", "@reboot").out
    assert pb("cron", "next", "@reboot").out == "At boot only.\n"


def test_a_job_may_be_called_like_a_number(pb: Cli) -> None:
    assert pb("job", "add", "123", "--", "true").code == 0
    assert "Job '123' has not run yet" in pb("job", "logs", "123").err
    assert "There is no run 124" in pb("job", "logs", "124").err


def test_an_expression_whose_years_are_over_is_refused(pb: Cli) -> None:
    ran = pb("job", "add", "old", "--cron", "0 0 0 1 1 ? 2020", "--", "true")
    assert (ran.code, "would never run" in ran.err) == (6, True)


def test_json_errors_show_where_an_expression_is_wrong(pb: Cli) -> None:
    error = pb("cron", "validate", "61 * * * *", "--json").json["error"]
    assert error["caret"].splitlines() == ["61 * * * *", "^^"]


def test_raw_logs_are_the_exact_bytes_of_all_that_is_kept(pb: Cli) -> None:
    log = pb.home / "logs" / "jobs" / "talk" / "1.log"
    assert pb("job", "add", "talk", "--", "true").code == 0
    log.parent.mkdir(parents=True)
    log.with_name("1.log.2").write_bytes(b"one\n\xff")
    log.with_name("1.log.1").write_bytes(b"two\nthr")
    log.write_bytes(b"ee\n")
    shown = pb("service", "logs", "scheduler", "--json")
    assert json.loads(shown.out)["lines"] == []
    from pb.cli.logs import _pieces

    assert b"".join(_pieces(log)) == b"one\n\xfftwo\nthree\n"


def test_a_foreground_run_is_left_alone_while_it_lives_and_lost_once_it_was_killed(
    pb: Cli,
) -> None:
    def state() -> str:
        return str(pb("job", "history", "--json").json["runs"][0]["state"])

    process = pb.start("run", "--", "sleep", "60")
    try:
        eventually(lambda: state() == "running")
        assert pb("scheduler", "start").code == 0
        assert state() == "running"
        assert pb("scheduler", "stop").code == 0
        process.kill()
        process.wait(10)
        assert pb("scheduler", "start").code == 0
        assert state() == "lost"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
        pb("scheduler", "stop")


def test_a_run_that_could_not_be_started_is_no_success(pb: Cli) -> None:
    assert pb("job", "add", "a", "--every", "1h", "--", "no-such-command").code == 0
    assert pb("scheduler", "start").code == 0
    try:
        for words in ((), ("--wait",), ("--follow",)):
            ran = pb("job", "run", "a", *words)
            assert (ran.code, ran.out) == (1, ""), ran
            assert "could not be started: Command not found: no-such-command" in ran.err
        document = pb("job", "run", "a", "--json")
        assert (document.code, document.json["run"]["state"]) == (1, "failed")
    finally:
        assert pb("scheduler", "stop").code == 0


@pytest.mark.parametrize("flags", [(), ("--force",)])
def test_a_scheduler_whose_pid_file_was_removed_can_still_be_ended(
    pb: Cli, flags: tuple[str, ...]
) -> None:
    assert pb("scheduler", "start").code == 0
    pid = pb("scheduler", "status", "--json").json["pid"]
    (pb.home / "scheduler.pid").unlink()
    try:
        ran = pb("scheduler", "stop", *flags)
        assert (ran.code, f"end it with: kill {pid}" in ran.err) == (1, True), ran
    finally:
        os.kill(pid, signal.SIGTERM)
    assert eventually(lambda: pb("scheduler", "status").code == 3)
