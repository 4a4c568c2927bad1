"""The guardian's loop: start the scheduler again when it dies, keep how orphans ended.

It sleeps until a signal or the scheduler's readiness wakes it. Nothing here parses arguments,
takes locks or detaches (``guardian`` does), and nothing here may import more than it must.

Restarting: 2 s after a death. More than 5 deaths in a row, each within 5 s of the start, and it
waits 30 s and counts anew; it never gives up. Not restarted: an exit with 0 (it was asked to stop),
an exit with 6 (invalid configuration), and a first start that never became ready, which the
launcher is told about instead.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from pb.core.lean import dataclass
from pb.errors import Exit
from pb.process.exits import record_exit
from pb.process.identity import Identity
from pb.process.signals import signal_name
from pb.process.table import identity_of, look_up

AGAIN = 10.0
"""Seconds until an exit status that could not be written (a full disk) is tried again."""

_DEFAULTED = sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarts:
    """When to start again, in seconds: ``delay`` after a death; ``pause`` instead after more than
    ``limit`` deaths in a row that each came within ``quick`` of the start."""

    delay: float = 2.0
    quick: float = 5.0
    limit: int = 5
    pause: float = 30.0


DEFAULT_RESTARTS = Restarts()


def guard(
    command: Sequence[str],
    *,
    lock_fd: int,
    exits: Path,
    ready_fd: int | None = None,
    restarts: Restarts = DEFAULT_RESTARTS,
) -> int:
    """Keep ``command`` running until it ends on purpose; answer the guardian's own exit code.

    The command gets ``--lock-fd``, ``--ready-fd`` and ``--supervisor-pid`` added. Its first
    readiness line goes on to ``ready_fd``, which is closed then. Main thread only: signals are
    the way in. Nothing wakes it up while nothing happens.
    """
    guardian = _Guardian(command, lock_fd, exits, ready_fd, restarts)
    with _signals(guardian.inbox) as wake_fd:
        return guardian.run(wake_fd)


class _Guardian:
    def __init__(
        self,
        command: Sequence[str],
        lock_fd: int,
        exits: Path,
        ready_fd: int | None,
        restarts: Restarts,
    ) -> None:
        self.inbox: list[int] = []
        self._command, self._lock_fd, self._exits = command, lock_fd, exits
        self._ready_fd, self._restarts = ready_fd, restarts
        self._pid: int | None = None
        self._started = 0.0
        self._start_at: float | None = None
        self._quick_deaths = 0
        self._report_fd: int | None = None
        self._report = b""
        self._was_ready = False
        self._is_stopping = False
        self._code: int | None = None
        self._unwritten: list[tuple[Identity, int]] = []

    def run(self, wake_fd: int) -> int:
        self._start()
        while self._code is None:
            self._wait(wake_fd)
            while self.inbox:
                self._on_signal(self.inbox.pop(0))
            self._read_report()
            self._write_exits()
            self._reap()
            if self._start_at is not None and time.monotonic() >= self._start_at:
                self._start()
        self._close_report()
        self._tell_launcher(b"")
        return self._code

    def _wait(self, wake_fd: int) -> None:
        """Sleep until a signal, a word from the scheduler, or the time to start it again."""
        poll = select.poll()
        poll.register(wake_fd, select.POLLIN)
        if self._report_fd is not None:
            poll.register(self._report_fd, select.POLLIN)
        timeouts = [AGAIN] if self._unwritten else []
        if self._start_at is not None:
            timeouts.append(max(0.0, self._start_at - time.monotonic()))
        # A millisecond more than asked, so that a rounded-down wait does not spin.
        poll.poll(min(timeouts) * 1000 + 1 if timeouts else None)
        with contextlib.suppress(BlockingIOError):
            os.read(wake_fd, 4096)

    def _on_signal(self, signum: int) -> None:
        if signum in (signal.SIGTERM, signal.SIGINT):
            log("INFO", f"{signal_name(signum)}: stopping the scheduler")
            self._is_stopping = True
            if self._pid is None:
                self._end(Exit.DONE, "INFO", "no scheduler runs; the guardian ends")
            else:
                os.kill(self._pid, signal.SIGTERM)  # our own child, not reaped: the pid is its own
        elif signum == signal.SIGHUP and self._pid is not None:
            log("INFO", "SIGHUP: passed on to the scheduler")
            os.kill(self._pid, signal.SIGHUP)

    # The scheduler ------------------------------------------------------------------------

    def _start(self) -> None:
        self._start_at = None
        self._close_report()
        self._report = b""
        self._started = time.monotonic()
        try:
            self._report_fd, self._pid = self._spawn()
        except OSError as error:
            log("ERROR", f"cannot start the scheduler: {error.strerror}")
            self._on_death(Exit.FAILED, "it could not be started")
            return
        log("INFO", f"scheduler started (pid {self._pid})")

    def _spawn(self) -> tuple[int, int]:
        """Start the command with the lock and the write end of a readiness pipe of its own."""
        read_end, write_end = os.pipe()
        os.set_blocking(read_end, False)
        passed = ("--lock-fd", str(self._lock_fd), "--ready-fd", str(write_end))
        argv = [*self._command, *passed, "--supervisor-pid", str(os.getpid())]
        try:
            os.set_inheritable(write_end, True)
            os.set_inheritable(self._lock_fd, True)
            pid = os.posix_spawn(
                argv[0], argv, os.environ, setsid=True, setsigdef=_DEFAULTED, setsigmask=()
            )
        except OSError:
            os.close(read_end)
            raise
        finally:
            os.set_inheritable(self._lock_fd, False)
            os.close(write_end)
        return read_end, pid

    def _read_report(self) -> None:
        """Take what the scheduler says about its start; the first line goes to the launcher."""
        if self._report_fd is None:
            return
        try:
            part = os.read(self._report_fd, 65536)
        except BlockingIOError:
            return
        self._report += part
        if part and b"\n" not in self._report:
            return
        self._close_report()
        line = self._report.partition(b"\n")[0]
        if _is_ok(line):
            self._was_ready = True
            log("INFO", f"scheduler is ready (pid {self._pid})")
        if line:  # else it is about to die; the launcher learns that when the log says why
            self._tell_launcher(line + b"\n")

    def _close_report(self) -> None:
        if self._report_fd is not None:
            os.close(self._report_fd)
            self._report_fd = None

    def _tell_launcher(self, line: bytes) -> None:
        """Pass the line on and close the launcher's pipe; an empty one only closes it."""
        fd, self._ready_fd = self._ready_fd, None
        if fd is None:
            return
        with contextlib.suppress(BrokenPipeError):  # the launcher has gone: nobody to tell
            os.write(fd, line)
        os.close(fd)

    def _on_death(self, code: int, how: str) -> None:
        lived = time.monotonic() - self._started
        self._pid = None
        if self._is_stopping or code == Exit.DONE:
            self._end(code, "INFO", f"scheduler has stopped ({how}); the guardian ends")
        elif not self._was_ready:
            self._end(code, "ERROR", f"scheduler did not become ready ({how}); not started again")
        elif code == Exit.INVALID:
            text = f"scheduler found its configuration invalid ({how}); not started again"
            self._end(code, "ERROR", text)
        else:
            self._start_later(lived, how)

    def _start_later(self, lived: float, how: str) -> None:
        delay = self._restarts.delay
        self._quick_deaths = self._quick_deaths + 1 if lived <= self._restarts.quick else 0
        if self._quick_deaths > self._restarts.limit:
            delay, self._quick_deaths = self._restarts.pause, 0
            log("ERROR", f"too many deaths within {self._restarts.quick:g} s of the start")
        log("WARN", f"scheduler died after {lived:.1f} s ({how}); starting it again in {delay:g} s")
        self._start_at = time.monotonic() + delay

    def _end(self, code: int, level: str, text: str) -> None:
        log(level, text)
        self._code = int(code)

    # Everybody else -----------------------------------------------------------------------

    def _reap(self) -> None:
        while (found := _peek(self._pid)) is not None:
            pid, status = found
            if pid == self._pid:
                _forget(pid)
                self._read_report()  # its last words came before its death
                code, how = _ending(status)
                self._on_death(code, how)
            else:
                self._keep(pid, status)
                _forget(pid)

    def _keep(self, pid: int, status: int) -> None:
        """Write down how somebody else ended, before the pid can be given out again."""
        row = look_up(pid)
        if row is None:
            log("WARN", f"process {pid} ended ({_ending(status)[1]}) and is not in /proc")
            return
        self._unwritten.append((identity_of(row), status))
        self._write_exits()

    def _write_exits(self) -> None:
        while self._unwritten:
            try:
                record_exit(self._exits, *self._unwritten[0])
            except OSError as error:
                log("WARN", f"cannot write {self._exits}: {error.strerror}; will try again")
                return
            identity, status = self._unwritten.pop(0)
            log("INFO", f"process {identity.pid}, left behind, ended ({_ending(status)[1]})")


