"""When a ``rate`` pattern fires: a metric's mean over a window, against those of windows before.

Pure: time and value come in as arguments. Windows lie on the clock: each begins at a multiple of
its length, so that a restart changes none. Instants are epoch milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from pb.core.lean import dataclass
from pb.core.reactive import Pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What a ``rate`` pattern remembers: the window that is being filled (its number; sum and
    count of its samples), the means of those before, and whether the last one was off."""

    window: int | None = None
    total: float = 0.0
    count: int = 0
    means: tuple[float, ...] = ()
    is_off: bool = False
    fired_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A window that is off: its mean, that of those before it, and the change in percent (None
    from nothing)."""

    value: float
    mean: float
    percent: float | None


def rated(
    rule: Pattern, before: Rate, value: float | None, now_ms: int
) -> tuple[Rate, Change | None]:
    """What becomes of it with this sample, and the change that starts a run."""
    if value is None or not math.isfinite(value):
        return before, None
    window = int(now_ms // ((rule.within or 1.0) * 1000))
    if before.window == window:
        return replace(before, total=before.total + value, count=before.count + 1), None
    rate, change = closed(rule, before, now_ms)
    return replace(rate, window=window, total=value, count=1), change


def closed(rule: Pattern, before: Rate, now_ms: int) -> tuple[Rate, Change | None]:
    """A window is over. It is judged once there were enough before it; only the first of several
    that are off starts a run."""
    if before.count == 0:
        return before, None
    mean = before.total / before.count
    change = change_of(rule, before.means, mean)
    means = (*before.means, mean)[-rule.windows :]
    rate = replace(before, means=means, is_off=change is not None)
    is_cool = before.fired_ms is None or now_ms - before.fired_ms >= rule.cooldown * 1000
    if change is None or before.is_off or not is_cool:
        return rate, None
    return replace(rate, fired_ms=now_ms), change


def change_of(rule: Pattern, means: tuple[float, ...], mean: float) -> Change | None:
    """How far a window is off; None when it is not, or nobody can tell yet."""
    if len(means) < rule.windows:
        return None
    usual = sum(means) / len(means)
    if usual == 0:
        return Change(value=mean, mean=0.0, percent=None) if mean else None
    percent = (mean - usual) / abs(usual) * 100
    is_off = abs(percent) >= abs(rule.change or 0.0)
    return Change(value=mean, mean=usual, percent=round(percent, 2)) if is_off else None


def interval_of(rule: Pattern) -> float:
    """Seconds between two looks: ten in a window, once a minute at least."""
    return min(60.0, max(1.0, (rule.within or 1.0) / 10))


def rate_dump(rate: Rate) -> dict[str, Any]:
    """For the store."""
    return asdict(rate)


def rate_from(state: Mapping[str, Any] | None) -> Rate:
    """From the store."""
    return Rate() if state is None else Rate(**{**state, "means": tuple(state["means"])})
