"""What follows when something happens to an instance of a service: one total table, and the judge.

Pure. ``TABLE`` has a cell for every phase and event, "stay" among them; carrying out the acts is
the daemon's. ``docs/architecture.md`` shows the table as a diagram, and a test compares.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from pb.core.durations import format_duration
from pb.core.lean import dataclass
from pb.core.service import RestartMode, RestartPolicy, ServiceState


class Phase(StrEnum):
    """Where an instance is, finer than the state that people see (``STATES``)."""

    STOPPED = "stopped"
    WAITING = "waiting"
    PREPARING = "preparing"
    LAUNCHING = "launching"
    SETTLING = "settling"
    RUNNING = "running"
    CLEANING = "cleaning"
    STOPPING = "stopping"
    RESTARTING = "restarting"
    BACKOFF = "backoff"
    EXITED = "exited"
    FAILED = "failed"
    ORPHANED = "orphaned"


STATES: Mapping[Phase, ServiceState] = {
    Phase.STOPPED: ServiceState.STOPPED,
    Phase.WAITING: ServiceState.STARTING,
    Phase.PREPARING: ServiceState.STARTING,
    Phase.LAUNCHING: ServiceState.STARTING,
    Phase.SETTLING: ServiceState.STARTING,
    Phase.RUNNING: ServiceState.RUNNING,
    Phase.CLEANING: ServiceState.STOPPING,
    Phase.STOPPING: ServiceState.STOPPING,
    Phase.RESTARTING: ServiceState.STOPPING,
    Phase.BACKOFF: ServiceState.BACKOFF,
    Phase.EXITED: ServiceState.EXITED,
    Phase.FAILED: ServiceState.FAILED,
    Phase.ORPHANED: ServiceState.ORPHANED,
}
"""The state of each phase, in the words of SPEC section 5."""

UP = frozenset({Phase.SETTLING, Phase.RUNNING})
"""Phases in which its process is wanted alive."""

ENDING = frozenset({Phase.CLEANING, Phase.STOPPING, Phase.RESTARTING})
"""Phases in which its tree is being stopped."""

RESTING = frozenset({Phase.STOPPED, Phase.EXITED, Phase.FAILED})
"""Phases that nothing but somebody's wish will end."""


class Event(StrEnum):
    """What can happen to an instance."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"
    RESET = "reset"
    CLEAR = "clear"
    PREPARED = "prepared"
    SPAWNED = "spawned"
    REFUSED = "refused"
    READY = "ready"
    UNWELL = "unwell"
    LEFT = "left"
    AGAIN = "again"
    DONE = "done"
    FAILED = "failed"
    GONE = "gone"
    STUCK = "stuck"
    DUE = "due"


MEANINGS: Mapping[Event, str] = {
    Event.START: "somebody, or a rule, wants it to run",
    Event.STOP: "somebody, or a rule, wants it to stop",
    Event.RESTART: "it is to run anew, with its present definition",
    Event.RESET: "its failures are to be forgotten",
    Event.CLEAR: "what it depends on is there",
    Event.PREPARED: "its pre_start hook has ended well, or it has none",
    Event.SPAWNED: "its process exists",
    Event.REFUSED: "the system had no room for its process just now",
    Event.READY: "it is ready",
    Event.UNWELL: "it is not ready in time, unhealthy, or too large",
    Event.LEFT: "its leader has ended by itself, and others of its tree live",
    Event.AGAIN: "it is over, and to be started again",
    Event.DONE: "it is over, and that was all",
    Event.FAILED: "it is over, and not to be started again by itself",
    Event.GONE: "nothing of its tree is left",
    Event.STUCK: "something of its tree will not die",
    Event.DUE: "its delay is over",
}


class Act(StrEnum):
    """What is to be done when the new phase has been recorded."""

    FORGET = "forget failures"
    LOOK = "look at dependencies"
    PREPARE = "run pre_start"
    ABANDON = "end pre_start"
    LAUNCH = "launch"
    WATCH = "watch"
    STOP_TREE = "stop tree"
    DELAY = "delay"
    SPARE = "try again soon"


@dataclass(frozen=True, slots=True)
class Cell:
    """What an event leads to; ``phase`` None: it stays where it is."""

    phase: Phase | None = None
    acts: tuple[Act, ...] = ()


CELLS: Mapping[str, Cell] = {
    ".": Cell(),
    "zero": Cell(None, (Act.FORGET,)),
    "up": Cell(Phase.WAITING, (Act.LOOK,)),
    "anew": Cell(Phase.WAITING, (Act.FORGET, Act.LOOK)),
    "prep": Cell(Phase.PREPARING, (Act.PREPARE,)),
    "go": Cell(Phase.LAUNCHING, (Act.LAUNCH,)),
    "watch": Cell(Phase.SETTLING, (Act.WATCH,)),
    "run": Cell(Phase.RUNNING),
    "clean": Cell(Phase.CLEANING, (Act.STOP_TREE,)),
    "stop": Cell(Phase.STOPPING, (Act.STOP_TREE,)),
    "turn": Cell(Phase.RESTARTING, (Act.STOP_TREE,)),
    "kill": Cell(None, (Act.STOP_TREE,)),
    "cease": Cell(Phase.STOPPING),
    "flip": Cell(Phase.RESTARTING),
    "quit": Cell(Phase.STOPPED, (Act.ABANDON,)),
    "retry": Cell(Phase.BACKOFF, (Act.DELAY,)),
    "spare": Cell(Phase.BACKOFF, (Act.SPARE,)),
    "down": Cell(Phase.STOPPED),
    "done": Cell(Phase.EXITED),
    "fail": Cell(Phase.FAILED),
    "stray": Cell(Phase.ORPHANED),
}
"""The words of the grid below."""

# A stop that is under way goes on when somebody changes his mind ("cease", "flip"): what follows
# when the tree is gone is all that differs. Nothing is launched while something of it may live.
GRID = """
           start stop  restart reset clear prepared spawned refused ready unwell left  again done failed gone stuck due
