"""Planning, pure: which fire times are due, which of them run, and which were missed.

Facts and now go in, a decision comes out (SPEC section 4, "Misfires" and "Running").
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import assert_never

from pb.core.lean import dataclass
from pb.core.model import At, CatchUp, Cron, Every, Misfire, Overlap, Startup, Trigger
from pb.core.reactive import Reactive
from pb.core.triggers import next_fire, pause_of

COUNT_LIMIT = 1_500
"""How many missed fire times are counted one by one; a day of a job that runs each minute."""


@dataclass(frozen=True, slots=True)
class Fire:
    """One fire time that shall run: epoch milliseconds, and which kind of trigger yields it."""

    at_ms: int
    kind: str


@dataclass(frozen=True, slots=True)
class Missed:
    """Fire times that will not run: how many, the first and the newest (epoch ms).

    ``at_least`` says that there were more than were counted.
    """

    count: int
    first_ms: int
    last_ms: int
    at_least: bool = False

    def reason(self, cause: str) -> str:
        """For people: how many, and why nobody acted on them."""
        more = "more than " if self.at_least else ""
        times = "fire time" if self.count == 1 else "fire times"
        return f"{more}{self.count} {times} passed: {cause}"


@dataclass(frozen=True, slots=True)
class Due:
    """The decision for one job at one moment: what runs, what does not, and when it fires next."""

    fires: tuple[Fire, ...]
    missed: Missed | None
    next_ms: int | None


def kind_of(trigger: Trigger) -> str:
    if isinstance(trigger, Reactive):
        return trigger.WORD
    match trigger:
        case Cron():
            return "cron"
        case Every():
            return "every"
        case At():
            return "at"
        case Startup():
            return "startup"
        case _:
            assert_never(trigger)


def upcoming(
    triggers: Sequence[Trigger], after: datetime, zone: tzinfo, name: str
) -> tuple[datetime, str] | None:
    """The earliest fire time strictly after ``after``, and the kind of its trigger."""
    best: tuple[datetime, str] | None = None
    for trigger in triggers:
        at = next_fire(trigger, after, zone, name)
        if at is not None and (best is None or at < best[0]):
            best = (at, kind_of(trigger))
    return best


def first_ms(triggers: Sequence[Trigger], after_ms: int, zone: tzinfo, name: str) -> int | None:
    """When a job of which nothing runs fires next, counted from ``after_ms``: the end of its last
    run, or when it was added; None for never."""
    found = upcoming_ms(triggers, after_ms, zone, name)
    pause = pause_of(triggers)
    if pause is None:
        return found
    again = after_ms + round(pause * 1000)
    return again if found is None else min(found, again)


def upcoming_ms(triggers: Sequence[Trigger], after_ms: int, zone: tzinfo, name: str) -> int | None:
    found = upcoming(triggers, instant(after_ms), zone, name)
    return None if found is None else milliseconds(found[0])


def due(
    triggers: Sequence[Trigger],
    zone: tzinfo,
    name: str,
    *,
    first_ms: int,
    now_ms: int,
    misfire: Misfire,
    limit: int = COUNT_LIMIT,
) -> Due:
    """Settle every fire time from ``first_ms``, which is one, up to ``now_ms``.

    The newest one runs when it is no later than the grace; so do late ones that the misfire
    policy makes up for; all others together become one ``Missed``. At most ``limit`` are counted.
    """
    found, next_ms = walk(triggers, zone, name, first_ms, now_ms, limit)
    at_least = next_ms is not None and next_ms <= now_ms
    if at_least:
        newest, next_ms = look_back(triggers, zone, name, found[-1].at_ms, now_ms, misfire)
        found += newest
    chosen = found[len(found) - wanted(found, now_ms, misfire) :]
    return Due(tuple(chosen), left_out(found, chosen, at_least), next_ms)


def wanted(found: Sequence[Fire], now_ms: int, misfire: Misfire) -> int:
    """How many of the newest fire times run; 0 for none."""
    on_time = now_ms - found[-1].at_ms <= misfire.grace * 1000
    recent = sum(now_ms - fire.at_ms <= misfire.window * 1000 for fire in found)
    match misfire.catch_up:
        case CatchUp.ALL:
            return max(on_time, min(recent, misfire.max_catch_up))
        case CatchUp.LATEST:
            return max(on_time, min(recent, 1))
        case CatchUp.NONE:
            return int(on_time)
        case _:
            assert_never(misfire.catch_up)


def left_out(found: Sequence[Fire], chosen: Sequence[Fire], at_least: bool) -> Missed | None:
    rest = found[: len(found) - len(chosen)]
    if not rest:
        return None
    return Missed(len(rest), rest[0].at_ms, rest[-1].at_ms, at_least)


def look_back(
    triggers: Sequence[Trigger],
    zone: tzinfo,
    name: str,
    after_ms: int,
    now_ms: int,
    misfire: Misfire,
) -> tuple[list[Fire], int | None]:
    """The newest fire times in (after, now], when there are too many to walk through.

    Looks back from now, twice as far each time, until as many are found as could be made up for.
    """
    back_ms = 1_000
    while True:
        start = max(after_ms, now_ms - back_ms)
        first = upcoming_ms(triggers, start, zone, name)
        if first is None or first > now_ms:
            found: list[Fire] = []
            next_ms = first
        else:
            found, next_ms = walk(triggers, zone, name, first, now_ms, COUNT_LIMIT)
        if len(found) >= misfire.max_catch_up or start == after_ms:
            return found, next_ms
        back_ms *= 2


def walk(
    triggers: Sequence[Trigger], zone: tzinfo, name: str, first_ms: int, end_ms: int, limit: int
) -> tuple[list[Fire], int | None]:
    """Fire times from ``first_ms`` to ``end_ms``, at most ``limit``; and the one after them."""
    found: list[Fire] = []
    at_ms: int | None = first_ms
    kind = kind_of(triggers[0]) if len(triggers) == 1 else None
    while at_ms is not None and at_ms <= end_ms and len(found) < limit:
        found.append(Fire(at_ms, kind or kind_at(triggers, at_ms, zone, name)))
        at_ms = upcoming_ms(triggers, at_ms, zone, name)
    return found, at_ms


def kind_at(triggers: Sequence[Trigger], at_ms: int, zone: tzinfo, name: str) -> str:
    """Which kind of trigger yields the fire time ``at_ms``."""
    found = upcoming(triggers, instant(at_ms - 1), zone, name)
    return found[1] if found is not None else kind_of(triggers[0])


# -- overlap


@dataclass(frozen=True, slots=True)
class Admitted:
    """The run may go on to its queue."""


@dataclass(frozen=True, slots=True)
class Waits:
    """The run waits until no other run of its job is active."""


@dataclass(frozen=True, slots=True)
class Replaces:
    """The active runs are stopped first."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The run is skipped, for a reason that people read."""

    reason: str


Admission = Admitted | Waits | Replaces | Refused


def admit(
    overlap: Overlap, *, active: int, waiting: int, queue_limit: int, max_instances: int
) -> Admission:
    """What becomes of a run while ``active`` others of its job are and ``waiting`` ones wait."""
    if active == 0 and waiting == 0:
        return Admitted()
    match overlap:
        case Overlap.SKIP:
            return Refused("overlap: the last run is still active")
        case Overlap.QUEUE if waiting >= queue_limit:
            return Refused(f"overlap: {waiting} waiting already (queue_limit {queue_limit})")
        case Overlap.QUEUE:
            return Waits()
        case Overlap.REPLACE:
            return Replaces()
        case Overlap.ALLOW if active + waiting >= max_instances:
            return Refused(f"overlap: {active} active already (max_instances {max_instances})")
        case Overlap.ALLOW:
            return Admitted()
        case _:
            assert_never(overlap)


# -- instants


def instant(ms: int) -> datetime:
    return EPOCH + timedelta(milliseconds=ms)


def milliseconds(at: datetime) -> int:
    """Rounded up: the instant itself would still lie ahead of a rounded down one, for ever."""
    return -((EPOCH - at) // timedelta(milliseconds=1))


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