def _peek(child: int | None) -> tuple[int, int] | None:
    """A process to be reaped, and its raw wait status, without reaping it; None: nobody."""
    if not hasattr(os, "waitid"):  # macOS: no subreaper either, so the scheduler is all there is
        ended, status = (0, 0) if child is None else os.waitpid(child, os.WNOHANG)
        return (ended, status) if ended else None
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    except ChildProcessError:
        return None
    if found is None:
        return None
    if found.si_code == os.CLD_EXITED:
        return found.si_pid, found.si_status << 8
    core = 0x80 if found.si_code == os.CLD_DUMPED else 0
    return found.si_pid, found.si_status | core


def _forget(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):  # already reaped where there is no waitid
        os.waitpid(pid, 0)


def _ending(status: int) -> tuple[int, str]:
    """The exit code as a shell counts it (128 + N for signal N), and the same in words."""
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        return 128 - code, f"killed by {signal_name(-code)}"
    return code, f"exit code {code}"


def _is_ok(line: bytes) -> bool:
    """Whether a readiness line says that it is ready, rather than why it is not."""
    try:
        return isinstance(told := json.loads(line), dict) and told.get("ok") is True
    except ValueError:
        return False


@contextlib.contextmanager
def _signals(inbox: list[int]) -> Iterator[int]:
    """Put signals into ``inbox``; the descriptor becomes readable when there is one."""
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    os.set_blocking(write_end, False)
    wanted = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
    before = {one: signal.signal(one, lambda number, _: inbox.append(number)) for one in wanted}
    woken = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    try:
        yield read_end
    finally:
        signal.set_wakeup_fd(woken)
        for one, action in before.items():
            signal.signal(one, action)
        os.close(read_end)
        os.close(write_end)


def log(level: str, text: str) -> None:
    """One line to stderr, the scheduler's log. A log that cannot be written stops nobody."""
    now = time.time_ns() // 1_000_000
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 1000))
    with contextlib.suppress(OSError):
        os.write(2, f"{at}.{now % 1000:03d}Z {level:<5} guardian: {text}\n".encode())
