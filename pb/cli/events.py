"""``pb debug events``: what happened, whatever it was, and what happens as it does.

No typer here; the grammar is in ``pb.cli.debug``.
"""

from __future__ import annotations

from typing import Any

from pb.cli.asked import asked, session
from pb.cli.event_stream import Wanted, newest, recent, stream
from pb.cli.render import clean, emit, flush, local_second, out, paint
from pb.cli.service_names import has_store
from pb.core.events import EVENT_TYPES
from pb.errors import UsageError, did_you_mean

Json = dict[str, Any]

BAD = frozenset({"failed", "timed_out", "lost", "unhealthy", "invalid", "degraded", "fenced"})
UNEASY = frozenset({"missed", "exited", "cancelled", "hook_failed", "gone", "clock_changed"})
GOOD = frozenset({"succeeded", "ready", "healthy", "restored"})
ROOM = max(map(len, EVENT_TYPES))
"""Columns of the longest type."""


def show(wanted: Wanted, count: int, *, follow: bool) -> int:
    """The newest events, the oldest of them first; with ``follow`` go on until Ctrl-C."""
    require_type(wanted.type)
    found: list[Json] = []
    last = 0
    if follow or has_store():
        with session(local_ok=not follow) as talk:
            found = recent(talk.call, wanted, count)
            last = found[-1]["seq"] if found else newest(talk.call, Wanted())
    if asked.as_json and not follow:
        emit({"events": found})
        return 0
    for event in found:
        _line(event)
    if follow:
        flush()  # what was is seen at once, also through a pipe
        for event in stream(wanted, last):
            _line(event)
            flush()
    elif not found:
        out("Nothing like it has happened." if wanted != Wanted() else "Nothing has happened yet.")
    return 0


def require_type(word: str | None) -> None:
    """Raises UsageError for what is neither a type of events nor a family of them."""
    families = sorted({one.partition(".")[0] for one in EVENT_TYPES})
    if word is None or word in EVENT_TYPES or word in families:
        return
    hint = did_you_mean(word, [*EVENT_TYPES, *families]) or f"There are {', '.join(families)}."
    raise UsageError(f"There is no type of events {word[:64]!r}", hint=hint)


def _line(event: Json) -> None:
    if asked.as_json:
        emit(event, indent=None)
        return
    kind = str(event["type"])
    by = f"  ({clean(event['by'])})" if event.get("by") not in (None, "scheduler") else ""
    out(f"{local_second(event['at'])}  {_painted(kind)}  {clean(event['text'])}{by}")


def _painted(kind: str) -> str:
    word = kind.partition(".")[2]
    text = f"{clean(kind):<{ROOM}}"
    for words, colour in ((BAD, "red"), (UNEASY, "yellow"), (GOOD, "green")):
        if word in words:
            return paint(text, colour)
    return text
