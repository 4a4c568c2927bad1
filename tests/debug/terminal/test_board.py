"""The terminal UI, key by key, over a scheduler made of plain values."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pb.debug.terminal.lines import VIEWS
from tests.debug.scene import ago
from tests.debug.terminal.stage import (
    Screen,
    Stage,
    a_busy_stage,
    a_service,
    a_whole_job,
    a_whole_run,
    on_screen,
)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return a_busy_stage(tmp_path)


def test_the_overview_names_first_what_needs_somebody(stage: Stage) -> None:
    stage.write("mail", "connecting\nno such host\n")
    stage.own[0]["log_path"] = str(stage.logs / "mail.log")

    async def play(screen: Screen) -> None:
        await screen.sees("Needs attention", "│ no such host")
        assert "7 jobs · 1 running · 2 failing · 1 paused · 1 of 2 services up" in screen.lines[1]
        needs = screen.lines[4:11]
        assert [line.split()[0] for line in needs] == ["✗", "│", "│", "✗", "✗", "!", "!"]
        assert needs[0].startswith("✗ Service mail has failed")
        assert "● up 2h 15m" in screen.lines[0]

    on_screen(stage, play)


def test_the_keys_1_to_5_are_the_views(stage: Stage) -> None:
    async def play(screen: Screen) -> None:
        for key, seen in (
            ("2", ("SCHEDULE", "0 6 * * MON", "7 jobs")),
            ("3", ("STARTED", "exit code 75", "disk-report", "runs")),
            ("4", ("UPTIME", "mail", "pb itself", "scheduler", "2 services")),
            ("5", ("WHAT", "photo-index started (PID 20411)", "run.started", "6 events")),
            ("1", ("Coming next",)),
        ):
            await screen.press(key)
            await screen.sees(*seen)

    on_screen(stage, play)


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 40), (40, 12)])
def test_no_line_is_wider_than_the_terminal(stage: Stage, size: tuple[int, int]) -> None:
    async def play(screen: Screen) -> None:
        for number, name in enumerate(VIEWS, 1):
            await screen.press(str(number))
            await screen.sees(f" {number} {name} ")
            assert len(screen.lines) <= size[1]
            assert all(len(line) <= size[0] for line in screen.lines)
        await screen.press("2")
        await screen.sees("backup-home", "paused")
        await screen.press("?")
        await screen.sees("1 Overview   2 Jobs")

    on_screen(stage, play, size=size)


def test_a_job_is_opened_and_left_again_where_it_was_chosen(stage: Stage) -> None:
    stage.runs[2] |= {"log_path": str(stage.write("7", "giving up\x1b[31m after 3 tries\n"))}

    async def play(screen: Screen) -> None:
        await screen.press("2")
        await screen.sees("mail-digest")
        await screen.press("down", "down", "down", "down", "enter")
        await screen.sees("Job mail-digest: idle", "Fires        At 02:30 every day")
        await screen.sees("Last error   exit code 75: cannot reach", "mail-digest #7")
        await screen.press("end")
        await screen.sees("Definition", '"command": [', "giving up\\x1b[31m after 3 tries")
        assert "hidden in vain" not in screen.text
        await screen.press("escape")
        await screen.sees("SCHEDULE")
        await screen.press("enter")
        await screen.sees("Job mail-digest: idle")

    on_screen(stage, play)


def test_a_run_of_the_history_is_opened_from_its_job(stage: Stage) -> None:
    async def play(screen: Screen) -> None:
        await screen.press("2", "down", "down", "down", "down", "enter")
        await screen.sees("mail-digest #7")
        await screen.press("down", "down", "down", "enter")
        await screen.sees("Run 7 of mail-digest: failed", "Exit code    75", "Took         30.1s")
        await screen.press("escape", "escape")
        await screen.sees("SCHEDULE")

    on_screen(stage, play, size=(80, 40))


def test_finding_filters_while_typing_and_escape_shows_all_again(stage: Stage) -> None:
    async def play(screen: Screen) -> None:
        await screen.press("2", "slash", *"digest")
        await screen.sees("mail-digest", "/digest  1 of 7 jobs", without="backup-home")
        await screen.press("enter", "escape")
        await screen.sees("backup-home", "7 jobs")
        await screen.press("slash", *"nobody")
        await screen.sees("No job matches")
        await screen.press("escape")
        await screen.sees("backup-home")

    on_screen(stage, play)


def test_f_chooses_which_and_o_in_which_order(stage: Stage) -> None:
    async def play(screen: Screen) -> None:
        await screen.press("2", "f")
        await screen.sees("2 of 7 jobs, failing", "mail-digest", without="backup-home")
        await screen.press("f", "f")
        await screen.sees("1 of 7 jobs, paused", "log-cleanup")
        await screen.press("f", "o")
        await screen.sees("7 jobs, by next run")
        assert screen.lines[2].split()[1] == "disk-report"
        await screen.press("5", "f")
        await screen.sees("events, run")

    on_screen(stage, play)


@pytest.mark.parametrize(
    ("keys", "asked", "method", "params"),
    [
        (("2", "r"), "Run backup-home now?", "job.run", {"name": "backup-home"}),
        (("2", "p"), "Pause backup-home?", "job.pause", {"name": "backup-home"}),
        (("2", "f", "f", "f", "p"), "Resume log-cleanup?", "job.resume", {"name": "log-cleanup"}),
        (("2", "f", "f", "c"), "Cancel photo-index?", "job.cancel", {"name": "photo-index"}),
        (("3", "c"), "Cancel run 9?", "run.cancel", {"run_id": 9}),
        (("3", "r"), "Run photo-index now?", "job.run", {"name": "photo-index"}),
        (("4", "z"), "Reset mail?", "service.reset", {"names": ["mail"]}),
        (("4", "down", "x"), "Stop web?", "service.stop", {"names": ["web"]}),
        (("1", "s"), "Start mail?", "service.start", {"names": ["mail"]}),
        (("4", "down", "r"), "Restart web?", "service.restart", {"names": ["web"]}),
    ],
)
def test_each_act_asks_first_and_is_told(
    stage: Stage, keys: tuple[str, ...], asked: str, method: str, params: dict[str, object]
) -> None:
    async def play(screen: Screen) -> None:
        *before, last = keys
        for key in before:
            await screen.press(key)
            await screen.sees(" Enter open")
        await screen.press(last)
        await screen.sees(asked)
        await screen.press("n")
        await screen.sees(" Enter open", without=asked)
        assert stage.acts == []
        await screen.press(last)
        await screen.sees(asked)
        await screen.press("y")
        await screen.sees("✓ ")
        await screen.until(lambda: bool(stage.acts))
        done, given = stage.acts[0]
        assert done == method
        assert params.items() <= given.items()

    on_screen(stage, play, size=(100, 24))


def test_what_is_refused_is_said_with_its_hint(stage: Stage) -> None:
    stage.refuses = True

    async def play(screen: Screen) -> None:
        await screen.press("2", "r")
        await screen.sees("Run backup-home now?")
        await screen.press("enter")
        await screen.sees("✗ It cannot be done just now. Wait a moment")

    on_screen(stage, play)


def test_what_cannot_be_done_is_neither_offered_nor_asked(stage: Stage) -> None:
    async def play(screen: Screen) -> None:
        await screen.press("4")
        await screen.sees("s start")
        assert "x stop" not in screen.lines[-1]
        await screen.press("x")
        await screen.sees("s start", without="Stop mail?")
        await screen.press("5", "down", "r")
        await screen.sees("5 Events", without="now?")

    on_screen(stage, play)


def test_a_log_is_followed_stopped_and_searched(stage: Stage) -> None:
    path = stage.write("web", "".join(f"line {n}\n" for n in range(100)))
    stage.own[1]["log_path"] = str(path)

    async def play(screen: Screen) -> None:
        await screen.press("4", "down", "l")
        await screen.sees("line 99", "log of service web  follows")
        stage.write("web", "one more\x07\n")
        await screen.sees("one more\\x07")
        await screen.press("up")
        await screen.sees("f follow", without="follows")
        stage.write("web", "unseen\n")
        await screen.press("home")
        await screen.sees("line 0")
        await screen.press("end")
        await screen.sees("unseen", "follows")
        await screen.press("slash", *"line 42", "enter")
        await screen.sees("line 42", without="line 41")
        await screen.press("t")
        await screen.sees("  line 42")
        await screen.press("escape")
        await screen.sees("pb itself")

    on_screen(stage, play)


def test_long_lines_of_a_log_are_folded_or_moved_sideways(stage: Stage) -> None:
    stage.write("web", "a" * 70 + " end-of-line\n")

    async def play(screen: Screen) -> None:
        await screen.press("4", "down", "l")
        await screen.sees("\nend-of-line")
        await screen.press("w")
        await screen.sees("w fold lines", without="end-of-line")
        await screen.press(*["right"] * 6)
        await screen.sees("end-of-line")
        await screen.press(*["left"] * 6)
        await screen.sees("aaaa", without="end-of-line")

    on_screen(stage, play)


def test_a_log_that_is_not_there_is_said(stage: Stage) -> None:
    stage.jobs[1] |= {"last_result": None}

    async def play(screen: Screen) -> None:
        await screen.press("4", "down", "l")
        await screen.sees("It has written nothing yet.")
        await screen.press("escape", "2", "down", "l")
        await screen.sees("certificates has written nothing yet")
        await screen.press("3", "l")
        await screen.sees("Run 9 has no log")

    on_screen(stage, play)


def test_a_job_s_log_is_that_of_its_last_run(stage: Stage) -> None:
    stage.runs[2] |= {"log_path": str(stage.write("7", "giving up\n"))}

    async def play(screen: Screen) -> None:
        await screen.press("2", "down", "down", "down", "down", "l")
        await screen.sees("giving up", "log of run 7")
        await screen.press("l", "enter")
        await screen.sees("Job mail-digest: idle")
        await screen.press("l")
        await screen.sees("log of run 7")

    on_screen(stage, play)


def test_a_service_is_shown_with_what_it_uses_and_a_daemon_too(stage: Stage) -> None:
    stage.own[1] |= {"changed": True, "status": "serving", "restarts": 3}

    async def play(screen: Screen) -> None:
        await screen.press("4", "down", "enter")
        await screen.sees("Service web: running", "Says         serving", "Restarts     3")
        await screen.sees("It runs an older definition")
        await screen.press("escape", "down", "enter")
        await screen.sees("pb's scheduler: running", "PID          12346")

    on_screen(stage, play)


def test_a_scheduler_that_goes_away_and_comes_back_is_said(stage: Stage) -> None:
    async def play(screen: Screen) -> None:
        stage.stop()
        await screen.sees("No scheduler runs since ", "Start it elsewhere: pb scheduler start")
        assert re.search(r"○ not running$", screen.lines[0])
        stage.up, stage.started_at = True, ago(seconds=1)
        await screen.sees("The scheduler is back", without="No scheduler runs")
        stage.started_at = ago(seconds=0)
        stage.happen("run.failed", "something happened")
        await screen.sees("The scheduler was restarted")

    on_screen(stage, play)


def test_without_anything_it_says_what_to_type(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.up = False

    async def play(screen: Screen) -> None:
        await screen.sees("! No scheduler runs. Start it elsewhere: pb scheduler start")
        await screen.sees("Nothing needs you", "pb job add hello", "pb service add web")
        await screen.press("2")
        await screen.sees("No jobs yet.")
        await screen.press("G", "g", "j", "k", "pagedown", "enter", "r")
        await screen.sees("No jobs yet.")
        await screen.press("4")
        await screen.sees("No services of your own yet")
        await screen.press("5", "enter", "l")
        await screen.sees("No events yet.")

    on_screen(stage, play)


def test_what_happens_is_seen_at_once_and_the_choice_stays(stage: Stage) -> None:
    async def play(screen: Screen) -> None:
        await screen.press("2", "down")
        await screen.sees("certificates")
        stage.jobs.insert(0, a_whole_job("a-new-one"))
        stage.happen("job.added", "Job a-new-one added", job="a-new-one")
        await screen.sees("a-new-one", "8 jobs")
        await screen.press("r")
        await screen.sees("Run certificates now?")

    on_screen(stage, play)


def test_ten_thousand_jobs_do_not_hold_up_the_keys(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.jobs = [a_whole_job(f"job-{n:05}") for n in range(10_000)]

    async def play(screen: Screen) -> None:
        await screen.press("2")
        await screen.sees("job-00000", "10,000 jobs")
        await screen.press("end")
        await screen.sees("job-09999")
        await screen.press("pageup", "home", "j", "k", "G", "g")
        await screen.sees("job-00000")
        await screen.press("slash", *"9876")
        await screen.sees("job-09876", "1 of 10,000 jobs")

    on_screen(stage, play)


def test_nothing_of_a_job_reaches_the_terminal_raw(tmp_path: Path) -> None:
    nasty = "\x1b]0;owned\x07\x9b31m\u202e[red]"
    stage = Stage(tmp_path)
    stage.jobs = [a_whole_job("a", last_error=nasty, last_result="failed", description=nasty)]
    stage.runs = [a_whole_run(1, "a", "failed", reason=nasty, log_path=str(tmp_path / "1.log"))]
    stage.own = [a_service("web", state="failed", reason=nasty, status=nasty)]
    stage.remember("run.failed", nasty, job="a")
    stage.write("1", f"{nasty}\n")
    stage.write("web", f"{nasty}\n")

    async def play(screen: Screen) -> None:
        for keys in (["1"], ["2"], ["3"], ["4"], ["5"], ["2", "enter"], ["l"], ["4", "enter"]):
            await screen.press(*keys)
            await screen.sees("[red]") if keys != ["2"] else await screen.sees("JOB")
            assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", screen.text)
            if keys == ["l"]:
                await screen.press("escape")

    on_screen(stage, play, size=(170, 40))


def test_a_terminal_without_signs_gets_letters(stage: Stage) -> None:
    async def play(screen: Screen) -> None:
        for key in "12345":
            await screen.press(key)
            await screen.sees("Overview")
            assert screen.text.isascii(), screen.text

    on_screen(stage, play, plain=True)


def test_a_mouse_chooses_opens_and_turns(stage: Stage) -> None:
    async def play(screen: Screen) -> None:
        await screen.press("2")
        await screen.sees("certificates")
        for _ in range(2):
            await screen.click(10, 3)
        await screen.sees("Job certificates: idle")

    on_screen(stage, play)


@pytest.mark.parametrize("key", ["q", "ctrl+c", "ctrl+q"])
def test_it_ends(stage: Stage, key: str) -> None:
    async def play(screen: Screen) -> None:
        await screen.press(key)
        assert not screen.app.is_running

    on_screen(stage, play)


def test_a_fault_of_ours_ends_it_and_tells_no_values(stage: Stage) -> None:
    del stage.jobs[0]["run_count"]

    async def play(screen: Screen) -> None:
        await screen.press("2")
        await screen.until(lambda: screen.app.fault is not None)
        assert screen.app.return_code == 1

    with pytest.raises(KeyError, match="run_count"):
        on_screen(stage, play)
