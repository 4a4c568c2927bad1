"""Rows become values here and nowhere else. No SQL, no decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from pb.core.lean import dataclass
from pb.core.model import ERRORS, State


@dataclass(slots=True, kw_only=True)
class Run:
    """One run's row. Instants are epoch milliseconds; ``id`` 0 is not claimed yet.

    The identity columns (``pid`` … ``host``) are None until a process was started.
    """

    id: int = 0
    job: str | None
    fire_at: int
    fire_count: int = 1
    attempt: int = 1
    trigger: str
    requested_by: str | None = None
    command: str | None = None
    state: State
    reason: str | None = None
    queued_at: int
    not_before_at: int | None = None
    started_at: int | None = None
    finished_at: int | None = None
    exit_code: int | None = None
    signal: str | None = None
    pid: int | None = None
    start_ticks: int | None = None
    boot_id: str | None = None
    pid_namespace: int | None = None
    host: str | None = None
    log_path: str | None = None
    max_rss_bytes: int | None = None
    cpu_seconds: float | None = None
    output: str | None = None
    owner: str | None = None
    fence: int = 0
    stop_reason: str | None = None

    @property
    def duration_ms(self) -> int | None:
        if self.started_at is None or self.finished_at is None:
            return None
        return max(0, self.finished_at - self.started_at)

    @property
    def lateness_ms(self) -> int | None:
        """From the fire time to the start."""
        return None if self.started_at is None else self.started_at - self.fire_at

    @property
    def is_planned(self) -> bool:
        """Whether it can be late: a first attempt that nobody has asked for by hand."""
        return self.attempt == 1 and self.trigger not in ("manual", "cli")

    def parameters(self) -> dict[str, Any]:
        """The row as named SQL parameters."""
        return {name: getattr(self, name) for name in self.__slots__}


class JobRow(NamedTuple):
    """A job with its state and counters. ``definition`` is its canonical JSON text."""

    name: str
    definition: str
    source: str
    enabled: bool
    paused_at: int | None
    pause_note: str | None
    paused_until: int | None
    created_at: int
    updated_at: int
    planned_until: int
    next_fire_at: int | None
    run_count: int
    success_count: int
    error_count: int
    skip_count: int
    miss_count: int
    timeout_count: int
    retry_count: int
    last_run_at: int | None
    last_result: str | None
    last_error: str | None
    last_duration_ms: int | None
    last_skip_at: int | None
    last_skip_reason: str | None
    running: int


class PlanRow(NamedTuple):
    """What the engine has to know of a job to plan it."""

    name: str
    definition: str
    enabled: bool
    paused_at: int | None
    paused_until: int | None
    created_at: int
    updated_at: int
    planned_until: int
    next_fire_at: int | None
    boot_id: str | None
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    seq: int
    at: int
    type: str
    job: str | None
    run_id: int | None
    service: str | None
    actor: str | None
    text: str


Row = Sequence[Any]

RUN_COLUMNS = Run.__slots__

_JOB_SWITCH = JobRow._fields.index("enabled")
_PLAN_SWITCH = PlanRow._fields.index("enabled")


def run_from(row: Any) -> Run:
    values = {name: row[name] for name in RUN_COLUMNS}
    values["state"] = State(values["state"])
    return Run(**values)


def job_from_row(row: Any) -> JobRow:
    """Its columns stand in the order of the fields: one answer may hold ten thousand of them."""
    values = list(row)
    values[_JOB_SWITCH] = bool(values[_JOB_SWITCH])
    return JobRow._make(values)


def plan_from(row: Any) -> PlanRow:
    """Its columns stand in the order of the fields; a hundred thousand are read at a start."""
    values = list(row)
    values[_PLAN_SWITCH] = bool(values[_PLAN_SWITCH])
    return PlanRow._make(values)


def event_from(row: Any) -> EventRow:
    return EventRow(**{name: row[name] for name in EventRow.__slots__})


def counted(run: Run) -> dict[str, Any]:
    """What one executed run adds to its job's counters."""
    error = run.state in ERRORS
    return {
        "job": run.job,
        "success": run.state is State.SUCCEEDED,
        "error": error,
        "timeout": run.state is State.TIMED_OUT,
        "started_at": run.started_at,
        "state": run.state,
        "last_error": (run.reason or str(run.state)) if error else None,
        "duration_ms": run.duration_ms,
        "lateness_ms": run.lateness_ms if run.is_planned else None,
    }
