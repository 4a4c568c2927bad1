"""How the machine is just now: its load, memory, disks, power and network. Facts, no judgement.

Linux is read from /proc and /sys; elsewhere psutil is asked, where it knows.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from pb.core.lean import dataclass

PROC, SYS = Path("/proc"), Path("/sys")

ROUTE_UP, ROUTE_REJECT = 0x1, 0x200
"""Flags of a route (<linux/route.h>)."""

INTERFACE_UP = 0x1
"""IFF_UP (netdevice(7))."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """``is_on_mains`` is true for a machine without a battery; ``charge`` is in percent."""

    is_on_mains: bool
    charge: int | None = None


def load() -> float | None:
    """The load of the last minute; None where the system does not tell."""
    try:
        return os.getloadavg()[0]
    except OSError:
        return None


def available_memory(proc: Path = PROC) -> int | None:
    """Bytes that programs can have without swapping (MemAvailable, proc(5))."""
    if sys.platform == "linux":
        for line in text_of(proc / "meminfo").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
        return None
    import psutil

    return int(psutil.virtual_memory().available)


def free_space(path: str) -> int | str:
    """Bytes that this user can still write where ``path`` is; or why nobody can tell."""
    try:
        found = os.statvfs(path)
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return found.f_bavail * found.f_frsize


def power(sys_: Path = SYS) -> Power:
    """Where the machine has its power from (sysfs-class-power).

    Like systemd's ConditionACPower: on mains when one supply of that kind is connected, or when
    there is no battery that is being used up. Batteries of mice and the like do not count.
    """
    if sys.platform != "linux":
        return power_elsewhere()
    charges, is_draining = [], False
    for supply in sorted((sys_ / "class/power_supply").glob("*")):
        kind = text_of(supply / "type")
        if kind in ("Mains", "USB") and text_of(supply / "online") == "1":
            return Power(is_on_mains=True)
        if kind == "Battery" and text_of(supply / "scope") != "Device":
            percent = text_of(supply / "capacity")
            charges += [int(percent)] if percent.isdigit() else []
            is_draining = is_draining or text_of(supply / "status") == "Discharging"
    return Power(is_on_mains=not is_draining, charge=max(charges, default=None))


def power_elsewhere() -> Power:
    import psutil

    found = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
    if found is None:
        return Power(is_on_mains=True)
    return Power(is_on_mains=bool(found.power_plugged), charge=round(found.percent))


def is_up(interface: str, sys_: Path = SYS) -> bool:
    """Whether a network interface exists and can be used."""
    if sys.platform != "linux":
        import psutil

        found = psutil.net_if_stats().get(interface)
        return found is not None and found.isup
    place = sys_ / "class/net" / interface
    state = text_of(place / "operstate")
    # Some kinds (lo, tun) never say more than unknown; then it is up when it was set up.
    flags = text_of(place / "flags") or "0"
    return state == "up" or (state == "unknown" and bool(int(flags, 16) & INTERFACE_UP))


def is_online(proc: Path = PROC) -> bool:
    """Whether there is a default route, of IPv4 or IPv6."""
    if sys.platform != "linux":
        import psutil

        stats = psutil.net_if_stats()
        return any(one.isup for name, one in stats.items() if not name.startswith("lo"))
    four = (line.split() for line in text_of(proc / "net/route").splitlines()[1:])
    six = (line.split() for line in text_of(proc / "net/ipv6_route").splitlines())
    return any(is_default_four(route) for route in four) or any(map(is_default_six, six))


def is_default_four(words: list[str]) -> bool:
    """A line of /proc/net/route: interface, destination, gateway, flags, …, mask (the eighth)."""
    if len(words) < 8:
        return False
    flags = int(words[3], 16)
    goes = bool(flags & ROUTE_UP) and not flags & ROUTE_REJECT
    return goes and int(words[1], 16) == 0 and int(words[7], 16) == 0


def is_default_six(words: list[str]) -> bool:
    """A line of /proc/net/ipv6_route: destination, its length, …, flags (the ninth), interface."""
    if len(words) < 10:
        return False
    flags = int(words[8], 16)
    goes = bool(flags & ROUTE_UP) and not flags & ROUTE_REJECT
    return goes and int(words[0], 16) == 0 and words[1] == "00" and words[9] != "lo"


def text_of(path: Path) -> str:
    """A small file's text without the blanks around it; nothing when it cannot be read."""
    with contextlib.suppress(OSError, ValueError):
        return path.read_text(encoding="ascii").strip()
    return ""
