"""Looking whether a job's conditions hold: facts of the machine first, then the network, then exec.

What was found is posted to the engine; when to look again, and what follows, is decided there.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from pb.api.surroundings import from_home
from pb.config.zones import zone
from pb.core.conditions import ONLINE, Seen, address_of, unmet
from pb.core.durations import duration_words
from pb.core.model import Conditions, Job
from pb.core.service import Exec, Tcp
from pb.daemon.checks import InconclusiveError, attempt, check_tcp, name_of
from pb.daemon.messages import ConditionsSeen, Message
from pb.errors import PbError
from pb.process import machine

if TYPE_CHECKING:
    from pb.daemon.clock import Clock
    from pb.daemon.errands import Errands
    from pb.process.spawn import Spawn

Found = TypeVar("Found")

PATIENCE = 10.0
"""Seconds for the facts of the machine (a file system may hang) and for each address."""


MOST_HANGING = 8
"""Threads that may hang on the same file systems before nobody else is sent there."""


class ConditionChecks:
    """The looks that are under way. Methods belong to the event loop's thread."""

    def __init__(self, *, clock: Clock, post: Callable[[Message], None], errands: Errands) -> None:
        self._clock = clock
        self._post = post
        self._errands = errands
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._asking: Counter[tuple[str, ...]] = Counter()

    def look(self, run_id: int, job: Job, prepare: Callable[[], Spawn]) -> None:
        """Look around for a run, and post what was found. ``prepare`` says how it would start."""
        task = asyncio.get_running_loop().create_task(self._look(run_id, job, prepare))
        self._tasks[run_id] = task
        task.add_done_callback(lambda task: self._done(run_id, task))

    def _done(self, run_id: int, task: asyncio.Task[None]) -> None:
        if self._tasks.get(run_id) is task:
            del self._tasks[run_id]

    def drop(self, run_id: int) -> None:
        """Nobody wants to know it any more."""
        task = self._tasks.pop(run_id, None)
        if task is not None:
            task.cancel()

    async def _look(self, run_id: int, job: Job, prepare: Callable[[], Spawn]) -> None:
        try:
            reason = await self._reason(job, prepare)
        except InconclusiveError as error:
            reason = f"could not be looked at: {error}"
        except PbError as error:
            reason = f"could not be looked at: {error.message}"
        self._post(ConditionsSeen(run_id, reason, self._clock.now_ms()))

    async def _reason(self, job: Job, prepare: Callable[[], Spawn]) -> str | None:
        """The first condition that does not hold, in words."""
        wanted = job.conditions
        minute = minute_of(self._clock.now_ms(), job.timezone)
        try:
            free = await self._free(wanted) if wanted.disk else {}
        except TimeoutError:
            return f"{', '.join(wanted.disk)}: the file system does not answer"
        seen = seen_by(wanted, minute, free)
        looks: list[Coroutine[Any, Any, str | None]] = [self._reach(it) for it in wanted.network]
        if wanted.exec:
            looks.append(self._exec(wanted, prepare))
        reason = unmet(wanted, seen)
        for look in looks:
            if reason is None:
                reason = await look
            look.close()
        return reason

    async def _free(self, wanted: Conditions) -> Mapping[str, int | str]:
        """Raises TimeoutError; also while too many who have asked before still hang there."""
        asked = tuple(wanted.disk)
        if self._asking[asked] >= MOST_HANGING:
            raise TimeoutError

        def over() -> None:
            self._asking[asked] -= 1

        self._asking[asked] += 1
        return await aside(lambda: free_of(wanted), PATIENCE, over)

    async def _reach(self, reach: str) -> str | None:
        address = address_of(reach)
        if address is not None:
            return await refusal_of(address)
        if reach == ONLINE:
            return None if machine.is_online() else "no network: there is no default route"
        return None if machine.is_up(reach) else f"{reach} is not up"

    async def _exec(self, wanted: Conditions, prepare: Callable[[], Spawn]) -> str | None:
        command = Exec(command=wanted.exec)
        return await attempt(command, wanted.exec_timeout, prepare(), self._errands)


async def refusal_of(address: Tcp) -> str | None:
    """Why nobody accepts connections there; None when somebody does."""
    try:
        async with asyncio.timeout(PATIENCE):
            problem = await check_tcp(address)
    except TimeoutError:
        problem = f"did not answer within {duration_words(PATIENCE)}"
    return None if problem is None else f"{name_of(address)} {problem}"


async def aside(work: Callable[[], Found], seconds: float, over: Callable[[], None]) -> Found:
    """Do ``work`` in a thread that nobody waits for at the end, and call ``over`` when it has
    ended, however late. Raises TimeoutError."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[Found] = loop.create_future()

    def tell(answer: Found) -> None:
        if not found.done():
            found.set_result(answer)

    def post(call: Callable[..., None], *words: Found) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody asks any more
            loop.call_soon_threadsafe(call, *words)

    def live() -> None:
        try:
            post(tell, work())
        finally:
            post(over)

    threading.Thread(target=live, name="look", daemon=True).start()
    return await asyncio.wait_for(found, seconds)


def free_of(wanted: Conditions) -> Mapping[str, int | str]:
    home = os.path.expanduser("~")
    return {path: machine.free_space(from_home(path, home)) for path in wanted.disk}


def seen_by(wanted: Conditions, minute: int, free: Mapping[str, int | str]) -> Seen:
    """What these conditions ask of the machine; the rest is not looked at."""
    power = machine.Power(is_on_mains=True)
    if wanted.battery is not None:
        power = machine.power()
    return Seen(
        minute=minute,
        load=machine.load() if wanted.load is not None else None,
        memory=machine.available_memory() if wanted.memory is not None else None,
        free=free,
        is_on_mains=power.is_on_mains,
        charge=power.charge,
    )


def minute_of(now_ms: int, zone_name: str) -> int:
    """The minute of the day in a zone."""
    at = datetime.fromtimestamp(now_ms / 1000, zone(zone_name))
    return at.hour * 60 + at.minute
