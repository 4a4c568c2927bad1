"""How the triggers that react stand: each in words, with its state and what was measured last."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pb.cli.render import clean, local_second, out

Json = dict[str, Any]


def show_reactions(found: Iterable[Json]) -> None:
    out("\n  Waits for:")
    for one in found:
        out(f"    {clean(one['explain'])}")
        words = [*standing(one), *fired(one)]
        if words:
            out(f"      {clean(', '.join(words))}")


def standing(one: Json) -> list[str]:
    """``firing since 2026-11-27 12:00:05``, ``now 93.1 %``."""
    state, since = one["state"], one["since"]
    is_on = state in ("pending", "firing") and since
    words = [f"{state} since {local_second(since)}"] if is_on else [state] if state else []
    words += [f"now {one['shown']}"] if one["shown"] else ["no value now"] if one["seen_at"] else []
    words += [f"fires at {local_second(one['due_at'])}"] if one["due_at"] else []
    words += [f"{one['counted']} counted"] if one["counted"] is not None else []
    return words


def fired(one: Json) -> list[str]:
    return [f"last fired {local_second(one['fired_at'])}"] if one["fired_at"] else []
