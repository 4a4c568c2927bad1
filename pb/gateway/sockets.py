"""``/ws``: the registry and the events over one WebSocket, in frames of JSON (SPEC section 6).

A peer sends ``{"type": "req", "id", "method", "params"}`` and is sent ``res`` frames with the same
``id``, in the order in which they are done, and ``event`` frames while he subscribes. Bounded: so
many questions under way, so long a frame, so much that waits; and who does not read is let go.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

from pb.api.codec import dumped
from pb.api.registry import UnknownMethodError
from pb.errors import InvalidError, PbError, UsageError, did_you_mean
from pb.gateway.asking import Visitor, ask
from pb.gateway.bridge import Bridge, Json
from pb.gateway.doorman import Doorman
from pb.gateway.hub import Filter, Hub, Listener, TooManyError, filter_of, told

UNDER_WAY = 16
"""Questions of one peer that are answered at the same time; he is not read before one is done."""

STALLED = 30.0
"""Seconds for which a peer may not read before he is given up."""

LONGEST_ID = 128

NOT_GOOD = 4001
"""The close code when the token is good no more."""

TRY_LATER, GOING_AWAY = 1013, 1001

SUBSCRIBE, UNSUBSCRIBE = "events.subscribe", "events.unsubscribe"

FILTERS = ("types", "jobs", "services")

HOUR = 3600.0

logger = logging.getLogger("pb.gateway")


class Peer:
    """One WebSocket, from its acceptance to its end."""

    def __init__(
        self, bridge: Bridge, hub: Hub, doorman: Doorman, visitor: Visitor, receive: Any, send: Any
    ) -> None:
        self._bridge = bridge
        self._hub = hub
        self._doorman = doorman
        self._visitor = visitor
        self._receive = receive
        self._raw_send = send
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._slots = asyncio.Semaphore(UNDER_WAY)
        self._tasks: set[asyncio.Task[None]] = set()
        self._pump: asyncio.Task[None] | None = None

    async def serve(self) -> None:
        """Answer until the peer goes, or has to go."""
        await self._raw_send({"type": "websocket.accept"})
        reading = asyncio.create_task(self._read())
        try:
            with (
                self._hub.minding(lambda: self._end(GOING_AWAY)),
                self._doorman.staying(self._visitor.grant, lambda: self._end(NOT_GOOD)),
            ):
                ends: set[asyncio.Future[Any]] = {reading, self._ended}
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            tasks = {reading, *self._tasks, *([self._pump] if self._pump else [])}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if self._ended.done():
            await self._close(self._ended.result())

    def _end(self, code: int) -> None:
        if not self._ended.done():
            self._ended.set_result(code)

    async def _close(self, code: int) -> None:
        try:
            async with asyncio.timeout(1):
                await self._raw_send({"type": "websocket.close", "code": code})
        except (TimeoutError, OSError):
            pass  # gone, or deaf

    # -- reading

    async def _read(self) -> None:
        while True:
            await self._slots.acquire()
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                return
            if message["type"] != "websocket.receive":
                self._slots.release()
                continue
            task = asyncio.create_task(self._answer(message.get("text")))
            self._tasks.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._slots.release()

    async def _answer(self, text: str | None) -> None:
        """One frame's answer, whatever it says."""
        number = ""
        try:
            frame = frame_of(text)
            number = frame["id"]
            self._doorman.pace(self._visitor.grant)
            result = await self._carry_out(frame["method"], frame.get("params") or {})
            await self._send({"type": "res", "id": number, "result": result})
        except PbError as error:
            await self._send({"type": "res", "id": number, "error": words_of(error)})
        except Exception:
            logger.exception("unexpected error while answering a frame")
            fault = PbError("The gateway failed at this")
            await self._send({"type": "res", "id": number, "error": words_of(fault)})

    async def _carry_out(self, method: str, params: Json) -> Json:
        if method == SUBSCRIBE:
            return self._subscribe(params)
        if method == UNSUBSCRIBE:
            was = self._pump is not None
            self._stop_pump()
            return {"schema": 1, "subscribed": False, "changed": was}
        return await ask(self._bridge, self._visitor, method, params)

    # -- writing

    async def _send(self, frame: Json) -> None:
        await self._send_text(dumped(frame).decode("utf-8", "replace"))

    async def _send_text(self, text: str) -> None:
        """Send one frame; a peer that does not read is let go."""
        try:
            async with asyncio.timeout(STALLED):
                await self._raw_send({"type": "websocket.send", "text": text})
        except TimeoutError:
            self._end(TRY_LATER)

    # -- events

    def _subscribe(self, params: Json) -> Json:
        """Send events from now on, or from after ``since``; it takes the last one's place."""
        wanted, since = subscription_of(params)
        self._hub.check()
        self._stop_pump()
        self._pump = asyncio.create_task(self._pump_events(wanted, since))
        return {"schema": 1, "subscribed": True}

    def _stop_pump(self) -> None:
        if self._pump is not None:
            self._pump.cancel()
            self._pump = None

    async def _pump_events(self, wanted: Filter, since: int | None) -> None:
        try:
            with self._hub.listening(wanted) as listener:
                await self._pump_all(listener, since)
        except TooManyError:
            self._end(TRY_LATER)
        except PbError as error:
            logger.warning("a subscription broke: %s", error)
            self._end(TRY_LATER)

    async def _pump_all(self, listener: Listener, since: int | None) -> None:
        async for message in told(self._hub, listener, since, HOUR):
            if message is not None:
                await self._send_text(message.frame)


def frame_of(text: str | None) -> Json:
    """A frame that asks something. Raises PbError that says what is wrong with it."""
    if text is None:
        raise UsageError("Frames are text, not bytes")
    try:
        frame = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError("A frame has to be JSON") from error
    if not isinstance(frame, dict):
        raise UsageError("A frame has to be a JSON object")
    number = frame.get("id")
    if frame.get("type") != "req":
        raise UsageError("Only frames of the type req are understood")
    if not isinstance(number, str) or not 0 < len(number) <= LONGEST_ID:
        raise UsageError(f"A frame needs an id: text of up to {LONGEST_ID} characters")
    if not isinstance(frame.get("method"), str):
        raise UsageError("A frame needs a method")
    if not isinstance(frame.get("params") or {}, dict):
        raise UsageError("params have to be a JSON object")
    return frame


def subscription_of(params: Json) -> tuple[Filter, int | None]:
    """Which events, and after which number."""
    known = (*FILTERS, "since")
    for name in params:
        if name not in known:
            hint = did_you_mean(name[:64], known) or f"Known: {', '.join(known)}."
            raise InvalidError(f"{SUBSCRIBE} has no parameter {name[:64]!a}", hint=hint)
    words = [params.get(name) or [] for name in FILTERS]
    if not all(isinstance(one, list) and all(isinstance(w, str) for w in one) for one in words):
        raise InvalidError(f"{', '.join(FILTERS)} are lists of text")
    since = params.get("since")
    if since is not None and (not isinstance(since, int) or isinstance(since, bool) or since < 0):
        raise InvalidError("since is the number of an event")
    return filter_of(*words), since


def words_of(error: PbError) -> Json:
    code = "unknown_method" if isinstance(error, UnknownMethodError) else error.code
    return {"code": code, "message": error.message, "hint": error.hint}
