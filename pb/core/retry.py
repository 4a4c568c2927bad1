"""Whether a run that ended badly is tried again, and when. Pure: luck is handed in."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from pb.core.model import Backoff, Retry, State


def is_retried(
    retry: Retry,
    *,
    attempt: int,
    state: State,
    exit_code: int | None,
    signal: str | None,
    said: Callable[[str], bool],
) -> bool:
    """Whether attempt number ``attempt``, which ended so, is followed by another.

    Without ``on``, every failure and timeout is; a run that somebody cancelled never is, and a
    lost one only by ``on_lost``. ``said`` tells whether a text stands in the run's output.
    """
    if attempt >= retry.max_attempts or state not in (State.FAILED, State.TIMED_OUT):
        return False
    if not retry.on:
        return True
    return any(matches(reason, state, exit_code, signal, said) for reason in retry.on)


def matches(
    reason: int | str,
    state: State,
    exit_code: int | None,
    signal: str | None,
    said: Callable[[str], bool],
) -> bool:
    """Whether one entry of ``on`` is about this end."""
    if isinstance(reason, int):
        return state is State.FAILED and exit_code == reason
    if reason == "timeout":
        return state is State.TIMED_OUT
    if state is not State.FAILED:
        return False
    if reason == "signal":
        return signal is not None
    if reason.startswith("pattern:"):
        return said(reason.removeprefix("pattern:"))
    return signal == f"SIG{reason}"


def delay(retry: Retry, attempt: int, luck: float) -> float:
    """Seconds from the end of attempt ``attempt`` to the next; ``luck`` is from 0 to 1.

    Never more than ``max``; ``jitter`` takes up to that part of it away, so that jobs which failed
    together do not come back together.
    """
    match retry.backoff:
        case Backoff.FIXED:
            seconds = retry.base
        case Backoff.LINEAR:
            seconds = retry.base * attempt
        case Backoff.EXPONENTIAL:
            # The exponent is bounded: a float overflows long after any maximum is reached.
            seconds = retry.base * retry.factor ** min(attempt - 1, 64)
        case _:
            assert_never(retry.backoff)
    return min(seconds, retry.max) * (1 - retry.jitter * luck)
