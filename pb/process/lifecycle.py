"""The daemon's own side of its life: lock, detach, PID file, ready, and all of it back again.

What the daemon does in between is none of this room's business. The caller has validated
everything before (SPEC section 3), because after ``become`` there is no terminal to complain to.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Collection, Mapping
from dataclasses import field, replace
from pathlib import Path
from types import TracebackType

from pb import __version__
from pb.core.lean import dataclass
from pb.errors import ConflictError, PbError
from pb.paths import Home
from pb.process.identity import is_alive, own
from pb.process.lock import Lock, has_open
from pb.process.pidfile import (
    NO_PORTS,
    PidFileError,
    PidRecord,
    read_pid_file,
    remove_pid_file,
    write_pid_file,
)
from pb.process.signals import reset_signals
from pb.process.stdio import close_all_but, fill_standard_streams, open_log, raise_fd


class AlreadyRunningError(ConflictError):
    """Another daemon of this name and home holds the lock.

    ``record`` is what its PID file says, None while it has written none; ``pid`` is its PID.
    """

    def __init__(self, service: str, record: PidRecord | None, *, hint: str | None = None) -> None:
        pid = record.pid if record is not None else None
        message = (
            f"{service.capitalize()} is already running (PID {pid})"
            if pid
            else f"Another {service} is just starting or stopping"
        )
        super().__init__(message, hint=hint or f"See: pb {service} status")
        self.record = record
        self.pid = pid


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonSpec:
    """What to become. ``mode`` is ``foreground``, ``background`` or ``daemon``.

    Only ``background`` detaches; in mode ``daemon`` the guardian has detached already, and hands
    over its lock (``lock_fd``) and its PID (``supervisor_pid``). A daemon that replaces itself in
    place hands its own lock over too, and is detached already. ``lock`` is the home's, where this
    very process has taken it before. ``ready_fd`` is the write end of the readiness pipe.
    """

    service: str
    home: Home
    mode: str
    db_path: Path | None = None
    socket_path: Path | None = None
    log_path: Path | None = None
    ready_fd: int | None = None
    lock: Lock | None = None
    lock_fd: int | None = None
    supervisor_pid: int | None = None


@dataclass(slots=True, kw_only=True)
class Running:
    """A daemon that holds its lock and has its PID file; ``close`` gives both back, in order."""

    lock: Lock
    path: Path
    record: PidRecord
    ready_fd: int | None = field(default=None)

    def ready(self, address: str | None = None, ports: Mapping[str, int] = NO_PORTS) -> None:
        """Record where it listens, then tell whoever waits that it answers from now on."""
        self.record = replace(self.record, address=address, ports=dict(ports))
        write_pid_file(self.path, self.record)
        self._report({"ok": True, "pid": self.record.pid})

    def fail(self, error: PbError) -> None:
        """Tell whoever waits why it could not start. The caller then closes and exits."""
        self._report(error_message(error))

    def _report(self, message: Mapping[str, object]) -> None:
        fd, self.ready_fd = self.ready_fd, None
        if fd is not None:
            report(fd, message)

    def hand_over(self) -> int:
        """Let a program that replaces this process (execve) inherit the lock; answers its number.

        The PID file stays: it names the same process before and after.
        """
        if self.lock.fd is None:
            raise RuntimeError("the lock was given back already")
        os.set_inheritable(self.lock.fd, True)
        return self.lock.fd

    def close(self) -> None:
        """Remove the own PID file, then release the lock. To be called last; twice is harmless."""
        if self.lock.fd is None:
            return
        if self.ready_fd is not None:
            os.close(self.ready_fd)
            self.ready_fd = None
        try:
            remove_pid_file(self.path, self.record)
        finally:
            self.lock.release()

    def __enter__(self) -> Running:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, PbError):
            self.fail(error)
        self.close()


def become(spec: DaemonSpec) -> Running:
    """Turn this process into the daemon: lock, detach, signals, PID file, in this order.

    In mode ``background`` the caller's process ends here (``os._exit(0)``) and its grandchild
    returns. Raises AlreadyRunningError when another holds the lock, PbError when something
    cannot be had; both have been written to ``ready_fd`` by then.
    """
    fill_standard_streams()
    ready_fd = None if spec.ready_fd is None else _private_fd(spec.ready_fd)
    try:
        return _become(spec, ready_fd)
    except PbError as error:
        if ready_fd is not None:
            report(ready_fd, error_message(error))
        raise


def _become(spec: DaemonSpec, ready_fd: int | None) -> Running:
    lock = _take_lock(spec)
    try:
        root = spec.home.root
        if spec.mode == "background" and spec.lock_fd is None:
            detach(root, spec.log_path or spec.home.log(spec.service), keep=_fds(lock, ready_fd))
        os.umask(0o077)
        os.chdir(root)
        reset_signals(for_python=True)
        record = _record(spec)
        path = spec.home.pid_file(spec.service)
        write_pid_file(path, record)
    except OSError as error:
        lock.release()
        reason = (error.strerror or str(error)).lower()
        raise PbError(f"Cannot start in {spec.home.root}: {reason}") from error
    except PbError:
        lock.release()
        raise
    return Running(lock=lock, path=path, record=record, ready_fd=ready_fd)


def move_in(spec: DaemonSpec) -> Running:
    """Be the daemon inside another program's process: lock and PID file, and nothing else.

    Neither directory, umask, signals nor streams are touched. Raises AlreadyRunningError, PbError.
    """
    lock = _take_lock(spec)
    try:
        record = _record(spec)
        path = spec.home.pid_file(spec.service)
        write_pid_file(path, record)
    except PbError:
        lock.release()
        raise
    return Running(lock=lock, path=path, record=record)


def _private_fd(fd: int) -> int:
    """The readiness pipe, which no child of ours may inherit: its reader waits for its end."""
    try:
        os.set_inheritable(fd, False)
    except OSError as error:
        raise PbError(f"Descriptor {fd} for readiness is not open") from error
    return raise_fd(fd)


def _take_lock(spec: DaemonSpec) -> Lock:
    if spec.lock is not None:
        return spec.lock
    if spec.lock_fd is not None:
        return Lock.adopt(spec.home.lock(spec.service), spec.lock_fd)
    return take_lock(spec.home, spec.service)


def take_lock(home: Home, service: str) -> Lock:
    """The service's lock, taken. Raises AlreadyRunningError when a daemon of that name lives.

    That is when another holds the lock, and also when the PID file names a live process although
    the lock was free, because its lock file was removed. (The PID file of a copied home names
    the daemon of the other one, which never opened this lock.)
    """
    lock = Lock(home.lock(service))
    taken, record = lock.acquire(), _live_record(home, service)
    if taken and (record is None or not has_open(lock.path, record.pid)):
        return lock
    lock.release()
    raise AlreadyRunningError(service, record)


def _live_record(home: Home, service: str) -> PidRecord | None:
    """What the PID file says, if it can be read and its full identity is a live process's."""
    try:
        record = read_pid_file(home.pid_file(service))
    except PidFileError:
        return None
    return record if record and record.identity and is_alive(record.identity) else None


