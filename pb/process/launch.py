"""Starting a daemon from outside, and waiting until it says that it is ready.

The daemon's own side is ``lifecycle``. A fixed sleep never stands for readiness here.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from pb.core.fields import RESERVED_ENV
from pb.core.lean import dataclass
from pb.errors import BY_CODE, NotFoundError, PbError, UnresponsiveError, UnsupportedError
from pb.paths import Home
from pb.process.lifecycle import AlreadyRunningError
from pb.process.pidfile import PidRecord, read_pid_file
from pb.process.status import look
from pb.process.stdio import last_lines, log_size, open_fds, open_log, raise_fd

MODULES = {"scheduler": "pb.daemon", "gateway": "pb.gateway", "debug": "pb.debug"}
GUARDIAN = "pb.daemon.guardian"
READY_FD = 3
MAX_MESSAGE = 64 * 1024
WINNER_PATIENCE = 8.0
"""Seconds for which the loser of a race waits for the winner's PID file."""
LAST_LINES = 20

OF_A_RUN = RESERVED_ENV
"""What a run's environment carries. A daemon started from inside a job is none of the job's."""

OF_A_COMMAND = frozenset({"PB_URL", "PB_TOKEN", "PB_TOKEN_FILE", "PB_TRUST"})
"""With what a command asks another machine's gateway: no daemon of this one, and nothing that it
runs, has to know a token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One attempt: the child that was started, our end of its pipe, where its log began."""

    home: Home
    service: str
    child: int
    pipe: int
    log: Path
    log_start: int


def launch(
    home: Home,
    service: str,
    arguments: Sequence[str],
    *,
    mode: str,
    wait: float = 10.0,
    module: str | None = None,
) -> PidRecord:
    """Start a daemon, wait up to ``wait`` seconds until it is ready, and return its PID record.

    ``mode`` is ``background``, or ``daemon`` for one under a guardian. ``module`` names another
    module to run than the service's own. Raises AlreadyRunningError (a ConflictError, with
    ``record`` and ``pid``) when one runs or wins the race, the daemon's own error when it
    reported one, PbError with its last log lines when it died, and UnresponsiveError when it is
    still starting; then it goes on.
    """
    status = look(home, service)
    if status.state == "running":
        raise AlreadyRunningError(service, status.record)
    home.ensure()
    start = _spawn(home, service, module or _module(service, mode), mode, arguments)
    try:
        line = _read_line(start.pipe, time.monotonic() + wait)
    finally:
        os.close(start.pipe)
    if line is None:
        raise _still_starting(start, wait)
    if not line:
        raise _died(start)
    return _answered(start, line)


def _module(service: str, mode: str) -> str:
    if service not in MODULES:
        raise NotFoundError(f"There is no daemon called {service!r}")
    if mode != "daemon":
        return MODULES[service]
    if service != "scheduler":
        raise UnsupportedError(
            f"The {service} has no guardian", hint=f"Start it in the background: pb {service} start"
        )
    return GUARDIAN


def _spawn(home: Home, service: str, module: str, mode: str, arguments: Sequence[str]) -> Start:
    """Run ``python -m MODULE`` in a session of its own, with nothing of ours but the pipe.

    ``-P`` keeps the caller's directory out of the module search. Signals are at their defaults
    and the mask is empty. What the caller itself inherited is closed in the child, so that a
    pipe of its shell cannot be kept open.
    """
    log = home.log(service)
    log_start, log_fd = log_size(log), open_log(log)
    read, write = (raise_fd(fd, above=READY_FD) for fd in os.pipe())
    argv = [sys.executable, "-P", "-m", module, "--home", str(home.root), "--mode", mode]
    argv += ["--ready-fd", str(READY_FD), *arguments]
    try:
        child = os.posix_spawn(
            sys.executable,
            argv,
            _environment(),
            file_actions=_file_actions(log_fd, write),
            setsid=True,
            setsigmask=(),
            setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
        )
    except OSError as error:
        os.close(read)
        raise PbError(f"Cannot run {sys.executable}: {error.strerror}") from error
    finally:
        os.close(log_fd)
        os.close(write)
    return Start(home=home, service=service, child=child, pipe=read, log=log, log_start=log_start)


