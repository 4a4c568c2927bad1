"""Events as they happen, gone on with where they were left whatever breaks in between."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

from pb.client import wire
from pb.client.answers import Event
from pb.client.blocking.connection import Connection
from pb.client.parts import LostEventsError, Notice
from pb.errors import PermissionDeniedError

PATH = "/events"

Told = Callable[[Notice], object]


def happenings(
    connection: Connection,
    *,
    types: Sequence[str],
    jobs: Sequence[str],
    services: Sequence[str],
    since: int | None,
    told: Told | None,
    patience: float | None,
) -> Iterator[Event]:
    """The events that match, those after the number ``since`` first."""
    if since is None:
        # Where they begin has to be known before anything can break.
        recent = connection.get(wire.path_of("events"), {"n": 1})
        since = int(recent["newest_seq"])
    query = wire.given(
        type=wire.several(types), job=wire.several(jobs), service=wire.several(services)
    )
    tell = told or loudly

    def again() -> None:
        if told is not None:
            told(Notice(kind="reconnected"))

    for message in connection.stream(PATH, query, last=str(since), patience=patience, again=again):
        content = json.loads(message.text)
        if message.kind == "message":
            yield cast(Event, content)
        else:
            take(connection, message.kind, content, tell)


def take(connection: Connection, kind: str, content: dict[str, Any], tell: Told) -> None:
    """What is told beside the events. An end that is for good is raised; after any other the
    stream is gone on with."""
    match kind:
        case "state":
            tell(Notice(kind="up" if content.get("scheduler") == "up" else "down"))
        case "lost":
            tell(Notice(kind="lost", lost=int(content["lost"])))
        case "end" if content.get("reason") == "unauthenticated":
            raise PermissionDeniedError(
                f"The token is good no more at {connection.place.url}",
                hint="Make another one there: pb gateway pair",
            )


def loudly(notice: Notice) -> None:
    """Nobody is told of a loss, so it is raised."""
    if notice.kind == "lost":
        raise LostEventsError(
            f"{notice.lost} events are lost: they were not read in time, or are not kept any more",
            hint="Give `told` to be told of it and go on.",
        )
