"""Whether something is told, and as what: once per change of state, not too often, after retries.

Pure: what is known and what has happened in, what is known then and what to tell out. Who takes it
to people, and how, is others' work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pb.core.lean import dataclass
from pb.core.model import ERRORS, State
from pb.core.notice import Known, Level, Occasion, Telling
from pb.core.service import Health
from pb.core.supervision import UP, Phase

SECOND = 1000

RANKS: Mapping[Level, int] = {Level.WELL: 0, Level.DOWN: 1, Level.BROKEN: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is known from now on, and what is to be told (None: nothing)."""

    known: Known
    occasion: Occasion | None = None


def after_run(
    policy: Telling, known: Known, state: State, at_ms: int, *, is_retried: bool
) -> Decision:
    """A run of a job has its outcome, or a record of its own says that there was none.

    ``is_retried``: another attempt follows, so that it is too early to tell.
    """
    if state is State.MISSED:
        return missed(policy, known, at_ms)
    if state is State.SKIPPED:
        return seldom(policy, known, Occasion.SKIPPED, at_ms)
    ran = replace(known, has_missed=False)
    if state is State.CANCELLED or is_retried:
        return Decision(known=ran)
    if state in ERRORS:
        return failed(policy, ran, Level.DOWN, at_ms)
    decision = recovered(policy, ran, at_ms)
    if decision.occasion is None and Occasion.SUCCESS in policy.on:
        return replace(decision, occasion=Occasion.SUCCESS)
    return decision


def failed(policy: Telling, known: Known, level: Level, at_ms: int) -> Decision:
    """It has failed, or goes on failing, or is worse than it was. It is never less bad until it is
    well: a start that fails once more is no news."""
    is_first = known.level is Level.WELL
    is_worse = RANKS[level] > RANKS[known.level]
    now = replace(
        known,
        level=level if is_worse else known.level,
        since_ms=at_ms if is_first else known.since_ms,
        count=1 if is_first else known.count + 1,
        is_told=known.is_told and not is_worse,
    )
    told_ms = known.told.get(Occasion.FAILURE)
    is_due = not now.is_told or is_over(policy.repeat, told_ms, at_ms)
    if not is_due or not is_over(policy.cooldown, told_ms, at_ms):
        return Decision(known=now)
    now = replace(now, is_told=True, told={**known.told, Occasion.FAILURE: at_ms})
    return Decision(known=now, occasion=wanted(policy, Occasion.FAILURE))


def recovered(policy: Telling, known: Known, at_ms: int) -> Decision:
    """It is well. That is news only where its failure was."""
    if known.level is Level.WELL:
        return Decision(known=known)
    occasion = wanted(policy, Occasion.RECOVERY) if known.is_told else None
    well = replace(known, level=Level.WELL, since_ms=at_ms, count=0, is_told=False)
    return Decision(known=well, occasion=occasion)


def missed(policy: Telling, known: Known, at_ms: int) -> Decision:
    """Fire times have passed unused; several such records in a row are one piece of news."""
    if known.has_missed:
        return Decision(known=known)
    decision = seldom(policy, known, Occasion.MISSED, at_ms)
    return replace(decision, known=replace(decision.known, has_missed=True))


def seldom(policy: Telling, known: Known, occasion: Occasion, at_ms: int) -> Decision:
    """Something that is no state: told each time, but for the cooldown."""
    if wanted(policy, occasion) is None:
        return Decision(known=known)
    if not is_over(policy.cooldown, known.told.get(occasion), at_ms):
        return Decision(known=known)
    return Decision(known=replace(known, told={**known.told, occasion: at_ms}), occasion=occasion)


def after_crossing(
    policy: Telling, known: Known, at_ms: int, since_ms: int, *, is_over: bool
) -> Decision:
    """A threshold was crossed, or what has lasted since then is over: that is news only where the
    crossing was."""
    if not is_over:
        return seldom(policy, known, Occasion.THRESHOLD, at_ms)
    was_told = known.told.get(Occasion.THRESHOLD, -1) >= since_ms
    return Decision(known=known, occasion=wanted(policy, Occasion.THRESHOLD) if was_told else None)


def wanted(policy: Telling, occasion: Occasion) -> Occasion | None:
    return occasion if occasion in policy.on else None


def is_over(seconds: float | None, since_ms: int | None, now_ms: int) -> bool:
    """Whether so much time has passed; a clock that was set back ends every wait. None: never."""
    if since_ms is None:
        return True
    return seconds is not None and not 0 <= now_ms - since_ms < seconds * SECOND


# -- services


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is true of one instance of a service: ``lived`` and ``steady`` in seconds, the latter
    after which its failures are over; ``restarts`` those in a row since somebody started it."""

    phase: Phase
    health: Health
    restarts: int
    lived: float
    steady: float


ON_ITS_WAY = frozenset({Phase.BACKOFF, Phase.WAITING, Phase.PREPARING, Phase.LAUNCHING})
"""Phases of an instance that is to run and does not."""


def level_of(seen: Seen, known: Known) -> Level:
    """How an instance is. One that ended and runs again is well once it has lived for a while, so
    that a loop of crashes is one piece of news."""
    if seen.phase in (Phase.FAILED, Phase.ORPHANED):
        return Level.BROKEN
    if seen.phase in (Phase.STOPPED, Phase.EXITED):
        return Level.OFF
    if seen.restarts > known.restarts or (seen.phase in UP and seen.health is Health.UNHEALTHY):
        return Level.DOWN
    if seen.phase is Phase.RUNNING:
        is_steady = known.level is Level.WELL or seen.lived >= seen.steady
        return Level.WELL if is_steady else Level.UNSURE
    is_failing = known.level is not Level.WELL and seen.phase in ON_ITS_WAY
    return known.level if is_failing else Level.UNSURE


def after_look(policy: Telling, known: Known, seen: Seen, at_ms: int) -> Decision:
    """Something has changed about an instance, or enough time has passed."""
    level = level_of(seen, known)
    now = replace(known, restarts=seen.restarts)
    match level:
        case Level.OFF:
            well = replace(now, level=Level.WELL, count=0, is_told=False)
            return Decision(known=well)
        case Level.WELL:
            return recovered(policy, now, at_ms)
        case Level.DOWN | Level.BROKEN:
            if level is known.level and seen.restarts <= known.restarts:
                now = replace(now, count=known.count - 1)  # a second look at the same failure
            return failed(policy, now, level, at_ms)
    return Decision(known=now)


def seconds_to_look(policy: Telling, known: Known, seen: Seen, at_ms: int) -> float | None:
    """After how many seconds time alone may change the decision; None for never."""
    if known.level is Level.WELL:
        return None
    waits = []
    if seen.phase is Phase.RUNNING and seen.health is not Health.UNHEALTHY:
        waits.append(max(0.0, seen.steady - seen.lived))
    told_ms = known.told.get(Occasion.FAILURE)
    if told_ms is not None:
        pause = policy.repeat if known.is_told else policy.cooldown
        if pause is not None:
            waits.append(max(0.0, max(pause, policy.cooldown) - (at_ms - told_ms) / SECOND))
    return min(waits, default=None)


# -- trying again


FIRST_PAUSE, LONGEST_PAUSE = 15.0, 1_920.0


def pause_after(attempts: int) -> float:
    """Seconds until a message that could not be delivered is tried again."""
    return float(min(FIRST_PAUSE * 2 ** min(attempts - 1, 16), LONGEST_PAUSE))
