"""Who comes in: tokens are compared here for every face, and guessing them is slowed down.

A right token is never delayed and nobody is locked out: a token has 256 bits, so the delay only
keeps guessing from costing us work and log lines.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pb.api.registry import Method
from pb.api.token_book import Grant, TokenBook
from pb.errors import PermissionDeniedError
from pb.gateway.pace import Pace

FREE_FAILURES = 5
"""Failures within a second that are answered at once."""

WAITING = 32
"""Failures that may wait at the same time; one more is told to come back later."""

LOOK_EVERY = 0.4
"""Seconds between looks at whether those who stay still may, while anybody stays."""

logger = logging.getLogger("pb.gateway")


class Doorman:
    """Compares tokens for HTTP, WebSocket and gRPC alike, and remembers recent failures.

    ``delay`` is how many seconds each further failure waits for its answer. ``rate`` is how many
    requests a second one token may make, 0 for any number.
    """

    delay = 1.0

    def __init__(self, book: TokenBook, rate: int = 0) -> None:
        self._book = book
        self._pace = Pace(rate)
        self._failures: deque[float] = deque(maxlen=FREE_FAILURES)
        self._waiting = 0
        self._told_at = float("-inf")
        self._stays: dict[object, tuple[Grant, Callable[[], object]]] = {}
        self._watch: asyncio.Task[None] | None = None

    def knows(self, authorization: str | None) -> Grant | None:
        """What an ``Authorization`` value gives: None unless it is ``Bearer`` and a good token."""
        scheme, _, given = (authorization or "").partition(" ")
        grant = self._book.find(given.strip())
        return grant if scheme.lower() == "bearer" else None

    def pace(self, grant: Grant) -> None:
        """Count one request of somebody who is known. Raises TooFastError."""
        self._pace.check(grant.digest)

    async def turned_away(self, peer: str) -> bool:
        """Note a failure and make it wait; False when too many wait already."""
        now = time.monotonic()
        crowded = len(self._failures) == FREE_FAILURES and now - self._failures[0] < 1.0
        self._failures.append(now)
        if not crowded:
            return True
        self._tell(now, peer)
        if self.is_full:
            return False
        self._waiting += 1
        try:
            await asyncio.sleep(self.delay)
        finally:
            self._waiting -= 1
        return True

    @property
    def is_full(self) -> bool:
        """Whether so many failures wait that what looks like another one need not be looked at."""
        return self._waiting >= WAITING

    def _tell(self, now: float, peer: str) -> None:
        """One line a minute is enough to see that somebody guesses."""
        if now - self._told_at >= 60.0:
            self._told_at = now
            logger.warning("many failed authentications, now slowed down; the last from %s", peer)

    # -- those who stay

    @contextmanager
    def staying(self, grant: Grant, ended: Callable[[], object]) -> Iterator[None]:
        """An open stream: ``ended`` is called, once, when its token is good no more."""
        key = object()
        self._stays[key] = (grant, ended)
        if self._watch is None:
            self._watch = asyncio.create_task(self._look())
        try:
            yield
        finally:
            self._stays.pop(key, None)

    async def _look(self) -> None:
        """Send away whose token was revoked or has expired, until nobody stays."""
        try:
            while self._stays:
                await asyncio.sleep(LOOK_EVERY)
                for key, (grant, ended) in list(self._stays.items()):
                    if not self._book.holds(grant):
                        self._stays.pop(key, None)
                        ended()
        finally:
            self._watch = None


def allow(grant: Grant, method: Method) -> None:
    """Raises PermissionDeniedError for what the token does not reach."""
    if not grant.may(method.access):
        raise PermissionDeniedError(
            f"This token may not do that: its scope is {grant.scope}",
            hint=f"{method.name} needs a token with the scope {method.access}: pb gateway pair",
        )
