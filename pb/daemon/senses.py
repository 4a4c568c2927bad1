"""What can be noticed of the system: each sense looks, and says what has changed since.

A sense is made when a job waits for what it notices. Its first look learns how things are, and
tells nothing. It decides nothing about jobs; when to look is ``systemwatch``'s.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from pb.process import machine, terminals
from pb.process.machine import Power
from pb.process.mounts import MOUNTINFO, Mount, MountBell, mounts

Signs = list[tuple[str, dict[str, Any]]]
"""Names after ``system.``, with their facts."""

BATTERY_LOW, BATTERY_FINE = 15, 20
"""Percent. Between them nothing changes."""

DISK_LOW, DISK_FINE = 5.0, 7.0
"""Percent that are free. Between them nothing changes."""

IDLE, ACTIVE = 600.0, 60.0
"""Seconds without a key pressed, and with one."""

SUSPENDED = 1.0
"""Seconds that the two clocks must have drifted apart for it to have been a suspend."""

ROUTES = 0x1 | 0x40 | 0x400
"""Groups of netlink(7): RTMGRP_LINK, RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_ROUTE."""


class Sense(Protocol):
    """``every``: seconds between looks. ``is_slow``: a look may hang, so it needs a thread."""

    every: float
    is_slow: bool

    def look(self) -> Signs:
        """What has changed since the last look."""
        ...

    def fileno(self) -> int:
        """A descriptor that is readable when there is something to see; -1 for none."""
        ...

    def drain(self) -> None:
        """It was readable, and a look follows."""
        ...

    def close(self) -> None: ...


class Plain:
    """A sense that nothing wakes."""

    every = 10.0
    is_slow = False

    def fileno(self) -> int:
        return -1

    def drain(self) -> None:
        return

    def close(self) -> None:
        return


def slept() -> float:
    """Seconds that the machine has been suspended since its boot."""
    boot = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(boot) - time.clock_gettime(time.CLOCK_MONOTONIC)


class Suspend(Plain):
    """The clock that counts suspend has run on, the other has not."""

    every = 5.0

    def __init__(self, slept: Callable[[], float] = slept) -> None:
        self._slept = slept
        self._before: float | None = None

    def look(self) -> Signs:
        before, self._before = self._before, self._slept()
        if before is None or self._before - before < SUSPENDED:
            return []
        return [("resumed", {"seconds": round(self._before - before, 1)})]


class Network:
    """Whether there is a default route. The kernel tells when routes and links change."""

    every = 30.0
    is_slow = False

    def __init__(self, is_online: Callable[[], bool] = machine.is_online) -> None:
        self._is_online = is_online
        self._before: bool | None = None
        self._socket: socket.socket | None = None
        if hasattr(socket, "AF_NETLINK"):
            with contextlib.suppress(OSError):
                self._socket = route_socket()
        if self._socket is None:
            self.every = 5.0

    def fileno(self) -> int:
        return -1 if self._socket is None else self._socket.fileno()

    def drain(self) -> None:
        with contextlib.suppress(OSError):
            while self._socket is not None and self._socket.recv(65536):
                pass

    def look(self) -> Signs:
        before, self._before = self._before, self._is_online()
        if before is None or before == self._before:
            return []
        return [("network.up" if self._before else "network.down", {})]

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()


def route_socket() -> socket.socket:
    """Hears of links and routes (rtnetlink(7)). Raises OSError."""
    made = socket.socket(
        socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0
    )
    try:
        made.bind((0, ROUTES))
    except OSError:
        made.close()
        raise
    return made


class Supply(Plain):
    """Mains power or battery, and a battery that is nearly empty."""

    def __init__(self, power: Callable[[], Power] = machine.power) -> None:
        self._power = power
        self._was_on_mains: bool | None = None
        self._is_low: bool | None = None

    def look(self) -> Signs:
        power = self._power()
        facts = {} if power.charge is None else {"charge": power.charge}
        signs: Signs = []
        before, self._was_on_mains = self._was_on_mains, power.is_on_mains
        if before is not None and before != power.is_on_mains:
            signs.append(("power.ac" if power.is_on_mains else "power.battery", facts))
        was_low, self._is_low = self._is_low, self._low(power)
        if self._is_low and was_low is False:
            signs.append(("battery.low", facts))
        return signs

    def _low(self, power: Power) -> bool:
        if power.is_on_mains or power.charge is None:
            return False
        return power.charge <= (BATTERY_FINE if self._is_low else BATTERY_LOW)


class Mounts:
    """File systems that come and go."""

    every = 30.0
    is_slow = False

    def __init__(self, file: Path = MOUNTINFO) -> None:
        self._file = file
        self._bell = MountBell(file)
        self._before: dict[str, Mount] | None = None

    def fileno(self) -> int:
        return self._bell.fileno()

    def drain(self) -> None:
        self._bell.drain()

    def look(self) -> Signs:
        before, self._before = self._before, mounts(self._file)
        if before is None:
            return []
        gone = [one for number, one in before.items() if number not in self._before]
        new = [one for number, one in self._before.items() if number not in before]
        return [("unmount", told(one)) for one in gone] + [("mount", told(one)) for one in new]

    def close(self) -> None:
        self._bell.close()


def told(mount: Mount) -> dict[str, Any]:
    return {"path": mount.path, "kind": mount.kind, "source": mount.source}


class Disks(Plain):
    """Disks that are nearly full: those of the file systems that are mounted, and the home's."""

    every = 60.0
    is_slow = True

    def __init__(self, home: Path, file: Path = MOUNTINFO) -> None:
        self._home = home
        self._file = file
        self._low: dict[str, bool] = {}

    def look(self) -> Signs:
        signs: Signs = []
        seen: dict[str, bool] = {}
        for path in self._paths():
            free = share_free(path)
            if free is None:
                continue
            before = self._low.get(path)
            seen[path] = free[1] <= (DISK_FINE if before else DISK_LOW)
            if seen[path] and before is False:
                signs.append(("disk.low", {"path": path, "free": free[0], "percent": free[1]}))
        self._low = seen
        return signs

    def _paths(self) -> Iterable[str]:
        """Each disk once, where it was mounted first."""
        found: dict[str, str] = {}
        for mount in mounts(self._file).values():
            if mount.source.startswith("/dev/") and not mount.is_read_only:
                found.setdefault(mount.source, mount.path)
        return dict.fromkeys([*found.values(), str(self._home)])


