"""Logs: a part of one, or its lines as they come, gone on with after a break."""

from __future__ import annotations

from collections.abc import AsyncIterator

from pb.client import wire
from pb.client.aio.connection import Connection
from pb.client.parts import LogLine, LogPart
from pb.errors import NotFoundError


async def part(
    connection: Connection,
    path: str,
    *,
    offset: int | None = None,
    limit: int | None = None,
    tail: int | None = None,
    raw: bool = False,
    since: str | None = None,
    grep: str | None = None,
) -> LogPart:
    """So many bytes from an offset on, or the last lines."""
    query = wire.given(offset=offset, limit=limit, tail=tail, raw=raw, since=since, grep=grep)
    answer = await connection.send("GET", path, query=query)
    return wire.part_of(connection.place.url, answer)


async def lines(
    connection: Connection,
    path: str,
    *,
    offset: int | None = None,
    tail: int | None = None,
    since: str | None = None,
    until: str | None = None,
    grep: str | None = None,
    follow: bool,
    patience: float | None = None,
) -> AsyncIterator[LogLine]:
    """Each line that matches, from there on; with ``follow`` until nothing more will come."""
    if tail is not None and offset is None:
        # Where that is has to be known before anything can break.
        try:
            begin = await part(
                connection, path, tail=tail, limit=1, raw=True, since=since, grep=grep
            )
            offset = begin.begin
        except NotFoundError:
            offset = None  # of a service that has written nothing yet; else it is said again
    query = wire.given(
        follow=follow, offset=offset, since=since, until=until, grep=grep, times=True
    )
    async for message in connection.stream(path, query, last=None, patience=patience):
        if message.kind == "end":
            return
        yield wire.line_of(message.text, message.id)
