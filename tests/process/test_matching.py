"""Expressions in lines: what is found, and what takes too long is ended."""

from __future__ import annotations

import re
import signal
import threading
import time

import pytest

from pb.process import matching as guard
from pb.process.matching import is_possible, matching


def test_the_lines_that_match_are_told_by_their_places() -> None:
    lines = ["a", "ERROR 5", "b", "ERROR x", "ERROR 7 again"]
    assert matching(re.compile(r"ERROR \d"), lines, 1.0) == ([1, 4], 5)
    assert matching(re.compile("x"), [], 1.0) == ([], 0)


@pytest.mark.parametrize(
    ("expression", "line"),
    [("(a+)+$", "a" * 60 + "b"), (".*.*.*.*=x", "a" * 4000), ("(x*)*y", "x" * 200)],
)
def test_an_expression_that_takes_for_ever_is_ended_and_what_came_before_it_counts(
    expression: str, line: str
) -> None:
    began = time.process_time()
    found, done = matching(re.compile(f"start|{expression}"), ["start", line, "start"], 0.05)
    assert (found, done) == ([0], 1)
    assert time.process_time() - began < 10


def test_nothing_is_left_behind() -> None:
    before = signal.getsignal(signal.SIGVTALRM)
    matching(re.compile("(a+)+$"), ["a" * 60 + "b"], 0.05)
    assert signal.getsignal(signal.SIGVTALRM) == before
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)
    guard._ring(signal.SIGVTALRM, None)


def test_only_the_main_thread_can_be_stopped() -> None:
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(is_possible()))
    thread.start()
    thread.join()
    assert found == [False]
    assert is_possible()
