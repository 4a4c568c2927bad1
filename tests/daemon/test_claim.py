"""Taking the lock before the scheduler is imported: who is too late pays for none of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pb.daemon.claim import claim, word_of
from pb.paths import Home
from pb.process.lifecycle import take_lock

BEGIN = (
    "import sys; from pb.daemon.__main__ import begin; code = begin(sys.argv[1:]); "
    "print(code, 'pb.daemon.main' in sys.modules, 'asyncio' in sys.modules)"
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.ensure()
    return home


def test_who_is_too_late_says_so_and_imports_no_scheduler(home: Home) -> None:
    reading, writing = os.pipe()
    lock = take_lock(home, "scheduler")
    argv = ["--home", str(home.root), "--mode", "background", "--ready-fd", str(writing)]
    ended = subprocess.run(
        [sys.executable, "-c", BEGIN, *argv],
        pass_fds=(writing,),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(writing)
    lock.release()
    told = json.loads(os.read(reading, 4096))
    os.close(reading)

    assert ended.stdout == "1 False False\n", ended
    assert "Another scheduler is just starting or stopping" in ended.stderr
    assert told["error"]["running"] is True


def test_the_lock_is_taken_for_the_home_that_the_words_name(home: Home) -> None:
    lock = claim([f"--home={home.root}", "--mode", "foreground"])

    assert lock is not None
    assert lock.path == home.lock("scheduler")
    lock.release()


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["--mode", "daemon", "--lock-fd", "5"], id="the guardian hands its lock over"),
        pytest.param([], id="the words are none of ours"),
        pytest.param(["--home", "/proc/none/here", "--mode", "background"], id="no such home"),
    ],
)
def test_what_the_main_program_sorts_out_is_left_to_it(words: list[str], home: Home) -> None:
    given = words if "--home" in words else [*words, "--home", str(home.root)]

    assert claim(given) is None


def test_a_flag_without_its_value_has_an_empty_one() -> None:
    assert word_of(["--home"], "--home") == ""
    assert word_of(["--mode", "x"], "--home") is None
