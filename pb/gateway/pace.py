"""How fast whoever has shown a good token may ask. No clock of its own decides; nothing waits here.

A token has a bucket of one second's worth that fills again all the time, so short bursts are free.
It keeps a program that has gone wild from taking the gateway away from everybody else.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from pb.errors import PbError

REMEMBERED = 1024
"""Tokens whose buckets are kept; the one that was made first goes first."""


class TooFastError(PbError):
    """More requests a second than a token may make."""

    code = "too_many_requests"

    def __init__(self, rate: int, seconds: float) -> None:
        super().__init__(
            f"This token has asked more than {rate} times a second",
            hint="Ask again in a second; gateway.rate_limit says how often one may.",
        )
        self.seconds = seconds


class Pace:
    """``rate`` requests a second for each token; 0: any number."""

    def __init__(self, rate: int, now: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._now = now
        self._buckets: dict[str, tuple[float, float]] = {}

    def check(self, digest: str) -> None:
        """Count one request. Raises TooFastError when it comes too soon."""
        if not self._rate:
            return
        now = self._now()
        level, since = self._buckets.get(digest, (float(self._rate), now))
        level = min(float(self._rate), level + (now - since) * self._rate)
        if level < 1:
            raise TooFastError(self._rate, (1 - level) / self._rate)
        if digest not in self._buckets and len(self._buckets) >= REMEMBERED:
            del self._buckets[next(iter(self._buckets))]
        self._buckets[digest] = (level - 1, now)
