"""``pb run``: the command's own terminal, its exit code, a record of it."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.kit import eventually
from tests.kit.cli import Cli


@pytest.mark.parametrize(
    ("command", "code", "state", "exit_code", "name"),
    [
        (("true",), 0, "succeeded", 0, None),
        (("sh", "-c", "exit 7"), 7, "failed", 7, None),
        (("sh", "-c", "kill -TERM $$"), 143, "failed", None, "SIGTERM"),
        (("nosuch-command",), 127, "failed", 127, None),
        (("/etc/passwd",), 126, "failed", 126, None),
    ],
)
def test_the_exit_code_is_passed_on_and_recorded(
    pb: Cli, command: tuple[str, ...], code: int, state: str, exit_code: int | None, name: str
) -> None:
    assert pb("run", "--", *command).code == code
    (run,) = pb("job", "history", "--json").json["runs"]
    assert (run["state"], run["exit_code"], run["signal"]) == (state, exit_code, name)
    assert run["command"] == list(command)


def test_stdin_and_output_are_the_callers_own(pb: Cli) -> None:
    ran = pb("run", "sh", "-c", "cat; echo bad >&2", stdin="through\n")
    assert (ran.code, ran.out, ran.err) == (0, "through\n", "bad\n")


def test_under_json_stdout_has_the_record_and_nothing_else(pb: Cli) -> None:
    ran = pb("run", "--json", "--name", "hand", "--", "echo", "hello")
    assert ran.code == 0
    assert ran.err == "hello\n"
    assert (ran.json["run"]["state"], ran.json["run"]["job"]) == ("succeeded", "hand")


def test_a_missing_command_gets_a_sentence(pb: Cli) -> None:
    ran = pb("run", "--", "nosuch-command")
    assert ran.err.splitlines()[0] == "error: There is no command 'nosuch-command'"


def started(path: Path) -> int | None:
    return int(path.read_text()) if path.exists() and path.read_text().strip() else None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_pb_is_passed_on_to_the_command(pb: Cli, number: signal.Signals) -> None:
    mark = pb.cwd / "mark"
    script = f"trap 'exit 9' {number.name[3:]}; echo $$ > {mark}; while :; do read x; done"
    process = pb.start("run", "--", "sh", "-c", script, stdin=subprocess.PIPE)
    try:
        eventually(lambda: started(mark))
        process.send_signal(number)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(10) == 9
    finally:
        process.kill()
        process.wait(10)


def test_ctrl_c_goes_to_the_command_and_pb_waits_for_it(pb: Cli) -> None:
    mark = pb.cwd / "mark"
    script = f"trap 'echo caught; exit 5' INT; echo $$ > {mark}; while :; do read x; done"
    process = pb.start(
        "run", "--", "sh", "-c", script, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        eventually(lambda: started(mark))
        os.killpg(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=10)
        assert (process.returncode, out) == (5, b"caught\n")
    finally:
        process.kill()
        process.wait(10)
    (run,) = pb("job", "history", "--json").json["runs"]
    assert run["exit_code"] == 5
