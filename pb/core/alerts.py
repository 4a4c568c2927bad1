"""When a threshold trigger fires: inactive, pending, firing, by one sample after another.

The semantics of Prometheus' alerting rules (prometheus.io/docs/prometheus/latest/configuration/
alerting_rules), with hysteresis: what has held for long enough starts one run, and only one until
it was over. Pure: time and value come in as arguments. Instants are epoch milliseconds.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any

from pb.core.lean import dataclass
from pb.core.reactive import Pattern, Threshold

OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}

HYSTERESIS = 0.05
"""Of the value: how far on its good side it has to come until it is over."""

BREAK, BREAK_MS = 3, 60_000
"""A longer time without a sample than so many intervals and than this was not watched: what
happened in it counts nothing."""

EARLY = 0.05
"""Of an interval: how much a sample may come before its time."""

SAVE_MS = 60_000
"""How much of a long wait a crash may cost."""


class Phase(StrEnum):
    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """What a threshold trigger remembers.

    ``held_ms``: for how long of watched time it has held, while pending. ``since_ms``: when the
    phase began; ``seen_ms``: the last sample; ``fired_ms``: the last start. ``is_told``: a run was
    started for what is firing now.
    """

    phase: Phase = Phase.INACTIVE
    held_ms: int = 0
    since_ms: int | None = None
    seen_ms: int | None = None
    fired_ms: int | None = None
    is_told: bool = False


def judged(rule: Threshold, before: Alert, value: float | None, now_ms: int) -> tuple[Alert, bool]:
    """What becomes of it with this sample, and whether a run starts.

    A sample that is missing changes nothing: it neither fires nor clears.
    """
    if value is None or not math.isfinite(value):
        return before, False
    alert = moved(rule, before, value, now_ms)
    if not is_due(rule, alert, now_ms):
        return alert, False
    return replace(alert, fired_ms=now_ms, is_told=True), True


def moved(rule: Threshold, before: Alert, value: float, now_ms: int) -> Alert:
    """The phase after a sample."""
    fired_ms = before.fired_ms if before.fired_ms is None else min(before.fired_ms, now_ms)
    alert = replace(before, seen_ms=now_ms, fired_ms=fired_ms)
    if before.phase is Phase.FIRING:
        return inactive(alert, now_ms) if is_over(rule, value) else alert
    if not holds(rule, value):
        return alert if before.phase is Phase.INACTIVE else inactive(alert, now_ms)
    if before.phase is Phase.PENDING:
        alert = replace(alert, held_ms=before.held_ms + watched_ms(rule, before.seen_ms, now_ms))
    else:
        alert = replace(alert, phase=Phase.PENDING, since_ms=now_ms, held_ms=0)
    if alert.held_ms >= rule.lasting * 1000 - early_ms(rule):
        return replace(alert, phase=Phase.FIRING, since_ms=now_ms, held_ms=0)
    return alert


def inactive(alert: Alert, now_ms: int) -> Alert:
    return Alert(since_ms=now_ms, seen_ms=alert.seen_ms, fired_ms=alert.fired_ms)


def holds(rule: Threshold, value: float) -> bool:
    return OPERATORS[rule.op](value, rule.value)


def is_over(rule: Threshold, value: float) -> bool:
    """Whether what was firing is over: the other side, and far enough."""
    if holds(rule, value):
        return False
    bound = reset_of(rule)
    return bound is None or (value <= bound if rule.op in (">", ">=") else value >= bound)


def reset_of(rule: Threshold) -> float | None:
    """The value at which it is over; None for an operator that knows no near and far."""
    if rule.op in ("==", "!="):
        return None
    if rule.reset is not None:
        return rule.reset
    margin = abs(rule.value) * HYSTERESIS
    return rule.value - margin if rule.op in (">", ">=") else rule.value + margin


def watched_ms(rule: Threshold, seen_ms: int | None, now_ms: int) -> int:
    """How much of the time since the last sample counts as watched."""
    passed = 0 if seen_ms is None else max(0, now_ms - seen_ms)
    return passed if passed <= max(BREAK * rule.interval * 1000, BREAK_MS) else 0


def early_ms(rule: Threshold) -> float:
    return rule.interval * 1000 * EARLY


def is_due(rule: Threshold, alert: Alert, now_ms: int) -> bool:
    """Whether a run starts now: one once the cooldown allows it, others if it is to repeat."""
    if alert.phase is not Phase.FIRING:
        return False
    if alert.fired_ms is None:
        return True
    if alert.is_told and rule.repeat is None:
        return False
    pause = max(rule.cooldown, (rule.repeat or 0.0) if alert.is_told else 0.0)
    return now_ms - alert.fired_ms >= pause * 1000 - early_ms(rule)


def is_worth_writing(written: Alert | None, alert: Alert) -> bool:
    """Whether a crash now would lose something that matters."""
    if written is None:
        return alert.phase is not Phase.INACTIVE
    is_same = (written.phase, written.since_ms, written.fired_ms, written.is_told) == (
        *(alert.phase, alert.since_ms),
        *(alert.fired_ms, alert.is_told),
    )
    return not is_same or alert.held_ms - written.held_ms >= SAVE_MS


def alert_dump(alert: Alert) -> dict[str, Any]:
    """For the store."""
    return {
        "phase": str(alert.phase),
        "held_ms": alert.held_ms,
        "since_ms": alert.since_ms,
        "seen_ms": alert.seen_ms,
        "fired_ms": alert.fired_ms,
        "is_told": alert.is_told,
    }


def alert_from(state: Mapping[str, Any] | None) -> Alert:
    """From the store."""
    if state is None:
        return Alert()
    return Alert(**{**state, "phase": Phase(state["phase"])})


def rule_of_idle(pattern: Pattern) -> Threshold:
    """An ``idle`` pattern as the threshold that it is."""
    return Threshold(
        metric=pattern.metric or "",
        op="<",
        value=pattern.below or 0.0,
        lasting=pattern.within or 0.0,
        cooldown=pattern.cooldown,
    )
