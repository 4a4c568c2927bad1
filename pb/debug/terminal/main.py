"""``python -m pb.debug.terminal``: how the CLI becomes the terminal UI."""

from __future__ import annotations

import argparse
import locale
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

from pb.config.settings import load_settings
from pb.errors import Exit, PbError, UsageError
from pb.paths import Home
from pb.process.logtext import sanitise


def main(argv: Sequence[str] | None = None) -> int:
    """Run the terminal UI until somebody quits; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m pb.debug.terminal")
    parser.add_argument("--home", required=True, help="the home directory")
    arguments = parser.parse_args(argv)
    home = Home(Path(arguments.home).absolute())
    try:
        require_terminal(os.environ)
        home.ensure()
        settings = load_settings(home)
    except PbError as error:
        print(f"error: {error.message}\nhint: {error.hint}", file=sys.stderr)  # noqa: T201
        return int(error.exit_code)
    if not os.environ.get("NO_COLOR"):
        os.environ.pop("NO_COLOR", None)  # set and empty means colour (no-color.org)
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)  # the terminal itself knows how large it is, now and later
    if not os.isatty(2):
        os.dup2(1, 2)  # where it is drawn
    from pb.debug.terminal.board import Board
    from pb.debug.terminal.source import source_of

    board = Board(source_of(home, settings), plain=is_plain(os.environ))
    code = board.run()
    if board.fault is not None:
        code = complain(board.fault, os.environ)
    sys.stdout.flush()
    # Not through the interpreter's end: a thread may still await an answer of the scheduler's,
    # which goes on with what it was asked all the same.
    os._exit(code or 0)


def complain(fault: BaseException, environ: Mapping[str, str]) -> int:
    """Say that pb itself failed, on a terminal that is itself again."""
    if environ.get("PB_DEBUG"):
        traceback.print_exception(fault)
    said = sanitise(f"{type(fault).__name__}: {fault}")
    hint = "Run it again with --debug and report it."
    print(f"error: pb itself failed: {said}\nhint: {hint}", file=sys.stderr)  # noqa: T201
    return int(Exit.FAILED)


def require_terminal(environ: Mapping[str, str]) -> None:
    """Raises UsageError where there is no terminal that could show it."""
    has_all = all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))
    if not has_all or environ.get("TERM", "dumb") in ("", "dumb"):
        why = "this terminal is dumb (TERM)" if has_all else "there is none here"
        raise UsageError(
            f"The terminal UI needs a terminal, and {why}",
            hint="Elsewhere: pb top --once, pb service status, or pb debug web for the browser.",
        )


def is_plain(environ: Mapping[str, str]) -> bool:
    """Whether signs beyond ASCII would come out wrong: another encoding, or the kernel's console,
    whose fonts have few of them."""
    utf8 = locale.getpreferredencoding(False).lower().replace("-", "") == "utf8"
    return not utf8 or environ.get("TERM") == "linux"
