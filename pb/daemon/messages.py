"""Everything that happens to the scheduler, as messages of its one mailbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any, NamedTuple

from pb.core.lean import dataclass
from pb.core.service import Health
from pb.errors import PbError
from pb.process.usage import UNKNOWN, Usage

if TYPE_CHECKING:
    from pb.process.identity import Identity

Reply = Callable[[dict[str, Any] | PbError], None]
"""Called with the result or the error, after the change is committed and has taken effect. The
first call counts: when the store refuses, more than one may say so."""


@dataclass(frozen=True, slots=True)
class Command:
    """Somebody asks for ``method``; ``params`` are checked already. ``peer``: where he sits."""

    method: str
    params: dict[str, Any]
    actor: str
    reply: Reply
    peer: str | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """A run's process exists."""

    run_id: int
    identity: Identity
    at_ms: int


@dataclass(frozen=True, slots=True)
class SpawnFailed:
    """A run's process could not be started; ``is_transient`` says that trying again may help."""

    run_id: int
    reason: str
    is_transient: bool
    at_ms: int


@dataclass(frozen=True, slots=True)
class Exited:
    """A run's leader is gone. ``status`` is the raw wait status, None where nobody can know it."""

    run_id: int
    status: int | None
    at_ms: int
    used: Usage = UNKNOWN


@dataclass(frozen=True, slots=True)
class TreeGone:
    """A stop has ended: nothing of the run is left but ``survivors`` (pid, command)."""

    run_id: int
    survivors: Sequence[tuple[int, str]]
    killed: bool


@dataclass(frozen=True, slots=True)
class TimeIsUp:
    """A run has used up its timeout."""

    run_id: int
    seconds: float


@dataclass(frozen=True, slots=True)
class LimitExceeded:
    """A run uses more than it may."""

    run_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class ConditionsSeen:
    """It was looked whether a queued run may start; ``reason`` None: all of its conditions hold."""

    run_id: int
    reason: str | None
    at_ms: int


@dataclass(frozen=True, slots=True)
class LookAgain:
    """The pause before the next look at a run's conditions is over."""

    run_id: int


@dataclass(frozen=True, slots=True)
class LetGo:
    """Runs whose logs are gone may be forgotten; jobs that are ``left`` to look at; and how many
    runs are kept of those that have a rule of their own."""

    ids: tuple[int, ...]
    left: tuple[str | None, ...]
    keeps: Mapping[str | None, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DoneAside:
    """What was done in another thread for somebody who waits; ``text`` tells of it as ``kind``."""

    reply: Reply
    answer: dict[str, Any] | PbError
    kind: str | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Shutdown:
    """Stop. ``keep_runs`` leaves runs alive to be adopted; ``at_once`` does not wait for them;
    ``restart`` asks to be replaced in place."""

    keep_runs: bool = False
    at_once: bool = False
    restart: bool = False
    reply: Reply | None = None


@dataclass(frozen=True, slots=True)
class Reload:
    """Read configuration and definition files again."""

    reply: Reply | None = None


class InstanceKey(NamedTuple):
    """One life of one instance of a service; ``life`` counts its starts."""

    service: str
    instance: int
    life: int


@dataclass(frozen=True, slots=True)
class InstanceReady:
    """It has passed its readiness check. Nobody says so of a service without one."""

    key: InstanceKey
    at_ms: int


@dataclass(frozen=True, slots=True)
class NotReadyInTime:
    """It has not become ready within ``ready.timeout``."""

    key: InstanceKey
    reason: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class HealthChanged:
    """Its probe has passed for the first time, has failed too often, or passes again."""

    key: InstanceKey
    health: Health
    reason: str | None
    at_ms: int


@dataclass(frozen=True, slots=True)
class StatusText:
    """What it says of itself (``STATUS=``, sd_notify(3)), made safe."""

    key: InstanceKey
    text: str


@dataclass(frozen=True, slots=True)
class MemoryExceeded:
    """Its tree uses more than it may, of memory or of another limit that is watched."""

    key: InstanceKey
    reason: str


@dataclass(frozen=True, slots=True)
class FilesChanged:
    """A file that it watches has changed, and nothing has for ``watch.settle`` seconds."""

    key: InstanceKey
    reason: str


@dataclass(frozen=True, slots=True)
class CommandEnded:
    """A command that was run for it: ``what`` is a hook's name, ``stop`` or ``reload``.

    ``reason`` None: it exited with 0. ``exit_code`` None: it was killed, or could not be started.
    """

    key: InstanceKey
    what: str
    exit_code: int | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class InstanceStarted:
    """Its process exists."""

    key: InstanceKey
    identity: Identity
    at_ms: int


@dataclass(frozen=True, slots=True)
class InstanceRefused:
    """It could not be started; ``is_transient`` says that trying again soon may help."""

    key: InstanceKey
    reason: str
    is_transient: bool
    at_ms: int


@dataclass(frozen=True, slots=True)
class InstanceExited:
    """Its leader is gone. ``status`` as in Exited. ``has_left``: others of its group live on."""

    key: InstanceKey
    status: int | None
    at_ms: int
    has_left: bool


@dataclass(frozen=True, slots=True)
class InstanceGone:
    """A stop has ended: nothing is left but ``survivors`` (pid, command)."""

    key: InstanceKey
    survivors: Sequence[tuple[int, str]]
    killed: bool


@dataclass(frozen=True, slots=True)
class DelayOver:
    """The delay before an instance's next start is over."""

    key: InstanceKey


@dataclass(frozen=True, slots=True)
class PatienceOver:
    """Somebody who asked about services waits no longer; ``number`` is his waiter's."""

    number: int


@dataclass(frozen=True, slots=True)
class Occurred:
    """A reactive trigger of ``job`` fires: one occasion. ``event`` has its facts (a short table),
    ``items`` what it is about one by one. ``trigger`` is the trigger's key, and ``state`` what it
    remembers from now on, if anything."""

    job: str
    kind: str
    at_ms: int
    event: dict[str, Any]
    items: Sequence[dict[str, Any]] = ()
    trigger: str | None = None
    state: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Remembered:
    """A trigger of ``job`` remembers something else, and does not fire. ``over``: what it had fired
    for is over, and these are the facts of that, with ``since_ms``, when it had begun."""

    job: str
    trigger: str
    state: dict[str, Any]
    over: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Noticed:
    """Something happened in the system that event triggers may wait for, by its whole name."""

    name: str
    at_ms: int
    facts: Mapping[str, Any] = field(default_factory=dict)


OccasionMessage = Occurred | Remembered | Noticed


@dataclass(frozen=True, slots=True)
class Delivered:
    """Somebody has tried to send notices to a channel. ``answer`` is what was said about it."""

    channel: str
    ids: tuple[int, ...]
    is_sent: bool
    answer: str


ServiceMessage = (
    InstanceStarted
    | InstanceRefused
    | InstanceExited
    | InstanceGone
    | DelayOver
    | InstanceReady
    | NotReadyInTime
    | HealthChanged
    | StatusText
    | MemoryExceeded
    | FilesChanged
    | CommandEnded
)

RunMessage = (
    Started
    | SpawnFailed
    | Exited
    | TreeGone
    | TimeIsUp
    | LimitExceeded
    | ConditionsSeen
    | LookAgain
    | LetGo
)

Message = (
    Command
    | ServiceMessage
    | RunMessage
    | OccasionMessage
    | DoneAside
    | PatienceOver
    | Delivered
    | Shutdown
    | Reload
)
