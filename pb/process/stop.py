"""Stopping a daemon from outside: verify, ask, wait; kill only when told to.

Its runs and services are the daemon's own to stop, or to leave up.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

from pb.core.lean import dataclass
from pb.paths import Home
from pb.process.identity import Identity, identify, may_signal, send_signal, wait_gone
from pb.process.lock import Lock, holder, holder_alive, is_held_by
from pb.process.pidfile import EMBEDDED, PidRecord, remove_pid_file
from pb.process.status import DaemonStatus, look

SETTLE_PATIENCE = 4.0
"""Seconds for which a daemon that is just starting is waited for before it is stopped."""
PROGRESS_EVERY = 2.0

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class StopResult:
    """``stopped``: it does not run now. ``was_running``: it did. ``message``: what to tell."""

    stopped: bool
    was_running: bool
    pid: int | None
    forced: bool
    message: str


@dataclass(slots=True, kw_only=True)
class _Stopping:
    """One stop under way: what is stopped, how hard, until when, and who is told."""

    home: Home
    service: str
    force: bool
    timeout: float
    deadline: float
    progress: Progress


def _silent(message: str) -> None:
    pass


def stop(
    home: Home,
    service: str,
    *,
    force: bool = False,
    timeout: float,
    progress: Progress = _silent,
) -> StopResult:
    """Stop a daemon and wait up to ``timeout`` seconds until its process is gone.

    TERM, then CONT so that a stopped process can obey; a guardian is told first, and passes it
    on. Never escalates by itself: with ``force`` it is KILL at once, guardian first, and the PID
    file is cleaned up. Not running is a success. A process that is not verified as the daemon is
    never signalled. Raises PermissionDeniedError when it belongs to somebody else.
    """
    deadline = time.monotonic() + timeout
    work = _Stopping(
        home=home,
        service=service,
        force=force,
        timeout=timeout,
        deadline=deadline,
        progress=progress,
    )
    status = look(home, service)
    if status.is_settling and _supervisor(work, status.record) is None:
        status = _settled(work)
    if status.state == "running" and status.record and status.record.mode == EMBEDDED:
        return _refused(work, status.record.pid)
    if status.state == "running" or status.is_settling:
        return _end(work, status)
    return _not_running(work, status)


def _refused(work: _Stopping, pid: int) -> StopResult:
    """A signal would end the whole program."""
    name = work.service.capitalize()
    message = f"{name} runs inside another program (PID {pid}); stop it there, or that program"
    return _result(work, False, pid, message, was_running=True)


def _settled(work: _Stopping) -> DaemonStatus:
    """The state once a daemon that holds its lock has its PID file, or has let go."""
    deadline = min(work.deadline, time.monotonic() + SETTLE_PATIENCE)
    while (status := look(work.home, work.service)).is_settling:
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    return status


def _not_running(work: _Stopping, status: DaemonStatus) -> StopResult:
    name = work.service.capitalize()
    if status.state == "stopped":
        return _result(work, True, None, f"{name} is not running")
    if status.state == "dead" and status.record is not None:
        _clear_stale(work, status.record)
        return _result(work, True, None, f"{name} was not running: {_said(status)}")
    if status.record is None and not holder_alive(work.home.lock(work.service)):
        return _result(work, True, None, f"{name} is not running. {status.reason}")
    # Somebody may have removed the PID file: who it is can still be seen, but is not signalled.
    pid = holder(work.home.lock(work.service)) if status.record is None else None
    return _result(work, False, pid, f"Cannot stop {work.service}: {_said(status)}")


def _said(status: DaemonStatus) -> str:
    reason = status.reason or "it cannot be told what it does"
    return reason[0].lower() + reason[1:]


def _end(work: _Stopping, status: DaemonStatus) -> StopResult:
    """End the guardian, if there is one, and then the daemon that is left."""
    record = status.record
    supervisor = _supervisor(work, record)
    if supervisor is not None:
        if record is not None and record.identity is not None:
            send_signal(record.identity, signal.SIGCONT)
        if not _end_process(work, supervisor):
            return _still_running(work, supervisor.pid)
        status = _settled(work)
    left = status.record.identity if status.record and status.state == "running" else None
    if left is not None and not _end_process(work, left):
        return _still_running(work, left.pid)
    if left is None and status.is_settling:
        return _not_running(work, status)
    for stale in (status.record, record):
        if stale is not None:
            _clear_stale(work, stale)
    how = "was killed" if work.force else "has stopped"
    pid = record.pid if record is not None else None
    return _result(work, True, pid, f"{work.service.capitalize()} {how}", was_running=True)


def _supervisor(work: _Stopping, record: PidRecord | None) -> Identity | None:
    """The guardian in the record, if that PID really holds the daemon's lock: it is a bare one."""
    if record is None or record.supervisor_pid in (None, record.pid):
        return None
    identity = identify(record.supervisor_pid)
    lock = work.home.lock(work.service)
    return identity if identity is not None and is_held_by(lock, identity.pid) else None


def _end_process(work: _Stopping, identity: Identity) -> bool:
    """Signal one process and wait for its end, until the deadline; whether it is gone."""
    if not may_signal(identity.pid):
        work.progress(f"Process {identity.pid} leads our own process group: it is not signalled")
        return False
    for signum in (signal.SIGKILL,) if work.force else (signal.SIGTERM, signal.SIGCONT):
        send_signal(identity, signum)
    began = time.monotonic()
    while not wait_gone(identity, min(PROGRESS_EVERY, max(0.0, work.deadline - time.monotonic()))):
        if time.monotonic() >= work.deadline:
            return False
        waited = time.monotonic() - began
        work.progress(f"Waiting for {work.service} (PID {identity.pid}) to end, {waited:.0f} s")
    return True


def _clear_stale(work: _Stopping, record: PidRecord) -> None:
    """Remove a dead daemon's PID file, under its lock: nobody can be writing a new one then."""
    lock = Lock(work.home.lock(work.service))
    if not lock.acquire():
        return
    try:
        remove_pid_file(work.home.pid_file(work.service), record)
    finally:
        lock.release()


def _still_running(work: _Stopping, pid: int) -> StopResult:
    advice = "it does not die" if work.force else "stop it at once with --force"
    message = (
        f"{work.service.capitalize()} (PID {pid}) still runs after {work.timeout:g} s; {advice}"
    )
    return _result(work, False, pid, message, was_running=True)


def _result(
    work: _Stopping, stopped: bool, pid: int | None, message: str, *, was_running: bool = False
) -> StopResult:
    return StopResult(
        stopped=stopped,
        was_running=was_running,
        pid=pid,
        forced=work.force and was_running,
        message=message,
    )
