"""The scheduler's events for everybody who listens: one subscription, however many they are.

While anybody listens there is one connection to the scheduler; when it is lost it is made again,
and what was committed meanwhile is read from the store. Bounded everywhere: who does not read loses
the oldest of what waits for him and is told how much; the others do not notice.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from functools import cached_property
from typing import Any

from pb.api.codec import dumped
from pb.core.lean import dataclass
from pb.errors import PbError, UnresponsiveError

Json = dict[str, Any]

QUEUE = 256
"""Messages that wait for one listener."""

LISTENERS = 400
"""Listeners at once."""

RETRY = 0.5
"""Seconds between attempts to reach a scheduler that is away."""

PAGE = 1000
"""Events that are read from the store at a time."""

logger = logging.getLogger("pb.gateway")


class TooManyError(UnresponsiveError):
    """As many listen as may."""

    code = "too_many"


@dataclass(frozen=True, eq=False)
class Message:
    """What listeners are sent: ``kind`` is event, state or lost. Encoded once for all of them."""

    kind: str
    content: Json

    @property
    def seq(self) -> int | None:
        """The event's number; None for what is not kept (a run's ordinary steps)."""
        number = self.content.get("seq") if self.kind == "event" else None
        return number if isinstance(number, int) else None

    @cached_property
    def json(self) -> bytes:
        return dumped(self.content)

    @cached_property
    def sse(self) -> bytes:
        """As a server-sent event (HTML Living Standard, 9.2). Only ours that are no events have a
        name, so that ``onmessage`` hears every event."""
        name = b"" if self.kind == "event" else b"event: " + self.kind.encode() + b"\n"
        number = b"" if self.seq is None else b"id: %d\n" % self.seq
        return name + number + b"data: " + self.json + b"\n\n"

    @cached_property
    def frame(self) -> str:
        """As a frame of the WebSocket."""
        name = str(self.content["type"]) if self.kind == "event" else self.kind
        head = b'{"type":"event","event":' + dumped(name) + b',"data":'
        return (head + self.json + b"}").decode("utf-8", "replace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which events are wanted: of any of these types (or families), about any of these."""

    types: frozenset[str] = frozenset()
    jobs: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()

    def fits(self, event: Json) -> bool:
        kind = str(event.get("type"))
        if self.types and self.types.isdisjoint((kind, kind.partition(".")[0])):
            return False
        if not self.jobs and not self.services:
            return True
        return event.get("job") in self.jobs or event.get("service") in self.services


class Listener:
    """One who listens. ``put`` never waits; ``lost`` counts what he was too slow for."""

    def __init__(self, wanted: Filter) -> None:
        self.wanted = wanted
        self.lost = 0
        self.reason: str | None = None
        self._queue: deque[Message] = deque()
        self._wake = asyncio.Event()

    @property
    def waiting(self) -> int:
        """Messages that wait for him."""
        return len(self._queue)

    def put(self, message: Message) -> None:
        if len(self._queue) >= QUEUE:
            self._queue.popleft()
            self.lost += 1
        self._queue.append(message)
        self._wake.set()

    def end(self, reason: str) -> None:
        """Let him go: nothing more is to come, and why."""
        self.reason = reason
        self._wake.set()

    async def get(self, seconds: float) -> Message | None:
        """The next message; None after so many seconds without one, or at the end (``reason``)."""
        if not self._queue and self.reason is None:
            self._wake.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._wake.wait()
            except TimeoutError:
                return None
        if self.reason is not None:
            return None
        if self.lost:
            lost, self.lost = self.lost, 0
            return Message("lost", {"lost": lost})
        return self._queue.popleft()


