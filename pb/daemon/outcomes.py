"""How a run has ended, from what the kernel says of its leader. Nothing is asked here."""

from __future__ import annotations

import os
from collections.abc import Callable

from pb.api.methods import outcome_reason
from pb.core.limits import kernel_reason
from pb.core.model import State
from pb.daemon.messages import Exited, TreeGone
from pb.daemon.open_run import Open
from pb.errors import PbError
from pb.process.program import SpawnError
from pb.process.signals import signal_name
from pb.store.rows import Run

WORDS = 200
"""Characters of a failed run's last line that go into its reason."""


def note_end(run: Open, message: Exited) -> None:
    """Write into the row what is known of the end."""
    row = run.row
    run.exited = message
    if message.status is not None:
        row.exit_code, row.signal = wait_status(message.status)
    row.max_rss_bytes, row.cpu_seconds = message.used.max_rss_bytes, message.used.cpu_seconds


def outcome(run: Open, last_words: Callable[[Run], str | None]) -> tuple[State, str | None]:
    """The outcome of a run that ended by itself, and why."""
    row, job = run.row, run.job
    if row.exit_code is None and row.signal is None:
        return State.LOST, "it ended while nobody could see how"
    good = job.success_exit_codes if job is not None else (0,)
    if row.signal is None and row.exit_code in good:
        return State.SUCCEEDED, None
    if job is not None:
        limit = kernel_reason(job.limits, row.exit_code, row.signal, row.cpu_seconds)
        if limit is not None:
            return State.FAILED, limit
    words = last_words(row)
    if words and job is not None and job.python is not None and row.exit_code == 1:
        return State.FAILED, words  # the exception
    reason = outcome_reason(row.exit_code, row.signal) or "exit code 0"
    return State.FAILED, f"{reason}: {words}" if words else reason


def how_it_went(reason: str, message: TreeGone) -> str:
    """Why a run was stopped, and what is to be said of that."""
    if message.killed:
        reason += " (killed: it did not end within its grace)"
    if message.survivors:
        names = ", ".join(f"{pid} ({name})" for pid, name in message.survivors)
        reason += f"; still alive: {names}"
    return reason


def wait_status(status: int) -> tuple[int | None, str | None]:
    """A raw wait status as (exit code, None) or (None, signal name)."""
    code = os.waitstatus_to_exitcode(status)
    return (code, None) if code >= 0 else (None, signal_name(-code))


def printable(text: str) -> str:
    """One short line without control characters: fit for a table and a terminal."""
    from pb.process.logfile import sanitise

    safe = sanitise(text)
    return safe if len(safe) <= WORDS else safe[: WORDS - 1] + "…"


def refusal_of(error: PbError | OSError) -> tuple[str, bool]:
    """Why something was not started, in words, and whether trying again soon may help."""
    if isinstance(error, OSError):
        return f"Cannot be started: {(error.strerror or str(error)).lower()}", False
    is_transient = isinstance(error, SpawnError) and error.transient
    hint = f" ({error.hint})" if error.hint and not is_transient else ""
    return error.message + hint, is_transient