def _fds(lock: Lock, ready_fd: int | None) -> list[int]:
    return [fd for fd in (lock.fd, ready_fd) if fd is not None]


def detach(directory: Path, log_path: Path, *, keep: Collection[int]) -> None:
    """Leave the caller's session, terminal, directory, umask, streams and descriptors behind.

    stdin becomes /dev/null, stdout and stderr the log. Only the descriptors in ``keep`` survive.
    Every choice is explicit: python-daemon's own defaults do not detach under a socket as stdin
    or under PPID 1, open files to everybody (umask 0), and forbid cores to all descendants.
    """
    from daemon import DaemonContext

    fill_standard_streams()
    log = open(open_log(log_path), "ab", buffering=0)  # noqa: SIM115 - closed below, in the child
    context = DaemonContext(
        detach_process=True,
        umask=0o077,
        working_directory=str(directory),
        prevent_core=False,
        files_preserve=list(keep),
        signal_map={},
        stdout=log,
        stderr=log,
    )
    context.open()
    log.close()
    close_all_but(keep)


def _record(spec: DaemonSpec) -> PidRecord:
    identity = own()
    return PidRecord(
        pid=identity.pid,
        identity=identity,
        service=spec.service,
        mode=spec.mode,
        started_at_ms=time.time_ns() // 1_000_000,
        db_path=_text(spec.db_path),
        socket_path=_text(spec.socket_path),
        log_path=_text(spec.log_path or spec.home.log(spec.service)),
        supervisor_pid=spec.supervisor_pid,
        instance_id=os.urandom(8).hex(),
        pb_version=__version__,
    )


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def error_message(error: PbError) -> dict[str, object]:
    """An error as the readiness pipe carries it.

    ``running`` tells a lost race for the lock from other conflicts (a port that is taken).
    """
    told: dict[str, object] = {"code": error.code, "message": error.message, "hint": error.hint}
    if isinstance(error, AlreadyRunningError):
        told |= {"running": True, "pid": error.pid}
    return {"error": told}


def report(ready_fd: int, message: Mapping[str, object]) -> None:
    """Write one line to the readiness pipe and close it; nobody listening any more is no error."""
    line = json.dumps(message).encode() + b"\n"
    try:
        while line:
            line = line[os.write(ready_fd, line) :]
    except BrokenPipeError:
        pass  # whoever started us has been killed, or did not want to wait any longer
    finally:
        os.close(ready_fd)
