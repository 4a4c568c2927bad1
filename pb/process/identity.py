"""Who a process is: never a bare PID. Telling alive from dead, signalling, waiting.

Nothing here scans for processes or decides whom to signal (``tree`` and ``daemons`` do).
"""

from __future__ import annotations

import os
import sys

from pb.core.lean import dataclass
from pb.errors import UnsupportedError

if sys.platform == "linux":
    from pb.process import linux as system
else:
    from pb.process import elsewhere as system

MAX_PID: int = system.MAX_PID


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One life of one process: pid and start, in a pid namespace, of a boot, of a host.

    ``start_ticks`` are clock ticks since boot (field 22 of ``/proc/PID/stat``) on Linux, and
    microseconds since 1970 elsewhere. A process that reuses the PID within one tick (10 ms) of
    the same boot cannot be told apart; locks are the first evidence, this is the second.
    """

    pid: int
    start_ticks: int
    boot_id: str
    pid_namespace: int
    host: str


def own() -> Identity:
    """The identity of this process. Raises UnsupportedError where /proc does not show it."""
    identity = identify(os.getpid())
    if identity is None:
        raise UnsupportedError(
            f"This process ({os.getpid()}) is not in /proc",
            hint="Mount /proc for this pid namespace.",
        )
    return identity


def identify(pid: int) -> Identity | None:
    """The identity of the live process ``pid``, as counted in our own pid namespace.

    None for no such process, a thread's id, a zombie, and a PID that cannot be (below 1, huge).
    Where /proc hides the processes of others (``hidepid``), those are None too.
    """
    ticks = system.start_ticks(pid) if is_possible(pid) else None
    if ticks is None:
        return None
    return Identity(
        pid=pid,
        start_ticks=ticks,
        boot_id=system.boot_id(),
        pid_namespace=system.pid_namespace(),
        host=os.uname().nodename,
    )


def is_possible(pid: int) -> bool:
    """Whether a process of this system can have that PID at all."""
    return 1 <= pid <= MAX_PID


def is_thread(pid: int) -> bool:
    """Whether ``pid`` is the id of a thread rather than of a process."""
    return is_possible(pid) and system.is_thread(pid)


def is_same_boot(identity: Identity) -> bool:
    """Whether it was recorded on this machine since it booted, in whichever container.

    The boot id decides, not the host's name: that may change at any time, and a container has
    one of its own.
    """
    return identity.boot_id == system.boot_id() and bool(identity.boot_id or is_same_host(identity))


def is_same_host(identity: Identity) -> bool:
    return identity.host == os.uname().nodename


def is_visible(identity: Identity) -> bool:
    """Whether its PID counts here: this boot and this pid namespace."""
    return is_same_boot(identity) and identity.pid_namespace == system.pid_namespace()


def is_alive(identity: Identity) -> bool:
    """Whether exactly that process lives, whoever owns it. A zombie is dead.

    False also for an identity of another boot, namespace or host: nothing here is that process.
    """
    return (
        is_visible(identity)
        and is_possible(identity.pid)
        and system.start_ticks(identity.pid) == identity.start_ticks
    )


def started_ms(identity: Identity) -> int:
    """When it was started, in epoch milliseconds as the wall clock counts now; to 10 ms."""
    return system.started_ms(identity.start_ticks)


def may_signal(pid: int) -> bool:
    """Whether a signal to ``pid`` can ever be meant: not 0, negative, init, us or our group."""
    return 1 < pid <= MAX_PID and pid not in (os.getpid(), os.getpgrp())


def send_signal(identity: Identity, *signums: int) -> bool:
    """Send signals to exactly that process, through a pidfd opened before the check.

    False: it was gone before the first, its PID is another's by now, or it is one that is
    never signalled (``may_signal``). Raises PermissionDeniedError when it lives and belongs to
    somebody else.
    """
    if not is_visible(identity) or not may_signal(identity.pid):
        return False
    return system.send(identity.pid, identity.start_ticks, *signums)


def open_pidfd(identity: Identity) -> int:
    """A pidfd of exactly that live process (close-on-exec); the caller closes it.

    Raises ProcessLookupError when it is not alive here, UnsupportedError beyond Linux 5.3.
    """
    if not is_visible(identity) or not is_possible(identity.pid):
        raise ProcessLookupError(f"process {identity.pid} is not of this boot and namespace")
    return system.open_process(identity.pid, identity.start_ticks)


def exit_status(pidfd: int) -> int | None:
    """The raw wait status (see ``os.waitstatus_to_exitcode``) behind a pidfd, for any process.

    None while it runs, and where the kernel cannot tell: before Linux 6.15 a process that is not
    our child keeps its status to itself once it has been reaped.
    """
    return system.exit_status(pidfd)


def exit_of_zombie(identity: Identity) -> int | None:
    """The raw wait status of a process that has ended and whose parent has not collected it yet."""
    if not is_visible(identity) or not is_possible(identity.pid):
        return None
    return system.exit_of_zombie(identity.pid, identity.start_ticks)


def wait_gone(identity: Identity, timeout: float) -> bool:
    """Wait up to ``timeout`` seconds until it is dead (a zombie counts); at 0 just look."""
    if not is_visible(identity) or not is_possible(identity.pid):
        return True
    return system.wait_gone(identity.pid, identity.start_ticks, timeout)
