"""``pb service status --watch``: the same screen again and again, in place, until q or Ctrl-C."""

from __future__ import annotations

import os
import select
import shutil
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from pb.cli.asked import asked
from pb.cli.render import clean, emit, flush, is_terminal, paint
from pb.cli.service_facts import gather
from pb.cli.service_names import Chosen
from pb.cli.status import service_screen
from pb.errors import UsageError

EACH = 1.0
"""Seconds between two looks."""


def watch_status(who: Chosen) -> int:
    """Show the status each second until q is pressed. With ``--json`` one document a line."""
    if asked.as_json:
        while True:
            emit({"services": gather(who).services}, indent=None)
            flush()
            time.sleep(EACH)
    if not is_terminal(sys.stdout):
        raise UsageError(
            "--watch needs a terminal", hint="Elsewhere: --watch --json prints a line each second."
        )
    with screen() as has_ended:
        while True:
            found = gather(who)
            head = f"{time.strftime('%H:%M:%S')}  every {EACH:g} s, q ends it"
            lines = [paint(head, "grey"), *service_screen(found)]
            draw([*lines, clean(found.notice)] if found.notice else lines, "pb service status")
            if has_ended(EACH):
                return 0


@contextmanager
def screen() -> Iterator[Callable[[float], bool]]:
    """A hidden cursor while it is drawn; below the last picture when it is over.

    What it gives waits so many seconds, and says whether q was pressed meanwhile. Keys are read
    one by one and not shown; Ctrl-C and Ctrl-Z do what they always do.
    """
    sys.stdout.write("\x1b[2J\x1b[?25l")
    try:
        with keys() as wait:
            yield wait
    finally:
        sys.stdout.write("\x1b[?25h\n")
        flush()


@contextmanager
def keys() -> Iterator[Callable[[float], bool]]:
    """The same without the picture; where nobody types at this process it only waits."""
    if not is_terminal(sys.stdin) or os.tcgetpgrp(sys.stdin.fileno()) != os.getpgrp():
        yield is_never_ended
        return
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)
    try:
        tty.setcbreak(keyboard)
        yield lambda seconds: is_ended_within(keyboard, seconds)
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)


def is_never_ended(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def is_ended_within(keyboard: int, seconds: float) -> bool:
    """Whether q is pressed, or the terminal goes away, within that time."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if not select.select([keyboard], [], [], left)[0]:
            return False
        pressed = os.read(keyboard, 64)
        if not pressed or b"q" in pressed.lower():
            return True
    return False


def draw(lines: Sequence[str], whole: str) -> None:
    """Over the picture before, without clearing it first: nothing flickers.

    What does not fit into the terminal's height is counted instead; ``whole`` shows all of it.
    """
    rows = shutil.get_terminal_size().lines
    if len(lines) > rows - 1:
        left = len(lines) - (rows - 2)
        lines = [*lines[: rows - 2], paint(f"… {left} more lines: {whole}", "grey")]
    sys.stdout.write("\x1b[H" + "".join(f"{line}\x1b[K\n" for line in lines) + "\x1b[J")
    flush()
