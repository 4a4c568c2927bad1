"""What a person sees: widths, colours, encodings, closed pipes, Ctrl-C; and what is imported."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.kit import eventually
from tests.kit.cli import Cli

LONG = "nightly-backup-of-everything-that-matters-on-this-machine"

HEAVY = {"rich", "asyncio", "subprocess", "psutil", "pydantic", "grpc", "starlette"}


def with_jobs(pb: Cli) -> Cli:
    for name in ("a", LONG):
        assert pb("job", "add", name, "--every", "1h", "--", "true").code == 0
    assert pb("job", "pause", "a").code == 0
    return pb


@pytest.mark.parametrize("columns", [40, 50, 72, 80, 100, 160])
def test_no_line_of_the_job_table_is_wider_than_the_terminal(pb: Cli, columns: int) -> None:
    ran = with_jobs(pb).on_terminal("job", "list", columns=columns, env={"NO_COLOR": "1"})
    assert ran.code == 0
    lines = ran.out.splitlines()
    names = [line for line in lines if line.startswith("nightly-backup")]
    assert len(names) == 1
    if columns >= 72:
        assert max(map(len, lines)) <= columns, lines
        assert lines[0].startswith("JOB")
    else:
        assert lines[0] == "a  PAUSED"
        assert max(len(line) for line in lines if LONG not in line) <= columns, lines


def test_a_wide_terminal_shows_long_names_whole(pb: Cli) -> None:
    assert LONG in with_jobs(pb).on_terminal("job", "list", columns=160).out


@pytest.mark.parametrize("columns", [40, 60, 80])
def test_the_service_screen_fits(pb: Cli, columns: int) -> None:
    ran = pb.on_terminal("service", "status", columns=columns, env={"NO_COLOR": "1"})
    assert ran.code == 3
    assert max(map(len, ran.out.splitlines())) <= columns


def test_a_scheduler_that_is_on_its_way_is_not_asked_to_be_started() -> None:
    from pb.cli.service_screen import lines

    facts: dict[str, Any] = {
        "builtin": False, "desired": "running", "health": "none", "pid": None, "reason": None,
        "restarts": 0, "started_at": None, "uptime_seconds": None, "memory_bytes": None,
        "ports": [], "enabled": True, "last_exit": None,
    }  # fmt: skip
    web = {**facts, "name": "web", "service": "web", "state": "stopped"}
    for state, said in {
        "starting": "The scheduler is on its way: 1 service to be started.",
        "stopped": "  Start it: pb scheduler start",
    }.items():
        own = {
            **facts,
            "name": "scheduler",
            "service": "scheduler",
            "state": state,
            "builtin": True,
        }
        shown = lines([own, web], None, lambda view, n: [], is_watched=False)
        assert shown[-1] == said


def test_history_puts_reasons_below_where_there_is_no_room(pb: Cli) -> None:
    assert pb("run", "--name", "n" * 40, "--", "false").code == 1
    wide = pb.on_terminal("job", "history", columns=200, env={"NO_COLOR": "1"}).out.splitlines()
    assert len(wide) == 2
    assert "exit code 1" in wide[1]
    for columns in (95, 40):
        shown = pb.on_terminal("job", "history", columns=columns, env={"NO_COLOR": "1"})
        assert "\n  exit code 1" in shown.out


def test_colour_is_for_terminals_unless_told_otherwise(pb: Cli) -> None:
    escape = "\x1b["
    assert escape in pb.on_terminal("service", "status").out
    assert escape not in pb.on_terminal("service", "status", env={"NO_COLOR": "1"}).out
    assert escape not in pb.on_terminal("service", "status", env={"TERM": "dumb"}).out
    assert escape not in pb("service", "status").out
    assert escape in pb("service", "status", env={"FORCE_COLOR": "1"}).out
    both = pb("service", "status", env={"FORCE_COLOR": "1", "NO_COLOR": "1"})
    assert escape not in both.out


def test_json_has_no_colour_even_when_forced(pb: Cli) -> None:
    ran = pb("service", "status", "--json", env={"FORCE_COLOR": "1"})
    assert ran.json["services"][0]["name"] == "scheduler"


def test_a_stream_that_cannot_say_a_mark_gets_a_letter(pb: Cli) -> None:
    ran = pb("service", "status", env={"PYTHONIOENCODING": "ascii"})
    assert "    x Not running" in ran.out
    assert ran.out.isascii()


def test_what_a_job_wrote_never_reaches_the_terminal_raw(pb: Cli) -> None:
    nasty = "\x1b]0;owned\x07\x9b31m\u202e[bold red]x[/]"
    added = pb("job", "add", "a", "--every", "1h", "--description", nasty, "--", "echo", nasty)
    assert added.code == 0, added
    for ran in (
        pb("job", "show", "a"),
        pb.on_terminal("job", "show", "a", env={"NO_COLOR": "1"}),
        pb("job", "show", "a", "--json"),
        pb("job", "pause", nasty),
    ):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", ran.all), ran
        assert "[bold red]x[/]" in ran.all


def test_a_reader_that_goes_away_is_no_trouble(pb: Cli) -> None:
    for number in range(3):
        pb("job", "add", f"job{number}", "--every", "1h", "--", "true")
    words = " ".join([*pb.argv, "job", "next", "-n", "5000"])
    script = f"({words} 2>err; echo $? >code) | head -n 1"
    done = subprocess.run(
        ["sh", "-c", script], env=pb.environ(), cwd=pb.cwd, capture_output=True, check=False
    )
    assert done.stdout.decode().startswith("job0 (")
    assert "Broken" not in (pb.cwd / "err").read_text()
    assert "Traceback" not in (pb.cwd / "err").read_text()
    assert (pb.cwd / "code").read_text() == "141\n", "as a shell reports SIGPIPE"


def test_a_closed_stdout_is_no_trouble(pb: Cli) -> None:
    for redirect in (">&-", "2>&-", "<&-", ">&- 2>&- <&-"):
        script = f"{' '.join([*pb.argv, 'job', 'list'])} {redirect}"
        done = subprocess.run(
            ["sh", "-c", script], env=pb.environ(), cwd=pb.cwd, capture_output=True, check=False
        )
        assert done.returncode == 0, (redirect, done)
        assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("words", [("job", "list"), ("job", "list", "--json"), ("--help",)])
def test_a_full_disk_behind_stdout_is_said_and_fails(pb: Cli, words: tuple[str, ...]) -> None:
    with open("/dev/full", "wb") as full:
        process = pb.start(*words, stdout=full, stderr=subprocess.PIPE)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert b"Traceback" not in err
    if "--json" not in words:
        assert b"error: The system refused: no space left on device" in err


def test_several_logs_are_followed_side_by_side(pb: Cli) -> None:
    pb.home.mkdir(mode=0o700)
    logs = {name: pb.home / f"{name}.log" for name in ("scheduler", "gateway")}
    for path in logs.values():
        path.write_text("old\n")
    seen = pb.cwd / "seen"
    with seen.open("wb") as out:
        words = ("service", "logs", "scheduler", "gateway", "-f", "-n", "0")
        process = pb.start(*words, stdout=out, stderr=subprocess.DEVNULL)
        try:
            for name, path in logs.items():
                expected = f"{name:<9} | new\n".encode()

                def shown(path: Path = path, expected: bytes = expected) -> bool:
                    with path.open("a") as log:
                        log.write("new\n")
                    return expected in seen.read_bytes()

                eventually(shown, interval=0.2)
            os.kill(process.pid, signal.SIGINT)
            assert process.wait(10) == 130
        finally:
            process.kill()
            process.wait(10)
    assert b"old" not in seen.read_bytes()


def test_ctrl_c_ends_a_following_with_130_and_without_a_word(pb: Cli) -> None:
    pb.home.mkdir(mode=0o700)
    (pb.home / "scheduler.log").write_text("first\n")
    seen = pb.cwd / "seen"
    with seen.open("wb") as out:
        process = pb.start("scheduler", "logs", "-f", stdout=out, stderr=subprocess.STDOUT)
        try:
            eventually(lambda: seen.read_bytes() == b"first\n")
            with (pb.home / "scheduler.log").open("a") as log:
                log.write("second\n")
            eventually(lambda: seen.read_bytes() == b"first\nsecond\n")
            os.kill(process.pid, signal.SIGINT)
            assert process.wait(10) == 130
        finally:
            process.kill()
            process.wait(10)
    assert seen.read_bytes() == b"first\nsecond\n"


LISTING = """\
import sys
from pb.cli.main import main
main(sys.argv[1:])
print(*sorted(sys.modules), file=sys.stderr)
"""


def imported(pb: Cli, *words: str) -> set[str]:
    """The modules that a command has imported by its end."""
    done = subprocess.run(
        [sys.executable, "-c", LISTING, *words],
        env=pb.environ(),
        cwd=pb.cwd,
        capture_output=True,
        check=True,
    )
    return set(done.stderr.decode().splitlines()[-1].split())


@pytest.mark.parametrize(
    "words",
    [
        ("scheduler", "status"),
        ("scheduler", "status", "--json", "--no-jobs"),
        ("scheduler", "stop"),
        ("service", "status"),
        ("service", "stop", "all"),
        ("job", "list"),
        ("version",),
        (),
    ],
)
def test_the_hot_commands_import_neither_typer_nor_anything_heavy(
    pb: Cli, words: tuple[str, ...]
) -> None:
    names = imported(pb, *words)
    assert "pb.cli.fast" in names
    assert not {"typer", "typer.main", *HEAVY} & names


def test_only_the_family_that_was_named_is_imported(pb: Cli) -> None:
    from pb.cli.tree import FAMILIES

    modules = {module for module, _ in FAMILIES.values()}
    assert not modules & imported(pb, "--help")
    names = imported(pb, "cron", "next", "@daily")
    assert modules & names == {"pb.cli.cron"}
    assert not (HEAVY - {"subprocess"}) & names, "typer itself imports subprocess"
    assert modules & imported(pb, "job", "list", "--no-such") == {"pb.cli.job"}


@pytest.mark.parametrize("words", [("job", "list"), ("scheduler", "status"), ("service", "status")])
def test_the_short_way_and_typers_say_the_same(pb: Cli, words: tuple[str, ...]) -> None:
    with_jobs(pb)
    short = pb(*words)
    long = pb(*words, "--home", str(pb.home))
    assert (short.code, short.out, short.err) == (long.code, long.out, long.err)


def completed(pb: Cli, line: str) -> list[str]:
    words = {"_PB_COMPLETE": "complete_bash", "COMP_WORDS": line}
    env = {**words, "COMP_CWORD": str(len(line.split(" ")) - 1)}
    return pb(env=env).out.split()


def test_the_shell_completes_families_verbs_options_and_job_names(pb: Cli) -> None:
    with_jobs(pb)
    assert completed(pb, "pb sch") == ["scheduler", "schedule"]
    assert completed(pb, "pb --ho") == ["--home"]
    assert completed(pb, "pb scheduler re") == ["restart", "reload", "resume"]
    assert completed(pb, "pb job add --ev") == ["--every"]
    assert completed(pb, "pb job pause nigh") == [LONG]
    assert completed(pb, "pb service start sche") == ["scheduler"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_is_printed(pb: Cli, shell: str) -> None:
    ran = pb("completion", shell)
    assert ran.code == 0
    assert "_PB_COMPLETE=complete_" + shell in ran.out