def share_free(path: str) -> tuple[int, float] | None:
    """Bytes that this user can still write, and percent of all; None where nobody can tell."""
    try:
        found = os.statvfs(path)
    except OSError:
        return None
    if not found.f_blocks:
        return None
    return found.f_bavail * found.f_frsize, round(100 * found.f_bavail / found.f_blocks, 1)


class Idle(Plain):
    """The user has typed nothing for a while, or does so again."""

    every = 30.0

    def __init__(
        self, seconds: Callable[[], float | None] = lambda: terminals.idle_seconds(time.time())
    ) -> None:
        self._seconds = seconds
        self._is_idle: bool | None = None

    def look(self) -> Signs:
        seconds = self._seconds()
        if seconds is None:
            return []
        before = self._is_idle
        if seconds >= IDLE:
            self._is_idle = True
        elif seconds < ACTIVE or before is None:
            self._is_idle = False
        if before is None or before == self._is_idle:
            return []
        return [("user.idle" if self._is_idle else "user.active", {"seconds": round(seconds)})]


SENSES: Mapping[str, tuple[str, ...]] = {
    "suspend": ("resumed",),
    "network": ("network.up", "network.down"),
    "supply": ("power.ac", "power.battery", "battery.low"),
    "mounts": ("mount", "unmount"),
    "disks": ("disk.low",),
    "idle": ("user.idle", "user.active"),
}
"""What each sense notices. Boot and changes of the clock are the engine's own to notice."""


def sense_called(name: str, home: Path) -> Sense:
    """A new sense."""
    match name:
        case "suspend":
            return Suspend()
        case "network":
            return Network()
        case "supply":
            return Supply()
        case "mounts":
            return Mounts()
        case "disks":
            return Disks(home)
        case "idle":
            return Idle()
    raise LookupError(name)
