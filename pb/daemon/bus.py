"""Telling everybody who listens what has been committed. A slow listener loses, nobody else."""

from __future__ import annotations

import asyncio
from typing import Any

Event = dict[str, Any]

BACKLOG = 1_000
"""Events a subscriber may be behind; past that its oldest are dropped and counted."""


class Subscription:
    """One listener's queue. ``lost`` counts the events it was too slow for."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Event] = asyncio.Queue(BACKLOG)
        self.lost = 0

    def put(self, event: Event) -> None:
        if self._queue.full():
            self._queue.get_nowait()
            self.lost += 1
        self._queue.put_nowait(event)

    async def get(self) -> Event:
        event = await self._queue.get()
        if self.lost:
            event = {**event, "lost": self.lost}
            self.lost = 0
        return event


class Bus:
    """Everybody who listens. ``publish`` never waits."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()

    @property
    def is_heard(self) -> bool:
        return bool(self._subscriptions)

    def subscribe(self) -> Subscription:
        subscription = Subscription()
        self._subscriptions.add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        self._subscriptions.discard(subscription)

    def publish(self, event: Event) -> None:
        for subscription in self._subscriptions:
            subscription.put(event)
