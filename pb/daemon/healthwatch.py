"""Whether one life of a service is healthy: its probe, and its watchdog.

Nothing is done about it here. A service without either has no such watch, and costs nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator

from pb.core.durations import duration_words
from pb.core.service import Health, HealthPolicy, Probe
from pb.daemon.checks import InconclusiveError

FIRST_DELAY = 0.1
"""Seconds between the first two looks at a service that is not healthy yet."""

Look = Callable[[Probe], Awaitable[str | None]]
"""Probes once: None, or what is wrong. Raises InconclusiveError."""


def growing(first: float, longest: float) -> Iterator[float]:
    """Seconds between tries: twice as long each time, up to ``longest``."""
    delay = min(first, longest)
    while True:
        yield delay
        delay = min(delay * 2, longest)


class HealthWatch:
    """Tells when health changes, from ``starting`` on. Belongs to the event loop's thread.

    ``age`` answers how many seconds the life has lasted. ``listen`` reads what the service has
    sent already: before it is called silent, it is heard.
    """

    def __init__(
        self,
        policy: HealthPolicy,
        *,
        look: Look,
        tell: Callable[[Health, str | None], None],
        age: Callable[[], float],
        listen: Callable[[], None],
    ) -> None:
        self._policy = policy
        self._look = look
        self._tell = tell
        self._age = age
        self._listen = listen
        self._said = Health.STARTING
        self._waits_for = {"probe"} if policy.probe is not None else set[str]()
        self._waits_for |= {"watchdog"} if policy.watchdog is not None else set()
        self._problems: dict[str, str] = {}
        self._heard_at = 0.0
        self._is_quiet = False
        self._timer: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Watch until cancelled; call ``close`` then."""
        self._mind_silence()
        probe = self._policy.probe
        if probe is not None:
            if await self._has_come_up(probe):
                await asyncio.sleep(self._policy.interval)
            await self._watch(probe)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- the probe

    async def _has_come_up(self, probe: Probe) -> bool:
        """Look often for the first pass; what fails now does not count."""
        patience = max(self._policy.start_period, self._policy.interval)
        for delay in growing(FIRST_DELAY, self._policy.interval):
            if self._age() >= patience:
                return False
            with contextlib.suppress(InconclusiveError):
                if await self._look(probe) is None:
                    self._note("probe", None)
                    return True
            await asyncio.sleep(max(0.0, min(delay, patience - self._age())))
        return False

    async def _watch(self, probe: Probe) -> None:
        failures = 0
        while True:
            try:
                problem = await self._look(probe)
            except InconclusiveError:
                pass  # it says nothing about the service
            else:
                failures = 0 if problem is None else failures + 1
                if problem is None:
                    self._note("probe", None)
                elif failures >= self._policy.failures:
                    times = "" if failures == 1 else f" ({failures} times in a row)"
                    self._note("probe", f"{problem}{times}")
            await asyncio.sleep(self._policy.interval)

    # -- the watchdog

    def heard(self) -> None:
        """It has said that it is alive."""
        self._heard_at = asyncio.get_running_loop().time()
        self._note("watchdog", None)
        if self._timer is None and not self._is_quiet:
            self._mind_silence()

    def quieten(self) -> None:
        """It has said that it is ending: whether it is well is no question any more."""
        self._is_quiet = True
        self.close()

    def gave_up(self) -> None:
        """It has said itself that it is not well (``WATCHDOG=trigger``)."""
        self._note("watchdog", "it says itself that it is not well")

    def _mind_silence(self) -> None:
        longest = self._policy.watchdog
        if longest is not None:
            loop = asyncio.get_running_loop()
            self._heard_at = self._heard_at or loop.time()
            self._timer = loop.call_at(self._heard_at + longest, self._look_at_silence, longest)

    def _look_at_silence(self, longest: float) -> None:
        self._timer = None
        self._listen()  # we may have been held up ourselves: its words wait in the socket
        if self._timer is not None or self._is_quiet:
            return
        if asyncio.get_running_loop().time() - self._heard_at < longest:
            self._mind_silence()
        else:
            self._note("watchdog", f"it has not said WATCHDOG=1 for {duration_words(longest)}")

    # -- both

    def _note(self, source: str, problem: str | None) -> None:
        self._waits_for.discard(source)
        if problem is None:
            self._problems.pop(source, None)
        else:
            self._problems[source] = problem
        if self._problems:
            self._say(Health.UNHEALTHY, next(iter(self._problems.values())))
        elif not self._waits_for:
            self._say(Health.HEALTHY, None)

    def _say(self, health: Health, reason: str | None) -> None:
        if health is not self._said and not self._is_quiet:
            self._said = health
            self._tell(health, reason)
