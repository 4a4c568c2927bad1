"""The tiny parent of ``--daemon``: starts the scheduler again when it dies, and keeps what it ran.

``python -m pb.daemon.guardian --home H --ready-fd N [scheduler's arguments]``. It holds the
scheduler's lock, is the subreaper of everything below it, and writes down how processes ended that
a dead scheduler left behind. It plans nothing, opens no database, serves no socket, writes no PID
file, and imports as little as it can: it should never be the one that falls. Its loop, and when
it starts the scheduler again, are in ``guard``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from pb.core.lean import dataclass
from pb.daemon.guard import guard, log
from pb.errors import PbError
from pb.paths import Home, find_home
from pb.process.lifecycle import detach, error_message, report, take_lock
from pb.process.signals import reset_signals
from pb.process.stdio import fill_standard_streams, raise_fd
from pb.process.subreaper import become_subreaper


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """What the guardian itself needs of its command line; ``passed`` is for the scheduler."""

    home: str | None
    ready_fd: int | None
    passed: tuple[str, ...]


def read_arguments(argv: Sequence[str]) -> Arguments:
    """Take ``--home``, ``--ready-fd`` and ``--mode``; leave the rest to the scheduler's parser.

    By hand, because argparse would stay in memory for ever.
    """
    taken: dict[str, str] = {}
    passed: list[str] = []
    words = iter(argv)
    for word in words:
        name, equals, value = word.partition("=")
        if name in ("--home", "--ready-fd", "--mode"):
            taken[name] = value if equals else next(words, "")
        else:
            passed.append(word)
    number = taken.get("--ready-fd", "")
    return Arguments(
        home=taken.get("--home"),
        ready_fd=int(number) if number.isascii() and number.isdigit() else None,
        passed=tuple(passed),
    )


SCHEDULER = (sys.executable, "-P", "-m", "pb.daemon")
"""-P: the working directory, which is the home, is no place to import modules from."""


def main(argv: Sequence[str], scheduler: Sequence[str] = SCHEDULER) -> int:
    """Lock, detach, become the subreaper, guard; the exit code is the scheduler's last one.

    The process that is started ends at once: the guardian is its detached grandchild. What goes
    wrong before is told through the readiness pipe, and on stderr.
    """
    arguments = read_arguments(argv)
    fill_standard_streams()
    ready_fd = None if arguments.ready_fd is None else raise_fd(arguments.ready_fd)
    try:
        home = find_home(arguments.home)
        lock_fd = _settle(home, ready_fd)
    except PbError as error:
        log("ERROR", error.message)
        if ready_fd is not None:
            report(ready_fd, error_message(error))
        return error.exit_code
    log("INFO", f"guardian started (pid {os.getpid()})")
    own = ("--home", str(home.root), "--mode", "daemon")
    command = (*scheduler, *own, *arguments.passed)
    return guard(command, lock_fd=lock_fd, exits=home.exits("scheduler"), ready_fd=ready_fd)


def _settle(home: Home, ready_fd: int | None) -> int:
    """Take the scheduler's lock, leave the launcher behind, adopt orphans; answer the lock's fd."""
    if ready_fd is not None:
        os.set_inheritable(ready_fd, False)
    home.ensure()
    lock_fd = take_lock(home, "scheduler").fd
    if lock_fd is None:
        raise RuntimeError("a lock that was taken has a descriptor")
    keep = [lock_fd] if ready_fd is None else [lock_fd, ready_fd]
    detach(home.root, home.log("scheduler"), keep=keep)
    reset_signals(for_python=True)
    become_subreaper()
    return lock_fd


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
