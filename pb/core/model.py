"""The nouns: jobs, their triggers and policies, and the states of a run.

Frozen values only; reading them from what a user wrote is ``core.definition``'s work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from pb.core.lean import dataclass
from pb.core.notice import Telling
from pb.core.reactive import Reactive

NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"

EMPTY: Mapping[str, str] = MappingProxyType({})
NO_SIZES: Mapping[str, int] = MappingProxyType({})


class Overlap(StrEnum):
    """What happens when a job fires while a run of it is active."""

    SKIP = "skip"
    QUEUE = "queue"
    REPLACE = "replace"
    ALLOW = "allow"


class CatchUp(StrEnum):
    """Which fire times that were missed are made up for."""

    LATEST = "latest"
    ALL = "all"
    NONE = "none"


class Backoff(StrEnum):
    """How the wait before the next attempt grows."""

    FIXED = "fixed"
    LINEAR = "linear"
    EXPONENTIAL = "exponential"


class OnLost(StrEnum):
    """What becomes of a run whose outcome nobody can know. At most once is the default."""

    FAIL = "fail"
    RETRY = "retry"


class JitterMode(StrEnum):
    """Whether a job's jitter is drawn anew each time, or always the same for its name."""

    RANDOM = "random"
    FIXED = "fixed"


class DependencyOn(StrEnum):
    """Which end of the other job's run counts."""

    SUCCESS = "success"
    FAILURE = "failure"
    COMPLETION = "completion"