def _environment() -> dict[str, str]:
    left_out = OF_A_RUN | OF_A_COMMAND
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    return kept | {"PONY_SCHEDULER_BACKGROUND": "1"}


def _file_actions(log_fd: int, write: int) -> list[tuple[object, ...]]:
    strays = [fd for fd in open_fds() if fd > READY_FD and os.get_inheritable(fd)]
    return [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDWR, 0),
        (os.POSIX_SPAWN_DUP2, log_fd, 1),
        (os.POSIX_SPAWN_DUP2, log_fd, 2),
        (os.POSIX_SPAWN_DUP2, write, READY_FD),
        *((os.POSIX_SPAWN_CLOSE, fd) for fd in strays),
    ]


def _read_line(pipe: int, deadline: float) -> bytes | None:
    """One line from the pipe; empty when it ended without one, None when time ran out."""
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    line = b""
    while b"\n" not in line and len(line) <= MAX_MESSAGE:
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            return None
        chunk = os.read(pipe, 4096)
        if not chunk:
            return b""
        line += chunk
    return line


def _answered(start: Start, line: bytes) -> PidRecord:
    try:
        answer = json.loads(line)
        told = answer.get("error")
    except (ValueError, AttributeError) as error:
        raise PbError(
            f"The {start.service} answered what cannot be understood: {line[:80]!r}",
            hint=f"See {start.log}",
        ) from error
    if isinstance(told, dict):
        _reap(start.child)
        raise _told(start, told)
    if answer.get("pid") != start.child:
        _reap(start.child)
    record = read_pid_file(start.home.pid_file(start.service))
    if record is None:
        raise PbError(f"The {start.service} was ready and has ended since", hint=_lines(start))
    return record


def _told(start: Start, told: dict[str, object]) -> PbError:
    """What the daemon reported, as the same kind of error."""
    if told.get("running"):
        return AlreadyRunningError(start.service, _winner(start))
    hint = told.get("hint")
    kind = BY_CODE.get(str(told.get("code")), PbError)
    return kind(str(told.get("message")), hint=hint if isinstance(hint, str) else None)


def _winner(start: Start) -> PidRecord | None:
    """The record of the daemon that won the race, waited for while it still holds the lock."""
    deadline = time.monotonic() + WINNER_PATIENCE
    while True:
        status = look(start.home, start.service)
        if status.state == "running":
            return status.record
        if not status.is_settling or time.monotonic() > deadline:
            return None
        time.sleep(0.02)


def _still_starting(start: Start, wait: float) -> PbError:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(start.child, os.WNOHANG)
    return UnresponsiveError(
        f"The {start.service} is still starting after {wait:g} s",
        hint=f"It goes on by itself; see {start.log}",
    )


def _died(start: Start) -> PbError:
    code = _reap(start.child)
    how = f" (exit code {code})" if code else ""
    return PbError(f"The {start.service} ended before it was ready{how}", hint=_lines(start))


def _lines(start: Start) -> str:
    lines = last_lines(start.log, LAST_LINES, since=start.log_start)
    if not lines:
        return f"It wrote nothing to {start.log}"
    return "\n".join([f"Its last lines in {start.log}:", *(f"  {line}" for line in lines)])


def _reap(child: int, patience: float = 1.0) -> int | None:
    """Collect the child, which ends at once when it detaches or fails; its exit code if known.

    Negative for a signal. A child that stays (it did not detach) is left to live.
    """
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            pid, status = os.waitpid(child, os.WNOHANG)
        except ChildProcessError:
            return None
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    return None
