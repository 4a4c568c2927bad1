"""Telling pb that something has happened, for jobs that wait for it.

An event is in the store before the answer is given, and leaves it in the transaction that acts on
it: with or without a scheduler, it counts once.
"""

from __future__ import annotations

import json

from pb.api.context import Context
from pb.api.views import Json
from pb.core.event_names import read_own_name
from pb.errors import ConflictError, InvalidError

LARGEST = 64 * 1024
"""Bytes of JSON that an event may carry."""

DEEPEST = 100
"""How deep facts may nest; SQLite takes 1000."""

MOST = 1_000
"""Events that may wait for a scheduler."""

MOST_BYTES = 64 * 1024 * 1024
"""Bytes of all that may wait."""


def event_emit(context: Context, *, name: str, facts: Json | None) -> Json:
    """Something called ``user.NAME`` has happened; ``facts`` is what is known of it."""
    whole = f"user.{read_own_name(name)}"
    size = size_of(facts)
    if size is None:
        raise InvalidError(
            f"The data of {whole} cannot be kept",
            hint=f"NaN and Infinity are not JSON, and it may nest {DEEPEST} deep.",
        )
    if size > LARGEST:
        raise InvalidError(
            f"The data of {whole} is larger than {LARGEST // 1024} KiB",
            hint="Put it into a file, and the file's name into the event.",
        )
    check_room(context, whole, facts or {})
    at = context.now()
    context.store.occasions.emit(at=at, name=whole, facts=facts or {}, actor=context.actor)
    context.emitted = True
    context.tell("event.emitted", f"Event {whole}")
    return {"event": whole, "at": context.told[-1]["at"], "waits": context.facts is None}


def size_of(facts: Json | None) -> int | None:
    """Bytes of the facts as JSON; None for what SQLite or others would not take as JSON."""
    try:
        return len(json.dumps(facts, allow_nan=False)) if is_shallow(facts, DEEPEST) else None
    except ValueError:
        return None


def is_shallow(value: object, left: int) -> bool:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return all(left > 0 and is_shallow(part, left - 1) for part in parts)


def check_room(context: Context, what: str, facts: Json) -> None:
    """Raises ConflictError where too much waits for a scheduler already."""
    store = context.store.occasions
    is_full = store.emitted_count() >= MOST
    if is_full or store.emitted_size() + (size_of(facts) or 0) > MOST_BYTES:
        raise ConflictError(
            f"Too many events wait for the scheduler already; {what} was not taken",
            hint="Start it with: pb scheduler start",
        )
