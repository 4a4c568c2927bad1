"""When patterns over events fire: ``count``, ``absence`` and ``slow``. Pure.

Times come in as arguments; what an event is, and which are meant, is ``event_names``'. What a
pattern remembers is a small table of plain values, since it lives in the store. Instants are
epoch milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pb.core.reactive import Pattern

State = Mapping[str, Any]

ENOUGH = 3
"""Runs that went well without which nobody knows how long one takes."""

SHORTEST_MS = 1000
"""No run is slow before that."""

REMEMBERED = 100
"""Slow runs that are remembered, so that none is told of twice."""


def is_cool(rule: Pattern, state: State, now_ms: int) -> bool:
    """Whether the cooldown since it last fired is over."""
    fired = state.get("fired_ms")
    return fired is None or not 0 <= now_ms - fired < rule.cooldown * 1000


# -- count


def counted(rule: Pattern, state: State | None, at_ms: int) -> tuple[State, bool]:
    """One more has happened; True: so many in so short a time, and counting begins anew."""
    state = state or {}
    since = at_ms - (rule.within or 0.0) * 1000
    times = [time for time in state.get("times", ()) if time > since][-rule.count :]
    times.append(at_ms)
    if len(times) >= rule.count and is_cool(rule, state, at_ms):
        return {"times": [], "fired_ms": at_ms}, True
    return {**state, "times": times[-rule.count :]}, False


# -- absence


def began(at_ms: int) -> State:
    """The clock of an absence begins."""
    return {"since_ms": at_ms, "is_told": False}


def heard(state: State, at_ms: int) -> State:
    """It has happened: the clock begins anew. What is told late does not turn it back."""
    return {**state, "since_ms": max(at_ms, state["since_ms"]), "is_told": False}


def absent_at(rule: Pattern, state: State) -> int | None:
    """When it will have been absent for too long; None once that was told."""
    if state["is_told"]:
        return None
    due = int(state["since_ms"] + (rule.within or 0.0) * 1000)
    if "fired_ms" in state:
        due = max(due, int(state["fired_ms"] + rule.cooldown * 1000))
    return due


def told(state: State, now_ms: int) -> State:
    """It was told that it is absent: once, until it happens again."""
    return {**state, "is_told": True, "fired_ms": now_ms}


# -- slow


def slow_after_ms(rule: Pattern, durations: Sequence[int]) -> int | None:
    """How long a run may take, by those before it that went well; None when nobody can tell."""
    if len(durations) < ENOUGH:
        return None
    return max(SHORTEST_MS, round(median(durations) * rule.factor))


def median(numbers: Sequence[int]) -> float:
    """The one in the middle, or the mean of the two (the module of that name imports much)."""
    ordered, half = sorted(numbers), len(numbers) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def is_known_slow(state: State | None, run_id: int) -> bool:
    return run_id in (state or {}).get("runs", ())


def slow_told(state: State | None, run_id: int, now_ms: int) -> State:
    """It was told that this run is slow."""
    return {"runs": [*(state or {}).get("runs", ()), run_id][-REMEMBERED:], "fired_ms": now_ms}
