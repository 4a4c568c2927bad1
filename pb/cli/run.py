"""``pb run -- CMD``: a command now, in this terminal, recorded like any run.

The command keeps this process's terminal, its stdin and its output; nothing is captured. Works
with the scheduler down.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from pb.cli.asked import ANSWER_TIME, asked, refuse_elsewhere, session
from pb.cli.render import emit, note, show_error
from pb.cli.tree import single
from pb.errors import PbError, UsageError

NOT_FOUND, NOT_EXECUTABLE = 127, 126
"""What a shell, env and timeout answer for a command that cannot be started (POSIX, env)."""

FORWARDED = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""Sent to this process alone, they are meant for the command."""

FROM_TERMINAL = (signal.SIGINT, signal.SIGQUIT)
"""A terminal sends these to the command too: this process only has to outlive them."""

app, command = single(
    "run",
    "pb run -- make test",
    "pb run --name backup -- rsync -a ~/docs /mnt/backup",
    context_settings={"allow_interspersed_args": False},
)


@command
def run(
    words: Annotated[
        list[str], typer.Argument(metavar="-- COMMAND...", help="The command and its arguments.")
    ],
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="A name to find it by in the history.")
    ] = None,
) -> int:
    """Run a command now, in the foreground, and record it; its exit code is passed on.

    Its input and output stay this terminal's: they are not captured, and there is no log of the
    run. With --json its output goes to stderr, and the record to stdout.
    """
    if not words[0]:
        raise UsageError("The command is empty", hint="Give the program to run: pb run -- COMMAND")
    from pb.process.identity import own

    refuse_elsewhere()
    # Who knows the outcome: as long as this process lives, nobody else says how it ended.
    me = own()
    identity = {field: getattr(me, field) for field in me.__slots__}
    with session() as talk:
        params = {"command": words, "name": name, "identity": identity}
        record = talk.call("run.begin", params, timeout=ANSWER_TIME)["run"]
    ended = _run(words, int(record["run_id"]))
    _record_end(int(record["run_id"]), ended)
    return ended if ended >= 0 else 128 - ended


def _run(words: list[str], run_id: int) -> int:
    """The exit code of the command, or the negative number of the signal that ended it."""
    with _signals_for_child() as adopt:
        try:
            pid = _spawn(words, run_id)
        except OSError as error:
            return _say_unstartable(words[0], error)
        adopt(pid)
        _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def _spawn(words: list[str], run_id: int) -> int:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    own_output = [(os.POSIX_SPAWN_DUP2, 2, 1)] if asked.as_json else []
    return os.posix_spawnp(
        words[0],
        words,
        {**os.environ, "PB_RUN_ID": str(run_id)},
        file_actions=own_output,
        setsigdef=[*FORWARDED, *FROM_TERMINAL, signal.SIGPIPE],
        setsigmask=[],
    )


@contextmanager
def _signals_for_child() -> Iterator[Any]:
    """Outlive the terminal's signals and pass the others on, while the command runs."""
    child: list[int] = []
    early: list[int] = []

    def forward(number: int, _frame: object) -> None:
        if child:
            os.kill(child[0], number)
        else:
            early.append(number)

    def adopt(pid: int) -> None:
        child.append(pid)
        for number in early:
            os.kill(pid, number)

    before = {number: signal.signal(number, forward) for number in FORWARDED}
    before |= {number: signal.signal(number, lambda *_: None) for number in FROM_TERMINAL}
    try:
        yield adopt
    finally:
        for number, action in before.items():
            signal.signal(number, action)


def _say_unstartable(word: str, error: OSError) -> int:
    if isinstance(error, FileNotFoundError):
        show_error("not_found", f"There is no command {word!r}", "Check its spelling and PATH.")
        return NOT_FOUND
    reason = (error.strerror or str(error)).lower()
    show_error("permission", f"{word!r} cannot be run: {reason}", "Is it an executable file?")
    return NOT_EXECUTABLE


def _record_end(run_id: int, ended: int) -> None:
    """Record the outcome in a session of its own: the scheduler may have come or gone meanwhile."""
    name = None if ended >= 0 else signal.Signals(-ended).name
    params = {"run_id": run_id, "exit_code": ended if ended >= 0 else None, "signal": name}
    try:
        with session() as talk:
            answer = talk.call("run.end", params, timeout=ANSWER_TIME)
    except PbError as error:
        note(f"warning: The run's end could not be recorded: {error.message}")
        return
    if asked.as_json and ended not in (NOT_FOUND, NOT_EXECUTABLE):
        emit(answer)
