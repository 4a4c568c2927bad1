"""The edge of the command line: words in, an exit code out, every error one sentence.

The only place of the CLI that catches broadly (ARCHITECTURE section 6). It imports typer only
when the words are not one of the hot read commands.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pb.cli.asked import asked, reset
from pb.cli.render import ReaderGone, flush, is_terminal, show_error
from pb.errors import Exit, PbError

BROKEN_PIPE = 141
"""128 + SIGPIPE: what a shell reports for a program whose reader went away."""

if TYPE_CHECKING:
    from typing import Protocol

    class TyperComplaint(Protocol):
        """What typer raises for words it cannot accept; its class has no public name."""

        exit_code: int

        def format_message(self) -> str: ...


def run(argv: Sequence[str] | None = None) -> int:
    """Run ``pb`` with ``argv`` (default: the process's) and answer the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    reset(words)
    _tolerate_encodings()
    try:
        code = _guarded(lambda: _finished(_dispatch(words)))
        flush()
    except KeyboardInterrupt:
        code = int(Exit.INTERRUPTED)
    except (ReaderGone, BrokenPipeError):
        _silence_output()
        code = BROKEN_PIPE
    except OSError:  # stdout cannot be written, which _guarded has said on stderr.
        _silence_output()
        code = int(Exit.FAILED)
    return code


def _finished(code: int) -> int:
    """Write what is still in the buffer, while an error of it can still be told."""
    flush()
    return code


def _dispatch(words: list[str]) -> int:
    from pb.cli.fast import try_fast

    if "_PB_COMPLETE" not in os.environ:
        done = try_fast(words)
        if done is not None:
            return done
    return _with_typer(words)


def _with_typer(words: list[str]) -> int:
    from pb.cli.tree import root

    if "_PB_COMPLETE" in os.environ:
        from typer.completion import completion_init  # type: ignore[attr-defined]

        completion_init()
    answer = root().main(words, prog_name="pb", standalone_mode=False)
    return int(answer or 0)


def _guarded(work: Callable[[], int]) -> int:
    """Turn whatever goes wrong into a sentence, a hint and an exit code."""
    try:
        return work()
    except (ReaderGone, BrokenPipeError, KeyboardInterrupt):
        raise
    except PbError as error:
        return _complain(error)
    except Exception as error:
        if hasattr(error, "format_message") and hasattr(error, "exit_code"):
            return _complain_usage(error)
        return _complain_unexpected(error)


def _complain(error: PbError) -> int:
    _traceback_if_asked()
    show_error(error.code, error.message, error.hint, block=getattr(error, "caret", None))
    return int(error.exit_code)


def _complain_usage(error: TyperComplaint) -> int:
    """A usage error of typer's, said our way: without its last stop, with a hint."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "pb"
    near = sorted(getattr(error, "possibilities", None) or ())
    message = getattr(error, "message", "") if near else error.format_message()
    hint = f"Did you mean {' or '.join(near)}?" if near else f"Run `{path} --help` for its usage."
    message = message.strip().rstrip(".")
    for kind in ("int range", "integer range", "integer"):
        message = message.replace(f"a valid {kind}", "a whole number")
    _traceback_if_asked()
    show_error("usage", message, hint)
    return int(error.exit_code)


def _complain_unexpected(error: Exception) -> int:
    _traceback_if_asked()
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        said = f"{where}{(error.strerror or str(error)).lower()}"
        show_error("failed", f"The system refused: {said}", None)
        return int(Exit.PERMISSION if isinstance(error, PermissionError) else Exit.FAILED)
    said = f"{type(error).__name__}: {error}"
    show_error("internal", f"pb itself failed: {said}", "Run it again with --debug and report it.")
    return int(Exit.FAILED)


def _traceback_if_asked() -> None:
    if not asked.debug:
        return
    if is_terminal(sys.stderr):
        from rich.console import Console

        Console(stderr=True).print_exception(show_locals=False)
    else:
        import traceback

        traceback.print_exc()


def _tolerate_encodings() -> None:
    """No name on disk and no terminal's encoding may make printing fail."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _silence_output() -> None:
    """Point both streams at nothing, so that the interpreter's last flush cannot complain."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    os.close(nothing)
