"""Equal questions that are asked at the same time, answered together.

An answer is never older than its question: who asks while one is being answered gets the next one,
which begins after he has asked, together with all who wait by then. Nothing is kept afterwards.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")

PATIENCE = 0.1
"""Seconds that a question waits behind an equal one that is slow to be answered."""

GATHERING = 0.002
"""Seconds between one answer and the next question, while many ask: the more go together."""

Work = Callable[[], Awaitable[T]]


class Together(Generic[T]):
    """Carries out equal work once for all who want it at the same time."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, asyncio.Future[T]] = {}
        self._busy: dict[Hashable, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, key: Hashable, work: Work[T]) -> T:
        """What ``work`` answers, begun after now. ``key`` says which work is equal."""
        answer = self._waiting.get(key)
        if answer is None:
            loop = asyncio.get_running_loop()
            answer = self._waiting[key] = loop.create_future()
            if key in self._busy:
                loop.call_later(PATIENCE, self._begin, key, answer, work)
            else:
                self._begin(key, answer, work)
        return await asyncio.shield(answer)

    def _begin(self, key: Hashable, answer: asyncio.Future[T], work: Work[T]) -> None:
        if self._waiting.get(key) is not answer:
            return  # it has begun already
        del self._waiting[key]
        self._busy[key] = self._busy.get(key, 0) + 1
        task = asyncio.create_task(self._carry_out(key, answer, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry_out(self, key: Hashable, answer: asyncio.Future[T], work: Work[T]) -> None:
        try:
            answer.set_result(await work())
        except Exception as error:
            answer.set_exception(error)
            answer.exception()  # whoever asked may be gone; nobody has to be told of it then
        finally:
            self._busy[key] -= 1
            if not self._busy[key]:
                del self._busy[key]
            if not answer.done():
                answer.cancel()
            if key in self._waiting:
                loop = asyncio.get_running_loop()
                loop.call_later(GATHERING, self._begin, key, self._waiting[key], work)
