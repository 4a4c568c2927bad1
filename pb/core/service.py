"""The nouns of services: what should stay up, how it is watched, and the states of an instance.

Frozen values only; reading them from what a user wrote is ``core.service_definition``'s work, what
follows from an event ``core.supervision``'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from pb.core.lean import dataclass
from pb.core.model import EMPTY, NO_LIMITS, Limits
from pb.core.notice import Telling


class Desired(StrEnum):
    """What was asked for; it survives restarts of the scheduler and of the machine."""

    RUNNING = "running"
    STOPPED = "stopped"


class ServiceState(StrEnum):
    """What is true of one instance."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    BACKOFF = "backoff"
    EXITED = "exited"
    FAILED = "failed"
    ORPHANED = "orphaned"


SCALED_TO_NONE = "scaled to 0"
"""Why a service is stopped that nobody stopped."""


class Health(StrEnum):
    """What its liveness probe says; ``none`` for a service without one, or that does not run."""

    NONE = "none"
    STARTING = "starting"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


class RestartMode(StrEnum):
    """When an instance that ended by itself is started again."""

    ALWAYS = "always"
    ON_FAILURE = "on-failure"
    NEVER = "never"


class StopScope(StrEnum):
    """Who gets the stop signal first; whatever is left of the tree is killed in the end."""

    TREE = "tree"
    GROUP = "group"
    MAIN = "main"


class HealthAction(StrEnum):
    """What follows when a service has become unhealthy."""

    RESTART = "restart"
    STOP = "stop"
    NONE = "none"


class DependsCondition(StrEnum):
    """What must be true of the other service before this one is started."""

    STARTED = "started"
    READY = "ready"
    HEALTHY = "healthy"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    """Durations in seconds. The n-th restart in a row waits ``delay`` times ``factor`` to the n-1,
    at most ``max_delay``; ``jitter`` (0 to 1) takes up to that part of it away. A life of
    ``reset_after`` ends the row. More than ``max_restarts`` ends within ``window``, each counted
    from the child's own lifetime, make it ``failed``; above 1000, ``max_restarts`` is no limit.
    """

    mode: RestartMode = RestartMode.ALWAYS
    success_exit_codes: tuple[int, ...] = (0,)
    delay: float = 0.1
    factor: float = 2.0
    max_delay: float = 60.0
    jitter: float = 0.1
    reset_after: float = 60.0
    max_restarts: int = 10
    window: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StopPolicy:
    """``command`` (an argv) is run before ``signal`` is sent; survivors of ``timeout`` seconds get
    SIGKILL."""

    signal: str = "TERM"
    timeout: float = 10.0
    command: tuple[str, ...] = ()
    scope: StopScope = StopScope.TREE


