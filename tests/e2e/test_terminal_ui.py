"""`pb debug` in a real terminal, over a scheduler that really runs."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.cli import Cli
from tests.kit.tmux import Terminal, needs_tmux

SLOW = "i=0; while true; do i=$((i+1)); echo line $i; sleep 0.2; done"


@pytest.fixture
def pb(tmp_path: Path) -> Iterator[Cli]:
    work = tmp_path / "work"
    work.mkdir()
    cli = Cli(home=tmp_path / "home", cwd=work)
    yield cli
    cli.end_everything()


def terminal(pb: Cli, *words: str, **options: object) -> Terminal:
    env = {key: text for key, text in pb.environ().items() if not key.startswith("TMUX")}
    return Terminal([*pb.argv, *(words or ("debug",))], pb.cwd, env=env, **options)  # type: ignore[arg-type]


@needs_tmux
def test_a_service_and_a_job_are_steered_across_a_restart_of_the_scheduler(pb: Cli) -> None:
    with terminal(pb) as screen:
        screen.sees("! No scheduler runs. Start it elsewhere: pb scheduler start")
        screen.sees("pb job add hello --every 1m -- echo hello")
        assert pb("scheduler", "start").code == 0
        screen.sees("The scheduler is back", "● up")

        assert pb("service", "add", "web", "--", "sh", "-c", SLOW).code == 0
        screen.press("4")
        screen.sees("✓ web", "running")
        screen.press("l")
        screen.sees("line 5", "log of service web  follows")
        screen.press("Escape")
        screen.sees("pb itself")
        screen.press("x")
        screen.sees("Stop web?", "y  stop")
        screen.press("y")
        screen.sees("✓ Stopped web", "■ web")
        assert pb("service", "status", "web", "--json").json["services"][0]["state"] == "stopped"

        assert pb("job", "add", "yearly", "--cron", "@yearly", "--", "sh", "-c", SLOW).code == 0
        screen.press("2")
        screen.sees("yearly", "@yearly")
        screen.press("r")
        screen.sees("Run yearly now?")
        screen.press("y")
        screen.sees("▸ yearly", "running")
        screen.press("l")
        screen.sees("line 3", "log of run 1  follows")
        assert pb("scheduler", "restart").code == 0
        screen.press("Escape")
        screen.sees("● up ", "running", without="No scheduler")
        screen.press("c")
        screen.sees("Cancel yearly?")
        screen.press("y")
        screen.sees("✓ Cancelled yearly")
        screen.press("3")
        screen.sees("cancelled")
        screen.press("q")
        screen.sees("ended with 0")


@needs_tmux
@pytest.mark.parametrize("term", ["xterm", "screen", "linux"])
def test_it_draws_on_every_kind_of_terminal_at_its_size(pb: Cli, term: str) -> None:
    assert pb("job", "add", "backup", "--cron", "30 2 * * *", "--", "true").code == 0
    with terminal(pb, "debug", "tui", term=term, size=(60, 20)) as screen:
        screen.sees("1 job", "Coming next", "backup", "Enter open")
        screen.resize(100, 30)
        screen.press("2")
        shown = screen.sees("SCHEDULE", "30 2 * * *", "backup")
        assert "✓" not in shown or term != "linux"
        screen.press("C-c")
        screen.sees("ended with 130")


@needs_tmux
@pytest.mark.parametrize("words", [("top",), ("service", "status", "--watch")])
def test_q_ends_what_is_drawn_again_and_again(pb: Cli, words: tuple[str, ...]) -> None:
    with terminal(pb, *words) as screen:
        screen.sees("q ends it" if len(words) > 1 else "no scheduler runs")
        screen.press("x")
        screen.press("q")
        screen.sees("ended with 0")


@needs_tmux
def test_a_scheduler_that_hangs_holds_nobody_up_and_a_signal_leaves_the_terminal_whole(
    pb: Cli,
) -> None:
    assert pb("scheduler", "start").code == 0
    assert pb("job", "add", "backup", "--cron", "30 2 * * *", "--", "true").code == 0
    with terminal(pb) as screen:
        screen.press("2")
        screen.sees("● up", "30 2 * * *")
        os.kill(pb.pid(), signal.SIGSTOP)
        try:
            screen.sees("○ no answer", "does not answer", "backup")
            screen.press("?")
            screen.sees("in which order")
        finally:
            os.kill(pb.pid(), signal.SIGCONT)
        screen.press("Escape")
        screen.sees("● up", "backup", without="no answer")
        [tui] = processes_of("pb.debug.terminal", pb.home)
        os.kill(tui, signal.SIGTERM)
        screen.sees("ended with 143")


def processes_of(module: str, home: Path) -> list[int]:
    """The pids of those who were started as this module for this home."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # no process, or one that has just ended
        if module.encode() in words and str(home).encode() in words:
            found.append(int(entry.name))
    return found


@needs_tmux
def test_without_colour_there_is_none_and_the_choice_is_seen(pb: Cli) -> None:
    assert pb("job", "add", "backup", "--cron", "30 2 * * *", "--", "false").code == 0
    pb.env["NO_COLOR"] = "1"
    with terminal(pb) as screen:
        screen.press("2")
        screen.sees("30 2 * * *")
        codes = {code for found in re.findall(r"\x1b\[([\d;]*)m", screen.colours)
                 for code in found.split(";")}  # fmt: skip
        assert not {code for code in codes if re.fullmatch(r"(3|4|9|10)[0-8]", code)}
        assert "7" in codes, "reverse"


def test_without_a_terminal_it_says_so(pb: Cli) -> None:
    for words in (("debug",), ("debug", "tui")):
        ran = pb(*words)
        assert (ran.code, ran.out) == (2, "")
        assert "error: The terminal UI needs a terminal, and there is none here" in ran.err
        assert "pb top --once" in ran.err
    dumb = pb.on_terminal("debug", env={"TERM": "dumb"})
    assert dumb.code == 2
    assert "this terminal is dumb" in dumb.out
    assert pb("debug", "--json").json["error"]["code"] == "usage"
    assert pb("debug", "--home", str(pb.home)).code == 2
    pb.home.mkdir(mode=0o700)
    (pb.home / "config.toml").write_text("[scheduler\n")
    assert "config.toml" in pb.on_terminal("debug").out
    (pb.home / "config.toml").unlink()


@needs_tmux
def test_top_shows_what_runs_live(pb: Cli) -> None:
    with terminal(pb, "top", "--every", "500ms") as screen:
        screen.sees("no scheduler runs", "Start it: pb scheduler start")
        assert pb("scheduler", "start").code == 0
        assert pb("service", "add", "web", "--", "sh", "-c", SLOW).code == 0
        screen.sees("scheduler up", "1 of 1 service up", "✓ web", "MiB")
        screen.press("C-c")
        screen.sees("ended with 130")
