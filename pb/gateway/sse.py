"""``/events``: the scheduler's events as server-sent events, gone on with where they were left."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request

from pb.errors import UsageError, did_you_mean
from pb.gateway.doorman import Doorman
from pb.gateway.gate import GRANT
from pb.gateway.hub import Filter, Hub, Listener, filter_of, told

ALIVE_EVERY = 15.0
"""Seconds of silence after which a sign of life is sent."""

STALLED = 30.0
"""Seconds for which a peer may not read before he is given up."""

PARAMETERS = ("type", "job", "service", "since")

HEAD = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"x-accel-buffering", b"no"),
]


class EventStream:
    """The ASGI application that is one stream's answer."""

    def __init__(
        self, hub: Hub, doorman: Doorman, request: Request, wanted: Filter, since: int | None
    ) -> None:
        self._hub = hub
        self._doorman = doorman
        self._request = request
        self._wanted = wanted
        self._since = since

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        with self._hub.listening(self._wanted) as listener:
            gone = asyncio.create_task(self._until_gone(receive, listener))
            ended = self._doorman.staying(
                self._request.scope[GRANT], lambda: listener.end("unauthenticated")
            )
            try:
                with ended:
                    await self._send_all(listener, send)
            except TimeoutError:
                pass  # he does not read; the server closes what is left of the connection
            finally:
                gone.cancel()

    async def _send_all(self, listener: Listener, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": HEAD})
        await part(send, b"retry: 1000\n\n")
        async for message in told(self._hub, listener, self._since, ALIVE_EVERY):
            await part(send, b": alive\n\n" if message is None else message.sse)
        if listener.reason is not None and listener.reason != "gone":
            end = f'event: end\ndata: {{"reason":"{listener.reason}"}}\n\n'
            await part(send, end.encode())
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _until_gone(self, receive: Any, listener: Listener) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        listener.end("gone")


async def part(send: Any, content: bytes) -> None:
    """Send a part of the answer. Raises TimeoutError when the peer does not read."""
    async with asyncio.timeout(STALLED):
        await send({"type": "http.response.body", "body": content, "more_body": True})


async def events(request: Request) -> EventStream:
    """``?type=run&job=NAME&service=NAME``, each any number of times; ``since`` or Last-Event-ID."""
    rooms, query = request.app.state.rooms, request.query_params
    for word in query:
        if word not in PARAMETERS:
            hint = did_you_mean(word[:64], PARAMETERS) or f"Known here: {', '.join(PARAMETERS)}."
            raise UsageError(f"There is no parameter {word[:64]!a} here", hint=hint)
    wanted = filter_of(*(query.getlist(word) for word in PARAMETERS[:3]))
    rooms.hub.check()
    return EventStream(rooms.hub, rooms.doorman, request, wanted, since_of(request))


def since_of(request: Request) -> int | None:
    """The number after which events are wanted; the header is what a browser sends by itself."""
    text = request.headers.get("last-event-id") or request.query_params.get("since")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 18):
        raise UsageError("since (or Last-Event-ID) is the number of an event")
    return int(text)
