"""``pb service status --watch``: the same screen again and again, in place, until Ctrl-C."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from pb.cli.asked import asked
from pb.cli.render import clean, emit, flush, is_terminal, paint
from pb.cli.service_facts import gather
from pb.cli.service_names import Chosen
from pb.cli.status import service_screen
from pb.errors import UsageError

EACH = 1.0
"""Seconds between two looks."""


def watch_status(who: Chosen) -> NoReturn:
    """Show the status each second. With ``--json`` one document a line."""
    if asked.as_json:
        while True:
            emit({"services": gather(who).services}, indent=None)
            flush()
            time.sleep(EACH)
    if not is_terminal(sys.stdout):
        raise UsageError(
            "--watch needs a terminal", hint="Elsewhere: --watch --json prints a line each second."
        )
    with screen():
        while True:
            found = gather(who)
            head = f"{time.strftime('%H:%M:%S')}  every {EACH:g} s, Ctrl-C ends it"
            lines = [paint(head, "grey"), *service_screen(found)]
            draw([*lines, clean(found.notice)] if found.notice else lines, "pb service status")
            time.sleep(EACH)


@contextmanager
def screen() -> Iterator[None]:
    """A hidden cursor while it is drawn; below the last picture when it is over."""
    sys.stdout.write("\x1b[2J\x1b[?25l")
    try:
        yield
    finally:
        sys.stdout.write("\x1b[?25h\n")
        flush()


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