stopped    up    .     up      zero  .     .        .       .       .     .      .     .     .    .      .    .     .
waiting    .     down  .       zero  prep  .        .       .       .     .      .     .     .    .      .    .     .
preparing  .     quit  .       zero  .     go       .       .       .     .      .     retry done fail   .    .     .
launching  .     cease .       zero  .     .        watch   spare   .     .      .     retry done fail   .    .     .
settling   .     stop  turn    zero  .     .        .       .       run   clean  clean retry done fail   .    .     .
running    .     stop  turn    zero  .     .        .       .       .     clean  clean retry done fail   .    .     .
cleaning   .     cease flip    zero  .     .        .       .       .     .      .     retry done fail   .    stray .
stopping   flip  .     flip    zero  .     .        kill    down    .     .      .     down  down down   down stray .
restarting .     cease .       zero  .     .        kill    up      .     .      .     up    up   up     up   stray .
backoff    up    down  up      zero  .     .        .       .       .     .      .     .     .    .      .    .     up
exited     up    down  up      zero  .     .        .       .       .     .      .     .     .    .      .    .     .
failed     anew  down  anew    anew  .     .        .       .       .     .      .     .     .    .      .    .     .
orphaned   turn  stop  turn    zero  .     .        .       .       .     .      .     .     .    .      down .     .
"""  # noqa: E501 - a table


def _read(grid: str) -> dict[tuple[Phase, Event], Cell]:
    head, *rows = [line.split() for line in grid.strip().splitlines()]
    events = [Event(word) for word in head]
    return {
        (Phase(row[0]), event): CELLS[word]
        for row in rows
        for event, word in zip(events, row[1:], strict=True)
    }


TABLE: Mapping[tuple[Phase, Event], Cell] = _read(GRID)
"""What follows, for every phase and event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a life of an instance ended. ``lived`` in seconds.

    Neither ``code`` nor ``signal``: nobody can know. ``cause`` is ours, when we ended it, or when
    it never came to life. ``words``: the last line that it wrote.
    """

    code: int | None = None
    signal: str | None = None
    lived: float = 0.0
    cause: str | None = None
    words: str | None = None

    @property
    def text(self) -> str:
        if self.cause is not None:
            return self.cause
        said = f": {self.words}" if self.words else ""
        if self.signal is not None:
            return f"ended by {self.signal}{said}"
        return f"exit code {self.code}{said}" if self.code is not None else "ended unseen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What follows an end: ``event`` is AGAIN, DONE or FAILED. ``lives`` are the short lives in a
    row, in seconds, to be remembered; ``delay`` in seconds."""

    event: Event
    reason: str
    lives: tuple[float, ...] = ()
    delay: float = 0.0


MOST_COUNTED = 1000
"""Restarts beyond which a limit is none: who allows more wants it tried for ever."""


def judge(policy: RestartPolicy, end: End, lives: Iterable[float], luck: float) -> Verdict:
    """Whether and when an instance that ended by itself is started again.

    ``lives`` are those that were remembered before, ``luck`` (0 to 1) draws the jitter. The start
    limit adds up how long the lives were and never how long was waited in between, so that a
    long delay cannot hide a crash loop (systemd's StartLimitIntervalSec can be outrun that way).
    """
    went_well = end.cause is None and end.code in policy.success_exit_codes
    if went_well and policy.mode is not RestartMode.ALWAYS:
        return Verdict(event=Event.DONE, reason=end.text)
    if policy.mode is RestartMode.NEVER:
        return Verdict(event=Event.FAILED, reason=end.text)
    before = () if end.lived >= policy.reset_after else tuple(lives)
    is_limited = policy.max_restarts <= MOST_COUNTED
    kept = policy.max_restarts + 1 if is_limited else MOST_COUNTED
    row = (*before, end.lived)[-kept:]
    if is_limited and len(row) > policy.max_restarts and sum(row) <= policy.window:
        reason = f"{end.text}; {len(row)} times within {format_duration(policy.window)} of life"
        return Verdict(event=Event.FAILED, reason=reason, lives=row)
    return Verdict(
        event=Event.AGAIN, reason=end.text, lives=row, delay=delay(policy, len(row), luck)
    )


def delay(policy: RestartPolicy, nth: int, luck: float) -> float:
    """Seconds before the ``nth`` restart in a row (from 1)."""
    # Past a hundred doublings every delay is the longest one; a float would overflow at last.
    grown = policy.delay * policy.factor ** min(nth - 1, 100)
    return min(grown, policy.max_delay) * (1 - policy.jitter * luck)
