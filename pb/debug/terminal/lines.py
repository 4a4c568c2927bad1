"""The lines around a view: tabs and scheduler above it, what is amiss, keys below. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pb.core.durations import format_uptime
from pb.debug.terminal.table import width_of
from pb.debug.terminal.words import BAD, GOOD, STILL, WARN, clock, harmless, rough, seconds_of

Json = dict[str, Any]
Pieces = list[tuple[str, str]]

VIEWS = ("Overview", "Jobs", "Runs", "Services", "Events")


def tabs(at: int | None, state: Json | None, now: float, room: int) -> Pieces:
    """`` pb  1 Overview  2 Jobs …   ● up 2h 15m``; ``at`` is the view that is shown."""
    used = sum(len(name) + 4 for name in VIEWS)
    pieces: Pieces = [(" pb ", "head")] if room >= used + 6 else []
    for number, name in enumerate(VIEWS):
        text = f" {number + 1} {name} " if number == at or room >= used + 3 else f" {number + 1} "
        pieces.append((text, "reverse bold" if number == at else ""))
    used = sum(len(text) for text, _ in pieces)
    for text, tone in scheduler(state, now):
        if used + width_of(text) + 2 <= room:
            return [*pieces, (" " * (room - used - width_of(text) - 1), ""), (text, tone)]
    return pieces


def scheduler(state: Json | None, now: float) -> list[tuple[str, str]]:
    """How it is, in words that get shorter."""
    if state is None:
        return [("…", STILL)]
    found = state["scheduler"]
    if not found:
        return [("○ no answer", BAD), ("○", BAD)]
    if not found["running"]:
        return [("○ not running", BAD), ("○ off", BAD), ("○", BAD)]
    up = now - seconds_of(found["started_at"])
    tone = WARN if found["notice"] else GOOD
    return [(f"● up {format_uptime(up)}", tone), (f"● {rough(up)}", tone), ("●", tone)]


def life_of(state: Json | None) -> str | None:
    """What tells one life of the scheduler from another; None while there is none."""
    found = (state or {}).get("scheduler")
    return str(found["started_at"]) if found and found["running"] else None


def amiss(state: Json | None, away_since: str | None) -> tuple[str, str] | None:
    """What is wrong with the scheduler, and what to type, as a sentence with its tone."""
    if state is None:
        return None
    since = f" since {clock(away_since)}" if away_since else ""
    problem = state["problem"]
    if problem:
        hint = f" {problem['hint']}" if problem["hint"] else ""
        return harmless(f"! {problem['message']}.{hint}"), BAD
    found = state["scheduler"]
    if not found["running"]:
        return f"! No scheduler runs{since}. Start it elsewhere: pb scheduler start", BAD
    if found["notice"]:
        return harmless(f"! {found['notice']}"), WARN
    return None


def keys(offers: Sequence[tuple[str, str]], room: int, right: str = "") -> Pieces:
    """`` Enter open  / find  r run``, as many as there is room for, and a remark on the right."""
    pieces: Pieces = []
    used = width_of(right) + 2
    for key, word in offers:
        size = len(key) + len(word) + 3
        if used + size > room:
            break
        pieces += [(f" {key}", "bold"), (f" {word} ", "dim")]
        used += size
    gap = room - used - 1 + 2 - 1
    return [*pieces, (" " * max(1, gap), ""), (right, "dim")] if right else pieces
