"""What the gateway answers, as types: plain dictionaries, as the JSON that they are.

Answers may grow new keys; none is renamed. Instants are text, RFC 3339 in UTC. A test holds these
to what the OpenAPI document promises.
"""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

Definition = dict[str, Any]
"""A job's or service's definition, as the JSON Schema has it."""


class Job(TypedDict):
    name: str
    state: str
    enabled: bool
    paused: bool
    paused_at: str | None
    pause_note: str | None
    paused_until: str | None
    description: str
    triggers: list[dict[str, Any]]
    timezone: str
    next_run: str | None
    last_run: str | None
    last_result: str | None
    last_error: str | None
    last_duration_ms: int | None
    last_skip: str | None
    last_skip_reason: str | None
    run_count: int
    success_count: int
    error_count: int
    skip_count: int
    miss_count: int
    timeout_count: int
    retry_count: int
    running: bool
    tags: list[str]
    source: str
    builtin: bool


class Run(TypedDict):
    run_id: int
    job: str | None
    fire_time: str
    fire_count: int
    trigger: str
    queued_at: str
    started_at: str | None
    finished_at: str | None
    state: str
    reason: str | None
    exit_code: int | None
    signal: str | None
    pid: int | None
    attempt: int
    log_path: str | None
    max_rss_bytes: int | None
    cpu_seconds: float | None
    command: list[str] | None
    by: str | None
    duration_ms: int | None
    lateness_ms: int | None


class Service(TypedDict):
    name: str
    service: str
    instance: int
    builtin: bool
    enabled: bool
    groups: list[str]
    essential: bool
    desired: str
    state: str
    health: str
    health_reason: str | None
    reason: str | None
    status: str | None
    pid: int | None
    start_ticks: int | None
    started_at: str | None
    ready_at: str | None
    since: str | None
    uptime_seconds: float | None
    restarts: int
    next_start_at: str | None
    changed: bool
    address: str | None
    last_exit: dict[str, Any] | None
    log_path: str
    pid_file: str
    source: str


class Event(TypedDict):
    seq: int
    at: str
    type: str
    job: str | None
    run_id: int | None
    service: str | None
    by: str | None
    text: str


class Queue(TypedDict):
    name: str
    slots: int | None
    jobs: int
    running: int
    queued: int


class Token(TypedDict):
    id: int
    name: str
    scope: str
    state: str
    created_at: str
    created_by: str
    expires_at: str | None
    revoked_at: str | None
    revoked_by: str | None


class Change(TypedDict):
    seq: int
    at: str
    actor: str
    face: str
    peer: str | None
    method: str
    target: str | None
    details: dict[str, Any]


class Next(TypedDict):
    name: str
    timezone: str
    fire_times: list[str]
    state: str


class Status(TypedDict):
    """``jobs`` is there when it was asked for."""

    running: bool
    pid: int | None
    mode: str | None
    started_at: str | None
    uptime_seconds: float | None
    db_path: str
    socket_path: str
    log_path: str
    notice: str | None
    counts: dict[str, Any]
    jobs: NotRequired[list[Job]]


class JobShown(TypedDict):
    job: Job
    definition: dict[str, Any]
    source: str
    created_at: str
    updated_at: str
    fire_times: list[str]
    explain: list[str]
    runs: list[Run]
    told: dict[str, Any]
    log_path: str | None


class JobAdded(TypedDict):
    job: Job
    created: bool
    explain: list[str]
    fire_times: list[str]
    notes: list[str]


class JobChanged(TypedDict):
    job: Job
    changed: bool


Schedule = TypedDict(
    "Schedule", {"from": str, "until": str, "total": int, "jobs": list[dict[str, Any]]}
)
"""The jobs that fire in a stretch of time; ``from`` is a word of Python's, hence this form."""


class Stats(TypedDict):
    name: str | None
    records: int
    is_complete: bool
    all: dict[str, Any]


class Activity(TypedDict):
    name: str | None
    since: str
    until: str
    bucket_seconds: int
    buckets: list[dict[str, Any]]


class Queues(TypedDict):
    queues: list[Queue]
    max_running: int


class ServiceShown(TypedDict):
    service: Service
    instances: list[Service]
    definition: dict[str, Any]
    source: str
    told: dict[str, Any]


class ServiceSwitched(TypedDict):
    service: str
    enabled: bool
    changed: bool


class ServiceScaled(TypedDict):
    service: str
    replicas: int
    before: int


class RecentEvents(TypedDict):
    events: list[Event]
    oldest_seq: int
    newest_seq: int


class Config(TypedDict):
    settings: dict[str, Any]
    origins: dict[str, Any]


class TokenMade(TypedDict):
    token: str
    id: int
    name: str
    scope: str
    state: str
    expires_at: str | None


class TokenRevoked(TypedDict):
    id: int
    name: str
    state: str
    changed: bool


class Health(TypedDict):
    """Of the gateway itself."""

    alive: bool
    version: str


class JobPage(TypedDict):
    """A page of jobs; ``next`` is what ``after`` is for the next one, None on the last."""

    jobs: list[Job]
    next: str | None


class Reloaded(TypedDict):
    """What was changed by reading files again, and what is wrong with them."""

    changed: list[str]
    problems: list[str]


class Dependencies(TypedDict):
    """Which jobs wait for which."""

    jobs: list[dict[str, Any]]


class ServiceAdded(TypedDict):
    """A service as it is now; ``added`` is False when it has replaced one."""

    service: Service
    added: NotRequired[bool]


class ServiceDone(TypedDict):
    """What became of a service; not ``ok``: it is not as was asked, and ``reason`` says why."""

    name: str
    ok: bool
    action: NotRequired[str]
    state: str
    reason: str | None
    pid: NotRequired[int | None]


class Notice(TypedDict):
    """What one channel was told of one thing; ``answer`` is what the other end has said last."""

    id: int
    at: str
    channel: str
    occasion: str
    job: str | None
    service: str | None
    run_id: int | None
    text: str
    state: str
    attempts: int
    next_try: str | None
    finished_at: str | None
    answer: str | None
    message: int | None


class Channel(TypedDict):
    """Where people are told; nothing of it is a secret."""

    name: str
    type: str
    target: str
    options: dict[str, Any]
    is_default: bool
    used_by: list[str]
    waiting: int
    last: Notice | None


class Periods(TypedDict):
    """How runs went in each hour, day, week or month; one without records is left out."""

    name: str | None
    by: str
    since: str
    until: str
    is_complete: bool
    periods: list[dict[str, Any]]
    total: dict[str, Any]


class LogLevel(TypedDict):
    """What the scheduler logs, and what it logged before."""

    level: str
    before: str


class Emitted(TypedDict):
    """An event that was told; ``waits``: until a scheduler runs."""

    event: str
    at: str
    waits: bool


class Hook(TypedDict):
    """How a job's web hook is fired: its path, and its token where it has no secret of its own."""

    name: str
    path: str
    token: str | None
    has_token: bool
    has_secret: bool


RunList = list[Run]
ServiceList = list[Service]
DoneList = list[ServiceDone]
TokenList = list[Token]
ChangeList = list[Change]
NoticeList = list[Notice]
ChannelList = list[Channel]
"""Lists of them, for classes in which ``list`` is a method."""
