"""How the terminal UI says things: signs and tones of states, times, sizes, harmless text. Pure.

A tone is what a colour means; which colour that is, is ``paint``'s to know. No text that came
from a job reaches a terminal but through ``harmless``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from pb.core.durations import format_uptime
from pb.process.logtext import sanitise

Json = dict[str, Any]

GOOD, WARN, BAD, BUSY, STILL = "good", "warn", "bad", "busy", "still"

RUNS: dict[str, tuple[str, str]] = {
    "queued": (BUSY, "…"),
    "starting": (BUSY, "▸"),
    "running": (BUSY, "▸"),
    "succeeded": (GOOD, "✓"),
    "failed": (BAD, "✗"),
    "timed_out": (BAD, "✗"),
    "lost": (BAD, "?"),
    "cancelled": (STILL, "■"),
    "missed": (WARN, "↷"),
    "skipped": (STILL, "↷"),
}
"""The tone and the sign of each state of a run."""

SERVICES: dict[str, tuple[str, str]] = {
    "running": (GOOD, "✓"),
    "starting": (BUSY, "▸"),
    "stopping": (BUSY, "▸"),
    "backoff": (WARN, "↻"),
    "failed": (BAD, "✗"),
    "orphaned": (WARN, "?"),
    "dead": (BAD, "✗"),
    "unknown": (WARN, "?"),
    "exited": (STILL, "■"),
    "stopped": (STILL, "■"),
}
JOBS = {"running": BUSY, "paused": WARN, "disabled": STILL, "idle": STILL}
EVENTS: dict[str, tuple[str, str]] = {
    **RUNS,
    "started": (BUSY, "▸"),
    "ready": (GOOD, "✓"),
    "healthy": (GOOD, "✓"),
    "unhealthy": (BAD, "✗"),
    "hook_failed": (BAD, "✗"),
    "invalid": (BAD, "!"),
    "degraded": (BAD, "!"),
    "exited": (WARN, "■"),
    "paused": (WARN, "‖"),
}
NOTHING = (STILL, "·")

PLAIN = str.maketrans("✓✗▸◷■↷↻‖·…●○│─↑↓←→▁▂▃▄▅▆▇█", "+x>@#~@|-~*o|-^v<>__..--##")
"""What a terminal gets whose encoding or font has no such signs."""

BARS = "▁▂▃▄▅▆▇█"


def harmless(text: object) -> str:
    """``text`` in one line, with whatever could act on a terminal made visible instead."""
    plain = str(text)
    if plain.isprintable():
        return plain
    return sanitise(plain).replace("\n", " ").replace("\t", " ")


def words(state: object) -> str:
    return str(state).replace("_", " ")


def count(number: int, noun: str, several: str | None = None) -> str:
    return f"{number:,} {noun if number == 1 else several or noun + 's'}"


# -- time


@lru_cache(4096)
def seconds_of(instant: str) -> float:
    """Epoch seconds of an RFC 3339 instant."""
    return datetime.fromisoformat(instant).timestamp()


def instant(ms: int) -> str:
    """Epoch milliseconds as everybody else tells instants."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()


def rough(seconds: float) -> str:
    """A stretch of time in at most two units: ``12s``, ``5m``, ``2h 15m``, ``3d 4h``."""
    whole = int(abs(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m"
    if whole < 86_400:
        return both(whole, 3600, "h", 60, "m")
    return both(whole, 86_400, "d", 3600, "h")


def both(whole: int, large: int, unit: str, small: int, smaller: str) -> str:
    rest = whole % large // small
    return f"{whole // large}{unit}" + (f" {rest}{smaller}" if rest else "")


def when(instant: object, now: float, otherwise: str = "-") -> str:
    """``3m ago`` or ``in 2h 15m``."""
    if not isinstance(instant, str):
        return otherwise
    distance = seconds_of(instant) - now
    if abs(distance) < 1:
        return "now"
    return f"in {rough(distance)}" if distance > 0 else f"{rough(distance)} ago"


def clock(instant: object) -> str:
    """``23:59:01``, by the wall clock here."""
    if not isinstance(instant, str):
        return "-"
    return f"{datetime.fromisoformat(instant).astimezone():%H:%M:%S}"


def moment(instant: object, now: float) -> str | None:
    """``Thu 2026-11-26 23:59:01 (3m ago)``; None for no instant."""
    if not isinstance(instant, str):
        return None
    local = datetime.fromisoformat(instant).astimezone()
    return f"{local:%a %Y-%m-%d %H:%M:%S} ({when(instant, now)})"


def uptime(instant: object, now: float) -> str:
    return format_uptime(now - seconds_of(instant)) if isinstance(instant, str) else "-"


def duration(milliseconds: object) -> str:
    """``412ms``, ``30.1s``, ``3m 2s``; empty for none."""
    if not isinstance(milliseconds, int | float):
        return ""
    if milliseconds < 1000:
        return f"{milliseconds:.0f}ms"
    return (
        f"{milliseconds / 1000:.1f}s"
        if milliseconds < 60_000
        else format_uptime(milliseconds / 1000)
    )


# -- things


def schedule(job: Json) -> str:
    """Its triggers, short."""
    return ", ".join(trigger_words(one) for one in job["triggers"]) or "no trigger"


def trigger_words(trigger: object) -> str:
    match trigger:
        case {"type": "cron", "expr": expr}:
            return harmless(expr)
        case {"type": "every", "every": every}:
            return f"every {harmless(every)}"
        case {"type": "at", "at": at}:
            return f"at {harmless(at)}"
        case {"type": "startup"}:
            return "at start-up"
        case {"type": kind}:
            return harmless(kind)
        case other:
            return harmless(other)


def run_name(run: Json) -> str:
    """The job's name; of `pb run` the words of the command."""
    return harmless(run["job"] or " ".join(run["command"] or ()) or "pb run")


def why(run: Json) -> str:
    """What there is to say of how it ended."""
    ended = f"exit code {run['exit_code']}" if run["exit_code"] else ""
    ended = f"signal {run['signal']}" if run["signal"] else ended
    return harmless(run["reason"] or ended)


def joined(*parts: str | None) -> str:
    return " · ".join(part for part in parts if part)


def bars(values: Iterable[float], room: int) -> str:
    """The last ``room`` values as a small curve; from nothing to the highest of them."""
    shown: Sequence[float] = list(values)[-room:]
    highest = max(shown, default=0)
    if not highest:
        return BARS[0] * len(shown)
    return "".join(BARS[min(7, int(8 * value / highest))] for value in shown)
