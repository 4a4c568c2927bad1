"""How the triggers that react stand: each in words, with its state and what was measured last."""

from __future__ import annotations

import os
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


def stray_places(triggers: Iterable[Any]) -> list[str]:
    """Paths to watch that are not there or cannot be read, each a sentence: a slip, perhaps."""
    from pb.core.reactive import File, Pattern
    from pb.core.triggers import trigger_from

    paths: list[str] = []
    for trigger in map(trigger_from, triggers):
        if isinstance(trigger, File):
            paths += trigger.paths
        elif isinstance(trigger, Pattern) and (trigger.source or "").startswith(("/", "~")):
            paths.append(trigger.source or "")
    return [said for path in paths if (said := stray(os.path.expanduser(path)))]


def stray(path: str) -> str | None:
    if not os.path.lexists(path):
        return f"There is no {path} yet; it is waited for."
    wanted = os.R_OK | (os.X_OK if os.path.isdir(path) else 0)
    is_open = os.access(path, wanted, effective_ids=os.access in os.supports_effective_ids)
    return None if is_open else f"{path} cannot be read."
