"""The way from the asyncio loop to the scheduler: blocking sessions, used in worker threads.

No rule lives here. A session to a live scheduler is kept and used again for reading; one that fell
back to the local store is closed at once, so that the next call finds a scheduler that came up.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import anyio

from pb.api import METHODS
from pb.api.asker import NOBODY, Asker
from pb.errors import PbError

Json = dict[str, Any]
T = TypeVar("T")

THREADS = 16
"""Calls under way at once; more wait their turn."""

SLOW_THREADS = 32
"""The same for calls that wait for something to happen."""

KEPT = 4
"""Idle sessions that are kept."""

DEADLINE = 5.0
"""Seconds the scheduler has for an answer."""

STOPPING = {"job.cancel": 120.0, "run.cancel": 120.0, "service.stop": 120.0}
"""Seconds for what has to wait for processes to end; after that it goes on by itself."""

LONG = {**STOPPING, "backup.create": 600.0, "backup.verify": 600.0}
"""The same, and for what copies a whole database."""

ANSWERED = frozenset(
    {"usage", "invalid", "permission", "not_found", "conflict", "unsupported", "failed"}
)
"""Error codes with which a scheduler answers; any other leaves a session in doubt."""


def patience(method: str, params: Json) -> float:
    """Seconds until the answer is given up; what has a ``timeout`` of its own keeps it itself."""
    known = METHODS.get(method)
    if method in LONG or known is None or "timeout" not in known.params:
        return LONG.get(method, DEADLINE)
    asked = params.get("timeout", known.params["timeout"].default)
    return DEADLINE + (float(asked) if isinstance(asked, int | float) else 0.0)


def is_slow(method: str, params: Json) -> bool:
    """Whether it waits for something to happen."""
    return patience(method, params) > DEADLINE


class Session(Protocol):
    """What the gateway needs of ``pb.api.session``."""

    @property
    def is_local(self) -> bool: ...

    def call(self, method: str, params: Json | None = None, *, timeout: float = 5.0) -> Json: ...

    def close(self) -> None: ...


def same(answer: Json) -> Json:
    return answer


class Bridge:
    """Calls methods of the registry; safe to use from any task of one loop.

    ``connect`` opens a session; ``asker`` tells it for whom, ``face`` through what.
    """

    def __init__(self, connect: Callable[..., Session]) -> None:
        self._connect = connect
        self._idle: deque[Session] = deque()
        self._limits: tuple[anyio.CapacityLimiter, anyio.CapacityLimiter] | None = None

    async def read(self, method: str, params: Json | None = None) -> Json:
        """Ask something that changes nothing, over a kept session where there is one."""
        return await self.read_as(same, method, params or {})

    async def read_as(self, shape: Callable[[Json], T], method: str, params: Json) -> T:
        """The same, with the answer made into something else in the thread that has asked."""

        def work() -> T:
            return shape(self._read(method, params))

        return await self._in_thread(work, slow=is_slow(method, params))

    async def write(
        self, method: str, params: Json, asker: Asker = NOBODY, *, face: str = "gateway"
    ) -> Json:
        """Change something for ``asker``, over a fresh session that knows him.

        A session that was kept could not tell done from not done.
        """
        return await self._in_thread(
            functools.partial(self._write, method, params, asker, face),
            slow=is_slow(method, params),
        )

    async def events(self, params: Json) -> Json:
        """Events that the store has, for the hub."""
        return await self.read("events.recent", params)

    async def is_scheduler_up(self) -> bool:
        """Whether the scheduler itself answers, not the store in its place."""
        return await self._in_thread(self._ping)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    async def _in_thread(self, work: Callable[[], T], *, slow: bool = False) -> T:
        """What may take long has threads of its own, so that nobody waits behind it."""
        if self._limits is None:
            self._limits = (anyio.CapacityLimiter(THREADS), anyio.CapacityLimiter(SLOW_THREADS))
        return await anyio.to_thread.run_sync(work, limiter=self._limits[slow])

    def _read(self, method: str, params: Json) -> Json:
        try:
            session = self._idle.pop()
        except IndexError:
            return self._fresh(method, params)
        try:
            return self._use(session, method, params)
        except PbError as error:
            if error.code in ANSWERED:
                raise
            return self._fresh(method, params)

    def _fresh(self, method: str, params: Json) -> Json:
        return self._use(self._connect(), method, params)

    def _write(self, method: str, params: Json, asker: Asker, face: str) -> Json:
        session = self._connect(asker=asker, face=face)
        try:
            return session.call(method, params, timeout=patience(method, params))
        finally:
            session.close()

    def _use(self, session: Session, method: str, params: Json) -> Json:
        """Call, then keep the session or close it, whatever happens."""
        healthy = False
        try:
            answer = session.call(method, params, timeout=patience(method, params))
            healthy = True
            return answer
        except PbError as error:
            healthy = error.code in ANSWERED
            raise
        finally:
            if healthy and not session.is_local and len(self._idle) < KEPT:
                self._idle.append(session)
            else:
                session.close()

    def _ping(self) -> bool:
        try:
            session = self._connect()
        except PbError:
            return False
        try:
            return not session.is_local and bool(session.call("system.ping", {}, timeout=DEADLINE))
        except PbError:
            return False
        finally:
            session.close()
