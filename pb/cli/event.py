"""``pb event``: tell the jobs that wait for it that something has happened; see what has."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from pb.cli import options
from pb.cli.asked import ANSWER_TIME, asked, session
from pb.cli.render import clean, emit, mark, note, out
from pb.cli.tree import Verbs
from pb.errors import UsageError

EXAMPLE = "Quote it: '{\"rows\": 812}'."

MOST_READ = 1024 * 1024
"""Bytes of standard input; an event may carry much less."""

app = Verbs("Tell jobs that something has happened; see what has.")


@app.verb(
    "emit",
    "pb event emit import.done",
    "pb event emit import.done --data '{\"rows\": 812}'",
    "./report.sh | pb event emit import.done --data -",
)
def emit_event(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="What has happened; jobs wait for user.NAME.")
    ],
    told: Annotated[
        str | None,
        typer.Option(
            "--data", metavar="JSON", help="Its facts, a JSON object; - is standard input."
        ),
    ] = None,
) -> int:
    """Tell the jobs with the trigger "event: user.NAME" that it has happened.

    While the scheduler is down the event waits, and is acted on once at its start.
    """
    facts = None if told is None else facts_of(told)
    with session() as talk:
        answer = talk.call("event.emit", {"name": name, "facts": facts}, timeout=ANSWER_TIME)
    if asked.as_json:
        emit(answer)
        return 0
    out(f"{mark('ok')} {clean(answer['event'])} has happened.")
    if answer["waits"]:
        note("hint: The scheduler is not running; jobs react once it is: pb scheduler start")
    return 0


def facts_of(told: str) -> object:
    """What ``--data`` says, or standard input. Raises UsageError."""
    from pb.cli.definitions import json_of

    text = told
    if told == "-":
        text = sys.stdin.buffer.read(MOST_READ).decode(errors="replace") if sys.stdin else ""
    found = json_of("--data", text, EXAMPLE)
    if not isinstance(found, dict):
        raise UsageError("--data is JSON, but not an object", hint=EXAMPLE)
    return found


@app.verb("list", "pb event list", "pb event list -f", "pb event list --type run.failed -n 100")
def show_events(
    count: Annotated[
        int, typer.Option("--count", "-n", min=0, max=10_000, help="How many of the last.")
    ] = 50,
    follow: options.Follow = False,
    type_: Annotated[
        str | None,
        typer.Option("--type", metavar="TYPE", help="Only this type, or a family such as run."),
    ] = None,
) -> int:
    """Show what happened, the newest last; with -f also what happens. As pb debug events."""
    from pb.cli import events
    from pb.cli.event_stream import Wanted

    return events.show(Wanted(type=type_), count, follow=follow)
