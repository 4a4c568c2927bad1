"""``pb service events``: what happened to services, and what happens as it does.

No typer here; the grammar is in ``pb.cli.service``.
"""

from __future__ import annotations

from typing import Any

from pb.cli.asked import ANSWER_TIME, asked, session
from pb.cli.event_stream import ANY, Wanted, recent, stream
from pb.cli.render import clean, emit, flush, local_second, out, paint

Json = dict[str, Any]

COLOURS = {
    "failed": "red",
    "unhealthy": "red",
    "exited": "yellow",
    "hook_failed": "yellow",
    "ready": "green",
    "healthy": "green",
}


def show(name: str | None, count: int, *, follow: bool) -> int:
    """The newest events, the oldest of them first; with ``follow`` go on until Ctrl-C."""
    wanted = Wanted(service=name or ANY)
    with session(local_ok=not follow) as talk:
        if name is not None:
            talk.call("service.show", {"name": name}, timeout=ANSWER_TIME)
        found = recent(talk.call, wanted, count)
    if asked.as_json and not follow:
        emit({"events": found})
        return 0
    for event in found:
        _line(event)
    if follow:
        for event in stream(wanted, found[-1]["seq"] if found else 0):
            _line(event)
            flush()
    elif not found:
        out("Nothing has happened yet.")
    return 0


def _line(event: Json) -> None:
    if asked.as_json:
        emit(event, indent=None)
        return
    kind = str(event["type"]).removeprefix("service.")
    colour = COLOURS.get(kind)
    word = paint(f"{kind:<11}", colour) if colour else f"{kind:<11}"
    by = f"  ({clean(event['by'])})" if event.get("by") not in (None, "scheduler") else ""
    out(f"{local_second(event['at'])}  {word}  {clean(event['text'])}{by}")