@dataclass(frozen=True, slots=True, kw_only=True)
class Tcp:
    """A connection to ``host`` and ``port`` is accepted."""

    host: str = "127.0.0.1"
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Http:
    """A GET of ``url`` is answered with one of ``status`` (empty: any from 200 to 399)."""

    url: str
    status: tuple[int, ...] = ()
    headers: Mapping[str, str] = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exec:
    """``command`` (an argv), run in the service's directory and environment, exits with 0."""

    command: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogText:
    """A line that matches the regular expression ``pattern`` was written since the start."""

    pattern: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """The service says so itself: ``READY=1`` on ``$NOTIFY_SOCKET`` (sd_notify(3))."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileExists:
    """A file at ``path`` was made or changed since the start."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """It has lived for ``seconds``."""

    seconds: float


Probe = Tcp | Http | Exec
"""Checks that can be asked again and again."""

ReadyCheck = Probe | LogText | Notify | FileExists | Delay


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """When an instance counts as ready. ``timeout`` seconds until it has failed to become so;
    ``interval`` seconds between tries, each of which may take ``try_timeout`` seconds."""

    check: ReadyCheck
    timeout: float = 60.0
    interval: float = 0.25
    try_timeout: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthPolicy:
    """A probe each ``interval`` seconds, of ``timeout`` seconds; after ``failures`` in a row it is
    unhealthy and ``action`` follows. Failures in the first ``start_period`` seconds of a life do
    not count until the probe has passed once. ``watchdog`` (seconds): the service must say
    ``WATCHDOG=1`` that often (sd_notify(3)); then ``probe`` may be None.
    """

    probe: Probe | None = None
    watchdog: float | None = None
    interval: float = 10.0
    timeout: float = 2.0
    failures: int = 3
    start_period: float = 0.0
    action: HealthAction = HealthAction.RESTART


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceDependency:
    """Another service that must be in a certain condition before this one is started.

    ``restart_with``: when the other is restarted, so is this one.
    """

    service: str
    condition: DependsCondition = DependsCondition.READY
    restart_with: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLog:
    """How much of its output is kept; None is what the settings ``logs`` say.

    ``max_size`` bytes of the live file, which is also rotated when its oldest line is ``max_age``
    seconds old; ``keep`` archives, gzipped from the second on with ``compress``. With
    ``split_stderr`` what it writes to standard error goes into a log of its own.
    """

    max_size: int | None = None
    keep: int | None = None
    max_age: float | None = None
    compress: bool | None = None
    split_stderr: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """Commands (argv) run in the service's directory and environment. ``timeout`` in seconds.

    A ``pre_start`` that fails is a failed start; the failure of another is an event, no more.
    """

    pre_start: tuple[str, ...] = ()
    post_start: tuple[str, ...] = ()
    post_stop: tuple[str, ...] = ()
    on_failed: tuple[str, ...] = ()
    timeout: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Restart when a file below ``paths`` whose name matches ``pattern`` changes, once nothing
    has changed for ``settle`` seconds."""

    paths: tuple[str, ...] = ()
    pattern: str = "*"
    settle: float = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Reload:
    """How it re-reads its configuration: a signal to its leader, or a command (argv)."""

    signal: str | None = None
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The definition of work that should stay up (SPEC section 5). Durations are in seconds.

    ``command`` is an argv, or with ``shell`` a single string for ``/bin/sh -c``. ``cwd`` None is
    the user's home directory. ``umask`` None is the scheduler's own (077). ``max_memory`` bytes of
    its whole tree; beyond, it is restarted. ``replicas`` instances run, told apart by
    ``PB_INSTANCE`` (0, 1, …). ``enabled``: part of ``all``, and started with the scheduler unless
    somebody has stopped it. ``essential``: in ``pb service run``, its end is the end. ``user``
    is a name or number, for root only. ``notify`` None is what the settings say.
    """

    name: str
    command: tuple[str, ...]
    shell: bool = False
    description: str = ""
    cwd: str | None = None
    env: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    env_file: tuple[str, ...] = ()
    umask: int | None = None
    nice: int | None = None
    limits: Limits = NO_LIMITS
    max_memory: int | None = None
    user: str | None = None
    replicas: int = 1
    enabled: bool = True
    essential: bool = False
    groups: tuple[str, ...] = ()
    restart: RestartPolicy = RestartPolicy()
    stop: StopPolicy = StopPolicy()
    reload: Reload | None = None
    ready: Ready | None = None
    health: HealthPolicy | None = None
    depends_on: tuple[ServiceDependency, ...] = ()
    log: ServiceLog = ServiceLog()
    hooks: Hooks = Hooks()
    notify: Telling | None = None
    watch: Watch | None = None


def instance_name(service: str, instance: int) -> str:
    """The name of one instance, also of its PID file and log: ``web``, ``web@1``, ``web@2``."""
    return service if instance == 0 else f"{service}@{instance}"


def split_instance(name: str) -> tuple[str, int]:
    """The inverse: ``web@2`` is instance 2 of ``web``. A name has no ``@`` of its own."""
    service, _, number = name.partition("@")
    return service, int(number) if number.isdecimal() else 0
