"""Signals' names and numbers, and a clean slate for a process that was started uncleanly.

No handler of any daemon lives here.
"""

from __future__ import annotations

import signal

from pb.errors import InvalidError, did_you_mean

IGNORED_BY_PYTHON = ("SIGPIPE", "SIGXFSZ")
"""What the interpreter ignores at its start, so that a write fails instead of killing it."""


def signal_number(name: str) -> int:
    """The number of ``"TERM"``, ``"SIGTERM"``, ``"sigterm"`` or ``"15"``.

    Raises InvalidError for what is no signal of this system, with the nearest names.
    """
    text = name.strip().upper()
    if text.isascii() and text.isdigit():
        number = int(text) if len(text) < 4 else 0
        if number in valid_signals():
            return number
        raise InvalidError(f"There is no signal {name.strip()}", hint="Try TERM, INT, HUP or KILL.")
    full = text if text.startswith("SIG") else f"SIG{text}"
    if full in signal.Signals.__members__:
        return int(signal.Signals[full])
    offset = _real_time(full)
    if offset is not None:
        return offset
    near = did_you_mean(full, tuple(signal.Signals.__members__))
    raise InvalidError(f"There is no signal {name!r}", hint=near or "Try TERM, INT, HUP or KILL.")


def signal_name(number: int) -> str:
    """``"SIGTERM"`` for 15; ``"SIGRTMIN+3"`` for a real-time signal; else ``"signal N"``."""
    try:
        return signal.Signals(number).name
    except ValueError:
        if hasattr(signal, "SIGRTMIN") and signal.SIGRTMIN < number < signal.SIGRTMAX:
            return f"SIGRTMIN+{number - signal.SIGRTMIN}"
        return f"signal {number}"


def _real_time(full: str) -> int | None:
    """The number of ``SIGRTMIN+3`` or ``SIGRTMAX-2``, where the system has such signals."""
    for base, sign in (("SIGRTMIN", "+"), ("SIGRTMAX", "-")):
        start, separator, offset = full.partition(sign)
        if start == base and separator and offset.isascii() and offset.isdigit():
            number = int(getattr(signal, base)) + int(sign + offset[:3])
            return number if number in valid_signals() else None
    return None


def valid_signals() -> frozenset[int]:
    """Every signal that a program may send here; the C library keeps a few for itself."""
    return frozenset(int(number) for number in signal.valid_signals())


def reset_signals(*, for_python: bool = False) -> None:
    """Set every signal to its default and empty the mask, whatever was inherited.

    Ignored signals and the mask survive an exec (execve(2)): under ``nohup``, or started with
    TERM ignored, a process would otherwise refuse to stop. ``for_python`` keeps what the
    interpreter itself ignores (SIGPIPE, SIGXFSZ), for a process that goes on as Python; without
    it the process is ready to exec something else. Main thread only.
    """
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    for name in IGNORED_BY_PYTHON if for_python else ():
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
