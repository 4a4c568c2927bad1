"""What runs, told from outside: the PID file, the identity in it, and the lock.

Looking only: nothing here starts, signals or removes anything.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pb.core.lean import dataclass
from pb.errors import PbError
from pb.paths import Home
from pb.process.identity import (
    Identity,
    identify,
    is_alive,
    is_same_boot,
    is_same_host,
    is_visible,
)
from pb.process.lock import holder_alive, is_held_by
from pb.process.pidfile import PidRecord, read_pid_file

State = Literal["running", "dead", "stopped", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonStatus:
    """What one daemon of a home is doing.

    ``running``: the process in the PID file lives. ``dead``: it does not, and left the file.
    ``stopped``: no PID file, and the lock is free. ``unknown``: neither can be told; ``reason``
    says why, and ``is_settling`` that it will show shortly (something holds the lock and is just
    starting, restarting or stopping).
    """

    service: str
    state: State
    record: PidRecord | None = None
    reason: str | None = None
    is_settling: bool = False


def look(home: Home, service: str) -> DaemonStatus:
    """The state of a daemon. Never raises for what lies in its files; never waits."""
    try:
        record = read_pid_file(home.pid_file(service))
        if record is not None:
            return _judge(home, service, record)
        if holder_alive(home.lock(service)):
            reason = "It holds its lock and has no PID file: it is just starting or stopping"
            return _unknown(service, None, reason, is_settling=True)
    except PbError as error:
        return _unknown(service, None, error.message)
    return DaemonStatus(service=service, state="stopped")


def _judge(home: Home, service: str, record: PidRecord) -> DaemonStatus:
    identity = record.identity
    if identity is None:
        return _judge_bare(home, service, record)
    if is_alive(identity):
        return _judge_living(home, service, record)
    if not is_same_boot(identity) and not is_same_host(identity):
        reason = f"It was started on another host, {identity.host}; this one cannot see it"
        return _unknown(service, record, reason)
    if not holder_alive(home.lock(service)):
        return _dead(service, record, _obituary(identity))
    if is_same_boot(identity) and not is_visible(identity):
        return _unknown(service, record, "It runs in another container, which this one cannot see")
    reason = f"Its last process {record.pid} is gone and its lock is held: it is being restarted"
    return _unknown(service, record, reason, is_settling=True)


def _judge_living(home: Home, service: str, record: PidRecord) -> DaemonStatus:
    """The process in the PID file lives; whether it is this home's daemon, its lock tells.

    The PID file of a copied home names the daemon of the other one, which must not be touched. A
    lock that somebody has removed proves nothing against its holder.
    """
    lock = home.lock(service)
    if is_held_by(lock, record.pid) or not lock.exists():
        return DaemonStatus(service=service, state="running", record=record)
    if holder_alive(lock):
        reason = f"Its PID file names process {record.pid}, and another holds its lock"
        return _unknown(service, record, reason)
    reason = f"Process {record.pid} lives and does not hold its lock: it belongs to another home"
    return _dead(service, record, reason)


def _judge_bare(home: Home, service: str, record: PidRecord) -> DaemonStatus:
    """A number alone proves nothing: believed only of a process that really holds the lock.

    The identity is taken before the lock is looked at, so that it cannot be a later process's.
    """
    identity = identify(record.pid)
    lock = home.lock(service)
    if identity is not None and is_held_by(lock, record.pid):
        record = replace(record, identity=identity)
        return DaemonStatus(service=service, state="running", record=record)
    if holder_alive(lock):
        reason = f"Its PID file holds only the number {record.pid}, and another holds its lock"
        return _unknown(service, record, reason)
    return _dead(service, record, f"The number {record.pid} in its PID file is none of its own")


def _obituary(identity: Identity) -> str:
    if not is_same_boot(identity):
        return "It ran before this machine was last started"
    if not is_visible(identity):
        return "It ran in another container and has released its lock"
    if identify(identity.pid) is not None:
        return f"It has ended, and PID {identity.pid} is another process now"
    return f"Process {identity.pid} ended without cleaning up"


def _dead(service: str, record: PidRecord, reason: str) -> DaemonStatus:
    return DaemonStatus(service=service, state="dead", record=record, reason=reason)


def _unknown(
    service: str, record: PidRecord | None, reason: str, *, is_settling: bool = False
) -> DaemonStatus:
    return DaemonStatus(
        service=service, state="unknown", record=record, reason=reason, is_settling=is_settling
    )