class State(StrEnum):
    """A run's state; the last seven are outcomes and final."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    MISSED = "missed"
    LOST = "lost"


OPEN = frozenset({State.QUEUED, State.STARTING, State.RUNNING})
"""States of a run that has no outcome yet."""

EXECUTED = frozenset({State.SUCCEEDED, State.FAILED, State.TIMED_OUT, State.CANCELLED, State.LOST})
"""Outcomes that count as a run; a skip and a miss are counted apart (SPEC section 4)."""

ERRORS = frozenset({State.FAILED, State.TIMED_OUT, State.LOST})
"""Outcomes that count as an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """Fires when the wall clock matches ``expr`` (5, 6 or 7 fields; seconds first)."""

    expr: str
    day_match: str | None = None
    dst_gap: str | None = None
    dst_overlap: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Every:
    """Fires each ``seconds`` of elapsed time, aligned to the epoch: no clock change moves it.

    ``after_finish``: so long after the job's last run has ended instead, whatever started it.
    """

    seconds: float
    after_finish: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class At:
    """Fires once, at the instant ``at`` (aware, UTC)."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Startup:
    """Fires when the scheduler starts: once ``per`` "boot" of the machine (cron's ``@reboot``),
    or at each "daemon" start; ``delay`` seconds later."""

    per: str = "boot"
    delay: float = 0.0


Timed = Cron | Every | At | Startup
"""What yields fire times."""

Trigger = Timed | Reactive


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfire:
    """What to do about fire times that were not acted on in time. All durations in seconds.

    ``grace``: how late still counts as on time. ``window``: older ones are never made up.
    ``max_catch_up``: how many of them at most with ``all``. ``spread``: over how long the runs that
    make up for something are spread, so that a morning after does not start all at once.
    """

    grace: float = 60.0
    catch_up: CatchUp = CatchUp.LATEST
    window: float = 86_400.0
    max_catch_up: int = 10
    spread: float = 0.0


DEFAULT_MISFIRE = Misfire()


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How a run that failed or timed out is tried again. Durations in seconds.

    ``max_attempts`` counts the first one. The wait after attempt n is ``base`` (fixed), n times
    ``base`` (linear) or ``base`` times ``factor`` to the n-1 (exponential), never more than
    ``max``; ``jitter`` (0 to 1) takes up to that part of it away. ``on`` narrows the reasons.
    """

    max_attempts: int = 1
    backoff: Backoff = Backoff.EXPONENTIAL
    base: float = 10.0
    factor: float = 2.0
    max: float = 360.0
    jitter: float = 0.1
    on: tuple[int | str, ...] = ()


DEFAULT_RETRY = Retry()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """Another job whose run has to end in a certain way first, ``within`` seconds before."""

    job: str
    on: DependencyOn = DependencyOn.SUCCESS
    within: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """A part of the day, in minutes of the job's wall clock: ``until`` is not in it, and comes on
    the next day where it is not later than ``since``."""

    since: int
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What has to hold around a job at its fire time; None and nothing ask for nothing.

    ``exec`` exits with 0 within ``exec_timeout`` seconds; the one-minute ``load`` is lower; so
    many bytes of ``memory`` are available, and of ``disk`` free, by path; the ``battery`` has so
    many percent unless there is mains power (more than 100: there has to be); ``network`` names
    ``online``, interfaces that are up and ``host:port``; it is in one of the ``hours``. For
    ``wait`` seconds it is looked at again before the run is skipped.
    """

    exec: tuple[str, ...] = ()
    exec_timeout: float = 10.0
    load: float | None = None
    memory: int | None = None
    disk: Mapping[str, int] = field(default_factory=lambda: NO_SIZES)
    battery: int | None = None
    network: tuple[str, ...] = ()
    hours: tuple[Hours, ...] = ()
    wait: float = 0.0


NO_CONDITIONS = Conditions()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a run may use at most; None is no limit. Sizes in bytes, ``cpu_time`` in seconds.

    ``memory``, ``processes`` and ``output`` count for the whole run, ``cpu_time``, ``open_files``
    and ``file_size`` for each process of it. ``nice`` is the niceness it starts with.
    """

    cpu_time: float | None = None
    memory: int | None = None
    open_files: int | None = None
    processes: int | None = None
    file_size: int | None = None
    nice: int | None = None
    output: int | None = None


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How much of a job's past is kept: whichever of the two is used up first; None is the
    setting's (``retention.keep_runs``, ``retention.keep_days``)."""

    keep_runs: int | None = None
    keep_days: int | None = None


DEFAULT_RETENTION = Retention()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLog:
    """``max_size``: bytes of one run's log, of which the first and the newest part stay; None is
    what the settings ``logs`` make of it."""

    max_size: int | None = None


DEFAULT_RUN_LOG = RunLog()


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The definition of work that ends (SPEC section 4). Durations are in seconds.

    ``command`` is an argv, or with ``shell`` a single string for ``/bin/sh -c``; it is empty for
    a job that calls ``python`` (``module:function``) with ``args`` and ``kwargs``, by
    ``interpreter`` (None is the scheduler's own). ``cwd`` None is
    the user's home directory. ``umask`` None is the scheduler's own (077). ``notify`` None is
    what the settings say.
    """

    name: str
    command: tuple[str, ...] = ()
    python: str | None = None
    args: tuple[object, ...] = ()
    kwargs: Mapping[str, object] = field(default_factory=lambda: EMPTY)
    interpreter: str | None = None
    shell: bool = False
    description: str = ""
    cwd: str | None = None
    env: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    env_file: tuple[str, ...] = ()
    stdin: str | None = None
    umask: int | None = None
    triggers: tuple[Trigger, ...] = ()
    timezone: str = "local"
    enabled: bool = True
    paused: bool = False
    priority: int = 50
    queue: str = "default"
    locks: tuple[str, ...] = ()
    overlap: Overlap = Overlap.SKIP
    queue_limit: int = 1
    max_instances: int = 10
    jitter: float = 0.0
    jitter_mode: JitterMode = JitterMode.RANDOM
    misfire: Misfire = DEFAULT_MISFIRE
    retry: Retry = DEFAULT_RETRY
    on_lost: OnLost = OnLost.FAIL
    depends_on: tuple[Dependency, ...] = ()
    conditions: Conditions = NO_CONDITIONS
    timeout: float | None = None
    limits: Limits = NO_LIMITS
    kill_grace: float = 10.0
    stop_signal: str = "TERM"
    success_exit_codes: tuple[int, ...] = (0,)
    notify: Telling | None = None
    retention: Retention = DEFAULT_RETENTION
    log: RunLog = DEFAULT_RUN_LOG
    tags: tuple[str, ...] = ()