class Hub:
    """Hands events to listeners. ``listen`` yields a live scheduler's, after a None once nothing
    is missed; ``recent`` answers what the store has after a number."""

    def __init__(
        self,
        listen: Callable[[], AsyncGenerator[Json | None]],
        recent: Callable[[Json], Awaitable[Json]],
    ) -> None:
        self._listen = listen
        self._recent = recent
        self._listeners: set[Listener] = set()
        self._minding: dict[object, Callable[[], None]] = {}
        self._task: asyncio.Task[None] | None = None
        self._newest = 0
        self._replayed = 0
        self._is_up: bool | None = None
        self._is_closed = False

    @property
    def count(self) -> int:
        return len(self._listeners)

    @property
    def listeners(self) -> tuple[Listener, ...]:
        return tuple(self._listeners)

    def check(self) -> None:
        """Raises TooManyError when as many listen as may."""
        if self._is_closed or len(self._listeners) >= LISTENERS:
            raise TooManyError(f"{LISTENERS} listen already", hint="Close a stream first.")

    @contextmanager
    def listening(self, wanted: Filter) -> Iterator[Listener]:
        """Listen for a while. Raises TooManyError when too many do already."""
        self.check()
        listener = Listener(wanted)
        self._listeners.add(listener)
        if self._is_up is not None:
            listener.put(self._state())
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        try:
            yield listener
        finally:
            self._listeners.discard(listener)
            if not self._listeners and self._task is not None:
                self._task.cancel()
                self._task, self._is_up = None, None

    @contextmanager
    def minding(self, ended: Callable[[], None]) -> Iterator[None]:
        """``ended`` is called when everybody is let go, whether or not he listens."""
        key = object()
        self._minding[key] = ended
        try:
            yield
        finally:
            self._minding.pop(key, None)

    def close(self) -> None:
        """Let everybody go, so that the server can stop at once."""
        self._is_closed = True
        for listener in self._listeners:
            listener.end("stopping")
        for ended in list(self._minding.values()):
            ended()

    async def since(self, seq: int, wanted: Filter) -> AsyncIterator[Message]:
        """What the store has after ``seq``, in order; what it has no more is told as lost."""
        while True:
            page = await self._recent({"since": seq, "n": PAGE})
            if (gone := page["oldest_seq"] - seq - 1) > 0 and page["events"]:
                yield Message("lost", {"lost": gone})
            for event in page["events"]:
                if wanted.fits(event):
                    yield Message("event", event)
            if len(page["events"]) < PAGE:
                return
            seq = page["events"][-1]["seq"]

    # -- the one subscription

    async def _run(self) -> None:
        """Listen to the scheduler, and again when it is back, as long as anybody listens here."""
        while True:
            try:
                async with aclosing(self._listen()) as events:
                    async for event in events:
                        await self._take(event)
            except (PbError, OSError) as error:
                logger.debug("no events: %s", error)
            except Exception:
                logger.exception("the subscription to events broke; it begins again")
            self._tell_state(False)
            await asyncio.sleep(RETRY)

    async def _take(self, event: Json | None) -> None:
        if event is None:
            await self._catch_up()
            self._tell_state(True)
            return
        lost = event.pop("lost", 0)
        if lost:
            self._send(Message("lost", {"lost": lost}))
        seq = event.get("seq")
        if isinstance(seq, int) and seq <= self._replayed:
            return
        self._publish(event)

    async def _catch_up(self) -> None:
        """Tell what was committed while there was no connection."""
        if not self._newest or self._is_up is None:
            self._newest = (await self._recent({"n": 1}))["newest_seq"]
            self._replayed = 0
            return
        async for message in self.since(self._newest, Filter()):
            if message.kind == "event":
                self._publish(message.content)
            else:
                self._send(message)
        self._replayed = self._newest

    def _publish(self, event: Json) -> None:
        message = Message("event", event)
        self._newest = max(self._newest, message.seq or 0)
        for listener in self._listeners:
            if listener.wanted.fits(event):
                listener.put(message)

    def _send(self, message: Message) -> None:
        for listener in self._listeners:
            listener.put(message)

    def _tell_state(self, is_up: bool) -> None:
        """Tell whether the scheduler is there, when that has changed."""
        if is_up is not self._is_up:
            self._is_up = is_up
            self._send(self._state())

    def _state(self) -> Message:
        return Message("state", {"scheduler": "up" if self._is_up else "down"})


async def told(
    hub: Hub, listener: Listener, since: int | None, seconds: float
) -> AsyncIterator[Message | None]:
    """All that one listener is sent: first what he has missed since a number, then what comes.

    None after each ``seconds`` of silence. Ends when he is let go.
    """
    reached = 0
    if since is not None:
        async for message in hub.since(since, listener.wanted):
            reached = message.seq or reached
            yield message
    while True:
        found = await listener.get(seconds)
        if listener.reason is not None:
            return
        if found is None or found.seq is None or found.seq > reached:
            yield found


def filter_of(types: Sequence[str], jobs: Sequence[str], services: Sequence[str]) -> Filter:
    """``run``, ``run.*`` and ``run.failed`` are types; the first two a family."""
    return Filter(
        types=frozenset(one.removesuffix(".*") for one in types),
        jobs=frozenset(jobs),
        services=frozenset(services),
    )
