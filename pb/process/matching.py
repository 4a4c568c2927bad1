"""Looking for a regular expression in lines, for no longer than asked.

Python's ``re`` tracks back: an expression such as ``(a+)+$`` can take longer than the world exists
for forty characters. It looks for signals while it does (``_sre.c``), so a timer of processor time
whose handler raises ends it. That works in a process's main thread only.
"""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Sequence


class TooSlowError(Exception):
    """The expression's time is over."""


class _Timer:
    is_on = False


def is_possible() -> bool:
    """Whether somebody here could be stopped."""
    return threading.current_thread() is threading.main_thread() and hasattr(signal, "SIGVTALRM")


def matching(
    pattern: re.Pattern[str], lines: Sequence[str], seconds: float
) -> tuple[list[int], int]:
    """The places of the lines that match, and how many were looked at.

    Fewer than all: the time was over in the next one.
    """
    found: list[int] = []
    done = 0
    before = signal.signal(signal.SIGVTALRM, _ring)
    try:
        _Timer.is_on = True
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
        for line in lines:
            if pattern.search(line):
                found.append(done)
            done += 1
        _Timer.is_on = False
    except TooSlowError:
        found = [place for place in found if place < done]
    finally:
        _Timer.is_on = False
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    return found, done


def _ring(signum: int, frame: object) -> None:
    # It may be delivered a moment after the timer was stopped.
    if _Timer.is_on:
        raise TooSlowError
