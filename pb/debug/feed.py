"""The scheduler's events for every open page: one thread listens, however many pages watch.

Bounded everywhere: a page that does not read loses its queue and is told to look again, which
costs the others nothing. Without a page nobody listens and nothing is polled.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from pb.errors import PbError

Json = dict[str, Any]
Message = tuple[str, Json]

logger = logging.getLogger("pb.debug")

RETRY = 1.0
"""Seconds between attempts to reach a scheduler that is away."""

QUEUE = 64
"""Messages that wait for one page; one more and the page has to look again."""

PAGES = 64
"""Pages that may watch at once."""

ALIVE_EVERY = 15.0
"""Seconds of silence after which a page is sent a sign of life."""


class Feed:
    """Hands each event to every page. ``listen`` yields a live scheduler's events and ends with it.

    ``noticed`` is called in the loop for each event, before the pages hear of it; with None when
    the scheduler went away and everything may have changed.
    """

    def __init__(
        self, listen: Callable[[], Iterator[Json]], noticed: Callable[[Json | None], None]
    ) -> None:
        self._listen = listen
        self._noticed = noticed
        self._pages: set[asyncio.Queue[Message | None]] = set()
        self._watched = threading.Event()
        self._pause = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    @property
    def is_full(self) -> bool:
        return len(self._pages) >= PAGES

    async def messages(self) -> AsyncIterator[Message]:
        """What one page hears: ``look`` (again), ``event``, ``alive``; ends with the feed."""
        queue: asyncio.Queue[Message | None] = asyncio.Queue(QUEUE)
        self._pages.add(queue)
        self._start()
        try:
            yield "look", {}
            while not self._closed:
                try:
                    message = await asyncio.wait_for(queue.get(), ALIVE_EVERY)
                except TimeoutError:
                    message = ("alive", {})
                if message is None:
                    return
                yield message
        finally:
            self._pages.discard(queue)
            if not self._pages:
                self._watched.clear()

    def close(self) -> None:
        """End every page's stream, so that the server can stop at once."""
        self._closed = True
        for queue in self._pages:
            put(queue, None)

    def _start(self) -> None:
        self._watched.set()
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            # A daemon thread: it waits in a read that only the scheduler's end can finish.
            threading.Thread(target=self._run, name="events", daemon=True).start()

    def _run(self) -> None:
        while not self._closed:
            self._watched.wait()
            try:
                for event in self._listen():
                    self._tell("event", event)
                self._tell("look", {})
            except PbError:
                pass  # nobody there yet; the pages learn that from the state they ask for
            except Exception:
                logger.exception("the feed of events broke; it begins again")
            self._pause.wait(RETRY)

    def _tell(self, kind: str, document: Json) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._publish, (kind, document))

    def _publish(self, message: Message) -> None:
        kind, document = message
        self._noticed(document if kind == "event" else None)
        for queue in self._pages:
            put(queue, message)


def put(queue: asyncio.Queue[Message | None], message: Message | None) -> None:
    """Queue ``message``; a full queue is emptied and holds one ``look`` (or the end) instead."""
    if queue.full():
        while not queue.empty():
            queue.get_nowait()
        message = message and ("look", {})
    queue.put_nowait(message)
